"""PettingZoo's own checks."""

import warnings

import numpy as np
import pytest

from engine.core.rules import RULE_SETS

pytest.importorskip("pettingzoo", reason="the extra rl is not installed")
from pettingzoo.test import api_test, seed_test
from pettingzoo.test.render_test import render_test

from environments import petting_zoo


@pytest.mark.parametrize("rule_set", RULE_SETS)
@pytest.mark.parametrize("kind", ["features", "planes"])
def test_its_api_test(rule_set, kind, capsys):
    with warnings.catch_warnings():
        # The player who is not to move has no legal action; every classic game of PettingZoo has such a mask.
        warnings.filterwarnings("ignore", message="Action mask numpy array is all zeros")
        warnings.filterwarnings("ignore", message="Observation is not a NumPy array")
        warnings.filterwarnings("ignore", message="Observation space for each agent probably should be")
        api_test(petting_zoo.env(rules=rule_set, observation=kind), num_cycles=300)
    assert "Passed" in capsys.readouterr().out


def test_its_seed_test():
    seed_test(petting_zoo.env, num_cycles=100)


def test_its_render_test(capsys):
    render_test(petting_zoo.env)
    assert "hand" in capsys.readouterr().out


def test_a_whole_game():
    env = petting_zoo.env()
    env.reset(seed=2)
    total = dict.fromkeys(env.possible_agents, 0)
    for agent in env.agent_iter():
        observation, reward, terminated, truncated, _ = env.last()
        total[agent] += reward
        action = None
        if not terminated and not truncated:
            legal = np.flatnonzero(observation["action_mask"])
            assert len(legal)
            action = legal[-1]
        env.step(action)
    assert sorted(total.values()) == [-1, 1]
    assert env.agents == []


def test_bad_input():
    for options in ({"rules": "chess"}, {"observation": "pixels"}, {"render_mode": "video"}):
        with pytest.raises(ValueError, match="unknown"):
            petting_zoo.env(**options)
    raw = petting_zoo.RawEnv()
    raw.reset(seed=0)
    with pytest.raises(ValueError, match="is not legal"):
        raw.step(14)
    with pytest.raises(ValueError, match="must choose"):
        raw.step(None)
    env = petting_zoo.env()
    env.reset(seed=0)
    loser = env.agent_selection
    env.step(14)
    assert env.rewards[loser] == -1
    assert all(env.terminations.values())
