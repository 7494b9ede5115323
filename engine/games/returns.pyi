from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.network.network import Network

class PlayedGames(NamedTuple):
    positions: NDArray[np.uint64]
    returns: NDArray[np.float32]
    turns: int
    choices: NDArray[np.uint8]
    lengths: NDArray[np.int64]

def play_games(
    network: Network,
    games: int,
    seed: int,
    first: int = 0,
    *,
    trace_decay: float,
    depth: int = 1,
    exploration: float = 0.0,
    siblings: float = 0.0,
    tolerance: float = 0.0,
    played: tuple[ArrayLike, ArrayLike] | None = None,
) -> PlayedGames: ...
