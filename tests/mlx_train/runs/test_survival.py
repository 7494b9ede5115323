"""Runs that are killed at any moment and go on: what they leave in the end is what an undisturbed run leaves."""

import itertools
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time

import pytest

from engine.network.document import read_document
from mlx_train.data.games import Decisions
from mlx_train.training.checkpoint import checkpoints

#: The search plays 130 games. The network that the run begins with plays better, so the last epochs have its own games.
SETTINGS = [
    "--preset", "quick", "--games", "200", "--search-share", "0.65", "--depth", "1", "--playouts", "0", "--epochs", "3",
    "--batch-size", "512", "--init", "weights/ur-3k.json", "--hidden-sizes", "20,16", "--activation", "silu",
    "--learning-rate", "0.0001", "--dropout", "0.1", "--evaluation-games", "20", "--device", "cpu",
    "--checkpoint-seconds", "0.02", "--workers", "1",
]  # fmt: skip

#: Moments at which a kill is most likely to leave something half done: before, in and after the training.
BEFORE = ("games written:2", "dataset written:1")
WITHIN = (
    "checkpoint half written:1",
    "checkpoint half written:3",
    "checkpoint written:2",
    "checkpoint named:3",
    "checkpoint done:2",
    "epoch ended:1",
)
AFTER = ("training done:1", "training saved:1", "weights written:1", "weights measured:1")


def start(*arguments, kill_at="", **options):
    return subprocess.Popen(
        [sys.executable, "-m", "mlx_train", *map(str, arguments)],
        env=os.environ | {"UR_KILL_AT": kill_at},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def call(*arguments, **options):
    process = start(*arguments, **options)
    output, errors = process.communicate(timeout=300)
    return process.returncode, output, errors


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    code, _, errors = call("run", *SETTINGS, "--output", folder)
    assert code == 0, errors
    return folder


def assert_same_run(one, two):
    """The same games, weights, measures, and losses of every epoch."""
    games, others = (Decisions.load(folder / "games.npz").records for folder in (one, two))
    assert games.tobytes() == others.tobytes()
    first, second = (read_document(folder / "weights.json") for folder in (one, two))
    for name in ("value_weights", "policy_weights"):
        assert first[name].tobytes() == second[name].tobytes()
    assert first["metadata"]["evaluation"] == second["metadata"]["evaluation"]
    first, second = ((folder / "metrics.jsonl").read_text().splitlines() for folder in (one, two))
    timing = {"samples_per_second", "seconds", "waiting", "peak_memory_bytes", "process_peak_memory_bytes"}
    for line, other in zip(first, second, strict=True):
        line, other = json.loads(line), json.loads(other)
        assert {key: line[key] for key in line.keys() - timing} == {key: other[key] for key in other.keys() - timing}
    assert {path.name for path in one.iterdir()} == {path.name for path in two.iterdir()}


def survive(folder, deaths, settings=SETTINGS):
    """Begin a run and kill it as each of `deaths` says, then let it come to its end.

    A death is a moment's name, seconds after the start, or (epochs, seconds): so long after so many epochs, and after
    the first checkpoint since the start.
    """

    def reached(epochs):
        metrics = folder / "metrics.jsonl"
        return metrics.exists() and len(metrics.read_text().splitlines()) >= epochs

    def arguments():
        return ["--resume", folder] if (folder / "config.json").exists() else [*settings, "--output", folder]

    for death in deaths:
        if isinstance(death, str):
            code, _, errors = call("run", *arguments(), kill_at=death)
            assert code == -signal.SIGKILL, (death, errors)
            continue
        there = checkpoints(folder / "checkpoints")
        process = start("run", *arguments())
        epochs, seconds = death if isinstance(death, tuple) else (None, death)
        while epochs is not None and process.poll() is None:
            if checkpoints(folder / "checkpoints") != there and reached(epochs):
                break
            time.sleep(0.001)
        time.sleep(seconds)
        process.kill()
        _, errors = process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL, (death, errors)
    code, _, errors = call("run", *arguments())
    assert code == 0, errors


def test_a_run_killed_where_it_writes(undisturbed, tmp_path):
    survive(tmp_path / "run", ["games written:2", "checkpoint half written:3", "checkpoint named:2"])
    assert_same_run(tmp_path / "run", undisturbed)


@pytest.mark.slow
def test_a_run_killed_at_twenty_moments(tmp_path):
    """They are spread over the length of the undisturbed run."""
    epochs = 30
    settings = [*SETTINGS, "--epochs", epochs]
    begun = time.monotonic()
    code, _, errors = call("run", *settings, "--output", tmp_path / "undisturbed")
    assert code == 0, errors
    length = time.monotonic() - begun
    rng = random.Random(0)
    early = [*BEFORE, *(rng.uniform(0, 1) for _ in range(2))]
    last = epochs - 5  # a kill has to come before the end, also where the machine has become faster meanwhile
    late = [(int(when), when % 1 * length / epochs) for when in sorted(rng.uniform(0, last) for _ in WITHIN)]
    within = itertools.chain(*zip(late, rng.sample(WITHIN, len(WITHIN)), strict=True))
    deaths = [*early, *within, *AFTER]
    assert len(deaths) == 20
    survive(tmp_path / "run", deaths, settings)
    assert_same_run(tmp_path / "run", tmp_path / "undisturbed")


def test_sigterm_saves_first(undisturbed, tmp_path):
    folder = tmp_path / "run"
    process = start("run", *SETTINGS, "--checkpoint-seconds", 1000, "--output", folder)
    deadline = time.monotonic() + 60
    while not (folder / "metrics.jsonl").exists() or not (folder / "metrics.jsonl").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 128 + signal.SIGTERM, errors
    assert f"go on with `python -m mlx_train run --resume {folder}`" in errors
    assert len(checkpoints(folder / "checkpoints")) == 1
    code, _, errors = call("run", "--resume", folder, "--workers", 1)
    assert code == 0, errors
    assert f"going on from {folder}/checkpoints" in errors
    assert_same_run(folder, undisturbed)
    code, _, errors = call("run", "--resume", folder)
    assert code == 0
    assert "this run is finished" in errors


def test_ctrl_c_keeps_the_finished_games(tmp_path):
    folder = tmp_path / "games"
    process = start("generate", "--games", 1500, "--depth", 2, "--playouts", 0, "--output", folder)
    deadline = time.monotonic() + 60
    while not list(folder.glob("games/*.npz")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert "finished games are kept" in errors
    assert not (folder / "games.npz").exists()
    code, output, errors = call("generate", "--resume", folder)
    assert code == 0, errors
    assert "of them there already" in errors
    assert json.loads(output[: output.rindex("}") + 1])["games"] == 1500
    assert not (folder / "games").exists()


@pytest.mark.slow
def test_a_damaged_checkpoint_is_passed_over(undisturbed, tmp_path):
    folder = tmp_path / "run"
    survive_until = call("run", *SETTINGS, "--output", folder, kill_at="checkpoint done:3")
    assert survive_until[0] == -signal.SIGKILL
    newest = checkpoints(folder / "checkpoints")[-1]
    newest.write_bytes(newest.read_bytes()[:1000])
    code, _, errors = call("run", "--resume", folder)
    assert code == 0, errors
    assert f"{newest}: damaged checkpoint" in errors
    assert_same_run(folder, undisturbed)


@pytest.mark.slow
def test_a_full_disk(undisturbed, tmp_path):
    """The file size limit stands for the disk: one line, and what was written stays of use."""
    folder = tmp_path / "run"
    limit = 12_000  # more than config.json, less than the games

    def full():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    code, _, errors = call("run", *SETTINGS, "--output", folder, preexec_fn=full)
    assert code == 1
    assert errors.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in errors
    code, _, errors = call("run", "--resume", folder)
    assert code == 0, errors
    assert_same_run(folder, undisturbed)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--epochs", 9], 2, "epochs is 3"),
        (["--preset", "quick"], 2, "leave --preset and --config out"),
        (["--output", "elsewhere"], 1, "leave --output out"),
    ],
)
def test_a_resumed_run_keeps_its_settings(undisturbed, arguments, code, message):
    found, _, errors = call("run", "--resume", undisturbed, *arguments)
    assert found == code
    assert message in " ".join(errors.replace("│", " ").split())


@pytest.mark.slow
def test_first_weights_are_needed_until_the_first_checkpoint(undisturbed, tmp_path):
    (tmp_path / "first.json").write_bytes((undisturbed / "weights.json").read_bytes())
    settings = [*SETTINGS, "--init", "first.json", "--output", tmp_path / "run"]
    killed = call("run", *settings, cwd=tmp_path, kill_at="dataset written:1")
    assert killed[0] == -signal.SIGKILL
    killed = call("run", "--resume", tmp_path / "run", kill_at="checkpoint done:1")  # in another working directory
    assert killed[0] == -signal.SIGKILL, killed
    (tmp_path / "first.json").unlink()
    code, _, errors = call("run", "--resume", tmp_path / "run")
    assert code == 0, errors


def test_first_weights_are_read_before_the_games(undisturbed, tmp_path):
    for file, message in ((tmp_path / "none.json", "No such file"), (undisturbed / "metrics.jsonl", "metrics.jsonl")):
        code, _, errors = call("run", *SETTINGS, "--init", file, "--output", tmp_path / "run")
        assert code == 1
        assert message in errors
        assert "generating" not in errors
        assert not (tmp_path / "run").exists()


def test_only_run_folders_of_the_command_are_resumed(undisturbed, tmp_path):
    code, _, errors = call("generate", "--resume", undisturbed)
    assert code == 2
    assert "was made by `run`" in " ".join(errors.replace("│", " ").split())
    code, _, errors = call("run", "--resume", tmp_path)
    assert code == 2
    assert "not a run folder" in " ".join(errors.replace("│", " ").split())


@pytest.mark.slow
def test_training_on_a_dataset_goes_on_with_the_same_one(undisturbed, tmp_path):
    games = undisturbed / "games.npz"
    flags = ["--hidden-sizes", "8", "--epochs", 3, "--batch-size", 1024, "--device", "cpu", "--checkpoint-seconds", 0]
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    assert call("train", games, *flags, "--output", straight)[0] == 0
    assert call("train", games, *flags, "--output", killed, kill_at="checkpoint done:9")[0] == -signal.SIGKILL
    other = tmp_path / "other.npz"
    data = Decisions.load(games)
    Decisions(data.records[:500], data.info).save(other)
    code, _, errors = call("train", other, "--resume", killed)
    assert code == 1
    assert "not the dataset" in errors
    assert call("train", "--resume", killed)[0] == 0
    one, two = (read_document(folder / "weights.json")["value_weights"] for folder in (straight, killed))
    assert one.tobytes() == two.tobytes()


def test_an_interrupted_measuring_says_how_to_go_on(tmp_path):
    folder = tmp_path / "run"
    process = start("run", *SETTINGS, "--evaluation-games", 1_000_000, "--output", folder)
    deadline = time.monotonic() + 60
    while not (folder / "weights.json").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert f"go on with `python -m mlx_train run --resume {folder}`" in errors
