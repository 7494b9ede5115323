"""Many games at once: replayed by the referee, the same for any number of workers, kept when interrupted."""

import json
import subprocess
import sys
from itertools import count, pairwise

import numpy as np
import pytest
import referee
from referee import OPENING, PIECES

from engine import Agent, Interrupted, Position, Search, play_match, playouts, sample_decisions, selfplay
from engine.core import dice
from engine.games.arena import RECORD_DTYPE, policy_slots, successors

CHUNK = 16  # games handed to a worker at a time

RANDOM, GREEDY = Agent.parse("random"), Agent.parse("greedy")


def position_of(state):
    return Position.from_notation(referee.notation(state))


def words(seed, game, stream=0):
    """The random numbers of a game, 32 bits each."""
    for block in count():
        key = (seed % 2**32, seed >> 32)
        yield from dice.philox4x32((block, stream, game % 2**32, game >> 32), key)


def rolls_of(seed, game, stream=0):
    return ((word % 16).bit_count() for word in words(seed, game, stream))


def play_game(rolls, choose, state=OPENING):
    """A whole game: `choose(state, roll, squares, first_moves)` is asked at every turn that has legal moves.

    Returns (whether the side that begins wins, turns).
    """
    first_moves, turns = True, 0
    while not referee.is_over(state):
        roll = next(rolls)
        turns += 1
        squares = referee.legal_moves(state, roll)
        if not squares:
            state, same_player = referee.swap(state), False
        else:
            state, same_player = referee.play(state, roll, choose(state, roll, squares, first_moves))
        first_moves ^= not same_player
    return first_moves == (state.own_off == PIECES), turns


class TestPlayouts:
    def test_replayed_by_the_referee(self):
        """One word of the generator gives a turn's roll, by its low four bits, and choice, by the others."""
        seed, games = 2**40 + 7, 25
        wins = turns = 0
        for game in range(games):
            drawn = []
            source = words(seed, game)

            def rolls(source=source, drawn=drawn):
                while True:
                    drawn.append(next(source))
                    yield (drawn[-1] % 16).bit_count()

            won, length = play_game(
                rolls(), lambda state, roll, squares, _, drawn=drawn: squares[(drawn[-1] >> 4) * len(squares) >> 28]
            )
            wins += won
            turns += length
        assert playouts(games, seed, workers=1) == (games, turns, wins)

    def test_totals(self):
        total = playouts(20_000, 3, workers=2)
        assert total.games == 20_000
        assert 0.49 < total.first_wins / total.games < 0.55
        assert total == playouts(20_000, 3, workers=1) == playouts(20_000, 3, workers=3)
        assert total != playouts(20_000, 4)
        assert total == playouts(games=20_000, seed=3)


class TestSelfplay:
    @pytest.mark.parametrize(
        ("depth", "preset", "exploration"), [(1, "evolved", 0.0), (2, "default", 0.0), (2, "evolved", 0.3)]
    )
    def test_replayed_by_the_referee(self, depth, preset, exploration):
        """Whole games out of the dice and the records."""
        games, seed = 12, 2**33 + 5
        search = Search(depth, preset)
        records = selfplay(games, search, seed, exploration=exploration, workers=1)
        assert records.dtype == RECORD_DTYPE
        best = 0
        for game in range(games):
            mine = iter(records[records["game"] == game])
            met = []

            def choose(state, roll, squares, first_moves, mine=mine, met=met):
                if len(squares) == 1:
                    return squares[0]
                record = next(mine)
                met.append((record, first_moves))
                assert int(record["position"]) == referee.packed(state)
                assert record["roll"] == roll
                assert record["moves"] == len(squares)
                values = [value for _, value in search.moves(position_of(state), roll)]
                np.testing.assert_array_equal(record["values"][: len(squares)], np.float32(values))
                assert np.isnan(record["values"][len(squares) :]).all()
                nonlocal best
                best += record["chosen"] == values.index(max(values))
                assert exploration or record["chosen"] == values.index(max(values))
                return squares[record["chosen"]]

            first_wins, _ = play_game(rolls_of(seed, game), choose)
            assert next(mine, None) is None
            assert met
            for record, first_moves in met:
                assert record["outcome"] == (1 if first_moves == first_wins else -1)
        share = best / len(records)
        assert share == 1 if exploration == 0 else 0.7 < share < 0.95

    def test_exploration_chooses_every_move(self):
        records = selfplay(60, Search(1), 9, exploration=1.0)
        three = records[records["moves"] == 3]
        assert len(three) > 300
        # Chi-square with 2 degrees of freedom exceeds this once in a thousand samples.
        seen = np.bincount(three["chosen"], minlength=3)
        assert ((seen - len(three) / 3) ** 2 / (len(three) / 3)).sum() < 13.8

    def test_in_order_of_the_games(self):
        records = selfplay(3 * CHUNK, Search(1), 2)
        assert (np.diff(records["game"].astype(int)) >= 0).all()
        assert np.array_equal(np.unique(records["game"]), np.arange(3 * CHUNK))

    def test_a_later_start(self):
        records = selfplay(50, Search(1), 8, exploration=0.2)
        later = selfplay(20, Search(1), 8, exploration=0.2, first=30)
        assert later.tobytes() == records[records["game"] >= 30].tobytes()

    @pytest.mark.parametrize("options", [{}, {"exploration": 0.2}, {"playouts": 1, "finisher": Search(1)}])
    def test_the_same_bytes_for_any_number_of_workers(self, options):
        one, two, three = (
            selfplay(70, Search(2, "evolved"), 6, workers=workers, **options).tobytes() for workers in (1, 2, 3)
        )
        assert one == two == three

    def test_without_playouts_there_are_no_results(self, games):
        assert not games["results"].any()

    def test_playouts_replayed_by_the_referee(self):
        """After each move of a decision the game goes on by the finisher, with the same dice for all moves."""
        seed, number = 77, 3
        finisher = Search(1, "evolved")
        records = selfplay(1, Search(2), seed, playouts=number, finisher=finisher, workers=1)
        choose = lambda state, roll, squares, _: finisher.best_move(position_of(state), roll)  # noqa: E731
        for decision in range(0, len(records), 12):
            record = records[decision]
            position, roll = Position.from_packed(int(record["position"])), int(record["roll"])
            results = []
            for square in position.legal_moves(roll):
                after, same_player = position.play(roll, square)
                total = 0
                for i in range(number):
                    rolls = rolls_of(seed, 0, stream=2 + number * decision + i)
                    won, _ = play_game(rolls, choose, referee.from_notation(str(after)))
                    total += 1 if won == same_player else -1
                results.append(total)
            assert record["results"].tolist() == results + [0] * (7 - len(results))

    def test_playouts_change_nothing_else(self):
        plain = selfplay(4, Search(1), 5, exploration=0.1)
        played = selfplay(4, Search(1), 5, exploration=0.1, playouts=2)
        assert played["results"].any()
        played["results"] = 0
        assert played.tobytes() == plain.tobytes()


class TestMatch:
    def test_replayed_by_the_referee(self):
        """Games 2k and 2k + 1 have the rolls of game k; the agent begins in the even ones."""
        seed, games = 31, 20
        result = play_match(GREEDY, Agent.parse("emm-evolved:1"), games, seed, workers=1)
        search = Search(1, "evolved")
        for game in range(games):
            agent_begins = game % 2 == 0

            def choose(state, roll, squares, first_moves, agent_begins=agent_begins):
                if first_moves == agent_begins:
                    return referee.greedy_move(state, roll)
                return search.best_move(position_of(state), roll)

            first_wins, turns = play_game(rolls_of(seed, game // 2), choose)
            assert result.won[game] == (first_wins == agent_begins)
            assert result.turns[game] == turns

    def test_against_itself_each_wins_one_of_a_pair(self):
        agent = Agent.parse("emm:1")
        for opponent in (agent, Agent.parse("emm:1")):
            result = play_match(agent, opponent, 200, 4)
            assert (result.won[::2] ^ result.won[1::2]).all()
            assert np.array_equal(result.turns[::2], result.turns[1::2])

    def test_exchanging_the_agents_exchanges_the_wins(self):
        """Agents without chance: game 2k + 1 of the one match is game 2k of the other."""
        agent, opponent = Agent.parse("emm:1"), GREEDY
        there, back = play_match(agent, opponent, 100, 6), play_match(opponent, agent, 100, 6)
        for ours, theirs in ((0, 1), (1, 0)):
            assert np.array_equal(there.won[ours::2], ~back.won[theirs::2])
            assert np.array_equal(there.turns[ours::2], back.turns[theirs::2])

    def test_result(self):
        result = play_match(RANDOM, GREEDY, 33, 1)
        assert (result.won.dtype, result.turns.dtype) == (np.bool_, np.int32)
        assert result.won.shape == result.turns.shape == (33,)
        assert result.games == 33
        assert (result.turns >= 35).all()
        assert 0 < result.won.sum() < 33

    def test_each_side_has_its_own_chance(self):
        result = play_match(RANDOM, RANDOM, 400, 2)
        assert not np.array_equal(result.turns[::2], result.turns[1::2])
        assert 150 < result.won.sum() < 250

    @pytest.mark.parametrize(("agent", "opponent"), [("emm:2", "greedy"), ("random", "random")])
    def test_the_same_bytes_for_any_number_of_workers(self, agent, opponent):
        results = [
            play_match(Agent.parse(agent), Agent.parse(opponent), 100, 5, workers=workers) for workers in (1, 2, 3)
        ]
        for result in results[1:]:
            assert result.won.tobytes() == results[0].won.tobytes()
            assert result.turns.tobytes() == results[0].turns.tobytes()

    def test_a_shorter_match_begins_the_same(self):
        long, short = play_match(RANDOM, GREEDY, 90, 5), play_match(RANDOM, GREEDY, 41, 5)
        assert np.array_equal(long.won[:41], short.won)
        assert np.array_equal(long.turns[:41], short.turns)


def play_all(games, workers, progress=None):
    """Every kind of work of many games, as ready to be compared."""
    return {
        "playouts": lambda: playouts(games * 256, 1, workers=workers, progress=progress),
        "selfplay": lambda: selfplay(games, Search(1), 1, workers=workers, progress=progress),
        "play_match": lambda: play_match(GREEDY, RANDOM, games, 1, workers=workers, progress=progress),
    }


KINDS = sorted(play_all(1, 1))

# Presses Ctrl-C once enough games are finished; reports whether what is kept equals the first games of a whole run.
CTRL_C = """
import json, os, signal, sys
import numpy as np
from engine import Agent, Interrupted, Search, play_match, selfplay

workers, games, enough = 2, 100_000, 200

def press(finished, pressed=[]):
    if finished >= enough and not pressed:
        pressed.append(True)
        os.kill(os.getpid(), signal.SIGINT)

report = {}
try:
    selfplay(games, Search(1), 1, workers=workers, progress=press)
except Interrupted as stop:
    kept = stop.partial
    whole = selfplay(int(kept["game"].max()) + 1, Search(1), 1)
    numbers = np.unique(kept["game"])
    same = kept.tobytes() == whole[np.isin(whole["game"], numbers)].tobytes()
    report["selfplay"] = [len(numbers), bool(same)]
press.__defaults__[0].clear()
greedy, random = Agent.parse("greedy"), Agent.parse("random")
try:
    play_match(greedy, random, games, 1, workers=1, progress=press)
except Interrupted as stop:
    kept = stop.partial
    whole = play_match(greedy, random, kept.games, 1)
    report["play_match"] = [kept.games, kept.turns.tobytes() == whole.turns.tobytes()]
print(json.dumps(report))
"""


class TestInterrupted:
    @pytest.mark.parametrize("kind", KINDS)
    def test_the_finished_games_are_kept(self, kind):
        def stop(finished):
            if finished >= 3 * CHUNK:
                raise KeyboardInterrupt

        with pytest.raises(Interrupted, match="interrupted") as error:
            play_all(10 * CHUNK, 1, stop)[kind]()
        partial = error.value.partial
        kept = partial.games if kind == "playouts" else 3 * CHUNK
        whole = play_all(kept // (256 if kind == "playouts" else 1), 1)[kind]()
        if kind == "selfplay":
            assert partial.tobytes() == whole.tobytes()
        elif kind == "play_match":
            assert partial.games == kept
            assert partial.turns.tobytes() == whole.turns.tobytes()
        else:
            assert partial == whole

    def test_ctrl_c(self):
        result = subprocess.run([sys.executable, "-c", CTRL_C], capture_output=True, text=True, check=False, timeout=60)
        assert result.returncode == 0, result.stderr
        assert result.stderr == ""
        report = json.loads(result.stdout)
        assert set(report) == {"selfplay", "play_match"}
        for games, same in report.values():
            assert 200 <= games < 100_000
            assert same

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_failure_is_not_an_interruption(self, kind):
        def fail(finished):
            raise OSError("no space left")

        with pytest.raises(OSError, match="no space left"):
            play_all(100, 2, fail)[kind]()


class TestProgress:
    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("workers", [1, 3])
    def test_counts_up_to_all_games(self, kind, workers):
        seen = []
        play_all(100, workers, seen.append)[kind]()
        total = 100 * 256 if kind == "playouts" else 100
        assert seen[-1] == total
        assert all(low < high for low, high in pairwise(seen))
        assert len(seen) == -(-total // (4096 if kind == "playouts" else CHUNK))


class TestSampleDecisions:
    @pytest.mark.parametrize("name", ["greedy", "emm:1"])
    def test_replayed_by_the_referee(self, name):
        """Game g of the sample has the rolls of game g, and only decisions are in it."""
        agent, wanted, seed = Agent.parse(name), 400, 12
        expected = []
        for game in count():
            if len(expected) >= wanted:
                break

            def choose(state, roll, squares, _):
                if len(squares) > 1:
                    expected.append((referee.packed(state), roll))
                return agent.best_move(position_of(state), roll)

            play_game(rolls_of(seed, game), choose)
        packed, rolls = sample_decisions(wanted, seed, agent)
        assert (packed.dtype, rolls.dtype) == (np.uint64, np.uint8)
        assert list(zip(packed.tolist(), rolls.tolist(), strict=True)) == expected[:wanted]

    def test_random_play_by_default(self):
        packed, rolls = sample_decisions(1000, 3)
        again = sample_decisions(1000, 3, RANDOM)
        assert np.array_equal(packed, again[0])
        assert np.array_equal(rolls, again[1])
        for p, r in zip(packed.tolist(), rolls.tolist(), strict=True):
            assert len(Position.from_packed(p).legal_moves(r)) > 1
        assert not np.array_equal(packed, sample_decisions(1000, 4)[0])

    def test_a_smaller_sample_begins_the_same(self):
        packed, rolls = sample_decisions(500, 3, GREEDY)
        for n in (1, 2, 77):
            short = sample_decisions(n, 3, GREEDY)
            assert np.array_equal(short[0], packed[:n])
            assert np.array_equal(short[1], rolls[:n])


@pytest.fixture(scope="module")
def moves():
    """(packed, roll, nth, position) of every legal move of some decisions."""
    packed, rolls = sample_decisions(1500, 7)
    return [
        (p, r, nth, Position.from_packed(p))
        for p, r in zip(packed.tolist()[::5], rolls.tolist()[::5], strict=True)
        for nth in range(len(Position.from_packed(p).legal_moves(r)))
    ]


class TestSuccessors:
    def test_against_position(self, moves):
        after, same = successors([m[0] for m in moves], [m[1] for m in moves], [m[2] for m in moves])
        assert (after.dtype, same.dtype) == (np.uint64, np.bool_)
        for (_, roll, nth, position), packed, same_player in zip(moves, after.tolist(), same.tolist(), strict=True):
            expected = position.play(roll, position.legal_moves(roll)[nth])
            assert (Position.from_packed(packed), same_player) == expected

    def test_policy_slots_against_position(self, moves):
        slots = policy_slots([m[0] for m in moves], [m[1] for m in moves])
        assert (slots.shape, slots.dtype) == ((len(moves), 7), np.uint8)
        for (_, roll, _, position), row in zip(moves, slots.tolist(), strict=True):
            expected = [position.policy_slot(square) for square in position.legal_moves(roll)]
            assert row == expected + [255] * (7 - len(expected))

    def test_the_definition_of_a_slot(self, moves):
        for _, roll, _, position in moves:
            pieces = [0] * position.own_hand + position.own_squares
            for square in position.legal_moves(roll):
                assert position.policy_slot(square) == pieces.index(square)

    def test_passes_have_no_slots(self):
        assert policy_slots([Position.initial().packed], [0]).tolist() == [[255] * 7]

    def test_empty(self):
        after, same = successors([], [], [])
        assert (len(after), len(same)) == (0, 0)
        assert policy_slots([], []).shape == (0, 7)

    def test_refusals(self):
        initial = Position.initial().packed
        for roll, nth in [(0, 0), (1, 1), (1, 200), (5, 0)]:
            with pytest.raises(
                ValueError, match=f"no legal move number {nth} with a roll of {roll}|a move from 0 to 6|rolls"
            ):
                successors([initial, initial], [1, roll], [0, nth])
        for lengths in [(2, 1, 1), (1, 2, 1), (1, 1, 2)]:
            arrays = [[value] * n for value, n in zip((initial, 1, 0), lengths, strict=True)]
            with pytest.raises(ValueError, match="positions"):
                successors(*arrays)
        with pytest.raises(ValueError, match="positions"):
            policy_slots([initial], [1, 1])
        for ask in (lambda packed: successors(packed, [1], [0]), lambda packed: policy_slots(packed, [1])):
            with pytest.raises(ValueError, match="entry 0 is not a packed position"):
                ask([1])


class TestRefusals:
    def run_all(self, **options):
        """The calls that play games, with these options."""
        return [
            lambda: playouts(**{"games": 4} | options),
            lambda: selfplay(player=Search(1), **{"games": 4} | options),
            lambda: play_match(RANDOM, GREEDY, **{"games": 4} | options),
        ]

    @pytest.mark.parametrize("games", [0, -1, 2**31 + 1, 2**70])
    def test_numbers_of_games(self, games):
        for call in self.run_all(games=games):
            with pytest.raises(ValueError, match=f"games must be at .* got {games}"):
                call()

    @pytest.mark.parametrize("workers", [0, -1, 100_000])
    def test_workers(self, workers):
        for call in self.run_all(workers=workers):
            with pytest.raises(ValueError, match=f"workers must be .* not {workers}"):
                call()

    @pytest.mark.parametrize("exploration", [-0.1, 1.1, float("nan"), float("inf")])
    def test_exploration(self, exploration):
        with pytest.raises(ValueError, match="exploration must be between 0 and 1"):
            selfplay(1, Search(1), exploration=exploration)

    @pytest.mark.parametrize("number", [-1, 128])
    def test_playouts(self, number):
        with pytest.raises(ValueError, match="playouts must be 0 to 127"):
            selfplay(1, Search(1), playouts=number)

    def test_samples(self):
        with pytest.raises(ValueError, match="positions must be at least 1, got 0"):
            sample_decisions(0)

    def test_players(self):
        for call in (
            lambda: selfplay(1, None),
            lambda: selfplay(1, "emm:1"),
            lambda: play_match(None, RANDOM, 1),
            lambda: play_match(RANDOM, None, 1),
            lambda: play_match("random", "random", 1),
            lambda: sample_decisions(1, 0, "random"),
        ):
            with pytest.raises(TypeError):
                call()
