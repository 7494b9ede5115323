from collections.abc import Callable

from engine.solved.table import SolvedTable

def count_reached(table: SolvedTable, workers: int, on_layer: Callable[[int], object]) -> int: ...
