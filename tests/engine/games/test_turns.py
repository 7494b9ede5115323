"""The Python loop that plays a game, against the rules and the loop in C."""

import itertools

import pytest

from engine import Agent, Position, play_match
from engine.core.dice import rolls
from engine.games.turns import PIECES, Turn, dice, next_turn, opening, play_turns

PLAYERS = (Agent.parse("greedy"), Agent.parse("emm:1"))


def test_opening():
    assert opening() == Position.initial()
    assert str(opening(2)) == "..............:5|..............:5"
    assert PIECES == 7


def test_dice_go_on():
    assert list(itertools.islice(dice(3, 4), 1300)) == rolls(3, 4, 1300)
    assert list(itertools.islice(dice(3, 4, 700), 600)) == rolls(3, 4, 1300)[700:]


def test_the_next_turn():
    position = Position.from_notation("..x...........:4|.....x........:4")
    assert next_turn(position, Turn(1, 1, 3)) == (position.play(1, 3)[0], 1)  # a rosette
    assert next_turn(position, Turn(1, 2, 3)) == (position.play(2, 3)[0], 0)
    assert next_turn(position, Turn(0, 0, None)) == (position.swapped, 1)


def test_the_games_are_those_of_play_match():
    """Winner and length of every game of a match, in which the seats alternate and pairs share the dice."""
    match = play_match(*PLAYERS, 20, 5, workers=1)
    for game, (won, turns) in enumerate(zip(match.won, match.turns, strict=True)):
        seat = game % 2
        steps = list(play_turns(PLAYERS[::-1] if seat else PLAYERS, None, 5, game // 2))
        assert len(steps) == turns
        assert (steps[-1].turn.player == seat) == won


def test_a_step_has_the_position_before_its_turn():
    steps = list(play_turns(PLAYERS, opening(3), 1))
    assert [step.number for step in steps] == list(range(1, len(steps) + 1))
    assert [step.turn.roll for step in steps] == rolls(1, 0, len(steps))
    for step, after in itertools.pairwise(steps):
        assert next_turn(step.position, step.turn) == (after.position, after.turn.player)
    assert next_turn(steps[-1].position, steps[-1].turn)[0].is_over


@pytest.mark.parametrize("played", [1, 7])
def test_a_game_goes_on_where_it_was_left(played):
    whole = list(play_turns(PLAYERS, opening(3), 1, 2))
    step = whole[played]
    rest = play_turns(PLAYERS, step.position, 1, 2, played=played, player=step.turn.player)
    assert list(rest) == whole[played:]
