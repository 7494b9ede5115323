"""Speed and size."""

import pytest

from engine import Agent
from engine.games.regret import seconds_to_choose
from mlx_train.measuring import cost
from mlx_train.measuring.cost import microseconds_per_move, size


def test_speed_and_size(network, monkeypatch):
    agent = Agent.parse(f"net:{network}")
    assert microseconds_per_move(agent, decisions=200) > 0
    monkeypatch.setattr(cost, "seconds_to_choose", lambda agent, packed, rolls: 3e-6 * len(packed))
    assert microseconds_per_move(agent) == pytest.approx(3)
    with pytest.raises(ValueError, match="at least 1"):
        seconds_to_choose(agent, [], [])
    found = size(agent)
    assert found.parameters == 150 * 8 + 8 + 8 * 5 + 5 + 5 + 1
    assert found.bytes > 4 * found.parameters
    assert size(Agent.parse(f"net:{network}:policy")).parameters == found.parameters + 6 * 6
    assert size(Agent.parse("greedy")).parameters is None
