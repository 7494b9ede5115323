import numpy as np
from numpy.typing import NDArray

from engine.core.position import Position

OBSERVATIONS: tuple[str, ...]
PLANES: int

def observation_shape(kind: str | None, rules: str = "finkel") -> tuple[int, ...]: ...
def observe(position: Position, roll: int | None = None, kind: str | None = "features") -> NDArray[np.uint8]: ...
