"""Many games at once: kept when interrupted, counted, and refused where the numbers are absurd."""

import json
import subprocess
import sys
from itertools import pairwise

import pytest

from engine import Agent, Interrupted, Search, play_match, playouts, sample_decisions, selfplay

CHUNK = 16  # games handed to a worker at a time

RANDOM, GREEDY = Agent.parse("random"), Agent.parse("greedy")


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
