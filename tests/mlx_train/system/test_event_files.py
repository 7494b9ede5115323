"""TensorBoard's files of a run."""

import importlib.util
import json
import subprocess
import sys

import pytest
from commandline import call

from mlx_train.system.event_files import Events

TINY = ("--preset", "quick", "--games", 8, "--epochs", 2, "--depth", 1, "--evaluation-games", 4, "--hidden-sizes", 4)


def test_tensorboard_missing_is_said_before_anything_is_done(tmp_path):
    code = "import sys; sys.modules['tensorboard'] = None; from mlx_train.cli import main; main()"
    result = subprocess.run(
        [sys.executable, "-c", code, "run", *map(str, TINY), "--tensorboard"],
        capture_output=True, text=True, cwd=tmp_path, timeout=120,
    )  # fmt: skip
    assert result.returncode == 1
    assert result.stderr.strip() == (
        "error: tensorboard is not installed here: pip install 'mlx-ur[tensorboard]', or leave out --tensorboard"
    )
    assert list(tmp_path.iterdir()) == []


NEEDS_TENSORBOARD = pytest.mark.skipif(
    importlib.util.find_spec("tensorboard") is None, reason="the extra tensorboard is not installed"
)


def read_events(folder):
    """(step, number) by tag, as TensorBoard reads a folder."""
    code = """
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray
events = EventAccumulator(sys.argv[1]).Reload()
print(json.dumps({tag: [(event.step, float(make_ndarray(event.tensor_proto))) for event in events.Tensors(tag)]
                  for tag in events.Tags()["tensors"]}))
"""
    read = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=True, timeout=120)
    return json.loads(read.stdout)


@NEEDS_TENSORBOARD
def test_tensorboard_reads_what_metrics_say(tmp_path):
    result = call("run", *TINY, "--tensorboard", "--output", "run", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    found = read_events(tmp_path / "run/events")
    metrics = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert len(metrics) == 2
    steps, losses = zip(*found["value/validation_loss"], strict=True)
    assert list(steps) == [row["step"] for row in metrics]
    assert list(losses) == pytest.approx([row["validation_value_loss"] for row in metrics], rel=1e-6)
    assert len(found) == len(metrics[0]) - 1  # every number but the step


@NEEDS_TENSORBOARD
def test_a_resumed_run_writes_no_epoch_twice(tmp_path):
    """The earlier call was killed after its second epoch; its last checkpoint is of the first."""
    rows = [{"step": 10 * number, "loss": 1 / number} for number in (1, 2, 3)]
    with Events(tmp_path, []) as events:
        for row in rows[:2]:
            events.add(row)
    with Events(tmp_path, rows[:1]) as events:
        for row in rows[1:]:
            events.add(row)
    assert read_events(tmp_path) == {"run/loss": [[row["step"], pytest.approx(row["loss"])] for row in rows]}
