"""The classic search against the referee's, and the tabled search against the plain one."""

import hashlib
from itertools import pairwise

import pytest
import referee
from referee import OPENING, PRESETS, ROLLS, State

from engine import Position, Search

# Of the values that `test_signature` asks for, as the referee's agree with them.
SIGNATURE = "63f6861cc19b7e5d51524906d602b2df93e7f5b7a40ae67929f8d597b4515e4f"

PRESET_NAMES = sorted(PRESETS)


def position_of(state):
    return Position.from_notation(referee.notation(state))


def decisions(seed, games, opening=OPENING, depth=None, preset="default"):
    """(state, roll) of every distinct decision of whole games, played at random or by a search."""
    if depth is None:
        turns = referee.game_decisions(seed, games, opening=opening)
    else:
        search = Search(depth, preset)
        turns = referee.game_decisions(
            seed, games, opening=opening, choose=lambda state, roll, squares: search.best_move(position_of(state), roll)
        )
    return [(state, roll) for state, roll in dict.fromkeys(turns) if referee.legal_moves(state, roll)]


def endgames(seed, games):
    """Decisions where a side has six pieces borne off, or will soon."""
    openings = [State((), (), own_off, opponent_off) for own_off in (5, 6) for opponent_off in (4, 5, 6)]
    return [
        turn
        for index, opening in enumerate(openings)
        for turn in decisions(seed + index, games, opening)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def played():
    """Decisions of games by three players, by chance, and of endings: what a search meets."""
    turns = [
        *decisions(11, 4),
        *decisions(12, 4, depth=2),
        *decisions(13, 4, depth=2, preset="evolved"),
        *endgames(14, 3),
        *(
            (s, 1 + i % 4)
            for i, s in enumerate(referee.random_placements(15, 400))
            if referee.legal_moves(s, 1 + i % 4)
        ),
    ]
    return turns


class TestFace:
    def test_values_are_the_raw_ones_in_points(self, played):
        for depth in (1, 2, 3):
            search = Search(depth)
            for state, roll in played[::40]:
                raw = search.raw_values(position_of(state), roll)
                moves = search.moves(position_of(state), roll)
                assert [square for square, _ in moves] == referee.legal_moves(state, roll)
                assert moves == [(square, value / (2 * 16 ** (depth - 1))) for square, value in raw]
                assert all(type(square) is int and type(value) is int for square, value in raw)
                assert all(type(value) is float for _, value in moves)

    def test_a_pass_has_no_moves(self):
        for tables in (False, True):
            search = Search(3, tables=tables)
            for notation, roll in [("..............:0|..............:0", 0), (".............x:6|..............:0", 2)]:
                position = Position.from_notation(notation)
                assert search.raw_values(position, roll) == search.moves(position, roll) == []
                assert search.best_move(position, roll) is None

    def test_weights(self):
        for name, preset in PRESETS.items():
            assert Search.weights(name)["win"] == preset.win
            assert Search.weights(name)["borne_off"] == preset.borne_off
        Search.weights("default")["win"] = 0
        assert Search.weights("default")["win"] == 10000

    def test_default_preset(self, played):
        for state, roll in played[::100]:
            position = position_of(state)
            assert Search(2).raw_values(position, roll) == Search(2, "default").raw_values(position, roll)

    @pytest.mark.parametrize("depth", [0, -1, 1000])
    def test_depth_out_of_range(self, depth):
        with pytest.raises(ValueError, match="depth"):
            Search(depth)

    @pytest.mark.parametrize("name", ["", "Default", "perfect"])
    def test_unknown_preset(self, name):
        with pytest.raises(ValueError, match="unknown weights"):
            Search(2, name)
        with pytest.raises(ValueError, match="unknown weights"):
            Search.weights(name)

    @pytest.mark.parametrize("method", ["moves", "raw_values", "best_move"])
    def test_refusals(self, method):
        ask = getattr(Search(2), method)
        with pytest.raises(ValueError, match="a roll is 0 to 4"):
            ask(Position.initial(), 5)
        for notation in ("..............:7|x.............:0", "x.............:0|..............:7"):
            with pytest.raises(ValueError, match="over"):
                ask(Position.from_notation(notation), 1)
        with pytest.raises(TypeError):
            ask(None, 1)


class TestByHand:
    """Small positions whose values can be added up from the table of weights."""

    @pytest.mark.parametrize(
        ("preset", "notation", "roll", "values"),
        [
            # A piece on 2: two squares and out of the hand.
            ("default", "..............:0|..............:0", 2, {0: 2 * 1.5 + 35}),
            ("evolved", "..............:0|..............:0", 2, {0: 2 * 3 + 49}),
            # A piece on a rosette.
            ("default", "..............:0|..............:0", 4, {0: 4 * 1.5 + 35 + 65}),
            ("evolved", "..............:0|..............:0", 4, {0: 4 * 3 + 49 + 48}),
            # A capture on 6, or a piece on 2 with the opponent's still on 6.
            (
                "default",
                "...x..........:0|.....x........:0",
                2,
                {0: (2 + 4) * 1.5 + 2 * 35 + 65 - (6 * 1.5 + 35 + 7), 4: 6 * 1.5 + 35 + 7},
            ),
            # The shared rosette counts as both.
            ("default", "......x.......:6|..............:6", 1, {7: 8 * 1.5 + 35 + 65 + 7}),
            # The end of the path: 13 has the exit's bonus, 14 the rosette's too; all are out of the hand.
            (
                "default",
                "............x.:5|..............:6",
                1,
                {0: 14 * 1.5 + 2 * 35 + 10 + 5 * 1035 - 6 * 1035, 13: 14 * 1.5 + 35 + 65 + 10 + 5 * 1035 - 6 * 1035},
            ),
            # A win is the win alone.
            ("default", ".............x:6|xxx...........:0", 1, {14: 10000}),
            ("evolved", ".............x:6|..............:6", 1, {14: 8354}),
        ],
    )
    def test_one_ply(self, preset, notation, roll, values):
        for tables in (False, True):
            assert dict(Search(1, preset, tables=tables).moves(Position.from_notation(notation), roll)) == values

    def test_a_win_outweighs_every_ply(self):
        position = Position.from_notation(".............x:6|.............x:6")
        for depth in range(1, 9):
            for tables in (False, True):
                assert Search(depth, tables=tables).moves(position, 1) == [(14, 10000.0)]

    def test_the_second_roll_after_a_rosette_costs_a_ply(self):
        """From 13 to 14 with six off: then a roll of 1 wins, and every other one passes to the evaluation."""
        position = Position.from_notation("............x.:6|..............:6")
        standing = 14 * 1.5 + 35 + 65 + 10
        for tables in (False, True):
            assert Search(1, tables=tables).moves(position, 1) == [(13, standing)]
            assert Search(2, tables=tables).moves(position, 1) == [(13, (4 * 10000 + 12 * standing) / 16)]


@pytest.mark.parametrize("tables", [False, True], ids=["plain", "tables"])
@pytest.mark.parametrize("preset", PRESET_NAMES)
class TestAgainstTheReferee:
    @pytest.mark.parametrize(("depth", "step"), [(1, 1), (2, 3), (3, 20)])
    def test_values(self, played, preset, tables, depth, step):
        search = Search(depth, preset, tables=tables)
        for state, roll in played[::step]:
            expected = referee.search(state, roll, depth, PRESETS[preset])
            assert search.raw_values(position_of(state), roll) == sorted(expected.items())

    def test_best_move(self, played, preset, tables):
        search = Search(2, preset, tables=tables)
        for state, roll in played[::7]:
            assert search.best_move(position_of(state), roll) == referee.best_move(state, roll, 2, PRESETS[preset])

    def test_every_roll_of_strange_positions(self, preset, tables):
        search = Search(2, preset, tables=tables)
        for state in referee.random_placements(16, 120):
            if referee.is_over(state):
                continue
            for roll in ROLLS:
                expected = referee.search(state, roll, 2, PRESETS[preset])
                assert search.raw_values(position_of(state), roll) == sorted(expected.items())


@pytest.mark.parametrize("preset", PRESET_NAMES)
class TestTablesAgainstPlain:
    @pytest.mark.parametrize(("depth", "step"), [(1, 1), (2, 1), (3, 1), (4, 1), (5, 40)])
    def test_values_and_moves(self, played, preset, depth, step):
        fast, plain = Search(depth, preset), Search(depth, preset, tables=False)
        for state, roll in played[::step]:
            position = position_of(state)
            assert fast.raw_values(position, roll) == plain.raw_values(position, roll)
            assert fast.best_move(position, roll) == plain.best_move(position, roll)

    @pytest.mark.parametrize("depth", [1, 2, 3])
    def test_whole_games(self, preset, depth):
        """Each plays the same rolls on its own: the games stay the same to the end."""
        games = []
        for tables in (False, True):
            search = Search(depth, preset, tables=tables)
            choose = lambda state, roll, squares, search=search: search.best_move(position_of(state), roll)  # noqa: E731
            games.append(list(referee.game_decisions(17, 6, choose)))
        assert games[0] == games[1]


def test_ties_go_to_the_lowest_square(played):
    ties = 0
    for preset in PRESET_NAMES:
        for depth in (1, 2, 3):
            search = Search(depth, preset)
            for state, roll in played[::2]:
                values = search.raw_values(position_of(state), roll)
                top = max(value for _, value in values)
                best = [square for square, value in values if value == top]
                assert search.best_move(position_of(state), roll) == best[0]
                assert all(low < high for low, high in pairwise(best))
                ties += len(best) > 1
    assert ties > 20


def test_the_same_object_answers_the_same_again(played):
    search = Search(4)
    turns = [(position_of(state), roll) for state, roll in played[::50]]
    first = [search.raw_values(*turn) for turn in turns]
    assert [search.raw_values(*turn) for turn in reversed(turns)] == first[::-1]


def test_signature():
    """One hash over many values: a change that means to leave the search alone must leave this alone."""
    digest = hashlib.sha256()
    turns = [(position_of(state), roll) for state, roll in [*decisions(21, 3), *endgames(22, 1)][::5]]
    for preset in PRESET_NAMES:
        for depth in (1, 2, 3, 4):
            search = Search(depth, preset)
            for position, roll in turns:
                digest.update(f"{preset} {depth} {position} {roll} {search.raw_values(position, roll)}\n".encode())
    assert digest.hexdigest() == SIGNATURE
