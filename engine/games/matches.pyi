from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.games.agents import Agent

class MatchResult(NamedTuple):
    won: NDArray[np.bool_]
    turns: NDArray[np.int32]
    @property
    def games(self) -> int: ...

def play_match(
    agent: Agent,
    opponent: Agent,
    games: int,
    seed: int = 0,
    *,
    workers: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> MatchResult: ...
