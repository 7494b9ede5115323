from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.classic.search import Search
from engine.games.agents import Agent
from engine.solved.tablebase import Tablebase

RECORD_DTYPE: np.dtype[np.void]

class Interrupted(KeyboardInterrupt):
    partial: Any
    def __init__(self, partial: Any) -> None: ...

class Playouts(NamedTuple):
    games: int
    turns: int
    first_wins: int

class MatchResult(NamedTuple):
    won: NDArray[np.bool_]
    turns: NDArray[np.int32]
    @property
    def games(self) -> int: ...

class RegretMatch(NamedTuple):
    won: NDArray[np.bool_]
    turns: NDArray[np.int32]
    regret: NDArray[np.float64]
    @property
    def games(self) -> int: ...

def playouts(
    games: int,
    seed: int = 0,
    *,
    workers: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> Playouts: ...
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
def play_match(
    agent: Agent,
    opponent: Agent,
    games: int,
    seed: int = 0,
    *,
    workers: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> MatchResult: ...
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
def sample_decisions(
    n: int, seed: int = 0, agent: Agent | None = None
) -> tuple[NDArray[np.uint64], NDArray[np.uint8]]: ...
def successors(packed: ArrayLike, rolls: ArrayLike, nth: ArrayLike) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]: ...
def policy_slots(packed: ArrayLike, rolls: ArrayLike) -> NDArray[np.uint8]: ...
