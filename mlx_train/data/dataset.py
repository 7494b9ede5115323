"""Decisions of self-play games with their labels, and the batches made of them.

A dataset holds packed positions and the search's values, 46 bytes a decision; features are computed batch by batch on
the way to the training step.
"""

import json
import zlib
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from engine.core.features import extract_features_bytes
from engine.games.arena import RECORD_DTYPE, policy_slots, successors
from engine.machine.files import atomic_file
from engine.network.document import POLICY_OUTPUTS, VALUE_SCALE
from mlx_train.config import Config
from mlx_train.data.prefetch import made_ahead

if TYPE_CHECKING:
    from mlx_train.device.table_kernel import DeviceTable

_PREFETCHED = 16  # batches made ahead of the step
_VALIDATION_BATCH = 8192

#: Version of the file format; files of another are refused.
DATASET_VERSION = 1


class Batch(NamedTuple):
    """Rows of one training step. The part of a network that is not trained may be None.

    Inputs are features before scaling (`engine.extract_features_bytes`): a quarter of the bytes to move. A GPU makes
    them itself of packed positions, (n, 2) uint32 (`mlx_train.device.feature_kernel`), or of places in the table of the
    solved game, (n,) uint32, for which it has the targets as well (`mlx_train.device.table_kernel`).
    """

    value_inputs: np.ndarray | None = None  # (n, 150) uint8: positions before their roll
    value_targets: np.ndarray | None = None  # (n,) float32: 2 p - 1 for the side to move
    policy_inputs: np.ndarray | None = None  # (n, 150) uint8: decisions with their roll
    policy_targets: np.ndarray | None = None  # (n, 7) float32: probabilities by policy slot
    policy_legal: np.ndarray | None = None  # (n, 7) bool: which slots are legal moves


def joined(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """All arrays' rows in one; a single array itself, not a copy."""
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


class Share(NamedTuple):
    """Which part of the work is this process's: the `rank`th of `size`, counted from 0."""

    rank: int = 0
    size: int = 1

    def of(self, count: int) -> slice:
        """Which of `count` things; every rank's part together is all of them, in order."""
        return slice(self.rank * count // self.size, (self.rank + 1) * count // self.size)


#: Everything: what a process has that works alone.
ALL = Share()


@dataclass(frozen=True)
class Decisions:
    """Decisions of self-play games: `records`, (n,) of `engine.games.arena.RECORD_DTYPE`, and how they were made."""

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

    def checksum(self) -> str:
        """CRC-32 of the records, in hexadecimal."""
        return f"{zlib.crc32(self.records.tobytes()):08x}"

    def save(self, path: str | Path, *, compress: bool = True) -> None:
        """Write an .npz file atomically; compressing takes a third of the room and most of the time. Raises OSError."""
        meta = json.dumps({"version": DATASET_VERSION, **self.info})
        with atomic_file(path) as file:
            (np.savez_compressed if compress else np.savez)(file, records=self.records, meta=np.array(meta))

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


def _blend(records: np.ndarray, values: np.ndarray, share: float) -> np.ndarray:
    """The search's values (n, 7) in [-1, 1], moved by `share` towards the results of playing out."""
    playouts = np.abs(records["results"]).max(initial=0)
    if playouts:
        results = records["results"] / np.float32(playouts)
    else:  # all that is known is how the game ended after the move that was played
        played = np.take_along_axis(values, records["chosen"][:, None].astype(np.int64), axis=1)
        results = values + (records["outcome"][:, None] - played)
    return (values + np.float32(share) * (results - values)).astype(np.float32)


def _softmax(values: np.ndarray, legal: np.ndarray) -> np.ndarray:
    """(n, 7) probabilities of the legal moves."""
    odds = np.where(legal, values, -np.inf)
    odds = np.exp(odds - odds.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


class Labels:
    """Training targets of records, by one configuration.

    Teacher "search": the value of a successor is the search's, squashed, blended with the results of playing it out;
    the policy is a softmax over the search's values. Games of the solved game: its own values, and a softmax over them.
    Teacher "outcome": the value of the successor that was played is the game's result, and the policy is the
    move that was played.
    """

    def __init__(self, records: np.ndarray, config: Config, unit: str = "points"):
        """unit: of the records' values, "points" of a search or "2p-1" of the solved game."""
        self.records = records
        points = records["values"]
        legal = np.arange(points.shape[1]) < records["moves"][:, None]
        played = np.arange(points.shape[1]) == records["chosen"][:, None]
        #: Whether the value network sees only the successors that were played.
        self.only_played = config.teacher == "outcome"
        if self.only_played:
            self.values = np.where(played, records["outcome"][:, None], np.nan).astype(np.float32)
            odds = played.astype(np.float32)
        elif unit == VALUE_SCALE:
            self.values = points
            odds = _softmax(points / np.float32(2 * config.temperature), legal)
        else:
            #: (n, 7) from the view of the side to move, by ascending square; NaN beyond the last legal move.
            self.values = _blend(records, np.tanh(points / np.float32(config.value_points)), config.outcome_blend)
            odds = _softmax(points / np.float32(config.policy_points), legal)
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

    def batch(self, rows: np.ndarray, rng: np.random.Generator, share: Share = ALL) -> Batch:
        """A share of the batch of some records; `rng` draws which successor of each the value network sees."""
        draws = rng.random(len(rows))[share.of(len(rows))]
        rows = rows[share.of(len(rows))]
        records = self.records[rows]
        nth = records["chosen"] if self.only_played else (draws * records["moves"]).astype(np.uint8)
        after, same_player = successors(records["position"], records["roll"], nth)
        values = self.values[rows, nth]
        return Batch(
            extract_features_bytes(after),
            np.where(same_player, values, -values),
            extract_features_bytes(records["position"], records["roll"]),
            self.policy[rows],
            self.legal[rows],
        )


class SearchSource:
    """Batches of a dataset: a share of its games to train on, the rest for validation.

    A sample is one decision: a row for the policy, and one of its successors, drawn anew each epoch, for the value.
    """

    def __init__(self, config: Config, data: Decisions, share: Share = ALL):
        """share: which rows of every batch are made. Raises ValueError for a dataset of a single game."""
        training, validation = data.split(config.validation_split, config.seed)
        self.seed = config.seed
        self.share = share
        self.device_table: DeviceTable | None = None  # none: its rows come as features
        self.together = 1
        unit = data.info.get("unit", "points")
        self.training = Labels(training, config, unit)
        self.held_out = Labels(validation, config, unit)
        self.batch_size = min(config.batch_size, len(self.training))
        self.steps_per_epoch = len(self.training) // self.batch_size

    def epoch(self, number: int, first: int = 0) -> Generator[Batch, None, None]:
        """Every training decision once in a random order; what does not fill the last batch is left out."""
        order = np.random.default_rng((self.seed, 2, number)).permutation(len(self.training))

        def make(step: int) -> Batch:
            rows = order[step * self.batch_size : (step + 1) * self.batch_size]
            return self.training.batch(rows, np.random.default_rng((self.seed, 3, number, step)), self.share)

        return made_ahead(make, range(first, self.steps_per_epoch), 1, _PREFETCHED)

    def validation(self) -> Iterator[Batch]:
        """Every held-out decision once, the same successors each time; the last batch may be smaller."""
        rng = np.random.default_rng((self.seed, 4))
        for start in range(0, len(self.held_out), _VALIDATION_BATCH):
            rows = np.arange(start, min(start + _VALIDATION_BATCH, len(self.held_out)))
            yield self.held_out.batch(rows, rng, self.share)
