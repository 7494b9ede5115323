"""Golden vectors: inputs and outputs of a weights file, for readers of the format in other languages.

Needs the engine and numpy alone. `tests/support/golden_check.mjs` is such a reader, in JavaScript.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from engine.core.features import extract_features
from engine.core.position import Position
from engine.games.agents import Agent
from engine.games.sampling import sample_decisions
from engine.network.network import Network
from mlx_train.system.files import write_text

#: Largest absolute error of a probability that a reader may have.
TOLERANCE = 1e-5

# Decisions of play from which one case is taken: neighbours are much alike.
_STRIDE = 37


def golden_vector(network_path: str | Path, n: int = 12, seed: int = 0) -> dict[str, Any]:
    """Inputs and outputs of a weights file at `n` decisions of greedy games.

    Each case has the notation of its `position` and its `roll`. Of the value network: `value_inputs`, the
    features before the roll, and `win_probability` of the side to move. Of the policy network: `policy_inputs`,
    the features with the roll, `policy_slots` of the legal moves by ascending square, and `policy`, the 7
    probabilities by slot, 0 for a slot without a legal move. A network that the file lacks has no entries.

    Raises ValueError for a file that cannot play or an `n` below 1, OSError for a file that cannot be read.
    """
    if n < 1:
        raise ValueError(f"a golden vector needs at least 1 position, got {n}")
    network = Network.load(network_path)
    packed, rolls = sample_decisions(n * _STRIDE, seed, Agent.parse("greedy", network.rules))
    cases = [
        _case(network, Position.from_packed(int(position), network.rules), int(roll))
        for position, roll in zip(packed[::_STRIDE], rolls[::_STRIDE], strict=True)
    ]
    return {"rules": network.rules, "feature_set": network.feature_set, "tolerance": TOLERANCE, "cases": cases}


def _case(network: Network, position: Position, roll: int) -> dict[str, Any]:
    case: dict[str, Any] = {"position": str(position), "roll": roll}
    if network.has_value:
        case["value_inputs"] = _numbers(extract_features(position))
        case["win_probability"] = network.value(position)
    if network.has_policy:
        case["policy_inputs"] = _numbers(extract_features(position, roll))
        case["policy_slots"] = [position.policy_slot(square) for square in position.legal_moves(roll)]
        case["policy"] = network.policies([position.packed], [roll])[0].tolist()
    return case


def _numbers(row: np.ndarray) -> list[float]:
    """float32 as numbers with the shortest text."""
    return [float(str(number)) for number in row]


def write_vector(path: str | Path, vector: dict[str, Any]) -> None:
    """Write a golden vector as JSON, one case a line, atomically. Raises OSError."""
    cases = ",\n".join(json.dumps(case, allow_nan=False) for case in vector["cases"])
    head = json.dumps({key: value for key, value in vector.items() if key != "cases"}, allow_nan=False)
    write_text(path, f'{head[:-1]}, "cases": [\n{cases}\n]}}\n')
