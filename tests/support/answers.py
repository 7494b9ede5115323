"""Questions for the engine without Python (WebAssembly, arm64), and its answers compared with the native engine's.

Both are files in a folder; portable/check.pyx says which.
"""

from itertools import pairwise
from pathlib import Path

import numpy as np
from random_networks import random_document, write

from engine import Agent, Network, Position, Search, extract_features_batch, sample_decisions
from engine.classic.evaluation import PRESETS
from engine.core.features import FEATURE_NAMES
from engine.network.document import ACTIVATIONS, read_document

ROOT = Path(__file__).resolve().parents[2]
MOVES = 7
DEPTHS = (1, 2, 3)
NETWORKS = 2
NETWORK_TOLERANCE = 1e-6


def decisions(n):
    """Positions as players of every strength meet them; every fifth with a roll of its own, which may pass."""
    players = (None, "greedy", "emm:2", "emm:3")
    parts = [sample_decisions(n // len(players), seed, name and Agent.parse(name)) for seed, name in enumerate(players)]
    packed = np.concatenate([positions for positions, _ in parts])
    rolls = np.concatenate([rolls for _, rolls in parts])
    rolls[::5] = np.random.default_rng(0).integers(0, 5, len(rolls[::5]))
    return packed, rolls


class Questions:
    """A folder of questions, and the native engine to compare with."""

    def __init__(self, folder, n):
        self.folder = folder
        self.packed, self.rolls = decisions(n)
        (self.packed | self.rolls.astype(np.uint64) << np.uint64(56)).astype("<u8").tofile(folder / "positions")
        np.array([list(points.values()) for points in PRESETS.values()], "<f8").tofile(folder / "weights")
        self.networks = [
            str(ROOT / "weights" / "standard.json"),
            write(folder / "silu.json", random_document(3, (37, 20), "silu")),
        ]
        for number, path in enumerate(self.networks):
            self._write_network(read_document(path), folder / f"network-{number}")

    def _write_network(self, document, path):
        activation = ACTIVATIONS.index(document["architecture"]["activation"])
        with path.open("wb") as file:
            for key, outputs in (("value_weights", 1), ("policy_weights", 7)):
                sizes = [len(FEATURE_NAMES), *document["network_config"]["hidden_sizes"], outputs]
                assert len(document[key]) == sum((a + 1) * b for a, b in pairwise(sizes))
                file.write(np.array([activation, len(sizes) - 1, *sizes], "<i4").tobytes())
                file.write(document[key].astype("<f4").tobytes())

    def answer(self, name, dtype):
        return np.fromfile(self.folder / name, dtype)

    def decisions(self):
        """(Position, roll) in turn."""
        for packed, roll in zip(self.packed.tolist(), self.rolls.tolist(), strict=True):
            yield Position.from_packed(packed), roll

    def of_moves(self, moves):
        """(n, 7) of the values that `moves(position, roll)` lists as (square, value)."""
        out = np.zeros((len(self.packed), MOVES))
        for row, (position, roll) in zip(out, self.decisions(), strict=True):
            values = [value for _, value in moves(position, roll)]
            row[: len(values)] = values
        return out

    def check_rules(self):
        legal, passed = self.answer("legal", "<u2"), self.answer("passed", "<u8")
        successors = self.answer("successors", "<u8").reshape(-1, MOVES)
        assert 0 < (legal == 0).sum() < len(legal) / 5
        for i, (position, roll) in enumerate(self.decisions()):
            squares = position.legal_moves(roll)
            assert legal[i] == sum(1 << square for square in squares)
            played = [position.play(roll, square) for square in squares]
            expected = [after.packed | again << 63 for after, again in played]
            assert successors[i].tolist() == expected + [0] * (MOVES - len(expected))
            assert passed[i] == position.swapped.packed

    def check_features(self):
        """Every other row is that of the position with its roll."""
        rows = self.answer("features", "<f4").reshape(len(self.packed), -1)
        assert rows[0::2].tobytes() == extract_features_batch(self.packed[0::2]).tobytes()
        assert rows[1::2].tobytes() == extract_features_batch(self.packed[1::2], self.rolls[1::2]).tobytes()

    def check_search(self, preset, depth):
        expected = self.of_moves(Search(depth, list(PRESETS)[preset]).moves)
        assert self.answer(f"search-{preset}-{depth}", "<f8").tobytes() == expected.tobytes()

    def check_network(self, number):
        """-> the largest difference."""
        network = Network.load(self.networks[number])
        values = self.answer(f"value-{number}", "<f8")
        assert np.ptp(values) > 0.2
        differences = (
            values - network.values(self.packed),
            self.answer(f"moves-{number}", "<f8").reshape(-1, MOVES) - self.of_moves(network.moves),
            self.answer(f"policy-{number}", "<f8").reshape(-1, MOVES) - self.of_moves(network.policy),
        )
        largest = max(np.abs(difference).max() for difference in differences)
        assert largest <= NETWORK_TOLERANCE
        return largest
