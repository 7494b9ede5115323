"""The environments for agents that learn, in steps a second with random legal moves, beside other libraries' games."""

import random
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from engine import BatchEnv
from mlx_train.tools.bench.measure import Row, median_seconds, millions, rate

#: Games side by side, and steps of all of them in a call.
GAMES, STEPS = 4096, 256

#: Steps of the loops in Python.
FEW = 2000


def rows() -> list[Row]:
    """`engine.BatchEnv` on one core, with the peers; then the loops of PettingZoo and OpenSpiel over our game."""
    table = []
    for observation, peer in ((None, open_spiel_peer()), ("planes", pgx_peer()), ("features", "")):
        env = BatchEnv(GAMES, observation=observation)
        seconds = median_seconds(partial(play, env))
        what = f"BatchEnv, {observation or 'no'} observations, one core"
        table.append(Row(what, millions(GAMES * STEPS, seconds, "steps"), f"engine.BatchEnv({GAMES})", peer))
    return [*table, *loop_rows()]


def play(env: BatchEnv) -> None:
    """Make random moves in all games, in arrays that are used again."""
    batch = env.reset()
    actions = env.random_actions()
    for _ in range(STEPS):
        env.step(env.random_actions(actions), batch)


def loop_rows() -> list[Row]:
    """One game at a time, in the loops of the host libraries."""
    table = []
    if find_spec("pettingzoo") is not None:
        seconds = median_seconds(petting_zoo_loop)
        table.append(Row("PettingZoo's loop, one game", rate(FEW, seconds, "steps"), "environments.petting_zoo"))
    if find_spec("pyspiel") is not None:
        game = import_module("environments.open_spiel").NAME
        seconds = median_seconds(partial(open_spiel_loop, game))
        table.append(Row("OpenSpiel's loop, one game", rate(FEW, seconds, "moves"), "environments.open_spiel"))
    return table


def petting_zoo_loop() -> None:
    """Make random moves in `agent_iter`."""
    env = import_module("environments.petting_zoo").env()
    steps = 0
    while steps < FEW:
        env.reset(seed=steps)
        for _ in env.agent_iter():
            observation, _, terminated, truncated, _ = env.last()
            over = terminated or truncated
            env.step(None if over else random.choice(np.flatnonzero(observation["action_mask"])))
            steps += not over
            if steps == FEW:
                break


def open_spiel_loop(name: str) -> None:
    """Make random moves in a game of OpenSpiel, one after the other; the moves of players count."""
    game = import_module("pyspiel").load_game(name)
    state = game.new_initial_state()
    moves = 0
    while moves < FEW:
        if state.is_terminal():
            state = game.new_initial_state()
        if state.is_chance_node():
            outcomes, probabilities = zip(*state.chance_outcomes(), strict=True)
            state.apply_action(random.choices(outcomes, probabilities)[0])
        else:
            state.apply_action(random.choice(state.legal_actions()))
            moves += 1


def open_spiel_peer() -> str:
    """OpenSpiel's backgammon, in C++, in a loop of Python."""
    if find_spec("pyspiel") is None:
        return "OpenSpiel: not installed (pip install open_spiel)"
    seconds = median_seconds(partial(open_spiel_loop, "backgammon"))
    return f"OpenSpiel's backgammon: {rate(FEW, seconds, 'moves')}"


def pgx_peer() -> str:
    """Pgx's backgammon with as many games at once, compiled by JAX for the processor."""
    if find_spec("pgx") is None:
        return "pgx: not installed (pip install pgx)"
    jax: Any = import_module("jax")
    env = import_module("pgx").make("backgammon")
    steps = 16

    def step(state, key):
        one, two = jax.random.split(key)
        logits = jax.numpy.log(state.legal_action_mask.astype(jax.numpy.float32))
        actions = jax.random.categorical(one, logits, axis=-1)
        return jax.vmap(env.step)(state, actions, jax.random.split(two, GAMES)), None

    begin = jax.jit(jax.vmap(env.init))
    play_on = jax.jit(lambda state, key: jax.lax.scan(step, state, jax.random.split(key, steps))[0])
    state = jax.block_until_ready(begin(jax.random.split(jax.random.PRNGKey(0), GAMES)))
    seconds = median_seconds(lambda: jax.block_until_ready(play_on(state, jax.random.PRNGKey(1))))
    return f"pgx's backgammon, {GAMES} games, all cores: {rate(GAMES * steps, seconds, 'steps')}"
