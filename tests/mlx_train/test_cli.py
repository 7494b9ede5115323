"""The command line as a user meets it."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from commandline import call
from random_networks import random_document

from engine.machine.files import lock_folder
from engine.network.document import read_document


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a tiny run."""
    folder = tmp_path_factory.mktemp("cli") / "run"
    result = call(
        "run", "--preset", "quick", "--games", 12, "--epochs", 2, "--depth", 1, "--evaluation-games", 20,
        "--hidden-sizes", "16,8", "--device", "cpu", "--output", folder,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return folder, result


def test_a_run_leaves_everything_in_its_folder(finished):
    folder, result = finished
    assert str(folder) in result.stderr
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "config.json", "games.npz", "dataset.json", "metrics.jsonl", "loss.png", "checkpoints", "weights.json",
        "evaluation.json",
    }  # fmt: skip
    assert (folder / "loss.png").read_bytes().startswith(b"\x89PNG")
    config = json.loads((folder / "config.json").read_text())
    assert config["config"]["games"] == 12
    assert len((folder / "metrics.jsonl").read_text().splitlines()) == 2
    metadata = read_document(folder / "weights.json")["metadata"]
    assert {
        "training_date", "version", "num_games", "num_training_samples", "epochs", "learning_rate", "batch_size",
        "validation_split", "seed", "source_revision", "source_committed_at", "training_time_seconds",
        "best_validation_loss", "depth", "device", "evaluation",
    } <= metadata.keys()  # fmt: skip
    assert metadata["num_games"] == 2  # of 12: the search's
    assert metadata["training_time_seconds"] > 0


@pytest.mark.parametrize("teacher", ["exact", "outcome"])
def test_a_run_with_another_teacher(teacher, table_file, tmp_path):
    """The game of two pieces stands for the solved game."""
    (tmp_path / "cache").mkdir()
    shutil.copy(table_file, tmp_path / "cache/finkel-7.table")
    environment = os.environ | {"UR_CACHE": str(tmp_path / "cache")}
    folder = tmp_path / "runs/one"
    result = call(
        "run", "--preset", "quick", "--teacher", teacher, "--games", 12, "--depth", 1, "--playouts", 0, "--steps", 40,
        "--epochs", 2, "--evaluation-games", 20, "--hidden-sizes", "16,8", "--device", "cpu", "--output", folder,
        env=environment,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    evaluation = json.loads((folder / "evaluation.json").read_text())
    exact = evaluation["exact"]
    assert exact["value_error"]["positions"] == 100_000
    assert exact["estimate"]["games"] == 20
    metadata = read_document(folder / "weights.json")["metadata"]
    assert metadata["teacher"] == teacher
    assert metadata["evaluation"]["perfect"] == pytest.approx(exact["estimate"]["rate"] / 100, abs=1e-6)
    assert metadata["evaluation"]["regret_points"] == pytest.approx(exact["regret"]["mean"], abs=1e-6)
    assert "win % against perfect" in result.stdout
    assert "samples/s, waiting for data" in result.stdout
    if teacher == "exact":
        assert metadata["num_training_samples"] == 40 * metadata["batch_size"]
    shown = call("runs", "show", "one", cwd=tmp_path)
    assert f"{exact['regret']['mean']:.4f}" in shown.stdout
    drawn = call(
        "report", f"net:{folder}/weights.json", "--run", "one", "--table", table_file, "--output", "report",
        cwd=tmp_path,
    )  # fmt: skip
    assert drawn.returncode == 0, drawn.stderr
    assert "one-loss.png" in drawn.stdout
    assert (tmp_path / "report/one-loss.png").read_bytes().startswith(b"\x89PNG")


def test_phases_one_by_one(finished, tmp_path):
    generated = call("generate", "--games", 6, "--depth", 1, "--output", tmp_path / "games")
    assert generated.returncode == 0, generated.stderr
    mislabelled = call("train", tmp_path / "games/games.npz", "--teacher", "exact", "--output", tmp_path / "no")
    assert mislabelled.returncode == 1
    assert "error: these games have labels of the teacher search: say --teacher search" in mislabelled.stderr
    assert not (tmp_path / "no").exists()
    trained = call(
        "train", tmp_path / "games/games.npz", "--epochs", 1, "--hidden-sizes", "4", "--output", tmp_path / "model"
    )
    assert trained.returncode == 0, trained.stderr
    assert (tmp_path / "model/weights.json").exists()
    exported = call("export", tmp_path / "model/checkpoints", tmp_path / "again.json")
    assert exported.returncode == 0, exported.stderr
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "model/weights.json").read_bytes()


def test_evaluate(finished):
    folder, _ = finished
    result = call(
        "evaluate", f"net:{folder}/weights.json", "--against", "random", "--against", "emm:1", "--games", 30, "--json"
    )
    assert result.returncode == 0, result.stderr
    matches = json.loads(result.stdout)
    assert [match["opponent"] for match in matches] == ["random", "emm:1"]
    assert all(match["interval95"][0] <= match["win_rate"] <= match["interval95"][1] for match in matches)
    assert "| opponent" in call("evaluate", "emm:1", "--against", "random", "--games", 4).stdout


def test_analyze():
    notation = "...x..........:0|......x.......:0"
    result = call("analyze", notation, "--roll", 3, "--agent", "emm:1", "--json")
    moves = json.loads(result.stdout)["rolls"][0]["moves"]
    assert [(move["from"], move["captures"]) for move in moves] == [(0, False), (4, True)]
    assert [move["best"] for move in moves] == [True, False]  # leaving the rosette costs more than the capture gains
    table = call("analyze", notation).stdout
    assert "no legal move" in table
    assert "4 -> 7" in table


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["run", "--games", "-5"], 2, "games must be"),
        (["run", "--preset", "quik"], 2, "did you mean quick"),
        (["run", "--learning-rate", "nan"], 2, "learning_rate"),
        (["run", "--hidden-sizes", "a,b"], 2, "whole numbers"),
        (["run", "--device", "tpu"], 2, "unknown device"),
        (["run", "--workers", "0", "--preset", "quick"], 2, "workers"),
        (["run", "--bogus"], 2, "No such option"),
        (["train", "nowhere.npz"], 1, "nowhere.npz"),
        (["train", "."], 2, "is a folder; name the file of games"),
        (["evaluate", "emm:9999", "--against", "random"], 2, "depth"),
        (["evaluate", "gready", "--against", "random"], 2, "did you mean greedy"),
        (["evaluate", "net:nowhere.json", "--against", "random"], 1, "nowhere.json"),
        (["evaluate", "random", "--against", "random", "--games", "0"], 2, "games"),
        (["evaluate", "random", "--against", "greedy", "--seed", "-1"], 2, "seed"),
        (["evaluate", "random", "--against", "greedy", "--workers", "2000"], 2, "workers must be"),
        (["evaluate", "random", "--against", "greedy", "--table", "nowhere"], 2, "--table is what --exact"),
        (["compare", "random", "greedy", "--games", str(1 << 40)], 2, "at most 2**31"),
        (["figures", "--games", str(1 << 40)], 2, "at most 2**31"),
        (["compare", "random", "greedy", "--output", "/dev/null"], 1, "/dev/null: File exists"),
        (["analyze", "nonsense"], 2, "expected"),
        (["analyze", "..............:0|..............:0", "--roll", "7"], 2, "roll"),
        (["analyze", "..............:0|..............:0", "--roll", str(10**30)], 2, "roll"),
        (["analyze", "..............:7|..............:0"], 2, "over"),
        (["watch", "random", "random", "--delay", "1e10"], 2, "3600"),
        (["export", "nowhere", "there.json"], 1, "nowhere"),
        (["doctor", "--report", "nowhere/report.txt"], 1, "error: nowhere/report.txt: No such file"),
        (["doctor", "--report", "."], 1, "error: .: not a regular file"),
        (["strategy", "--decisions", str(10**30)], 2, "less than or equal to"),
    ],
)
def test_bad_input_gets_one_line_and_an_exit_code(arguments, code, message, tmp_path):
    result = call(*arguments, cwd=tmp_path)
    assert result.returncode == code, result.stderr
    assert "Traceback" not in result.stderr
    assert message in " ".join(result.stderr.replace("│", " ").split())
    assert not any(path.suffix == ".json" for path in tmp_path.rglob("*") if path.name != "config.json")


def test_signs_that_the_output_lacks_do_not_cost_the_results(tmp_path):
    plain = os.environ | {"PYTHONIOENCODING": "ascii", "UR_CACHE": str(tmp_path)}
    result = call("compare", "random", "greedy", "--games", 4, cwd=tmp_path, env=plain)
    assert result.returncode == 0, result.stderr
    written = (tmp_path / "runs/compare/comparison.md").read_text()
    assert written.count("±") == 5
    assert written.replace("±", "+-") in result.stdout


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("runs >&-", 0),
        ("models >&- 2>&- <&-", 0),
        ("play --seed 5 <&-", 0),
        ("evaluate perfect --exact <&-", 1),
        ("generate --games 4 --depth 1 --playouts 0 --output games 2>&-", 0),
    ],
)
def test_closed_streams_do_no_harm(command, code, tmp_path):
    (tmp_path / "weights").symlink_to(Path.cwd() / "weights")
    result = subprocess.run(
        f"exec {shlex.quote(sys.executable)} -m mlx_train {command}",
        shell=True, cwd=tmp_path, env=os.environ | {"UR_CACHE": str(tmp_path)}, capture_output=True, text=True,
        timeout=120,
    )  # fmt: skip
    assert result.returncode == code, result.stderr
    assert "Traceback" not in result.stderr
    assert "lost sys" not in result.stderr
    if "2>&-" in command and "games" in command:
        assert json.loads(result.stdout)["games"] == 4
        assert (tmp_path / "games/games.npz").exists()


@pytest.mark.parametrize("mode", ["r", "w"])
def test_messages_that_nobody_can_read_do_not_end_the_work(mode, finished, tmp_path):
    """A disk that is full, and a stream that is open for reading only."""
    with Path("/dev/full" if mode == "w" else os.devnull).open(mode) as nobody:
        result = subprocess.run(
            [sys.executable, "-m", "mlx_train", "train", finished[0] / "games.npz", "--preset", "quick", "--epochs=1",
             "--teacher=search", "--hidden-sizes=4", "--device=cpu", "--output", tmp_path / "run"],
            stdout=subprocess.DEVNULL, stderr=nobody, timeout=120,
        )  # fmt: skip
    assert result.returncode == 0
    assert read_document(tmp_path / "run/weights.json")["metadata"]["epochs"] == 1


def test_a_home_that_cannot_be_used_costs_only_the_measures(tmp_path):
    """The word comes before the work, and the run ends well."""
    environment = {name: text for name, text in os.environ.items() if name not in ("UR_CACHE", "XDG_CACHE_HOME")}
    result = call(
        "run", "--preset", "quick", "--games", 8, "--epochs", 1, "--depth", 1, "--evaluation-games", 4,
        "--hidden-sizes", 4, "--output", "run", cwd=tmp_path, env=environment | {"HOME": "/dev/null/x"},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    lines = result.stderr.splitlines()
    (word,) = (n for n, line in enumerate(lines) if line.startswith("not measured against perfect play: /dev/null/x"))
    assert word < next(n for n, line in enumerate(lines) if line.startswith("generating"))
    assert json.loads((tmp_path / "run/evaluation.json").read_text())["exact"] is None


def test_names_that_are_no_text(tmp_path):
    """A name in another encoding, a formula of matplotlib's, a table's bar."""
    names = [os.fsdecode(b"bad\xff.json"), "$\\x$.json", "a|b\x1b[31m.json"]
    for seed, name in enumerate(names):
        (tmp_path / name).write_text(json.dumps(random_document(hidden=(4,), seed=seed)))
    agents = [f"net:./{name}" for name in names]
    result = call("compare", *agents, "--games", 4, cwd=tmp_path, env=os.environ | {"UR_CACHE": str(tmp_path)})
    assert result.returncode == 0, result.stderr
    assert "\x1b" not in result.stdout + result.stderr
    assert "a\\|b\\x1b[31m" in result.stdout
    assert (tmp_path / "runs/compare/comparison.png").read_bytes().startswith(b"\x89PNG")
    assert "bad\\udcff" in (tmp_path / "runs/compare/comparison.md").read_text()


def test_a_link_to_nothing_is_no_folder(tmp_path):
    (tmp_path / "link").symlink_to("nothing")
    for command in (["generate", "--games", 2, "--depth", 1], ["compare", "random", "greedy", "--games", 2]):
        result = call(*command, "--output", "link", cwd=tmp_path)
        assert result.returncode == 1
        assert result.stderr == "error: link is a link to nothing, which does not exist\n"


@pytest.mark.parametrize("command", ["compare random greedy --games 2", "compress {} --bits 8", "report random"])
def test_a_folder_that_another_command_writes_is_refused(command, finished, table_file, tmp_path):
    words = [*command.format(finished[0] / "weights.json").split(), "--table", table_file, "--output", tmp_path]
    lock = lock_folder(tmp_path)
    result = call(*words)
    os.close(lock)
    assert result.returncode == 1
    assert result.stderr == f"error: {tmp_path}: in use by another process\n"
    assert not any(tmp_path.iterdir())


def test_an_output_in_use_is_refused(finished):
    folder, _ = finished
    before = {path: path.read_bytes() for path in folder.glob("*.json")}
    result = call("run", "--preset", "quick", "--output", folder)
    assert result.returncode == 1
    assert "exists already" in result.stderr
    assert before == {path: path.read_bytes() for path in folder.glob("*.json")}


def test_help_is_light(tmp_path):
    code = (
        "import sys; sys.argv = ['x', '--help']\n"
        "from mlx_train.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print([m for m in ('mlx', 'numpy', 'matplotlib', 'engine') if m in sys.modules], file=sys.stderr)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stderr.strip() == "[]"
