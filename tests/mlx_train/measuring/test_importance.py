"""What shuffled features cost a network."""

import numpy as np
import pytest
import random_networks

from engine import Agent
from engine.core.features import FEATURE_NAMES
from mlx_train.measuring.importance import permutation_importance
from mlx_train.measuring.regret import policy_regret


def test_importance(table, network):
    agent = Agent.parse(f"net:{network}")
    found = permutation_importance(agent, table, 300, 2, repeats=2)
    assert found.regret == pytest.approx(policy_regret(agent, table, 300, 2).mean, abs=1e-9)
    assert found.cost.shape == (len(found.groups), 2)
    assert not any(group.startswith("state.roll") for group in found.groups)
    assert found.cost.std() > 0
    with pytest.raises(ValueError, match="no value network"):
        permutation_importance(Agent.parse("greedy"), table)
    with pytest.raises(ValueError, match="no value network"):
        permutation_importance(Agent.parse(f"net:{network}:policy"), table)


def test_importance_is_zero_where_the_network_does_not_look(table, tmp_path):
    """A network that sees nothing but the pieces on the path: shuffling anything else changes no choice."""
    document = random_networks.random_document(seed=4)
    weights = np.array(document["value_weights"], dtype=np.float32)
    hidden = document["network_config"]["hidden_sizes"][0]
    seen = [".piece." in name for name in FEATURE_NAMES]
    inputs = weights[: len(FEATURE_NAMES) * hidden].reshape(len(FEATURE_NAMES), hidden)
    inputs[~np.array(seen)] = 0
    document["value_weights"] = weights.tolist()
    agent = Agent.parse(f"net:{random_networks.write(tmp_path / 'blind.json', document)}")
    found = permutation_importance(agent, table, 300, 2, repeats=1)
    changed = {group for group, cost in zip(found.groups, found.cost[:, 0], strict=True) if cost}
    assert changed == {"board.own.piece", "board.opponent.piece"}
