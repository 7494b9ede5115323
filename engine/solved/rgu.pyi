from os import PathLike
from typing import Any

from numpy.typing import NDArray

from engine.core.position import Position
from engine.solved.table import SolvedTable

VALUE_TYPES: dict[str, str]

def key_of(position: Position, pieces: int = 7) -> int: ...
def count_entries(pieces: int) -> int: ...
def write(table: SolvedTable, path: str | PathLike[str], value_type: str) -> None: ...
def read(path: str | PathLike[str]) -> tuple[NDArray[Any], int, float]: ...
