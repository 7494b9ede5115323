from collections.abc import Callable
from typing import NamedTuple

from engine.solved.table import SolvedTable

class Verification(NamedTuple):
    placements: int
    positions: int
    residual: float
    worst: int
    limit: float
    passed: bool

def verify(
    table: SolvedTable,
    workers: int | None = None,
    limit: float | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> Verification: ...
