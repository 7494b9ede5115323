"""This program's own format: what is written is read back, and what the rules forbid is refused with its line."""

import json
import re
from pathlib import Path

import pytest
from record_games import finished

from engine import Position
from engine.core.dice import rolls
from engine.games.turns import Turn
from mlx_train.playing.records import own
from mlx_train.playing.records.formats import read_record, write_record
from mlx_train.playing.records.game_record import ABANDONED, RESIGNED, Ending, GameRecord

DOCUMENT = Path(__file__).parents[4] / "docs/records.md"


HEADER = {
    "record": "ur-game",
    "version": 1,
    "rules": "finkel",
    "players": ["a", "b"],
    "seed": None,
    "start": str(Position.initial()),
}


def lines(*entries):
    return "".join(json.dumps(entry) + "\n" for entry in entries)


def turn(player, roll, move):
    return {"player": player, "roll": roll, "move": move}


def test_round_trip(tmp_path):
    record = finished()
    write_record(record, tmp_path / "game.jsonl")
    again = read_record(tmp_path / "game.jsonl")
    assert own.text(again) == own.text(record)
    assert again.turns == record.turns
    assert (again.players, again.seed, again.start) == (record.players, record.seed, record.start)
    assert (again.position, again.winner) == (record.position, record.winner)
    assert json.loads(own.text(record).splitlines()[-1]) == {"winner": record.winner}


def test_an_unfinished_game_has_no_winner():
    record = GameRecord(("a", "b"))
    record.add(2, 0)
    assert record.winner is None
    assert own.text(record) == lines(HEADER, turn(0, 2, 0))
    assert own.parse(own.text(record)).mover == 1


def test_a_game_that_ends_early():
    record = GameRecord(("a", "b"))
    record.add(2, 0)
    record.end(Ending(RESIGNED, 0))
    assert own.text(record).splitlines()[-1] == '{"winner": 0, "end": "resigned"}'
    record.end(Ending(ABANDONED, None, "player_left"))
    assert own.text(record).splitlines()[-1] == '{"winner": null, "end": "abandoned", "reason": "player_left"}'
    assert own.parse(own.text(record)).ending == record.ending


def test_a_finished_game_may_lack_its_last_line():
    text = own.text(finished())
    without = "".join(text.splitlines(keepends=True)[:-1])
    assert own.text(own.parse(without)) == text


BEGUN = [HEADER, turn(0, 4, 0)]
NEARLY = HEADER | {"start": ".............x:6|..............:0"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: the file is empty"),
        ("{", "line 1: not JSON"),
        ("[]\n", "line 1: expected an object"),
        ("\nx\n" + lines(*BEGUN), "line 2: not JSON"),
        (lines(turn(0, 2, 0)), "line 1: expected a header"),
        (lines(HEADER | {"version": 2}), "line 1: version 2"),
        (lines(HEADER | {"version": True}), "line 1: version true"),
        (lines(HEADER | {"rules": "tic"}), 'line 1: rules "tic"'),
        (lines(HEADER | {"players": ["a"]}), "line 1: players"),
        (lines(HEADER | {"players": ["a", 2]}), "line 1: players"),
        (lines(HEADER | {"seed": -1}), "line 1: seed"),
        (lines(HEADER | {"seed": 1.5}), "line 1: seed"),
        (lines(HEADER | {"start": 3}), "line 1: start"),
        (lines(HEADER | {"start": "x:0"}), "line 1: expected"),
        (lines(HEADER | {"start": "..............:7|..............:0"}), "line 1: a game cannot start"),
        (lines(HEADER | {"date": "today"}), "line 1: expected the keys"),
        (lines({key: value for key, value in HEADER.items() if key != "seed"}), "line 1: expected the keys"),
        (lines(*BEGUN, turn(1, 2, 0)), "line 3: it is player 0's turn"),
        (lines(*BEGUN, turn(0, 5, 0)), "line 3: roll must be"),
        (lines(*BEGUN, turn(0, True, 0)), "line 3: roll must be"),
        (lines(*BEGUN, turn(0, 2, 15)), "line 3: move must be"),
        (lines(*BEGUN, turn(0, 2, 1)), "line 3: moving from 1"),
        (lines(*BEGUN, turn(0, 2, None)), "line 3: the turn cannot pass"),
        (lines(*BEGUN, {"player": 0, "roll": 2}), "line 3: expected the keys player, roll, move"),
        (lines(*BEGUN, turn(0, 2, 0) | {"time": 3}), "line 3: expected the keys"),
        (lines(*BEGUN, {"winner": 0}), "line 3: the game is not over"),
        (lines(*BEGUN, {"winner": 0, "end": "bored"}), 'line 3: end "bored"'),
        (lines(*BEGUN, {"winner": None, "end": "resigned"}), 'line 3: a game that ends with "resigned" has a winner'),
        (lines(NEARLY, turn(0, 1, 14), {"winner": 0, "end": "resigned"}), "line 3: the game is over"),
        (lines(NEARLY, turn(0, 1, 14), {"winner": 1}), "line 3: player 0 has won"),
        (lines(NEARLY, turn(0, 1, 14), {"winner": 2}), "line 3: winner must be"),
        (lines(NEARLY, turn(0, 1, 14), turn(1, 1, 0)), "line 3: the game is over"),
        (lines(NEARLY, turn(0, 1, 14), {"winner": 0}, {"winner": 0}), "line 4: nothing follows"),
    ],
)
def test_refusals(text, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        own.parse(text)


def test_a_binary_file_is_refused(tmp_path):
    (tmp_path / "game.jsonl").write_bytes(b"\x89PNG\xff")
    with pytest.raises(ValueError, match=r"game\.jsonl"):
        read_record(tmp_path / "game.jsonl")


def test_the_documents_example():
    example = re.search(r"```json\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)[1]
    record = own.parse(example)
    assert own.text(record) == example
    assert [turn.roll for turn in record.turns] == rolls(record.seed, 0, len(record.turns))
    assert None in [turn.move for turn in record.turns]
    assert isinstance(record.turns[0], Turn)
