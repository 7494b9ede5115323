"""Luck and error add up to the result of every game, and luck alone is fair."""

import itertools

import numpy as np
import pytest

from engine import Agent, Position, Tablebase
from engine.core.dice import ROLL_PROBABILITIES, rolls
from engine.games.regret import play_against_perfect
from mlx_train.measuring.luck import Turn, account, dice, luck_and_skill, opening, play_game


@pytest.fixture(scope="module")
def table():
    return Tablebase.solve(2, "floor")


def test_opening():
    assert opening() == Position.initial()
    assert str(opening(2)) == "..............:5|..............:5"


def test_dice_go_on():
    assert list(itertools.islice(dice(3, 4), 1300)) == rolls(3, 4, 1300)


@pytest.mark.parametrize("names", [("greedy", "random"), ("emm:1", "greedy")])
def test_everything_adds_up(table, names):
    players = [Agent.parse(name) for name in names]
    for game in range(20):
        turns = list(play_game(players, opening(2), 7, game))
        found = account(table, turns)
        result = found.win_probability[-1]
        assert result in (0, 1)
        assert result == 1 - turns[-1][0].player
        total = found.luck_of(0) - found.luck_of(1) - found.error_of(0) + found.error_of(1)
        assert table.value(opening(2)) + total == pytest.approx(result, abs=1e-12)
        assert found.error_of(0) >= 0
        assert found.error_of(1) >= 0
        steps = np.diff(found.win_probability)
        assert found.luck + found.error == pytest.approx(steps, abs=1e-12)


def test_luck_is_zero_on_average(table):
    for packed in table.sample(50, 3):
        position = Position.from_packed(int(packed))
        luck = [
            account(table, [(Turn(0, roll, table.best_move(position, roll)), position)]).luck[0] for roll in range(5)
        ]
        assert np.dot(luck, ROLL_PROBABILITIES) == pytest.approx(0, abs=1e-12)


def test_who_plays_perfectly_makes_no_error(table):
    found = account(table, play_game((table, Agent.parse("greedy")), opening(2), 1))
    assert found.error_of(0) == 0
    assert found.error_of(1) > 0


def test_a_match_has_the_games_of_the_arena(table):
    """The same dice, and the errors are the regret that the arena sums game by game."""
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
        account(table, [(Turn(0, 2, None), start)])
    with pytest.raises(ValueError, match="turn 1: no legal move from 5"):
        account(table, [(Turn(0, 2, 5), start)])
    with pytest.raises(ValueError, match="2 pieces"):
        account(table, [(Turn(0, 2, 0), opening(3))])
    with pytest.raises(ValueError, match="at least 1"):
        luck_and_skill(Agent.parse("greedy"), Agent.parse("random"), table, 0)
