"""Calibration, against slow Python."""

import pytest

from engine import Agent
from mlx_train.measuring.calibration import calibration


def test_calibration_by_steps(table, network):
    agent = Agent.parse(f"net:{network}")
    found = calibration(agent, table, 2000, 3, steps=4)
    packed = table.sample(2000, 3)
    predicted, exact = agent.player.values(packed), table.values(packed)
    lower = predicted < 0.25
    assert found.count[0] == lower.sum()
    assert found.count.sum() == 2000
    assert found.predicted[0] == pytest.approx(predicted[lower].mean())
    assert found.exact[0] == pytest.approx(exact[lower].mean())
    inside = (exact - predicted)[lower]
    assert ((inside >= found.low[0]) & (inside <= found.high[0])).mean() == pytest.approx(0.9, abs=0.01)
    with pytest.raises(ValueError, match="no win probabilities"):
        calibration(Agent.parse("greedy"), table)
