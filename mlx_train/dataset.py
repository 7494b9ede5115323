"""Decisions of self-play games with their labels, and the batches made of them.

A dataset holds packed positions and the search's values, 46 bytes a decision; features are computed batch by batch on
the way to the training step.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from engine.arena import RECORD_DTYPE, policy_slots, successors
from engine.features import extract_features_batch
from engine.network import POLICY_OUTPUTS
from mlx_train.config import Config
from mlx_train.files import atomic_file

#: Version of the file format; files of another are refused.
DATASET_VERSION = 1


class Batch(NamedTuple):
    """Rows of one training step; row i of the value and of the policy part come from the same decision."""

    value_inputs: np.ndarray  # (n, 150) float32: a successor of the decision, before its roll
    value_targets: np.ndarray  # (n,) float32: 2 p - 1 for the side to move in the successor
    policy_inputs: np.ndarray  # (n, 150) float32: the decision with its roll
    policy_targets: np.ndarray  # (n, 7) float32: probabilities by policy slot
    policy_legal: np.ndarray  # (n, 7) bool: which slots are legal moves


@dataclass(frozen=True)
class Decisions:
    """Decisions of self-play games: `records`, (n,) of `engine.arena.RECORD_DTYPE`, and how they were made."""

    records: np.ndarray
    info: dict[str, Any]

    def __len__(self) -> int:
        return len(self.records)

    @property
    def games(self) -> int:
        """Games that have a decision."""
        return len(np.unique(self.records["game"]))

    def split(self, validation_split: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Records for training and for validation; a game is wholly in one of them."""
        games = np.unique(self.records["game"])
        if len(games) < 2:
            raise ValueError("a dataset needs at least two games: one to train on, one to validate on")
        held = max(1, min(len(games) - 1, round(validation_split * len(games))))
        validation = np.random.default_rng((seed, 1)).permutation(games)[:held]
        chosen = np.isin(self.records["game"], validation)
        return self.records[~chosen], self.records[chosen]

    def summary(self) -> dict[str, Any]:
        """Counts for a person, and how the games were made."""
        records = self.records
        return {
            "games": self.games,
            "decisions": len(records),
            "moves_per_decision": round(float(records["moves"].mean()), 3) if len(records) else 0.0,
            "distinct_positions": len(np.unique(records["position"])),
            "bytes": records.nbytes,
            **self.info,
        }

    def save(self, path: str | Path) -> None:
        """Write an .npz file atomically. Raises OSError."""
        meta = json.dumps({"version": DATASET_VERSION, **self.info})
        with atomic_file(path) as file:
            np.savez_compressed(file, records=self.records, meta=np.array(meta))

    @classmethod
    def load(cls, path: str | Path) -> "Decisions":
        """Read a file of `save`. Raises ValueError for anything else, OSError where it can't be read."""
        try:
            # Opened here: numpy leaves a file that it can't read open.
            with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                records, meta = arrays["records"], json.loads(str(arrays["meta"]))
            version = meta.pop("version", None)
        except OSError:
            raise
        except Exception as error:  # zipfile, zlib, numpy and json each have their own
            raise ValueError(f"{path}: not a dataset: {error}") from None
        if version != DATASET_VERSION:
            raise ValueError(f"{path}: dataset of version {version}, this is version {DATASET_VERSION}")
        if records.dtype != RECORD_DTYPE or records.ndim != 1 or len(records) == 0:
            raise ValueError(f"{path}: not a dataset: its records have another layout, or there are none")
        if not ((records["moves"] >= 2) & (records["moves"] <= 7) & (records["chosen"] < records["moves"])).all():
            raise ValueError(f"{path}: not a dataset: a record's moves are out of range")
        return cls(records, meta)


class Labels:
    """Training targets of records, by one configuration.

    The value target of a successor is the search's value, squashed, moved by `outcome_blend` of what the game's result
    says beyond the search's value of the move that was played. The policy target is a softmax over the search's values.
    """

    def __init__(self, records: np.ndarray, config: Config):
        self.records = records
        points = records["values"]
        legal = np.arange(points.shape[1]) < records["moves"][:, None]
        values = np.tanh(points / np.float32(config.value_points))
        playouts = np.abs(records["results"]).max(initial=0)
        #: (n, 7) from the view of the side to move, by ascending square; NaN beyond the last legal move.
        if playouts:
            results = records["results"] / np.float32(playouts)
        else:  # all that is known is how the game ended after the move that was played
            played = np.take_along_axis(values, records["chosen"][:, None].astype(np.int64), axis=1)
            results = values + (records["outcome"][:, None] - played)
        self.values = (values + np.float32(config.outcome_blend) * (results - values)).astype(np.float32)
        odds = np.where(legal, points / np.float32(config.policy_points), -np.inf)
        odds = np.exp(odds - odds.max(axis=1, keepdims=True))
        odds /= odds.sum(axis=1, keepdims=True)
        slots = np.where(legal, policy_slots(records["position"], records["roll"]), POLICY_OUTPUTS)
        #: (n, 7) by policy slot.
        self.policy = np.zeros((len(records), POLICY_OUTPUTS + 1), dtype=np.float32)
        np.put_along_axis(self.policy, slots.astype(np.int64), odds.astype(np.float32), axis=1)
        self.policy = np.ascontiguousarray(self.policy[:, :POLICY_OUTPUTS])
        self.legal = np.zeros((len(records), POLICY_OUTPUTS + 1), dtype=np.bool_)
        np.put_along_axis(self.legal, slots.astype(np.int64), True, axis=1)
        self.legal = np.ascontiguousarray(self.legal[:, :POLICY_OUTPUTS])

    def __len__(self) -> int:
        return len(self.records)

    def batch(self, rows: np.ndarray, rng: np.random.Generator) -> Batch:
        """The batch of some records; `rng` draws which successor of each the value network sees."""
        records = self.records[rows]
        nth = (rng.random(len(rows)) * records["moves"]).astype(np.uint8)
        after, same_player = successors(records["position"], records["roll"], nth)
        values = self.values[rows, nth]
        return Batch(
            extract_features_batch(after),
            np.where(same_player, values, -values),
            extract_features_batch(records["position"], records["roll"]),
            self.policy[rows],
            self.legal[rows],
        )

    def epoch(self, batch_size: int, seed: tuple[int, ...]) -> Iterator[Batch]:
        """Every record once in a random order, in batches of one size; what does not fill the last is left out."""
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(self))
        for start in range(0, len(order) - batch_size + 1, batch_size):
            yield self.batch(order[start : start + batch_size], rng)

    def all(self, batch_size: int, seed: tuple[int, ...]) -> Iterator[Batch]:
        """Every record once in order, the last batch perhaps smaller."""
        rng = np.random.default_rng(seed)
        for start in range(0, len(self), batch_size):
            yield self.batch(np.arange(start, min(start + batch_size, len(self))), rng)
