from collections.abc import Callable

from engine.solved.table import SolvedTable

def expected_turns(
    table: SolvedTable, workers: int, on_layer: Callable[[int], object], tolerance: float = ...
) -> tuple[float, dict[tuple[int, int], tuple[int, float, float]]]: ...
