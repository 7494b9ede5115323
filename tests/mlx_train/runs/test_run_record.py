"""Run folders read back: the list, one of them, two compared."""

import dataclasses
import json
import os
import subprocess
import sys

import pytest

from mlx_train.config import Config, SelfplayConfig
from mlx_train.runs.run_folder import Run
from mlx_train.runs.run_record import changed_settings, difference, find_run, read_record, run_folders
from mlx_train.runs.run_views import difference_table, run_page, runs_table
from mlx_train.system.files import write_json


def make_run(folder, *, age=0, losses=(), rates=(), **settings):
    run = Run.create(Config(**settings), "made", folder)
    os.utime(run.config, (1e9 - age, 1e9 - age))
    for epoch, loss in enumerate(losses, 1):
        run.append_metrics({
            "epoch": epoch, "step": 10 * epoch, "validation_value_loss": loss, "validation_policy_loss": 1.0,
            "samples_per_second": 1000.0 * epoch,
            "seconds": 2.0,
        })  # fmt: skip
    if rates:
        run.weights.write_text("{}")
        matches = [
            {"opponent": f"emm:{depth}", "win_rate": rate, "games": 100, "interval95": [rate - 0.03, rate + 0.03]}
            for depth, rate in rates
        ]
        write_json(run.evaluation, {"matches": matches, "microseconds_per_move": 5.0})
    return run


@pytest.fixture
def parent(tmp_path):
    make_run(tmp_path / "20260102-run", age=10, games=100, losses=[0.5, 0.3, 0.4], rates=[(3, 0.75), (4, 0.5)])
    make_run(tmp_path / "20260103-run", age=5, games=200, hidden_sizes=(8, 4), losses=[0.2], rates=[(3, 0.8)])
    make_run(tmp_path / "begun", age=0)
    (tmp_path / "compare").mkdir()
    return tmp_path


def call(*arguments, cwd):
    return subprocess.run(
        [sys.executable, "-m", "mlx_train", *map(str, arguments)], capture_output=True, text=True, cwd=cwd, timeout=120
    )


def test_folders_are_listed_oldest_first(parent):
    assert [folder.name for folder in run_folders(parent)] == ["20260102-run", "20260103-run", "begun"]
    assert run_folders(parent / "nowhere") == []


def test_a_record_says_what_the_run_came_to(parent):
    record = read_record(parent / "20260102-run")
    assert record.state == "measured"
    assert record.figures() == {
        "epochs": 3, "value loss": 0.3, "policy loss": 1.0, "samples/s": 2000.0, "microseconds a move": 5.0,
        "win % emm:3": 75.0, "win % emm:4": 50.0,
    }  # fmt: skip
    assert changed_settings(record) == {"games": 100}
    old = dataclasses.replace(record, config=record.config | {"reuse": 1, "pieces": 3})  # settings that were removed
    assert changed_settings(old) == {"games": 100, "pieces": 3}
    begun = read_record(parent / "begun")
    assert begun.state == "begun"
    assert set(begun.figures().values()) == {None}


def test_losses_of_own_games_do_not_compare(tmp_path):
    run = Run.create(Config(), "run", tmp_path / "run", made_by="run")
    for row in ({"validation_value_loss": 0.1}, {"validation_value_loss": 0.3, "own_games": 9}):
        run.append_metrics(row)
    assert read_record(run.folder).best("validation_value_loss") == 0.3


def test_a_run_of_self_play_says_what_it_learnt(tmp_path):
    run = Run.create(SelfplayConfig(rounds=7), "selfplay", tmp_path / "run", made_by="selfplay")
    run.append_metrics({"round": 7, "games": 896, "loss": 0.25})
    write_json(run.learning, [{"regret": 0.5, "win_rate": 40.0, "value_error": 0.1, "interval": [39.1, 40.9]}])
    record = read_record(run.folder)
    assert record.state == "measured"
    assert changed_settings(record) == {"rounds": 7}
    assert record.figures() == {
        "rounds": 7, "games played": 896, "loss": 0.25, "value error": 0.1, "regret, points": 0.5,
        "win % perfect": 40.0,
    }  # fmt: skip
    assert "win % perfect" in runs_table([record])
    assert "policy loss" not in runs_table([record])


@pytest.mark.parametrize(
    ("made", "state"), [((), "begun"), (("games.npz",), "games"), (("games.npz", "weights.json"), "trained")]
)
def test_states(made, state, tmp_path):
    run = make_run(tmp_path / "run")
    for name in made:
        (run.folder / name).touch()
    assert read_record(run.folder).state == state


def test_a_run_is_found_by_name_beginning_path_or_last(parent):
    for text in ("20260103-run", "20260103", str(parent / "20260103-run")):
        assert find_run(text, parent).name == "20260103-run"
    assert find_run("last", parent).name == "begun"
    with pytest.raises(ValueError, match=r"begins the names of 2 runs: 20260102-run, 20260103-run"):
        find_run("2026", parent)
    with pytest.raises(ValueError, match="did you mean begun"):
        find_run("begin", parent)
    with pytest.raises(ValueError, match="did you mean last"):
        find_run("lats", parent)
    with pytest.raises(ValueError, match="no runs in"):
        find_run("last", parent / "compare")


def test_a_name_that_begins_another_is_that_run(parent):
    make_run(parent / "begun-2")
    assert find_run("begun", parent).name == "begun"


def test_difference(parent):
    first, second = (read_record(parent / name) for name in ("20260102-run", "20260103-run"))
    rows = {(row["kind"], row["name"]): (row["first"], row["second"]) for row in difference(first, second)}
    assert rows["setting", "games"] == (100, 200)
    assert rows["setting", "hidden_sizes"] == ([256, 128, 64, 32], [8, 4])
    assert sum(kind == "setting" for kind, _ in rows) == 2
    assert not any(kind == "version" for kind, _ in rows)
    assert rows["figure", "win % emm:3"] == (75.0, 80.0)
    assert rows["figure", "win % emm:4"] == (50.0, None)
    table = difference_table("a", "b", difference(first, second))
    assert "+5.00 ± 4.24" in table  # 3 times the root of 2
    assert "256,128,64,32" in table
    assert [row for row in difference(first, first) if row["kind"] != "figure"] == []


def test_tables(parent):
    records = [read_record(folder) for folder in run_folders(parent)]
    lines = runs_table(records).splitlines()
    assert len(lines) == 5
    assert [cell.strip() for cell in lines[3].strip("|").split("|")] == [
        "20260103-run", "measured", "search", "200", "8-4", "1", "0.2000", "1.0000", "1,000", "80.00", "",
    ]  # fmt: skip
    page = run_page(records[1])
    assert "| hidden_sizes | 8,4" in page
    assert "80.00 ± 3.00" in page
    assert "No figures yet" in run_page(records[2])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("config.json", "{"),
        ("config.json", "[]"),
        ("config.json", "{}"),
        ("metrics.jsonl", "{\n"),
        ("evaluation.json", ""),
    ],
)
def test_a_damaged_run_is_refused_with_its_file(name, text, parent):
    (parent / "20260102-run" / name).write_text(text)
    with pytest.raises(ValueError, match=name):
        read_record(parent / "20260102-run")


def test_commands(parent):
    (parent / "20260103-run/metrics.jsonl").write_text("{")
    listed = call("runs", "--folder", parent, "--json", cwd=parent)
    assert [record["run"] for record in json.loads(listed.stdout)] == ["20260102-run", "begun"]
    assert "left out" in listed.stderr
    shown = call("runs", "show", "20260102", "--folder", parent, cwd=parent)
    assert "| value loss" in shown.stdout
    assert "win rates" in shown.stderr
    compared = call("runs", "diff", "20260102-run", "begun", "--folder", parent, cwd=parent)
    assert "| setting | games" in compared.stdout
    wrong = call("runs", "show", "begin", "--folder", parent, cwd=parent)
    assert wrong.returncode == 2
    assert "did you mean begun" in " ".join(wrong.stderr.replace("│", " ").split())
    assert "no runs" in call("runs", "--folder", parent / "compare", cwd=parent).stdout
