from collections.abc import Callable
from typing import NamedTuple

class Playouts(NamedTuple):
    games: int
    turns: int
    first_wins: int

def playouts(
    games: int,
    seed: int = 0,
    *,
    rules: str = "finkel",
    workers: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> Playouts: ...
