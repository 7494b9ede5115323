"""Learning by self-play: no teacher in it, the same weights however often it is interrupted."""

import signal
import subprocess
import sys
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from commandline import call
from mlx.utils import tree_flatten
from same_bits import assert_same_bits

import engine
from engine import Network, Tablebase
from mlx_train.config import SelfplayConfig, resolve_as
from mlx_train.measuring.learning_curve import measure, read_metrics
from mlx_train.measuring.value_error import value_error
from mlx_train.pictures.style import save_figure
from mlx_train.pictures.training import learning_curve
from mlx_train.runs.conversion import convert
from mlx_train.runs.run_folder import Run
from mlx_train.runs.run_record import read_record
from mlx_train.runs.selfplay import Learning, is_milestone
from mlx_train.training.checkpoint import checkpoints, newest, parse

SMALL = SelfplayConfig(
    rounds=6, games=12, steps=10, batch_size=64, hidden_sizes=(16, 8), siblings=0.3, final_trace_decay=0.5,
    learning_rate=0.003, device="cpu", workers=2, checkpoint_seconds=0,
)  # fmt: skip

# The settings above as flags.
FLAGS = [
    "--rounds=6", "--games=12", "--steps=10", "--batch-size=64", "--hidden-sizes=16,8", "--siblings=0.3",
    "--final-trace-decay=0.5", "--learning-rate=0.003", "--device=cpu", "--checkpoint-seconds=0", "--no-measure",
]  # fmt: skip


def learnt(folder, config, rounds=None):
    """Learning in a fresh run folder, stopped after some rounds, by default after all of them."""
    learning = Learning(
        config,
        Run.create(config, "selfplay", folder),
        lambda: rounds is not None and learning.trainer.state.epoch > rounds,
    )
    learning.learn()
    return learning


def arrays(folder):
    """All arrays of a run's newest checkpoint."""
    checkpoint = parse(newest(folder / "checkpoints")[1], folder)
    return {name: np.array(array) for name, array in tree_flatten(checkpoint.arrays)}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return Tablebase.solve(2, workers=1, checkpoint=tmp_path_factory.mktemp("table") / "checkpoint")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The arrays of a run that was never interrupted."""
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    learnt(folder, SMALL)
    return arrays(folder)


@pytest.fixture
def interrupted(tmp_path):
    """A run that was stopped within round 5."""
    run = learnt(tmp_path / "run", SMALL, 4).run
    return Run(run.folder)  # the former one holds the folder's lock for as long as it lives


# No teacher


WITHOUT_TEACHER = """
import importlib.util, sys, types
opened = []
sys.addaudithook(lambda event, arguments: opened.append(str(arguments[0])) if event == "open" else None)
package = types.ModuleType("engine")    # the package without its __init__, which loads everything
package.__path__ = [sys.argv[1]]
sys.modules["engine"] = package
barred = ("classic.evaluation", "classic.search", "solved", *(f"games.{name}" for name in sys.argv[2:]))
for name in barred:
    if importlib.util.find_spec(f"engine.{name}") is None:
        sys.exit(f"engine.{name} does not exist: nothing is barred")
for name in barred:
    sys.modules[f"engine.{name}"] = None    # its import fails
try:
    import engine.solved.tablebase
except ImportError:
    pass
else:
    sys.exit("nothing was barred")
from mlx_train.config import SelfplayConfig
from mlx_train.data.selfplay import SelfPlaySource
from mlx_train.training.trainer import Trainer, train
config = SelfplayConfig(rounds=3, games=4, steps=4, batch_size=32, hidden_sizes=(8,), device="cpu")
source = SelfPlaySource(config)
train(Trainer(config, source.total_steps, chunks=1), source)
assert source.own.rounds == 3 and source.own.games == 12
print(*opened, sep="\\n")
"""


def test_no_table_is_opened_and_no_evaluation_weight_is_read():
    """Learning runs where neither the solved game nor the classic evaluation can be imported."""
    modules = ("agents", "decisions", "exact_rows", "matches", "playouts", "regret", "sampling")
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT_TEACHER, str(Path(engine.__file__).parent), *modules],
        capture_output=True, text=True, check=False, cwd=Path(engine.__file__).parents[1],
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    opened = [Path(line) for line in result.stdout.splitlines()]
    assert opened  # the hook saw something
    assert not [path for path in opened if path.suffix in (".table", ".rgu") or path.parent.name == "weights"]


def test_it_learns_what_positions_are_worth(table, tmp_path):
    config = replace(
        SMALL, rounds=24, games=48, steps=100, batch_size=256, learning_rate=0.01, averaging=0.98,
        trace_decay=0.9, final_trace_decay=0.9, hidden_sizes=(32, 16), checkpoint_seconds=60,
    )  # fmt: skip
    fresh = Learning(config, Run.create(config, "selfplay", tmp_path / "fresh"))
    errors = [
        value_error(Network.from_document(learning.trainer.averaged_document({})), table, 5000).mean
        for learning in (fresh, learnt(tmp_path / "run", config))
    ]
    assert errors[1] < 0.5 * errors[0]


# The same weights


def test_the_number_of_threads_changes_nothing(undisturbed, tmp_path):
    learnt(tmp_path / "run", replace(SMALL, workers=3))
    assert_same_bits(arrays(tmp_path / "run"), undisturbed)


def test_the_seed_does(undisturbed, tmp_path):
    other = learnt(tmp_path / "run", replace(SMALL, seed=1), 2)
    assert not np.array_equal(other.source.own.window[0].packed, undisturbed["source.window.0.packed"])


def test_an_interrupted_run_goes_on_bit_for_bit(interrupted, undisturbed):
    learning = Learning(replace(SMALL, workers=1), interrupted)
    assert (learning.trainer.state.epoch, learning.trainer.state.step) == (5, 1)
    assert learning.source.own.rounds == 4
    assert len(interrupted.metrics.read_text().splitlines()) == 4
    assert max(learning.snapshots()) == 4
    learning.learn()
    assert_same_bits(arrays(interrupted.folder), undisturbed)
    rows = read_metrics(interrupted.metrics)
    assert [row["round"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert "loss" not in rows[0]
    assert all(row["loss"] > 0 for row in rows[1:])


def test_rounds_after_the_checkpoint_are_forgotten(interrupted, undisturbed):
    """A kill comes after a round's metrics and snapshot, before its checkpoint."""
    with interrupted.metrics.open("a") as file:
        file.write('{"round": 5}\n')
    (interrupted.snapshots / "round-5.json.gz").write_bytes(b"")
    learning = Learning(SMALL, interrupted)
    assert len(interrupted.metrics.read_text().splitlines()) == 4
    assert max(learning.snapshots()) == 4


def test_a_stop_while_games_are_waited_for_leaves_the_round_unfinished(tmp_path, undisturbed):
    run = Run.create(SMALL, "selfplay", tmp_path / "run")
    learning = Learning(replace(SMALL, games=2000), run, lambda: True)
    learning.learn()
    assert not learning.trainer.state.finished
    assert learning.source.own.rounds == 0


def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(tmp_path, undisturbed, capsys):
    folder = tmp_path / "run"
    learnt(folder, SMALL)
    before, last = checkpoints(folder / "checkpoints")
    content = bytearray(last.read_bytes())
    content[len(content) // 2] ^= 0xFF
    last.write_bytes(content)
    again = Learning(SMALL, Run(folder))
    assert f"{last}: damaged checkpoint" in capsys.readouterr().err
    assert checkpoints(folder / "checkpoints") == [before]  # the damaged one is not kept for a whole one
    again.learn()
    assert_same_bits(arrays(folder), undisturbed)


def test_a_run_without_a_checkpoint_begins_again(interrupted, undisturbed):
    for path in interrupted.checkpoints.iterdir():
        path.unlink()
    learning = Learning(SMALL, interrupted)
    assert learning.trainer.state.epoch == 1
    assert learning.snapshots() == {}
    learning.learn()
    assert_same_bits(arrays(interrupted.folder), undisturbed)
    assert [row["round"] for row in read_metrics(interrupted.metrics)] == [1, 2, 3, 4, 5, 6]


def test_a_checkpoint_of_other_settings_is_refused(interrupted):
    with pytest.raises(ValueError, match=r"learning_rate 0\.003, not 0\.1"):
        Learning(replace(SMALL, learning_rate=0.1), interrupted)
    with pytest.raises(ValueError, match=r"hidden_sizes \[16, 8\], not \[16, 9\]"):
        Learning(replace(SMALL, hidden_sizes=(16, 9)), interrupted)


def test_checkpoints_of_an_older_version_are_refused_in_one_line(interrupted):
    for path in interrupted.checkpoints.iterdir():
        path.unlink()
    (interrupted.checkpoints / "round-4.npz").write_bytes(b"")
    with pytest.raises(ValueError, match=r"older version .*: begin a new run$"):
        Learning(SMALL, interrupted)


def test_a_checkpoint_becomes_a_weights_file(interrupted, tmp_path):
    learning = Learning(SMALL, interrupted)
    convert(interrupted.checkpoints, tmp_path / "w.json")
    weights = Network.load(tmp_path / "w.json")
    position = engine.Position()
    assert weights.value(position) == Network.from_document(learning.trainer.averaged_document({})).value(position)
    assert not weights.has_policy


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_program_goes_on(tmp_path, how, undisturbed):
    folder = tmp_path / "run"
    command = [sys.executable, "-m", "mlx_train", "selfplay", *FLAGS, "--output", str(folder)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    metrics = folder / "metrics.jsonl"
    while not (metrics.exists() and len(metrics.read_text().splitlines()) >= 2) and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(how)
    _, errors = process.communicate(timeout=120)
    if how == signal.SIGINT and process.returncode != 0:  # it may have been at its end already
        assert process.returncode == 130, errors
        assert "--resume" in errors
    result = call("selfplay", "--resume", folder, "--no-measure", "--workers", 1)
    assert result.returncode == 0, result.stderr
    assert "peak memory" in result.stderr
    assert read_metrics(metrics)[-1]["process_peak_memory_bytes"] > 0
    assert_same_bits(arrays(folder), undisturbed)
    network = Network.load(folder / "weights.json")
    assert network.metadata["teacher"] == "self-play"
    assert network.metadata["num_games"] == 72
    assert network.metadata["epochs"] == 6
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
    rounds = [resolve_as(SelfplayConfig, name, {}).rounds for name in SelfplayConfig.PRESETS]
    assert rounds == sorted(set(rounds))


# Measuring, afterwards


def test_snapshots_are_measured_and_drawn(interrupted, table, tmp_path):
    snapshots = Learning(SMALL, interrupted).snapshots()
    points = measure(read_metrics(interrupted.metrics), snapshots, table, workers=1)
    assert [point.round for point in points] == [1, 2, 3, 4]
    assert [point.games for point in points] == [12, 24, 36, 48]
    for point in points:
        assert 0 < point.regret < 100
        assert point.interval[0] < point.win_rate < point.interval[1] < 50
        assert point.value_error > 0
    save_figure(learning_curve(points), tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_milestones_are_each_a_fifth_later():
    chosen = [number for number in range(1, 2000) if is_milestone(number)]
    assert chosen[:5] == [1, 2, 3, 4, 5]
    assert all(later / earlier < 1.3 for earlier, later in pairwise(chosen[5:]))
    assert 30 < len(chosen) < 45
