from typing import NamedTuple, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.games.agents import Agent

class Batch(NamedTuple):
    observations: NDArray[np.uint8]
    masks: NDArray[np.bool_]
    players: NDArray[np.uint8]
    rolls: NDArray[np.uint8]
    positions: NDArray[np.uint64]
    rewards: NDArray[np.float32]
    dones: NDArray[np.bool_]

@final
class BatchEnv:
    def __init__(
        self,
        n: int,
        *,
        rules: str = "finkel",
        observation: str | None = "features",
        opponent: Agent | None = None,
        pieces: int | None = None,
        seed: int = 0,
        workers: int | None = 1,
    ) -> None: ...
    @property
    def n(self) -> int: ...
    @property
    def rules(self) -> str: ...
    @property
    def actions(self) -> int: ...
    @property
    def observation_shape(self) -> tuple[int, ...]: ...
    @property
    def seed(self) -> int: ...
    @property
    def workers(self) -> int: ...
    @property
    def opponent(self) -> Agent | None: ...
    def arrays(self) -> Batch: ...
    def reset(self, seed: int | None = None, out: Batch | None = None) -> Batch: ...
    def step(self, actions: ArrayLike, out: Batch | None = None) -> Batch: ...
    def random_actions(self, out: NDArray[np.int64] | None = None) -> NDArray[np.int64]: ...
