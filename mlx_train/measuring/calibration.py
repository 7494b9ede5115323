"""Whether a position to which a player gives 70 % is won in 70 % of the games."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.games.agents import Agent
from engine.solved.tablebase import Tablebase
from mlx_train.measuring.value_error import POSITIONS, win_probabilities


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """A player's win probabilities against the exact ones, over equal intervals of the player's.

    Each array has one entry for each interval into which a position falls. predicted, exact: mean win probability of
    the player and of the solved game. low, high: 5th and 95th percentile of exact less predicted. count: positions.
    """

    agent: str
    positions: int
    predicted: NDArray[np.float64]
    exact: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    count: NDArray[np.int64]


def calibration(agent: Agent, table: Tablebase, n: int = POSITIONS, seed: int = 0, *, steps: int = 20) -> Calibration:
    """Compare n positions drawn uniformly, in `steps` intervals.

    Raises ValueError for an agent without win probabilities.
    """
    packed = table.sample(n, seed)
    predicted, exact = win_probabilities(agent)(packed), table.values(packed)
    step = np.minimum((predicted * steps).astype(np.int64), steps - 1)
    groups = [step == i for i in range(steps) if (step == i).any()]
    errors = [exact[group] - predicted[group] for group in groups]
    return Calibration(
        agent=agent.name,
        positions=n,
        predicted=np.array([predicted[group].mean() for group in groups]),
        exact=np.array([exact[group].mean() for group in groups]),
        low=np.array([np.percentile(error, 5) for error in errors]),
        high=np.array([np.percentile(error, 95) for error in errors]),
        count=np.array([len(error) for error in errors]),
    )
