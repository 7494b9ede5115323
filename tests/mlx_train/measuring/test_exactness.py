"""Every exact measure at once."""

import json

from engine import Agent
from mlx_train.measuring.exactness import exactness


def test_everything_at_once_is_plain_json(table, network):
    found = exactness(Agent.parse(f"net:{network}"), table, positions=500, decisions=200, games=20)
    again = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert again["value_error"]["positions"] == 500
    assert again["regret"]["decisions"] == 200
    assert again["estimate"]["games"] == 20
    assert exactness(Agent.parse("greedy"), table, decisions=200, games=20).value_error is None
