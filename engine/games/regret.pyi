from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.games.agents import Agent
from engine.solved.tablebase import Tablebase

class RegretMatch(NamedTuple):
    won: NDArray[np.bool_]
    turns: NDArray[np.int32]
    regret: NDArray[np.float64]
    @property
    def games(self) -> int: ...

def choices(
    agent: Agent,
    packed: ArrayLike,
    rolls: ArrayLike,
    seed: int = 0,
    *,
    workers: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> NDArray[np.int8]: ...
def seconds_to_choose(agent: Agent, packed: ArrayLike, rolls: ArrayLike) -> float: ...
def regrets(table: Tablebase, packed: ArrayLike, rolls: ArrayLike, squares: ArrayLike) -> NDArray[np.float64]: ...
def play_against_perfect(
    agent: Agent,
    table: Tablebase,
    games: int,
    seed: int = 0,
    *,
    workers: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> RegretMatch: ...
