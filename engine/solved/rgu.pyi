from os import PathLike
from typing import Any

from numpy.typing import NDArray

from engine.solved.table import SolvedTable

VALUE_TYPES: dict[str, str]
SETTINGS: dict[str, dict[str, str | bool]]

def write(table: SolvedTable, path: str | PathLike[str], value_type: str) -> None: ...
def read(path: str | PathLike[str]) -> tuple[NDArray[Any], str, int, float]: ...
