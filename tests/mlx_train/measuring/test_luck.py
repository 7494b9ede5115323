"""Luck and error add up to the result of every game, and luck alone is fair."""

import numpy as np
import pytest

from engine import Agent, Position
from engine.core.dice import ROLL_PROBABILITIES
from engine.games.regret import play_against_perfect
from engine.games.turns import Step, Turn, opening, play_turns
from mlx_train.measuring.luck import account, luck_and_skill


@pytest.mark.parametrize("names", [("greedy", "random"), ("emm:1", "greedy")])
def test_everything_adds_up(table, names):
    players = [Agent.parse(name) for name in names]
    for game in range(20):
        steps = list(play_turns(players, opening(2), 7, game))
        found = account(table, steps)
        result = found.win_probability[-1]
        assert result in (0, 1)
        assert result == 1 - steps[-1].turn.player
        total = found.luck_of(0) - found.luck_of(1) - found.error_of(0) + found.error_of(1)
        assert table.value(opening(2)) + total == pytest.approx(result, abs=1e-12)
        assert found.error_of(0) >= 0
        assert found.error_of(1) >= 0
        changes = np.diff(found.win_probability)
        assert found.luck + found.error == pytest.approx(changes, abs=1e-12)


def test_luck_is_zero_on_average(table):
    for packed in table.sample(50, 3):
        position = Position.from_packed(int(packed))
        turns = [Turn(0, roll, table.best_move(position, roll)) for roll in range(5)]
        luck = [account(table, [Step(1, position, turn)]).luck[0] for turn in turns]
        assert np.dot(luck, ROLL_PROBABILITIES) == pytest.approx(0, abs=1e-12)


def test_who_plays_perfectly_makes_no_error(table):
    found = account(table, play_turns((table, Agent.parse("greedy")), opening(2), 1))
    assert found.error_of(0) == 0
    assert found.error_of(1) > 0


def test_it_plays_the_games_of_play_against_perfect(table):
    """The same dice, and the errors are the regret that `play_against_perfect` sums game by game."""
    greedy = Agent.parse("greedy")
    found = luck_and_skill(greedy, table, table, 40, seed=5)
    assert (found.agent, found.opponent) == ("greedy", "perfect")
    match = play_against_perfect(greedy, table, 40, 5)
    assert -found.skill == pytest.approx(match.regret, abs=1e-12)
    assert (found.won == match.won).all()
    assert found.start[:2] == pytest.approx([table.value(opening(2)), 1 - table.value(opening(2))])
    assert found.start + found.luck + found.skill == pytest.approx(match.won.astype(float), abs=1e-12)


def test_only_luck_decides_between_equals(table):
    found = luck_and_skill(table, table, table, 20)
    assert not found.skill.any()
    assert found.luck.std() > 0.4


def test_refusals(table):
    start = opening(2)
    with pytest.raises(ValueError, match="without turns"):
        account(table, [])
    with pytest.raises(ValueError, match="turn 1: passed"):
        account(table, [Step(1, start, Turn(0, 2, None))])
    with pytest.raises(ValueError, match="turn 1: no legal move from 5"):
        account(table, [Step(1, start, Turn(0, 2, 5))])
    with pytest.raises(ValueError, match="2 pieces"):
        account(table, [Step(1, opening(3), Turn(0, 2, 0))])
    with pytest.raises(ValueError, match="at least 1"):
        luck_and_skill(Agent.parse("greedy"), Agent.parse("random"), table, 0)
