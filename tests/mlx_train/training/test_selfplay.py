"""Learning by self-play: no teacher in it, the same weights however often it is interrupted."""

import json
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import engine
from engine import Network, Tablebase
from mlx_train.config import SELFPLAY_PRESETS, SelfplayConfig, resolve_as
from mlx_train.measuring.learning_curve import measure, read_metrics
from mlx_train.measuring.value_error import value_error
from mlx_train.pictures.style import save_figure
from mlx_train.pictures.training import learning_curve
from mlx_train.runs.run_folder import Run, read_record
from mlx_train.training.selfplay import Journal, Learner, is_milestone, learn, read_checkpoint

SMALL = SelfplayConfig(
    rounds=6, games=12, steps=10, batch_size=64, hidden_sizes=(16, 8), siblings=0.3, final_trace_decay=0.5,
    learning_rate=0.003, device="cpu", workers=2, checkpoint_seconds=0,
)  # fmt: skip

# The settings above as flags.
FLAGS = [
    "--rounds=6", "--games=12", "--steps=10", "--batch-size=64", "--hidden-sizes=16,8", "--siblings=0.3",
    "--final-trace-decay=0.5", "--learning-rate=0.003", "--device=cpu", "--checkpoint-seconds=0", "--no-measure",
]  # fmt: skip


def call(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "mlx_train", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        **options,
    )


def learnt(config, rounds=None):
    """A learner after some rounds, of all of them by default."""
    learner = Learner(config)
    with ThreadPoolExecutor(config.workers) as pool:
        for _ in range(config.rounds if rounds is None else rounds):
            learner.round(pool)
    return learner


def arrays(learner):
    return {name: np.array(value) for name, value in learner.state().items() if name != "meta"}


def assert_same_bits(one, two):
    assert one.keys() == two.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], two[name], err_msg=name)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return Tablebase.solve(2, workers=1, checkpoint=tmp_path_factory.mktemp("table") / "checkpoint")


@pytest.fixture(scope="module")
def undisturbed():
    return arrays(learnt(SMALL))


@pytest.fixture
def interrupted(tmp_path):
    """The folder of a run that was stopped after round 4, with checkpoints of rounds 3 and 4."""
    run = Run.create(SMALL, "selfplay", tmp_path / "run")
    learner = Learner(SMALL)
    journal = Journal(run, learner)

    def on_round(metrics):
        journal.write(metrics)
        if metrics.round == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learn(learner, on_round, journal.save)
    (run.checkpoints / "round-5.npz").unlink()
    assert sorted(path.name for path in run.checkpoints.iterdir()) == ["round-4.npz"]
    return run


# No teacher


WITHOUT_TEACHER = """
import sys, types
opened = []
sys.addaudithook(lambda event, arguments: opened.append(str(arguments[0])) if event == "open" else None)
package = types.ModuleType("engine")    # the package without its __init__, which loads everything
package.__path__ = [sys.argv[1]]
sys.modules["engine"] = package
for name in ("classic.evaluation", "classic.search", "solved", "games.teacher", "games.arena", "games.agents"):
    sys.modules[f"engine.{name}"] = None    # its import fails
try:
    import engine.solved.tablebase
except ImportError:
    pass
else:
    sys.exit("nothing was barred")
from mlx_train.config import SelfplayConfig
from mlx_train.training.selfplay import Learner, learn
learner = Learner(SelfplayConfig(rounds=3, games=4, steps=4, batch_size=32, hidden_sizes=(8,), device="cpu"))
learn(learner)
assert learner.rounds == 3 and learner.games == 12
print(*opened, sep="\\n")
"""


def test_no_table_is_opened_and_no_evaluation_weight_is_read():
    """Learning runs where neither the solved game nor the classic evaluation can be imported."""
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT_TEACHER, str(Path(engine.__file__).parent)],
        capture_output=True, text=True, check=False, cwd=Path(engine.__file__).parents[1],
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    opened = [Path(line) for line in result.stdout.splitlines()]
    assert opened  # the hook saw something
    assert not [path for path in opened if path.suffix in (".table", ".rgu") or path.parent.name == "weights"]


def test_it_learns_what_positions_are_worth(table):
    config = replace(
        SMALL, rounds=24, games=48, steps=100, batch_size=256, learning_rate=0.01, averaging=0.98,
        trace_decay=0.9, final_trace_decay=0.9, hidden_sizes=(32, 16), checkpoint_seconds=60,
    )  # fmt: skip
    errors = [
        value_error(Network.from_document(learner.document()), table, 5000).mean
        for learner in (Learner(config), learnt(config))
    ]
    assert errors[1] < 0.5 * errors[0]


# The same weights


def test_the_number_of_threads_changes_nothing(undisturbed):
    assert_same_bits(arrays(learnt(replace(SMALL, workers=3))), undisturbed)


def test_the_seed_does(undisturbed):
    other = arrays(learnt(replace(SMALL, seed=1), 2))
    assert not np.array_equal(other["window.0.packed"], undisturbed["window.0.packed"])


def test_an_interrupted_run_goes_on_bit_for_bit(interrupted, undisturbed):
    learner = Learner(replace(SMALL, workers=1))
    journal = Journal(interrupted, learner)
    journal.resume()
    assert learner.rounds == 4
    assert len(interrupted.metrics.read_text().splitlines()) == 4
    assert max(journal.snapshots()) == 4
    learn(learner, journal.write, journal.save)
    assert_same_bits(arrays(learner), undisturbed)
    rows = read_metrics(interrupted.metrics)
    assert [row["round"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert "loss" not in rows[0]
    assert all(row["loss"] > 0 for row in rows[1:])


def test_a_damaged_checkpoint_is_skipped_for_the_one_before(tmp_path, undisturbed, capsys):
    run = Run.create(SMALL, "selfplay", tmp_path / "run")
    learner = Learner(SMALL)
    learn(learner, Journal(run, learner).write)
    newest = run.checkpoints / "round-6.npz"
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 0xFF
    newest.write_bytes(content)
    with pytest.raises(ValueError, match="not a usable checkpoint"):
        read_checkpoint(newest)
    again = Learner(SMALL)
    journal = Journal(run, again)
    journal.resume()
    assert again.rounds == 5
    assert "skipped" in capsys.readouterr().err
    assert [path.name for path in run.checkpoints.iterdir()] == ["round-5.npz"]  # it is not kept for a whole one
    learn(again, journal.write)
    assert_same_bits(arrays(again), undisturbed)
    for path in run.checkpoints.iterdir():
        path.write_bytes(b"")
    with pytest.raises(ValueError, match="no usable checkpoint"):
        Journal(run, Learner(SMALL)).resume()


def test_a_run_without_a_checkpoint_begins_again(interrupted, undisturbed):
    (interrupted.checkpoints / "round-4.npz").unlink()
    learner = Learner(SMALL)
    journal = Journal(interrupted, learner)
    journal.resume()
    assert learner.rounds == 0
    assert journal.snapshots() == {}
    learn(learner, journal.write, journal.save)
    assert_same_bits(arrays(learner), undisturbed)
    assert [row["round"] for row in read_metrics(interrupted.metrics)] == [1, 2, 3, 4, 5, 6]


def test_a_checkpoint_of_other_settings_is_refused(interrupted):
    with pytest.raises(ValueError, match="other settings"):
        Journal(interrupted, Learner(replace(SMALL, learning_rate=0.1))).resume()
    with pytest.raises(ValueError, match="other settings"):
        Journal(interrupted, Learner(replace(SMALL, hidden_sizes=(16, 9)))).resume()


def wait_for(path, process):
    deadline = time.monotonic() + 120
    while not path.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert path.exists(), process.communicate()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_program_goes_on(tmp_path, how, undisturbed):
    folder = tmp_path / "run"
    command = [sys.executable, "-m", "mlx_train", "selfplay", *FLAGS, "--output", str(folder)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    wait_for(folder / "checkpoints/round-2.npz", process)
    process.send_signal(how)
    _, errors = process.communicate(timeout=120)
    if how == signal.SIGINT and process.returncode != 0:  # it may have been at its end already
        assert process.returncode == 130, errors
        assert "--resume" in errors
    result = call("selfplay", "--resume", folder, "--no-measure", "--workers", 1)
    assert result.returncode == 0, result.stderr
    assert "peak memory" in result.stderr
    assert read_metrics(folder / "metrics.jsonl")[-1]["process_peak_memory_bytes"] > 0
    state = read_checkpoint(folder / "checkpoints/round-6.npz")
    assert_same_bits({name: state[name] for name in undisturbed}, undisturbed)
    assert json.loads(str(state["meta"]))["rounds"] == 6
    network = Network.load(folder / "weights.json")
    assert network.metadata["teacher"] == "self-play"
    assert network.metadata["num_games"] == 72
    assert read_record(folder).state == "trained"


# The command line


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--trace-decay", "1.5"], 2, "trace_decay"),
        (["--rounds", "0"], 2, "rounds"),
        (["--averaging", "1"], 2, "averaging"),
        (["--batch-size", "4194304", "--memory-limit", "0.1"], 2, "lower --batch-size"),
        (["--preset", "quik"], 2, "did you mean quick"),
        (["--activation", "tanh"], 2, "activation"),
        (["--resume", "nowhere"], 2, "nowhere"),
        (["--resume", "runs/one", "--output", "runs/two"], 2, "leave --output out"),
    ],
)
def test_bad_input_gets_one_line_and_an_exit_code(arguments, code, message, tmp_path):
    (tmp_path / "runs/one").mkdir(parents=True)
    (tmp_path / "runs/one/config.json").write_text('{"config": {}}')
    result = call("selfplay", *arguments, cwd=tmp_path)
    assert result.returncode == code, result.stderr
    assert "Traceback" not in result.stderr
    assert message in " ".join(result.stderr.replace("│", " ").split())


def test_presets_are_of_growing_size():
    rounds = [resolve_as(SelfplayConfig, SELFPLAY_PRESETS, name, {}).rounds for name in SELFPLAY_PRESETS]
    assert rounds == sorted(set(rounds))


# Measuring, afterwards


def test_snapshots_are_measured_and_drawn(interrupted, table, tmp_path):
    journal = Journal(interrupted, Learner(SMALL))
    points = measure(read_metrics(interrupted.metrics), journal.snapshots(), table, workers=1)
    assert [point.round for point in points] == [1, 2, 3, 4, 5]
    assert [point.games for point in points] == [12, 24, 36, 48, 60]
    for point in points:
        assert 0 < point.regret < 100
        assert point.interval[0] < point.win_rate < point.interval[1] < 50
        assert point.to_dict()["value_error"] > 0
    save_figure(learning_curve(points), tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_milestones_are_each_a_fifth_later():
    chosen = [number for number in range(1, 2000) if is_milestone(number)]
    assert chosen[:5] == [1, 2, 3, 4, 5]
    assert all(later / earlier < 1.3 for earlier, later in pairwise(chosen[5:]))
    assert 30 < len(chosen) < 45
