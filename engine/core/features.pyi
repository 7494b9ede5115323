from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.core.position import Position

@dataclass(frozen=True, eq=False)
class FeatureSet:
    name: str
    groups: list[tuple[str, list[str], float]]
    names: tuple[str, ...]
    scales: NDArray[np.float32]

MOST_FEATURES: int
FEATURE_SET: str
GROUPS: list[tuple[str, list[str], float]]
FEATURE_NAMES: tuple[str, ...]
FEATURE_SCALES: NDArray[np.float32]

def feature_groups(rules: str = "finkel") -> list[tuple[str, list[str], float]]: ...
def features_of(rules: str = "finkel") -> FeatureSet: ...
def check_rows(
    packed: ArrayLike, rolls: ArrayLike | None, rules: str = "finkel"
) -> tuple[NDArray[np.uint64], NDArray[np.uint8]]: ...
def extract_features(position: Position, roll: int | None = None) -> NDArray[np.float32]: ...
def extract_features_batch(
    packed: ArrayLike, rolls: ArrayLike | None = None, rules: str = "finkel", *, out: NDArray[np.float32] | None = None
) -> NDArray[np.float32]: ...
def extract_features_bytes(
    packed: ArrayLike, rolls: ArrayLike | None = None, rules: str = "finkel", *, out: NDArray[np.uint8] | None = None
) -> NDArray[np.uint8]: ...
