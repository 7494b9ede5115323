"""Gymnasium's own checks."""

import numpy as np
import pytest

from engine.core.rules import RULE_SETS

gymnasium = pytest.importorskip("gymnasium", reason="the extra rl is not installed")
from gymnasium.utils.env_checker import check_env  # noqa: E402

import environments.gym  # noqa: E402 - registers the environment


@pytest.mark.parametrize("rule_set", RULE_SETS)
@pytest.mark.parametrize("kind", ["features", "planes"])
def test_its_check_env(rule_set, kind, capsys):
    env = gymnasium.make("Ur-v0", opponent="random", rules=rule_set, observation=kind, render_mode="ansi")
    check_env(env.unwrapped)
    capsys.readouterr()


def first_legal(info):
    return int(np.flatnonzero(info["action_mask"])[-1])


@pytest.mark.parametrize("seat", [0, 1])
def test_a_whole_game(seat):
    env = gymnasium.make("Ur-v0", opponent="random", render_mode="rgb_array")
    observation, info = env.reset(seed=7, options={"seat": seat})
    assert info["seat"] == seat
    done, rewards, steps = False, [], 0
    while not done:
        assert observation in env.observation_space
        observation, reward, done, truncated, info = env.step(first_legal(info))
        assert not truncated
        rewards.append(reward)
        steps += 1
    assert set(rewards[:-1]) == {0}
    assert rewards[-1] in (-1, 1)
    picture = env.render()
    assert picture.shape == (round(560 * 296 / 504), 560, 3)
    assert picture.std() > 10
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.unwrapped.step(0)


def test_what_a_player_does_wrong():
    env = gymnasium.make("Ur-v0", opponent="greedy").unwrapped
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(0)
    env.reset(seed=1)
    with pytest.raises(gymnasium.error.InvalidAction):
        env.step(15)
    _, reward, terminated, _, info = env.step(14)
    assert (reward, terminated, info["illegal_action"]) == (-1, True, True)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(0)
    with pytest.raises(ValueError, match="a seat is 0 or 1"):
        env.reset(options={"seat": 2})
    with pytest.raises(gymnasium.error.Error):
        env.reset(seed=-1)
    env.close()
    for call in (env.reset, lambda: env.step(0)):
        with pytest.raises(gymnasium.error.ClosedEnvironmentError):
            call()
    for options in ({"opponent": "emma:3"}, {"observation": "pixels"}, {"render_mode": "video"}, {"rules": "chess"}):
        with pytest.raises(ValueError, match="unknown"):
            environments.gym.UrEnv(**options)


def test_many_games():
    envs = gymnasium.make_vec("Ur-v0", num_envs=8, vectorization_mode="vector_entry_point", opponent="random")
    observations, infos = envs.reset(seed=3)
    assert observations.shape == (8, 150)
    assert envs.observation_space.contains(observations)
    again, _ = envs.reset(seed=3)
    assert np.array_equal(observations, again)
    wins = 0
    for _ in range(300):
        actions = np.array([np.flatnonzero(mask)[-1] for mask in infos["action_mask"]])
        before = observations
        observations, rewards, terminated, truncated, infos = envs.step(actions)
        assert observations is not before
        assert not truncated.any()
        assert np.array_equal(rewards != 0, terminated)
        wins += (rewards == 1).sum()
    assert wins > 0
    with pytest.raises(ValueError, match="is not legal"):
        envs.step(np.full(8, 14))
    envs.close()
