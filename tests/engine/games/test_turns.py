"""The Python loop that plays a game."""

import itertools

from engine import Position
from engine.core.dice import rolls
from engine.games.turns import dice, opening


def test_opening():
    assert opening() == Position.initial()
    assert str(opening(2)) == "..............:5|..............:5"


def test_dice_go_on():
    assert list(itertools.islice(dice(3, 4), 1300)) == rolls(3, 4, 1300)
