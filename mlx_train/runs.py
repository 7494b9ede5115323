"""Run folders: where a run leaves everything that belongs to it.

config.json         the resolved configuration, versions, git revision, command
games.npz           the dataset;  dataset.json  its summary
metrics.jsonl       one line for each epoch;  loss.png  their curves
checkpoint/         the best epoch's networks, with the optimizers' state
weights.json        the networks as JSON
evaluation.json     how well they play
"""

import datetime
import json
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from engine.features import FEATURE_SET
from mlx_train.config import Config
from mlx_train.files import write_json

#: Where run folders are made unless told otherwise.
RUNS = Path("runs")


class Run:
    """The files of one run folder."""

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self.config = self.folder / "config.json"
        self.games = self.folder / "games.npz"
        self.dataset = self.folder / "dataset.json"
        self.metrics = self.folder / "metrics.jsonl"
        self.loss_curve = self.folder / "loss.png"
        self.checkpoint = self.folder / "checkpoint"
        self.weights = self.folder / "weights.json"
        self.evaluation = self.folder / "evaluation.json"

    @classmethod
    def create(cls, config: Config, name: str, output: Path | None = None) -> "Run":
        """Make a folder, `output` or a dated one below `runs`, and write its config.json.

        Raises ValueError if `output` exists and is not an empty folder, OSError if it can't be made.
        """
        if output is None:
            stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
            output = RUNS / f"{stamp}-{name}"
            number = 1
            while output.exists():
                number += 1
                output = RUNS / f"{stamp}-{name}-{number}"
        elif output.exists() and (not output.is_dir() or any(output.iterdir())):
            raise ValueError(f"{output} exists already and is not an empty folder")
        output.mkdir(parents=True, exist_ok=True)
        run = cls(output)
        write_json(run.config, {"command": sys.argv[1:], "config": config.to_dict(), **provenance()})
        return run

    def append_metrics(self, values: dict[str, Any]) -> None:
        """Add one line to metrics.jsonl."""
        with self.metrics.open("a") as file:
            file.write(json.dumps(values, allow_nan=False) + "\n")


def provenance() -> dict[str, Any]:
    """What a run depends on besides its configuration: versions, machine, source revision."""
    revision, committed = source_revision()
    packages: dict[str, str | None] = {}
    for package in ("mlx", "numpy", "mlx-ur"):
        try:
            packages[package] = version(package)
        except PackageNotFoundError:
            packages[package] = None
    return {
        "feature_set": FEATURE_SET,
        "versions": {"python": platform.python_version(), **packages},
        "system": platform.platform(),
        "machine": platform.machine(),
        "source_revision": revision,
        "source_committed_at": committed,
    }


def source_revision() -> tuple[str | None, str | None]:
    """(git revision, with "-dirty" where files were changed; time of the commit), or Nones outside a checkout."""

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        ).stdout.strip()

    try:
        revision, committed = git("log", "-1", "--format=%H %cI").split()
        dirty = "-dirty" if git("status", "--porcelain", "--untracked-files=no") else ""
    except (OSError, subprocess.SubprocessError, ValueError):
        return None, None
    return revision + dirty, committed
