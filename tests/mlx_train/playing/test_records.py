"""Records of games: what is written is read back, and what the rules forbid is refused with its line."""

import json
import re
from pathlib import Path

import pytest
import referee

from engine import Position
from engine.core.dice import rolls
from engine.games.turns import Turn
from mlx_train.playing.records import GameRecord

DOCUMENT = Path(__file__).parents[3] / "docs/records.md"


def finished(seed=3):
    """A whole game of first legal moves."""
    record = GameRecord(("Ann", "Ben"), seed)
    for roll in rolls(seed, 0, 1000):
        if record.winner is not None:
            break
        legal = record.position.legal_moves(roll)
        record.add(roll, legal[-1] if legal else None)
    assert record.winner is not None
    return record


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


def test_a_game_by_the_referee():
    """Each turn's player, position and successor, as the slow referee plays them."""
    record = finished()
    state, player = referee.from_notation(str(record.start)), 0
    for step in record.steps():
        assert referee.notation(state) == str(step.position)
        assert step.turn.player == player
        if step.turn.move is None:
            assert not referee.legal_moves(state, step.turn.roll)
            state, player = referee.swap(state), 1 - player
        else:
            state, again = referee.play(state, step.turn.roll, step.turn.move)
            player = player if again else 1 - player
    assert referee.is_over(state)
    assert referee.notation(state) == str(record.position)
    assert record.winner == record.turns[-1].player


def test_round_trip(tmp_path):
    record = finished()
    record.write(tmp_path / "game.jsonl")
    again = GameRecord.read(tmp_path / "game.jsonl")
    assert again.text() == record.text()
    assert again.turns == record.turns
    assert (again.players, again.seed, again.start) == (record.players, record.seed, record.start)
    assert (again.position, again.winner) == (record.position, record.winner)
    assert json.loads(record.text().splitlines()[-1]) == {"winner": record.winner}


def test_an_unfinished_game_has_no_winner():
    record = GameRecord(("a", "b"))
    record.add(2, 0)
    assert record.winner is None
    assert record.text() == lines(HEADER, turn(0, 2, 0))
    assert GameRecord.parse(record.text()).mover == 1


def test_a_finished_game_may_lack_its_last_line():
    text = finished().text()
    without = "".join(text.splitlines(keepends=True)[:-1])
    assert GameRecord.parse(without).text() == text


def test_undo_goes_back_to_the_start():
    record = finished()
    states = [(step.position, step.turn.player) for step in record.steps()]
    for turn, (position, mover) in zip(list(reversed(record.turns)), reversed(states), strict=True):
        assert record.undo() == turn
        assert (record.position, record.mover) == (position, mover)
    assert record.position == record.start
    with pytest.raises(IndexError):
        record.undo()


def test_the_last_move():
    record = GameRecord(("a", "b"))
    assert record.last is None
    record.add(2, 0)
    assert record.last == (0, 2)
    record.add(0, None)
    assert record.last is None


def test_what_is_illegal_changes_nothing():
    record = GameRecord(("a", "b"))
    for roll, move in ((2, None), (2, 3), (0, 0), (5, 0)):
        with pytest.raises(ValueError, match=r"legal|roll"):
            record.add(roll, move)
    assert record.turns == []
    with pytest.raises(ValueError, match="over"):
        GameRecord(("a", "b"), None, Position.from_notation("..............:7|..............:0"))


BEGUN = [HEADER, turn(0, 4, 0)]
NEARLY = HEADER | {"start": ".............x:6|..............:0"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: the file is empty"),
        ("{", "line 1: not JSON"),
        ("[]\n", "line 1: expected an object"),
        ("\n" + lines(*BEGUN), "line 1: not JSON"),
        (lines(turn(0, 2, 0)), "line 1: expected a header"),
        (lines(HEADER | {"version": 2}), "line 1: version 2"),
        (lines(HEADER | {"version": True}), "line 1: version true"),
        (lines(HEADER | {"rules": "blitz"}), 'line 1: rules "blitz"'),
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
        (lines(NEARLY, turn(0, 1, 14), {"winner": 1}), "line 3: player 0 has won"),
        (lines(NEARLY, turn(0, 1, 14), {"winner": 2}), "line 3: winner must be"),
        (lines(NEARLY, turn(0, 1, 14), turn(1, 1, 0)), "line 3: the game is over"),
        (lines(NEARLY, turn(0, 1, 14), {"winner": 0}, {"winner": 0}), "line 4: nothing follows"),
    ],
)
def test_refusals(text, message, tmp_path):
    with pytest.raises(ValueError, match=re.escape(message)):
        GameRecord.parse(text)
    path = tmp_path / "game.jsonl"
    path.write_text(text)
    with pytest.raises(ValueError, match=re.escape(f"{path}: {message}")):
        GameRecord.read(path)


def test_a_binary_file_is_refused(tmp_path):
    (tmp_path / "game.jsonl").write_bytes(b"\x89PNG\xff")
    with pytest.raises(ValueError, match=r"game\.jsonl"):
        GameRecord.read(tmp_path / "game.jsonl")


def test_the_documents_example():
    example = re.search(r"```json\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)[1]
    record = GameRecord.parse(example)
    assert record.text() == example
    assert [turn.roll for turn in record.turns] == rolls(record.seed, 0, len(record.turns))
    assert None in [turn.move for turn in record.turns]
    assert isinstance(record.turns[0], Turn)
