from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from engine.classic.search import Search
from engine.solved.tablebase import Tablebase

DECISION_DTYPE: np.dtype[np.void]

def selfplay(
    games: int,
    player: Search | Tablebase,
    seed: int = 0,
    *,
    exploration: float = 0.0,
    playouts: int = 0,
    finisher: Search | None = None,
    first: int = 0,
    workers: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> NDArray[np.void]: ...
