"""The browser game's JSON: passes, who begins, and what is refused."""

import json
import re

import pytest
from record_games import as_browser_game, finished

from mlx_train.playing.records import browser_game


def entry(player, roll, source, target):
    return {"player": f"player{player}", "diceRoll": roll, "fromSquare": source, "toSquare": target}


def text(*history, winner=None):
    return json.dumps({"winner": winner, "history": history})


def test_a_pass_follows_from_the_rules():
    record = browser_game.parse(text(entry(2, 2, -1, 18), entry(2, 1, -1, 19)))
    assert record.players == ("player2", "player1")
    assert record.turns == [(0, 2, 0), (1, 0, None), (0, 1, 0)]


def test_an_empty_game():
    assert browser_game.parse(text()).turns == []


@pytest.mark.parametrize(
    ("history", "message"),
    [
        ([entry(3, 2, -1, 1)], "history[0]: player must be player1 or player2"),
        ([7], "history[0]: player must be player1 or player2"),
        ([entry(1, 5, -1, 1)], "history[0]: diceRoll must be a whole number"),
        ([entry(1, 2, -1, 18)], "history[0]: player1 does not walk square 18"),
        ([entry(1, 2, -1, 1)], "history[0]: a roll of 2 from -1 does not lead to 1"),
        ([entry(1, 2, 3, 1)], "history[0]: moving from 1"),
        ([entry(1, 2, -1, 2), entry(1, 2, "x", 0)], 'history[1]: player1 does not walk square "x"'),
    ],
)
def test_refusals(history, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        browser_game.parse(text(*history))


def test_the_winner_is_checked():
    document = json.loads(as_browser_game(finished()))
    winner = document["winner"]
    document["winner"] = "player1" if winner == "player2" else "player2"
    with pytest.raises(ValueError, match=f"{winner} has won, not {document['winner']}"):
        browser_game.parse(json.dumps(document))
