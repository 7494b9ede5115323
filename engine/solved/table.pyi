from collections.abc import Callable, Iterator
from os import PathLike
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.core.position import Position
from engine.solved.census import Verification

DTYPES: tuple[str, str, str]
CHUNK: int
HEADER_BYTES: int
PARTIAL_MAGIC: bytes

def pack_header(
    magic: bytes, pieces: int, count: int, tolerance: float, residual: float, checksum: int, dtype: int = 0
) -> bytes: ...
def parse_header(path: object, start: bytes, expected: bytes) -> tuple[int, int, int, float, float, int]: ...

class Progress(NamedTuple):
    layer: tuple[int, int]
    layers_done: int
    layers_total: int
    positions_done: int
    positions_total: int
    sweeps: int
    residual: float
    elapsed: float
    left: float
    resumed: int

class Move(NamedTuple):
    square: int
    value: float
    regret: float

def check_tolerance(tolerance: float | str) -> float: ...
def default_path(pieces: int = 7) -> Path: ...

class Tablebase:
    array: NDArray[Any]
    tolerance: float
    residual: float
    @staticmethod
    def solve(
        pieces: int = 7,
        tolerance: float | Literal["floor"] = 1e-12,
        workers: int | None = None,
        progress: Callable[[Progress], object] | None = None,
        checkpoint: str | PathLike[str] | None = None,
        output: str | PathLike[str] | None = None,
        say: Callable[[str], object] | None = None,
        guess: NDArray[np.float32] | None = None,
    ) -> Tablebase: ...
    @staticmethod
    def open(path: str | PathLike[str], check: bool = True) -> Tablebase: ...
    def save(self, path: str | PathLike[str], dtype: str = "float64") -> None: ...
    @staticmethod
    def from_rgu(path: str | PathLike[str]) -> Tablebase: ...
    def to_rgu(self, path: str | PathLike[str], value_type: str = "percent16") -> None: ...
    @property
    def pieces(self) -> int: ...
    @property
    def dtype(self) -> str: ...
    @property
    def count(self) -> int: ...
    @property
    def nbytes(self) -> int: ...
    def value(self, position: Position) -> float: ...
    def values(self, packed: ArrayLike, workers: int = 1) -> NDArray[np.float64]: ...
    def moves(self, position: Position, roll: int) -> list[Move]: ...
    def best_move(self, position: Position, roll: int) -> int | None: ...
    def sample(self, n: int, seed: int = 0) -> NDArray[np.uint64]: ...
    def positions(self, chunk: int = ...) -> Iterator[NDArray[np.uint64]]: ...
    def play_sample(self, n: int, seed: int = 0) -> tuple[NDArray[np.uint64], NDArray[np.uint8]]: ...
    def verify(
        self,
        workers: int | None = None,
        limit: float | None = None,
        progress: Callable[[int, int], object] | None = None,
    ) -> Verification: ...
    def statistics(
        self, workers: int | None = None, progress: Callable[[int, int], object] | None = None
    ) -> dict[str, Any]: ...
    def bellman_limit(self) -> float: ...
