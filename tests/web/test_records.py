"""The page's readers and writers of records, and its rule sets, under Node."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from record_games import as_browser_game, as_jheled, random_ending, random_record

from engine.core.rules import RULE_SETS, rules
from mlx_train.playing.records.formats import WRITTEN, write_record

ROOT = Path(__file__).parents[2]
RECORDS = ROOT / "tests" / "golden" / "records"
NODE = shutil.which("node")

pytestmark = [
    pytest.mark.skipif(NODE is None, reason="needs Node"),
    pytest.mark.skipif(not (ROOT / "web" / "ur.wasm").exists(), reason="web/ur.wasm is not built: make wasm"),
]


def node(*arguments):
    """What a program for Node prints, as JSON."""
    result = subprocess.run([NODE, *map(str, arguments)], capture_output=True, text=True, check=False, cwd=ROOT)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_records_are_read_as_expected():
    expected = json.loads((RECORDS / "expected.json").read_text())
    files = [RECORDS / name for name in expected]
    found = node("tests/support/record_cases.mjs", "web/ur.wasm", 0, *files)
    assert {Path(file).name: answer for file, answer in found.items()} == expected


@pytest.mark.parametrize("games", [30, pytest.param(1000, marks=pytest.mark.slow)])
def test_games_of_every_rule_set_come_back_from_every_format(games):
    assert node("tests/support/record_cases.mjs", "web/ur.wasm", games) == {}


def test_what_python_writes_is_read_alike(tmp_path):
    expected = {}
    for name in RULE_SETS:
        for seed in range(8):
            record = random_ending(name, seed)
            for format_name in WRITTEN:
                file = tmp_path / f"{name}-{seed}.{format_name}"
                write_record(record, file, format_name)
                roll = None if format_name == "own" else record.unplayed
                notes = [record.ending.text(record.players)] if record.ending else []
                expected[str(file)] = (list(record.players), list(map(list, record.turns)), roll, notes)
    record = random_record("finkel", 1)
    for format_name, text in (("ur", as_jheled(record)), ("json", as_browser_game(record))):
        (tmp_path / f"whole.{format_name}").write_text(text)
    found = node("tests/support/record_cases.mjs", "web/ur.wasm", 0, *expected, *tmp_path.glob("whole.*"))
    turns = [found.pop(str(file))["turns"] for file in tmp_path.glob("whole.*")]
    assert turns[0] == [list(turn) for turn in record.turns] or turns[1] == [list(turn) for turn in record.turns]
    assert all([turn for turn in each if turn[2] is not None] == moves_of(record) for each in turns)
    assert {
        file: (each["players"], each["turns"], each["roll"], each["notes"]) for file, each in found.items()
    } == expected


def moves_of(record):
    return [list(turn) for turn in record.turns if turn.move is not None]


def test_the_rule_sets_are_the_engines():
    script = """
        import { RULE_SETS } from "./web/rules.js";
        const sets = Object.values(RULE_SETS).map(({ rosettes, ...rules }) => ({
            ...rules, rosettes: rules.paths[0].flatMap((tile, index) => (rosettes.has(tile) ? [index + 1] : [])) }));
        console.log(JSON.stringify(sets));
    """
    shown = node("--input-type=module", "--eval", script)
    assert [entry["name"] for entry in shown] == list(RULE_SETS)
    for entry in shown:
        known = rules(entry["name"])
        assert [tuple(path) for path in entry["paths"]] == list(known.paths)
        assert (entry["pieces"], entry["off"]) == (known.pieces, known.borne_off)
        assert tuple(entry["rosettes"]) == known.rosettes
        assert (entry["safe"], entry["captureRolls"]) == (bool(known.safe), known.capture_grants_roll)
        count, none = entry["dice"]["count"], entry["dice"]["none"]
        tips = [bin(throw).count("1") or none for throw in range(2**count)]
        assert [tips.count(roll) * 16 // 2**count for roll in range(5)] == list(known.ways)
