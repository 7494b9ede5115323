import numpy as np
from numpy.typing import NDArray

from engine.network.network import Network

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
) -> tuple[NDArray[np.uint64], NDArray[np.float32], int]: ...
