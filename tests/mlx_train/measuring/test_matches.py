"""Win rates: the estimate against perfect play is the exact win rate, with honest intervals."""

import numpy as np
import pytest

from engine import Agent, Position, Tablebase
from engine.games.matches import play_match
from engine.games.regret import choices, play_against_perfect
from mlx_train.measuring.matches import wilson, win_rate, win_rate_estimate


def test_the_estimate_is_the_played_win_rate(table):
    """One half less the summed regret is the win rate that is met in many games, with far less noise."""
    agent = Agent.parse("greedy")
    many = win_rate_estimate(agent, table, 200_000)
    noise = 100 * (0.25 / many.games) ** 0.5
    width = many.interval[1] - many.interval[0]
    assert abs(many.rate - many.played_rate) < 3 * noise
    assert width < 2 * 1.96 * noise / 2
    assert many.rate == 50 - many.regret_per_game
    few = win_rate_estimate(agent, table, 2000, seed=1)
    assert abs(few.rate - many.rate) < few.interval[1] - few.rate + width


def exact_win_rate(agent, table):
    """The agent's win rate against perfect play over both seats, in percent, by iteration over all positions."""
    packed = np.concatenate(list(table.positions()))
    place = {int(p): i for i, p in enumerate(packed)}
    ways = np.array([1, 4, 6, 4, 1]) / 16
    after = np.empty((2, 5, len(packed)), dtype=np.int64)  # the position then; -1 lost, -2 won, by whoever is to move
    same = np.zeros((2, 5, len(packed)), dtype=bool)
    for roll in range(5):
        moved = choices(agent, packed, np.full(len(packed), roll))
        for i, p in enumerate(packed):
            position = Position.from_packed(int(p))
            for mover, square in enumerate((int(moved[i]), table.best_move(position, roll))):
                following, again = (position.swapped, False)
                if square is not None and square >= 0:
                    following, again = position.play(roll, square)
                over = -2 if following.own_off == 7 else -1
                after[mover, roll, i] = over if following.is_over else place[following.packed]
                same[mover, roll, i] = again
    wins = np.full((2, len(packed) + 2), 0.5)  # the agent's, by who is to move; the last two: won, lost for the mover
    wins[0, -2:], wins[1, -2:] = (1, 0), (0, 1)
    for _ in range(400):
        for mover in (0, 1):
            turn = np.where(same[mover], mover, 1 - mover)
            wins[mover, :-2] = ways @ wins[turn, after[mover]]
    start = place[Position.from_notation("..............:5|..............:5").packed]
    return 50 * (wins[0, start] + wins[1, start])


def test_the_estimate_is_the_exact_win_rate(table):
    agent = Agent.parse("greedy")
    found = win_rate_estimate(agent, table, 40_000, seed=5)
    assert abs(found.rate - exact_win_rate(agent, table)) < 2 * (found.interval[1] - found.rate)


def test_the_interval_is_of_pairs_of_games(table):
    """From the regrets of the games in plain numpy: a pair has the same dice, so its games are not independent."""
    agent = Agent.parse("greedy")
    found = win_rate_estimate(agent, table, 600, seed=4)
    regret = 100 * play_against_perfect(agent, table, 600, 4).regret
    pairs = (regret[0::2] + regret[1::2]) / 2
    assert found.rate == pytest.approx(50 - regret.mean())
    spread = 1.96 * np.std(pairs, ddof=1) / 300**0.5
    assert found.interval == pytest.approx((found.rate - spread, found.rate + spread), abs=1e-3)


def test_where_nothing_can_be_chosen_the_estimate_is_one_half():
    found = win_rate_estimate(Agent.parse("random"), Tablebase.solve(1), 2000)
    assert found.interval == (50, 50)
    assert abs(found.played_rate - 50) < 3


def test_games_against_perfect_play_do_not_depend_on_the_workers(table):
    agent = Agent.parse("random")
    one, two = (play_against_perfect(agent, table, 300, 3, workers=workers) for workers in (1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))
    assert one.games == 300
    assert (one.regret >= 0).all()
    assert one.regret.max() > 0


@pytest.mark.parametrize("games", [0, 2, 5])
def test_the_estimate_needs_pairs(table, games):
    with pytest.raises(ValueError, match="pairs"):
        win_rate_estimate(Agent.parse("greedy"), table, games)


def test_win_rate_and_interval():
    found = win_rate(Agent.parse("greedy"), Agent.parse("random"), 200, seed=2)
    assert found.wins == play_match(Agent.parse("greedy"), Agent.parse("random"), 200, 2).won.sum()
    low, high = wilson(50, 100)  # the textbook's (0.404, 0.596)
    assert (round(low, 3), round(high, 3)) == (0.404, 0.596)
