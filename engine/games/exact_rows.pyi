import numpy as np
from numpy.typing import NDArray

from engine.solved.tablebase import Tablebase

def value_batch(
    table: Tablebase,
    count: int,
    seed: int,
    number: int,
    *,
    batches: int = 1,
    play_share: float = 0.0,
    exploration: float = 0.1,
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]: ...
def entry_batch(
    table: Tablebase,
    count: int,
    seed: int,
    number: int,
    *,
    batches: int = 1,
    play_share: float = 0.0,
    exploration: float = 0.1,
) -> NDArray[np.uint32]: ...
def policy_batch(
    table: Tablebase,
    count: int,
    seed: int,
    number: int,
    *,
    batches: int = 1,
    temperature: float,
    play_share: float = 0.0,
    exploration: float = 0.1,
    packed: bool = False,
) -> tuple[NDArray[np.uint8 | np.uint32], NDArray[np.float32], NDArray[np.bool_]]: ...
