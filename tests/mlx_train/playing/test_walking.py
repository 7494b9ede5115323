"""Walking through a record: on, back, to a turn, and from mistake to mistake."""

import io

import pytest
from rich.console import Console

from engine import Agent
from engine.games.turns import opening, play_turns
from mlx_train.playing.records.game_record import ABANDONED, Ending, GameRecord
from mlx_train.playing.review import review
from mlx_train.playing.walking import walk


@pytest.fixture
def record():
    game = GameRecord(("greedy", "random"), 4, opening(2))
    for _, _, turn in play_turns([Agent.parse("greedy"), Agent.parse("random")], opening(2), 4):
        game.add(turn.roll, turn.move)
    return game


def walked(record, answers, table=None, turn=1):
    """What the person sees who answers so: the numbers of the turns, and the whole text."""
    console = Console(file=io.StringIO(), width=100)
    given = iter(answers)
    console.input = lambda prompt: next(given)
    walk(console, record, table, turn=turn)
    assert next(given, None) is None, "not every answer was asked for"
    text = console.file.getvalue()
    return [int(line.split()[0]) for line in text.splitlines() if "  roll " in line and line[3].isdigit()], text


def test_on_and_back(record):
    turns, text = walked(record, ["", "", "b", "", "q"])
    assert turns == [1, 2, 3, 2, 3]
    assert text.startswith("greedy against random")


def test_to_a_turn(record):
    count = len(record.turns)
    turns, text = walked(record, ["5", "999", "b", f"{count + 1}", ""])
    assert turns == [1, 5, 4]
    assert f"There are turns 1 to {count}." in text
    assert f"wins after {count} turns" in text  # the end, where Enter leaves
    assert walked(record, ["q"], turn=7)[0] == [7]
    with pytest.raises(ValueError, match=f"turns 1 to {count}, not {count + 1}"):
        walked(record, [], turn=count + 1)


def test_from_mistake_to_mistake(record, table):
    mistakes = [decision.step.number for decision in review(record, table, "the table").mistakes()]
    assert len(mistakes) >= 2
    turns, text = walked(record, ["m"] * (len(mistakes) + 1) + ["p"] * len(mistakes) + ["q"], table)
    first = [] if mistakes[0] == 1 else [1]
    assert turns == first + mistakes + mistakes[-2::-1]
    assert "There is no mistake after this turn." in text
    assert "There is no mistake before this turn." in text


def test_without_a_table_there_are_no_mistakes(record):
    assert "There is no mistake after this turn." in walked(record, ["m", "q"])[1]


def test_a_game_that_was_abandoned(record):
    begun = GameRecord(("a", "b"))
    begun.add(2, 0)
    begun.end(Ending(ABANDONED))
    assert "The game was abandoned. Turns played: 1." in walked(begun, ["", ""])[1]
