"""The rule sets, against a referee that knows boards and tiles, and square by square."""

import pickle
import re

import board_referee as referee
import pytest

from engine import Position, perft
from engine.core import dice
from engine.core.batch import policy_slots, successors
from engine.core.rules import RULE_SETS, rules

# Pinned: the referee counts the same to depth 4.
PERFT = {
    "finkel": (1, 5, 28, 192, 1492, 12469, 112552),
    "blitz": (1, 5, 28, 192, 1496, 12588, 114900),
    "masters": (1, 4, 19, 116, 846, 6556, 54979),
    "aseb": (1, 5, 28, 192, 1496, 12496, 113020),
}
every_set = pytest.mark.parametrize("name", RULE_SETS)
long_paths = pytest.mark.parametrize("name", ["blitz", "masters", "aseb"])


def side(squares, off=0, length=16):
    return "".join("x" if square in squares else "." for square in range(1, length + 1)) + f":{off}"


def position(name, own, opponent, own_off=0, opponent_off=0):
    return Position.from_notation(f"{side(own, own_off)}|{side(opponent, opponent_off)}", name)


@pytest.fixture(scope="module")
def turns():
    """Of each rule set: (state, roll) of turns of random games, without those that repeat."""
    return {name: list(dict.fromkeys(referee.game_states(name, seed=4, games=6))) for name in RULE_SETS}


class TestRuleSets:
    def test_names(self):
        assert RULE_SETS == ("finkel", "blitz", "masters", "aseb") == tuple(referee.GAMES)
        assert rules() is rules("finkel")

    @every_set
    def test_against_the_description(self, name):
        game, rule_set = referee.GAMES[name], rules(name)
        light, dark = (referee.path(name, player) for player in (0, 1))
        squares = range(1, len(light) + 1)
        assert (rule_set.name, rule_set.pieces, rule_set.squares) == (name, game.pieces, len(light))
        assert [list(tiles) for tiles in rule_set.paths] == [light, dark]
        assert rule_set.rosettes == tuple(s for s in squares if light[s - 1] in game.rosettes.split())
        assert rule_set.shared == tuple(s for s in squares if light[s - 1] in dark)
        assert rule_set.theirs[1:] == tuple(dark.index(tile) + 1 if tile in dark else None for tile in light)
        assert set(rule_set.safe) == (
            set(rule_set.shared) & set(rule_set.rosettes) if game.rosettes_are_safe else set()
        )
        assert {roll: ways for roll, ways in enumerate(rule_set.ways) if ways} == game.ways
        assert rule_set.capture_grants_roll == game.capture_grants_roll
        assert rule_set.rolls == tuple(referee.rolls(name))
        assert sum(rule_set.probabilities) == 1.0

    def test_unknown_names(self):
        for name in ("blits", "", "Finkel"):
            with pytest.raises(ValueError, match=f"unknown rule set '{name}'.*known: finkel, blitz, masters, aseb"):
                rules(name)
        with pytest.raises(ValueError, match="did you mean blitz"):
            Position("blits")

    def test_a_rule_set_is_immutable(self):
        with pytest.raises(AttributeError):
            rules().pieces = 8


class TestPositions:
    @every_set
    def test_opening(self, name):
        opening = Position.initial(name)
        assert opening == Position(name) == Position.from_notation(referee.notation(name, referee.State()), name)
        assert opening.own_hand == opening.opponent_hand == referee.GAMES[name].pieces
        assert opening.rules == name
        assert not opening.is_over

    @every_set
    def test_round_trips(self, name, turns):
        for state, _ in turns[name]:
            text = referee.notation(name, state)
            position = Position.from_notation(text, name)
            assert str(position) == text
            assert Position.from_packed(position.packed, name) == position
            assert eval(repr(position)) == position
            assert pickle.loads(pickle.dumps(position)) == position
            assert position.is_over == referee.is_over(name, state)

    def test_the_rule_set_tells_positions_apart(self):
        packed = Position("masters").packed
        positions = {Position.from_packed(packed, name) for name in RULE_SETS}
        assert len(positions) == len(RULE_SETS)

    def test_sixteen_squares_fill_sixteen_bits(self):
        assert position("masters", [1, 16], [2], 3, 1).packed == 0x8001 | 0b10 << 16 | 3 << 32 | 1 << 40

    @pytest.mark.parametrize(
        ("name", "text", "reason"),
        [
            ("blitz", "..............:0|..............:0", "own side: expected 16 squares"),
            ("finkel", "................:0|................:0", "own side: expected 14 squares"),
            ("blitz", "................:6|................:0", "borne off must be 0 to 5"),
            ("aseb", "xxxxxx..........:0|................:0", "6 pieces on the path and 0 borne off, more than 5"),
            ("aseb", "................:5|................:5", "both sides have borne off all"),
            ("masters", "...........x....:0|...............x:0", "both sides stand on shared square 12"),
            ("blitz", "............x...:0|..............x.:0", "both sides stand on shared square 13"),
            ("masters", ".............x..:0|.............x..:0", "both sides stand on shared square 14"),
            ("aseb", "...............x:0|...............x:0", "both sides stand on shared square 16"),
        ],
    )
    def test_refusals_say_why(self, name, text, reason):
        with pytest.raises(ValueError, match=re.escape(reason)):
            Position.from_notation(text, name)

    def test_squares_of_the_same_number_that_are_different_tiles(self):
        for square in (12, 13, 15, 16):
            both = position("masters", [square], [square])
            assert both.own_squares == both.opponent_squares == [square]


class TestMoves:
    @every_set
    def test_against_the_referee(self, name, turns):
        for state, _ in turns[name]:
            position = Position.from_notation(referee.notation(name, state), name)
            for roll in referee.rolls(name):
                squares = referee.legal_moves(name, state, roll)
                assert position.legal_moves(roll) == squares
                for square in squares:
                    expected, expected_same = referee.play(name, state, roll, square)
                    successor, same_player = position.play(roll, square)
                    assert (str(successor), same_player) == (referee.notation(name, expected), expected_same)
                    assert successor.rules == name
                slots = policy_slots([position.packed], [roll], name)[0].tolist()
                assert slots[: len(squares)] == [position.policy_slot(square) for square in squares]

    @every_set
    def test_successors_of_many(self, name, turns):
        rows = [
            (Position.from_notation(referee.notation(name, state), name), roll, nth)
            for state, roll in turns[name][::7]
            for nth in range(len(referee.legal_moves(name, state, roll)))
        ]
        after, same = successors([p.packed for p, _, _ in rows], [r for _, r, _ in rows], [n for _, _, n in rows], name)
        for (position, roll, nth), packed, same_player in zip(rows, after.tolist(), same.tolist(), strict=True):
            expected = position.play(roll, position.legal_moves(roll)[nth])
            assert (Position.from_packed(packed, name), same_player) == expected

    @every_set
    def test_the_sides_are_symmetric(self, name, turns):
        """What dark may do is what light may do at the mirrored position."""
        exchange = str.maketrans("AC", "CA")
        for state, roll in turns[name][::5]:
            dark, light = ({tile.translate(exchange) for tile in tiles} for tiles in state.tiles)
            mirrored = referee.State(1 - state.mover, (frozenset(light), frozenset(dark)), state.off[::-1])
            assert referee.notation(name, mirrored) == referee.notation(name, state)
            assert referee.legal_moves(name, mirrored, roll) == referee.legal_moves(name, state, roll)

    @pytest.mark.parametrize("name", ["blitz", "masters"])
    @pytest.mark.parametrize(("mine", "theirs"), [(11, 11), (12, 16), (13, 15), (14, 14), (15, 13), (16, 12)])
    def test_captures_where_the_paths_run_against_each_other(self, name, mine, theirs):
        before = position(name, [mine - 1], [theirs, 5])
        after, same = before.play(1, mine - 1)
        mover = after if same else after.swapped
        assert (mover.own_squares, mover.opponent_squares) == ([mine], [5])
        assert mover.opponent_hand == before.opponent_hand + 1
        assert same == (name == "blitz" or mine in (12, 16))
        other = position(name, [mine - 1], [square for square in range(5, 17) if square != theirs][:5])
        after, same = other.play(1, mine - 1)
        assert (after if same else after.swapped).opponent_squares == other.opponent_squares

    def test_a_capture_on_a_rosette_grants_one_roll(self):
        after, same = position("blitz", [7], [8]).play(1, 7)
        assert same
        assert (after.own_squares, after.opponent_squares) == ([8], [])

    @pytest.mark.parametrize("square", [8, 12, 16])
    def test_rosettes(self, square):
        held = position("aseb", [square - 1], [square])
        assert square - 1 not in held.legal_moves(1)
        for name in ("blitz", "masters"):
            theirs = rules(name).theirs[square]
            after, same = position(name, [square - 1], [theirs]).play(1, square - 1)
            assert same
            assert (after.own_squares, after.opponent_squares) == ([square], [])

    @long_paths
    def test_bearing_off_from_sixteen(self, name):
        pieces = rules(name).pieces
        last = position(name, [16], [], pieces - 1, 0)
        assert last.legal_moves(1) == [16]
        assert last.legal_moves(2) == []
        after, same = last.play(1, 16)
        assert after.is_over
        assert not same
        assert after.opponent_off == pieces

    def test_dice_without_a_zero(self):
        for call in (Position("masters").legal_moves, lambda roll: Position("masters").play(roll, 0)):
            with pytest.raises(ValueError, match="a roll is 1 to 4, not 0"):
                call(0)


class TestPerft:
    @every_set
    def test_opening(self, name):
        assert tuple(perft(Position(name), depth) for depth in range(7)) == PERFT[name]
        assert tuple(referee.perft(name, referee.State(), depth) for depth in range(5)) == PERFT[name][:5]

    @every_set
    def test_against_the_referee(self, name, turns):
        for state, _ in turns[name][::90]:
            position = Position.from_notation(referee.notation(name, state), name)
            assert perft(position, 2) == referee.perft(name, state, 2)


class TestDice:
    @every_set
    def test_rolls_are_those_of_the_low_bits(self, name):
        """Four dice: the ones of four bits. Three dice: the ones of three bits, and none counts four."""
        words = [word for block in range(5) for word in dice.philox4x32((block, 0, 7, 0), (3, 0))]
        expected = [(word % 8).bit_count() or 4 if name == "masters" else (word % 16).bit_count() for word in words]
        assert dice.rolls(3, 7, len(words), name) == expected

    @every_set
    def test_frequencies(self, name):
        count = 20_000
        rolled = dice.rolls(11, 0, count, name)
        for roll, probability in enumerate(rules(name).probabilities):
            assert abs(rolled.count(roll) - count * probability) <= 4.5 * (count * probability) ** 0.5
