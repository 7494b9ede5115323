import numpy as np
from numpy.typing import NDArray

from engine.games.agents import Agent

def sample_decisions(
    n: int, seed: int = 0, agent: Agent | None = None, *, rules: str | None = None
) -> tuple[NDArray[np.uint64], NDArray[np.uint8]]: ...
