"""The file of the decisions of self-play games: packed positions and their labels, 46 bytes a decision."""

import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.core.batch import move_counts
from engine.games.decisions import DECISION_DTYPE
from engine.machine.files import atomic_file

#: Version of the file format; files of another version are refused.
DATASET_VERSION = 1


@dataclass(frozen=True)
class Decisions:
    """Decisions of self-play games.

    Attributes:
        records: (n,) `engine.games.decisions.DECISION_DTYPE`.
        info: how the games were played, as JSON values; `unit` is the unit of the records' values.
    """

    records: np.ndarray
    info: dict[str, Any]

    def __len__(self) -> int:
        return len(self.records)

    @property
    def games(self) -> int:
        """The number of games with a decision."""
        return len(np.unique(self.records["game"]))

    def split(self, validation_split: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """-> (records for training, records for validation): all decisions of a game are in the same one.

        Raises ValueError for a single game.
        """
        games = np.unique(self.records["game"])
        if len(games) < 2:
            raise ValueError("a dataset needs at least two games: one to train on, one to validate on")
        held = max(1, min(len(games) - 1, round(validation_split * len(games))))
        validation = np.random.default_rng((seed, 1)).permutation(games)[:held]
        chosen = np.isin(self.records["game"], validation)
        return self.records[~chosen], self.records[chosen]

    def summary(self) -> dict[str, Any]:
        """The number of games, decisions and distinct positions, and other counts; then `info`."""
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
        """Write an .npz file atomically.

        compress: a compressed file has a third of the bytes, but takes far longer to write. Raises OSError.
        """
        meta = json.dumps({"version": DATASET_VERSION, **self.info})
        with atomic_file(path) as file:
            (np.savez_compressed if compress else np.savez)(file, records=self.records, meta=np.array(meta))

    @classmethod
    def load(cls, path: str | Path) -> "Decisions":
        """Read a file that `save` has written. Raises ValueError for any other file, OSError where it can't be read."""
        try:
            # Opened here, since numpy does not close a file that it can't read.
            with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                records, meta = arrays["records"], json.loads(str(arrays["meta"]))
            version = meta.pop("version", None)
        except OSError:
            raise
        except Exception as error:  # zipfile, zlib, numpy and json raise different exceptions
            raise ValueError(f"{path}: not a dataset: {error}") from None
        if version != DATASET_VERSION:
            raise ValueError(f"{path}: dataset of version {version}, this is version {DATASET_VERSION}")
        if records.dtype != DECISION_DTYPE or records.ndim != 1 or len(records) == 0:
            raise ValueError(f"{path}: not a dataset: its records have another layout, or there are none")
        try:
            _check(records)
        except ValueError as error:
            raise ValueError(f"{path}: not a dataset: {error}") from None
        return cls(records, meta)


def _check(records: np.ndarray) -> None:
    """Raise ValueError unless every record is a decision that the rules allow, with a value for each of its moves."""
    moves = move_counts(records["position"], records["roll"])
    legal = np.arange(records["values"].shape[1]) < moves[:, None]
    if not ((moves >= 2) & (records["moves"] == moves) & (records["chosen"] < moves)).all():
        raise ValueError("a record's moves are not those of its position")
    if not np.isfinite(records["values"][legal]).all():
        raise ValueError("a record's value is not finite")
    if not (np.abs(records["outcome"]) == 1).all():
        raise ValueError("a record's outcome is neither won nor lost")
