from typing import Any, NamedTuple

from engine.tablebase import Tablebase

class Verification(NamedTuple):
    placements: int
    positions: int
    residual: float
    worst: int
    limit: float
    passed: bool

def verify(base: Tablebase, workers: int | None = None, limit: float | None = None) -> Verification: ...
def statistics(base: Tablebase, workers: int | None = None) -> dict[str, Any]: ...
def count_reached(base: Tablebase, workers: int) -> int: ...
def expected_turns(
    base: Tablebase, workers: int, tolerance: float = ...
) -> tuple[float, dict[tuple[int, int], tuple[int, float, float]]]: ...
