"""TensorBoard's files of a run."""

import importlib.util
import json
import subprocess
import sys

import pytest
from commandline import call

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


@pytest.mark.skipif(importlib.util.find_spec("tensorboard") is None, reason="the extra tensorboard is not installed")
def test_tensorboard_reads_what_metrics_say(tmp_path):
    result = call("run", *TINY, "--tensorboard", "--output", "run", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    code = """
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray
events = EventAccumulator(sys.argv[1]).Reload()
print(json.dumps({tag: [(event.step, float(make_ndarray(event.tensor_proto))) for event in events.Tensors(tag)]
                  for tag in events.Tags()["tensors"]}))
"""
    read = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "run/events"], capture_output=True, text=True, check=True, timeout=120
    )
    found = json.loads(read.stdout)
    metrics = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert len(metrics) == 2
    steps, losses = zip(*found["value/validation_loss"], strict=True)
    assert list(steps) == [row["step"] for row in metrics]
    assert list(losses) == pytest.approx([row["validation_value_loss"] for row in metrics], rel=1e-6)
    assert len(found) == len(metrics[0]) - 1  # every number but the step
