"""A run folder: where a run leaves everything that belongs to it.

config.json         the resolved configuration, versions, git revision, command
games/              parts of the dataset while the games are played
games.npz           the dataset;  dataset.json  its summary
metrics.jsonl       one line for each epoch;  loss.png  their curves
checkpoints/        what the training needs to go on; the two newest
weights.json        the networks as JSON
evaluation.json     how well they play; the last file that a run writes
snapshots/          weights of some rounds of self-play; learning.json, learning.png  how well each plays
events/             the same as metrics.jsonl for TensorBoard, with `--tensorboard`

A killed run goes on in its folder: every file there is complete, so each phase starts where its files end.
"""

import dataclasses
import json
import os
import sys
import weakref
from pathlib import Path
from typing import Any, TypeVar

from engine.machine.files import lock_folder, remove_abandoned, remove_unfinished
from engine.machine.installation import command
from mlx_train.config import CHANGEABLE, RUNS, Config, Settings
from mlx_train.system.files import create_dated, make_folder, write_json, write_text
from mlx_train.system.provenance import provenance

S = TypeVar("S", bound=Settings)


class Run:
    """The files of one run folder."""

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self.config = self.folder / "config.json"
        self.parts = self.folder / "games"
        self.games = self.folder / "games.npz"
        self.dataset = self.folder / "dataset.json"
        self.metrics = self.folder / "metrics.jsonl"
        self.loss_curve = self.folder / "loss.png"
        self.checkpoints = self.folder / "checkpoints"
        self.weights = self.folder / "weights.json"
        self.evaluation = self.folder / "evaluation.json"
        self.events = self.folder / "events"
        self.snapshots = self.folder / "snapshots"
        self.learning = self.folder / "learning.json"
        self.learning_curve = self.folder / "learning.png"
        #: The options of this call that config.json does not hold, to be typed again with `--resume`.
        self.resume_options: list[str] = []

    @classmethod
    def create(cls, config: Settings, name: str, output: Path | None = None, **more: Any) -> "Run":
        """Make a folder, `output` or a dated one below `runs`, and write its config.json, `more` included.

        Raises ValueError if `output` exists and is not an empty folder, or if another process is in it; OSError if it
        can't be made.
        """
        if output is None:
            output = create_dated(RUNS, f"-{name}", "", Path.mkdir)
        elif not output.exists() or output.is_dir():
            make_folder(output)
        else:
            raise ValueError(f"{output} exists already and is not an empty folder")
        run = cls(output)
        run._lock()  # before the folder is looked into: of two processes with one name, one is refused
        remove_abandoned(run.config)  # of a run that was killed before it had a config.json
        if any(output.iterdir()):
            raise ValueError(f"{output} exists already and is not an empty folder")
        write_json(run.config, {"command": sys.argv[1:], **more, "config": config.to_dict(), **provenance()})
        return run

    @classmethod
    def resume(cls, folder: Path, kind: type[Settings] = Config) -> "Run":
        """An older run's folder, to go on in. Raises ValueError if it is no run folder, or another process is in it."""
        run = cls(folder)
        run.read(kind)
        run._lock()
        for place in (run.folder, run.parts, run.checkpoints, run.snapshots):
            remove_unfinished(place)
        return run

    @property
    def resume_command(self) -> str:
        """The command that goes on with the run."""
        made_by = json.loads(self.config.read_text()).get("made_by", "run")
        return command(made_by, "--resume", self.folder, *self.resume_options)

    def read(self, kind: type[Settings] = Config) -> dict[str, Any]:
        """The keys of config.json, `config` as settings of a kind. Raises ValueError for a folder of no run."""
        try:
            origin = json.loads(self.config.read_text())
            return origin | {"config": kind.from_dict(origin["config"])}
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise ValueError(f"{self.folder}: not a run folder: {error}") from None

    def _lock(self) -> None:
        """Keep other processes out for as long as this object lives."""
        try:
            descriptor = lock_folder(self.folder)
        except BlockingIOError:
            raise ValueError(f"{self.folder} is in use by another process") from None
        weakref.finalize(self, os.close, descriptor)

    def append_metrics(self, values: dict[str, Any]) -> None:
        """Add one line to metrics.jsonl."""
        with self.metrics.open("a") as file:
            file.write(json.dumps(values, allow_nan=False) + "\n")

    def write_metrics(self, rows: list[dict[str, Any]]) -> None:
        """Replace the lines of metrics.jsonl by these."""
        write_text(self.metrics, "".join(json.dumps(row, allow_nan=False) + "\n" for row in rows))

    def files(self) -> dict[str, Path]:
        """The files for a person that exist, by what they are; the folder last."""
        known = {
            "games": self.games,
            "weights": self.weights,
            "loss curve": self.loss_curve,
            "learning curve": self.learning_curve,
            "win rates": self.evaluation,
            "events": self.events,
        }
        return {what: path for what, path in known.items() if path.exists()} | {"run folder": self.folder}


def refuse_output(output: Path | None, resume: Path | None, what: str = "run") -> None:
    """Raise ValueError where both a new folder and the folder of an earlier run or search are named."""
    if resume is not None and output is not None:
        raise ValueError(f"--resume goes on in the {what}'s own folder: leave --output out")


def resumed_config(folder: Path, made_by: str, given: dict[str, Any], kind: type[S]) -> S:
    """The settings with which a run goes on: the folder's, with the given settings of CHANGEABLE in their place.

    given: the settings of the command line. Raises ValueError for one that differs and is not in CHANGEABLE, or for a
    folder of another command than `made_by`.
    """
    origin = Run(folder).read(kind)
    config: S = origin["config"]
    if origin.get("made_by", made_by) != made_by:
        raise ValueError(f"{folder} was made by `{origin['made_by']}`, not by `{made_by}`")
    for name, value in given.items():
        kept = getattr(config, name)
        if name not in CHANGEABLE and value != kept:
            raise ValueError(f"{name} is {kept} in {folder}, and stays so; only {', '.join(CHANGEABLE)} may be given")
    return dataclasses.replace(config, **given)
