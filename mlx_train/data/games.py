"""The file of the decisions of self-play games: packed positions and their labels, some 11 bytes a decision."""

import io
import json
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from engine.games.decisions import DECISION_DTYPE
from engine.machine.files import atomic_file
from mlx_train.data.packs import check, divided, each, number_of, pack, unpack

#: Version of the file format. The first version is still read.
DATASET_VERSION = 2

_META, _PACK = "meta", ".pack"


@dataclass(frozen=True)
class Decisions:
    """Decisions of self-play games.

    Attributes:
        records: (n,) `engine.games.decisions.DECISION_DTYPE`.
        info: how the games were played, as JSON values: `unit` is the unit of the values, `rules` the rule set.
    """

    records: np.ndarray
    info: dict[str, Any]

    def __len__(self) -> int:
        return len(self.records)

    @property
    def games(self) -> int:
        """The number of games with a decision."""
        return len(distinct(self.records["game"]))

    def split(self, validation_split: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """-> (records for training, records for validation): all decisions of a game are in the same one.

        Raises ValueError for a single game.
        """
        games = distinct(self.records["game"])
        if len(games) < 2:
            raise ValueError("a dataset needs at least two games: one to train on, one to validate on")
        held = max(1, min(len(games) - 1, round(validation_split * len(games))))
        validation = np.random.default_rng((seed, 1)).permutation(games)[:held]
        chosen = np.isin(self.records["game"], validation)
        return self.records[~chosen], self.records[chosen]

    def summary(self) -> dict[str, Any]:
        """`summarize` of the records."""
        records = self.records
        return summarize(self.games, int(records["moves"].sum()), records["position"], self.info)

    def checksum(self) -> str:
        """CRC-32 of the records, in hexadecimal."""
        return f"{zlib.crc32(self.records.tobytes()):08x}"

    def save(self, path: str | Path, workers: int | None = None) -> None:
        """Write a file atomically. workers: threads, by default one for each performance core. Raises OSError."""
        write_packs(path, self.info, packed(self.records, workers))

    @classmethod
    def load(cls, path: str | Path, workers: int | None = None) -> "Decisions":
        """Read a file that `save` has written, in this version or the first one. workers: threads.

        Raises ValueError for any other file, OSError where it can't be read.
        """
        info, packs = read_packs(path)
        try:
            if not packs:
                raise ValueError("it has no games")
            return cls(
                np.concatenate(each(partial(unpack, rules=rules_of(info)), [data for _, data in packs], workers)), info
            )
        except ValueError as error:
            raise ValueError(f"{path}: not a dataset: {error}") from None


def summarize(games: int, moves: int, positions: np.ndarray, info: dict[str, Any]) -> dict[str, Any]:
    """The number of games, decisions and distinct positions, and other counts; then `info`.

    moves: legal moves of all decisions together. positions: (n,) uint64, packed, of the decisions.
    """
    return {
        "games": games,
        "decisions": len(positions),
        "moves_per_decision": round(moves / max(1, len(positions)), 3),
        "distinct_positions": len(distinct(positions)),
        "bytes": len(positions) * DECISION_DTYPE.itemsize,
        **info,
    }


def distinct(values: np.ndarray) -> np.ndarray:
    """The distinct ones of some numbers, ascending: `np.unique`, which is far slower than numpy's sort."""
    ordered = np.sort(values)
    return ordered[np.concatenate([np.ones(min(1, len(ordered)), dtype=np.bool_), ordered[1:] != ordered[:-1]])]


#: Packs in the order of their games, each with its number.
Packs = Sequence[tuple[int, bytes]]


def packed(records: np.ndarray, workers: int | None = None) -> Packs:
    """The packs of records in ascending order of their games. workers: threads."""
    parts = divided(records)
    return list(zip(map(number_of, parts), each(pack, parts, workers), strict=True))


def rules_of(info: dict[str, Any]) -> str:
    """The rule set of a dataset; older ones, which do not say it, are of Finkel's game."""
    name = info.get("rules", "finkel")
    if not isinstance(name, str):
        raise ValueError("rules must be the name of a rule set")
    return name


def merged(packs: Packs, rules: str = "finkel") -> Packs:
    """The same games of a rule set with one pack of each number, where several hold some of its games."""
    groups = [(number, [data for _, data in group]) for number, group in groupby(packs, key=lambda each: each[0])]
    return [
        (number, group[0] if len(group) == 1 else pack(np.concatenate([unpack(data, rules) for data in group])))
        for number, group in groups
    ]


def to_bytes(info: dict[str, Any], packs: Packs) -> bytes:
    """A dataset's file: a zip archive of packs, which are compressed already. Equal arguments give equal bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(_META), json.dumps({"version": DATASET_VERSION, **info}))
        for place, (number, data) in enumerate(packs):
            archive.writestr(zipfile.ZipInfo(f"{number}-{place}{_PACK}"), data)
    return buffer.getvalue()


def from_bytes(content: bytes) -> tuple[dict[str, Any], Packs]:
    """The inverse of `to_bytes`, which also reads the first version. Raises ValueError for anything else."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = archive.namelist()
            if f"{_META}.npy" in names:
                return _read_first_version(archive)
            info = json.loads(archive.read(_META))
            version = info.pop("version")
            packs = [(int(name.partition("-")[0]), archive.read(name)) for name in names if name.endswith(_PACK)]
    except Exception as error:  # zipfile, zlib, numpy and json raise different exceptions
        raise ValueError(f"not a dataset: {error}") from None
    if version != DATASET_VERSION:
        raise ValueError(f"dataset of version {version}, this is version {DATASET_VERSION}")
    return info, packs


def write_packs(path: str | Path, info: dict[str, Any], packs: Packs) -> None:
    """Write a dataset's file atomically. Raises OSError."""
    with atomic_file(path) as file:
        file.write(to_bytes(info, packs))


def read_packs(path: str | Path) -> tuple[dict[str, Any], Packs]:
    """-> (`info`, the packs). Raises ValueError for a file of another kind, OSError where it can't be read."""
    content = Path(path).read_bytes()
    try:
        return from_bytes(content)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _read_first_version(archive: zipfile.ZipFile) -> tuple[dict[str, Any], Packs]:
    """The contents of a file of the first version, which has the records as one array. Raises ValueError and others."""
    arrays = {}
    for name in (_META, "records"):
        with archive.open(f"{name}.npy") as file:
            arrays[name] = np.lib.format.read_array(file, allow_pickle=False)
    meta, records = json.loads(str(arrays[_META])), arrays["records"]
    if meta.pop("version") != 1:
        raise ValueError("of an unknown version")
    if records.dtype != DECISION_DTYPE or records.ndim != 1 or len(records) == 0:
        raise ValueError("its records have another layout, or there are none")
    check(records, rules_of(meta))
    return meta, packed(records)
