"""RoyalUr's JSON: its settings, and files that break its form or the rules."""

import copy
import json
import re
from pathlib import Path

import pytest
import royalur.model as peer
from record_games import random_record

from engine.core.rules import RULE_SETS, rules
from mlx_train.playing.records import royalur
from mlx_train.playing.records.game_record import captured_square

GOLDEN = Path(__file__).parents[3] / "golden" / "records"
DOCUMENT = json.loads((GOLDEN / "royalur-one-piece.json").read_text())
PATHS = {"bell": peer.BellPathPair, "masters": peer.MastersPathPair, "aseb": peer.AsebPathPair}


@pytest.mark.parametrize("name", RULE_SETS)
def test_the_paths_are_the_peers(name):
    """The tiles of our paths are those of the path that the settings name, as the package royalur has it."""
    pair = PATHS[royalur.SETTINGS[name]["paths"]]()
    for path, tiles in zip(rules(name).paths, (pair.light, pair.dark), strict=True):
        assert list(path) == [str(tile) for tile in tiles]


def test_a_record_of_ours_is_the_example():
    record = royalur.parse(json.dumps(DOCUMENT))
    written = json.loads(royalur.text(record))
    assert written.pop("metadata") == {"Light": "light", "Dark": "dark"}
    assert written == {key: value for key, value in DOCUMENT.items() if key != "metadata"}


@pytest.mark.parametrize("name", RULE_SETS)
def test_captures_are_written(name):
    record = random_record(name, 1)
    moves = [state["move"] for state in json.loads(royalur.text(record))["states"] if state["type"] == "move"]
    played = [step for step in record.steps() if step.turn.move is not None]
    for move, step in zip(moves, played, strict=True):
        square = captured_square(step.position, step.turn.roll, step.turn.move)
        assert move.get("captured") == (None if square is None else square * (1 if step.turn.player else -1))


def changed(*path, value):
    """The example with one value changed; None removes it."""
    document = copy.deepcopy(DOCUMENT)
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return document


def test_dark_may_begin():
    document = changed("initial_state", "turn", value="D")
    document["states"] = [
        {"type": "move", "turn": "D", "roll": {"value": 3}, "move": {"dest": -3}},
        {"type": "wait4roll", "turn": "L"},
    ]
    record = royalur.parse(json.dumps(document))
    assert (record.players, record.turns) == (("dark", "light"), [(0, 3, 0)])


def test_a_roll_before_its_move():
    document = changed("states", value=[{"type": "roll", "turn": "L", "roll": {"value": 4}}, *DOCUMENT["states"]])
    assert royalur.parse(json.dumps(document)).turns == royalur.parse(json.dumps(DOCUMENT)).turns


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (changed("notation_version", value=3), "RoyalUr's notation_version 3 is not known"),
        (changed("settings", value=None), "settings must be an object"),
        (
            changed("settings", "paths", value="murray"),
            'this rule set of RoyalUr is not known: board_shape "standard", paths "murray"',
        ),
        (changed("settings", "safe_rosettes", value=False), "safe_rosettes false"),
        (changed("settings", "start_pieces", value=8), "start_pieces 8"),
        (changed("settings", "start_pieces", value="7"), "start_pieces must be a whole number"),
        (changed("states", value=None), "states must be a list"),
        (changed("initial_state", value=[]), "initial_state must be an object"),
        (changed("initial_state", "board", value={}), "pieces must be an object"),
        (changed("initial_state", "board", "pieces", value={"B1": 4}), "B1 is not square 4 of light's path"),
        (changed("initial_state", "board", "pieces", value={"A1": 4}), "light has 2 pieces, not 1"),
        (changed("initial_state", "board", "pieces", value={"A1": 0}), "0 is not a piece"),
        (changed("initial_state", "players", "L", "pieces", value=True), "pieces must be a whole number"),
        (changed("states", 0, "turn", value="D"), "states[0]: it is light's turn"),
        (changed("states", 0, "roll", "value", value=5), "states[0]: value must be a whole number, 0 to 4"),
        (changed("states", 0, "roll", value=4), "states[0]: roll must be an object"),
        (changed("states", 0, "move", value={"dest": -4}), "states[0]: light moves a piece of dark"),
        (changed("states", 0, "move", value={"dest": 4, "captured": -4}), "states[0]: the move captures no piece"),
        (changed("states", 1, "move", value={"src": 5, "dest": 9}), "states[1]: moving from 5 with a roll of 4"),
        (changed("states", 0, "type", value="dance"), 'states[0]: type "dance"'),
        (changed("states", 0, value=7), "states[0]: expected an object"),
        (changed("states", 4, value={"type": "win", "winner": "L"}), "states[4]: the game is not over"),
        (changed("states", 4, value={"type": "resigned"}), "states[4]: player must be L or D"),
        (changed("states", value=[*DOCUMENT["states"], {"type": "win", "winner": "D"}]), "light has won, not dark"),
        (changed("states", value=DOCUMENT["states"] * 2), "states[5]: the game is over"),
    ],
)
def test_refusals(document, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        royalur.parse(json.dumps(document))
