import numpy as np
from numpy.typing import ArrayLike, NDArray

def successors(
    packed: ArrayLike, rolls: ArrayLike, nth: ArrayLike, rules: str = "finkel"
) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]: ...
def policy_slots(packed: ArrayLike, rolls: ArrayLike, rules: str = "finkel") -> NDArray[np.uint8]: ...
