from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

SLACK: int

def solve_layers(
    values: NDArray[np.float64],
    order: Sequence[tuple[int, int]],
    first: int,
    tolerance: float,
    workers: int,
    guessed: bool = False,
    rules: str = "finkel",
) -> Iterator[tuple[int, float]]: ...
