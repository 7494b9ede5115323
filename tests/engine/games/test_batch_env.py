"""Many games side by side, against the same games played one by one."""

import numpy as np
import pytest

from engine import Agent, BatchEnv, Position
from engine.core.dice import rolls
from engine.core.observations import observe
from engine.core.rules import RULE_SETS


def row_of(position, roll, seat, kind):
    """A row of a batch as it should be."""
    mask = np.zeros(len(position.legal_moves(roll)) and position_actions(position), dtype=bool)
    mask[position.legal_moves(roll)] = True
    return observe(position, roll, kind), mask, seat, roll, position.packed


def position_actions(position):
    return len(str(position).split(":")[0]) + 1


@pytest.mark.parametrize("rule_set", RULE_SETS)
@pytest.mark.parametrize("kind", ["features", "planes"])
def test_every_row_is_the_game_by_its_rules(rule_set, kind):
    """The games of Position with the dice of each game, over two games at each place."""
    n = 3
    env = BatchEnv(n, rules=rule_set, observation=kind, pieces=2, seed=11)
    batch = env.reset()
    ended = 0
    games = [one_game(rule_set, i, 11) for i in range(n)]
    expected = [next(game) for game in games]
    numbers = list(range(n))
    for _ in range(200):
        for i in range(n):
            position, roll, seat = expected[i]
            observation, mask, *rest = row_of(position, roll, seat, kind)
            assert np.array_equal(batch.observations[i], observation)
            assert np.array_equal(batch.masks[i], mask)
            assert [batch.players[i], batch.rolls[i], batch.positions[i]] == rest
        actions = env.random_actions()
        assert batch.masks[np.arange(n), actions].all()
        batch = env.step(actions)
        for i in range(n):
            try:
                expected[i] = games[i].send(actions[i])
                assert (batch.dones[i], batch.rewards[i]) == (False, 0)
            except StopIteration:
                assert (batch.dones[i], batch.rewards[i]) == (True, 1)
                ended += 1
                numbers[i] += n
                games[i] = one_game(rule_set, numbers[i], 11)
                expected[i] = next(games[i])
    assert ended >= n


def one_game(rule_set, number, seed):
    """Yields (position, roll, player) at each decision of a game of two pieces; is sent the squares to move from."""
    start = str(Position(rule_set))
    off = {"finkel": 5, "masters": 5}.get(rule_set, 3)
    position, seat = Position.from_notation(start.replace(":0", f":{off}"), rule_set), 0
    for roll in rolls(seed, number, 2000, rule_set):
        again = False
        if position.legal_moves(roll):
            square = yield position, roll, seat
            position, again = position.play(roll, int(square))
            if position.is_over:
                return
        else:
            position = position.swapped
        seat = seat if again else 1 - seat


def test_the_games_depend_on_the_seed_and_the_actions_alone():
    one, two = BatchEnv(9, seed=5), BatchEnv(9, seed=0, workers=4)
    first, second = one.reset(), two.reset(5)
    for _ in range(300):
        for a, b in zip(first, second, strict=True):
            assert np.array_equal(a, b)
        actions = one.random_actions()
        first, second = one.step(actions), two.step(actions)
    again = one.reset()
    assert np.array_equal(again.positions, two.reset().positions)
    assert not np.array_equal(one.reset(6).rolls, again.rolls)


def test_against_an_opponent():
    """The learner begins every other game, and its rewards are those of its own games."""
    n = 64
    env = BatchEnv(n, observation=None, opponent=Agent.parse("random"), seed=3)
    batch = env.reset()
    seats = batch.players.copy()
    assert seats.tolist() == [i % 2 for i in range(n)]
    wins = losses = 0
    perfect = Agent.parse("greedy")
    for _ in range(600):
        actions = [
            perfect.best_move(Position.from_packed(int(packed)), int(roll))
            for packed, roll in zip(batch.positions, batch.rolls, strict=True)
        ]
        batch = env.step(actions)
        wins += (batch.rewards == 1).sum()
        losses += (batch.rewards == -1).sum()
        assert np.array_equal(batch.rewards != 0, batch.dones)
        seats = np.where(batch.dones, 1 - seats, seats)
        assert np.array_equal(batch.players, seats)
    assert wins > 2 * losses > 0


def test_arrays_of_the_caller():
    env = BatchEnv(4)
    batch = env.arrays()
    assert env.reset(out=batch) is batch
    assert env.step(env.random_actions(), batch) is batch
    assert all(array.ctypes.data % 64 == 0 for array in batch)
    actions = np.empty(4, dtype=np.int64)
    assert env.random_actions(actions) is actions
    fresh = env.step(actions)
    assert not any(np.shares_memory(a, b) for a, b in zip(fresh, batch, strict=True))
    for name, array in (
        ("rewards", np.zeros(4)), ("masks", np.zeros((4, 14), bool)), ("positions", [0, 0, 0, 0]),
        ("observations", np.zeros((4, 300), np.uint8)[:, ::2]),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=f"{name} must be a writable array"):
            env.step(env.random_actions(), batch._replace(**{name: array}))


@pytest.mark.parametrize("actions", [[15, 0], [-1, 0], [0, 5], [[0, 0]], [0.0, 0.0], [0], "no"])
def test_an_illegal_action_changes_nothing(actions):
    env = BatchEnv(2, seed=1)
    before = env.reset()
    with pytest.raises(ValueError, match=r"is not legal|actions must be \(2,\) whole numbers"):
        env.step(actions)
    after = env.step(env.random_actions())
    assert np.array_equal(env.reset().positions, before.positions)
    assert not after.dones.any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 0}, "1 to 16777216 games, not 0"),
        ({"rules": "chess"}, "unknown rule set"),
        ({"observation": "pixels"}, "unknown observation"),
        ({"pieces": 8}, "finkel has 1 to 7 pieces a side, not 8"),
        ({"seed": -1}, "a seed is 0 to"),
        ({"seed": 1 << 64}, "a seed is 0 to"),
        ({"workers": 0}, "workers"),
    ],
)
def test_bad_settings(options, message):
    with pytest.raises(ValueError, match=message):
        BatchEnv(**{"n": 2} | options)


def test_wrong_types_and_calls():
    for options in ({"seed": 1.5}, {"seed": "1"}, {"n": "2"}, {"opponent": "random"}):
        with pytest.raises(TypeError):
            BatchEnv(**{"n": 2} | options)
    env = BatchEnv(2)
    for call in (lambda: env.step([0, 0]), env.random_actions):
        with pytest.raises(ValueError, match="call reset first"):
            call()
    with pytest.raises(TypeError):
        env.reset("7")
    assert repr(env) == "BatchEnv(2, rules='finkel', seed=0)"
