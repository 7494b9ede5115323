from collections.abc import Callable
from typing import Any, NamedTuple

from engine.solved.tablebase import Tablebase

class Verification(NamedTuple):
    placements: int
    positions: int
    residual: float
    worst: int
    limit: float
    passed: bool

def verify(
    base: Tablebase,
    workers: int | None = None,
    limit: float | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> Verification: ...
def statistics(
    base: Tablebase, workers: int | None = None, progress: Callable[[int, int], object] | None = None
) -> dict[str, Any]: ...
def count_reached(base: Tablebase, workers: int, on_layer: Callable[[int], object]) -> int: ...
def expected_turns(
    base: Tablebase, workers: int, on_layer: Callable[[int], object], tolerance: float = ...
) -> tuple[float, dict[tuple[int, int], tuple[int, float, float]]]: ...
