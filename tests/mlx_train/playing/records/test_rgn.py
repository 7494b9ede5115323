"""RGN: the published example, and files that break its form or the rules."""

import re

import pytest
from record_games import random_record

from engine import Position
from engine.core.rules import RULE_SETS
from mlx_train.playing.records import rgn
from mlx_train.playing.records.game_record import STOPPED, Ending, GameRecord

EXAMPLE = "1. A@A1 * A1B4 * B4B8 / 0 --\n2. B8A+#\n"


def test_a_record_of_ours_is_the_example():
    record = GameRecord(("Ann", "Ben B."), None, Position.from_notation("..............:6|..............:6"))
    for roll, move in ((4, 0), (4, 4), (4, 8), (0, None), (3, 12)):
        record.add(roll, move)
    header, _, body = rgn.text(record).partition("\n\n")
    assert body == EXAMPLE
    assert header.splitlines()[:3] == ["[Light Ann]", '[Dark "Ben B."]', "[Rules finkel]"]


def test_a_name_that_is_no_text_comes_back_as_it_is_shown():
    record = GameRecord(("bad\udcff", "b\\ack"), None, Position.initial())
    assert rgn.parse(rgn.text(record)).players == (r"bad\udcff", "b\\ack")


def test_the_example_alone_is_a_game_that_stops():
    """Without a header nothing says that the sides had one piece each."""
    record = rgn.parse(EXAMPLE)
    assert record.turns == [(0, 4, 0), (0, 4, 4), (0, 4, 8), (1, 0, None), (0, 3, 12)]
    assert record.ending == Ending(STOPPED)


@pytest.mark.parametrize("name", RULE_SETS)
def test_lines_are_short(name):
    assert max(len(line) for line in rgn.text(random_record(name, 3)).splitlines()) <= 61


def test_the_rules_without_a_header():
    """The first rule set that allows every move; a whole game of masters is none of Finkel's."""
    text = re.sub(r"\[Rules .*\n", "", rgn.text(random_record("masters", 1)))
    assert rgn.parse(text).rules.name == "masters"


def test_dark_may_begin():
    record = rgn.parse("[Dark Ben]\n\n/ C@C3\n1. A@A2\n")
    assert (record.players, record.turns) == (("Ben", "light"), [(0, 2, 0), (1, 3, 0)])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[Light Ann]\n", "there is no turn"),
        ("1. C@C2", "turn 1, 'C@C2': light does not walk C2"),
        ("1. A@A2 2. A@A3", "turn 2, 'A@A3': it is dark's turn"),
        ("1. A@A9", "turn 1, 'A@A9': light does not walk A9"),
        ("1. A3A2", "turn 1, 'A3A2': moving from 2"),
        ("1. A@B1", "turn 1, 'A@B1': the dice give a roll"),
        ("1. hello", "turn 1, 'hello': not an action"),
        ("1. 12 --", "turn 1, '12': not a roll"),
        ("1. A@A2# / C@C2", "turn 1, '/': nothing follows"),
        ("[Rules chess]\n\n1. A@A2", "unknown rule set 'chess'"),
        ("[Ending fun]\n\n1. A@A2", "the header Ending is 'fun'"),
    ],
)
def test_refusals(text, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        rgn.parse(text)
