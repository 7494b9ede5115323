"""The formats of records: the golden files, which the page reads too, and round trips."""

import json
import re
from pathlib import Path

import pytest
from commandline import call
from record_games import as_browser_game, as_jheled, contents, random_ending, random_record

from engine.core.rules import RULE_SETS
from mlx_train.playing.records import own
from mlx_train.playing.records.formats import (
    FORMATS,
    WRITTEN,
    convert,
    format_of,
    parse_record,
    read_record,
    write_record,
)

GOLDEN = Path(__file__).parents[3] / "golden" / "records"
EXPECTED = json.loads((GOLDEN / "expected.json").read_text())

FAST, SLOW = range(20), range(1000)


@pytest.mark.parametrize("name", EXPECTED)
def test_golden_files(name):
    """The moves, the players and the words of each file, or the reason why it is refused."""
    expected = EXPECTED[name]
    if "refused" in expected:
        with pytest.raises(ValueError, match=re.escape(f"{GOLDEN / name}: {expected['refused']}")):
            read_record(GOLDEN / name)
        return
    format_name, record = parse_record((GOLDEN / name).read_text())
    assert expected["format"].startswith(FORMATS[format_name].NAME)
    assert list(record.players) == expected["players"]
    assert [list(turn) for turn in record.turns] == expected["turns"]
    assert record.unplayed == expected["roll"]
    assert ([record.ending.text(record.players)] if record.ending else []) == expected["notes"]


def test_every_golden_file_is_expected():
    assert {path.name for path in GOLDEN.iterdir()} == {"expected.json", *EXPECTED}


def round_trips(name, seeds):
    """Every format that is written gives the game back; our own leaves an unplayed roll out."""
    for seed in seeds:
        record = random_ending(name, seed)
        for written in WRITTEN:
            format_name, again = parse_record(FORMATS[written].text(record))
            assert format_name == written
            if written == "own":
                again.unplayed = record.unplayed
            assert contents(again) == contents(record), (written, seed)


def foreign_round_trips(seeds):
    """The formats that are only read give the moves back; the browser game's without the rolls of passes."""
    for seed in seeds:
        record = random_record("finkel", seed, turns=None if seed % 3 else 1 + seed % 50)
        format_name, again = parse_record(as_jheled(record))
        assert (format_name, again.turns, again.winner) == ("jheled", record.turns, record.winner)
        format_name, again = parse_record(as_browser_game(record))
        assert format_name == "browser"
        assert moves_by_name(again, again.players) == moves_by_name(record, ("player1", "player2"))
        winners = [(again.winner, again.players), (record.winner, ("player1", "player2"))]
        first, second = (None if winner is None else names[winner] for winner, names in winners)
        assert first == second


def moves_by_name(record, names):
    """The moves without the passes. The format does not say who began where the first turn passed."""
    return [(names[turn.player], turn.roll, turn.move) for turn in record.turns if turn.move is not None]


@pytest.mark.parametrize("name", RULE_SETS)
def test_round_trips(name):
    round_trips(name, FAST)


def test_foreign_round_trips():
    foreign_round_trips(FAST)


@pytest.mark.slow
@pytest.mark.parametrize("name", RULE_SETS)
def test_a_thousand_round_trips(name):
    round_trips(name, SLOW)


@pytest.mark.slow
def test_a_thousand_foreign_round_trips():
    foreign_round_trips(SLOW)


def test_a_game_from_the_middle():
    """Where a game begins, and with how many pieces, is kept."""
    for position in (step.position for step in random_record("masters", 2).steps()):
        record = random_record("masters", 2, turns=0)
        record.start = record.position = position
        for written in WRITTEN:
            assert parse_record(FORMATS[written].text(record))[1].start == position


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: the file is empty"),
        ("\ufeff \n", "line 1: the file is empty"),
        ("hello", "not a record in a known format (mlx-ur, RoyalUr JSON, RGN, jheled .ur, browser game's JSON)"),
        ("{}", "not a record in a known format"),
        ('{"weights": [1]}', "not a record in a known format"),
        ("[1, 2]", "not a record in a known format"),
    ],
)
def test_no_record(text, message, tmp_path):
    (tmp_path / "game").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=re.escape(f"{tmp_path / 'game'}: {message}")):
        read_record(tmp_path / "game")


def test_a_byte_order_mark_and_blank_lines_mean_nothing(tmp_path):
    record = random_record("finkel", 4, turns=12)
    (tmp_path / "game.jsonl").write_text("\ufeff\n" + own.text(record).replace("\n", "\r\n\r\n"), encoding="utf-8")
    assert read_record(tmp_path / "game.jsonl").turns == record.turns


def test_the_format_of_an_ending(tmp_path):
    assert [format_of(Path(f"game{ending}")) for ending in (".jsonl", ".json", ".RGN")] == ["own", "royalur", "rgn"]
    with pytest.raises(
        ValueError, match=r"game\.txt: the name of a record that is written ends in \.jsonl \(mlx-ur\), \.json"
    ):
        format_of(Path("game.txt"))
    write_record(random_record("blitz", 1), tmp_path / "game.rgn", "rgn")
    assert read_record(tmp_path / "game.rgn").rules.name == "blitz"


def test_convert(tmp_path):
    record = random_record("aseb", 6)
    own_file, other = tmp_path / "game.jsonl", tmp_path / "game.json"
    write_record(record, own_file)
    result = call("convert", own_file, other)
    assert result.returncode == 0, result.stderr
    assert contents(read_record(other)) == contents(record)
    with pytest.raises(ValueError, match="exists already"):
        convert(own_file, other)
    with pytest.raises(ValueError, match="ends in"):
        convert(own_file, tmp_path / "game.txt")
