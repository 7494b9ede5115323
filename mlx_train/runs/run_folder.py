"""Run folders: where a run leaves everything that belongs to it, and what can be read from them afterwards.

config.json         the resolved configuration, versions, git revision, command
games/              parts of the dataset while the games are played
games.npz           the dataset;  dataset.json  its summary
metrics.jsonl       one line for each epoch;  loss.png  their curves
checkpoints/        what the training needs to go on; the two newest
weights.json        the networks as JSON
evaluation.json     how well they play; the last thing that a run writes
snapshots/          weights of some rounds of self-play; learning.json, learning.png  how well each plays
events/             the same as metrics.jsonl for TensorBoard, where it was asked for

A killed run goes on in its folder: whatever is there is whole, so each phase begins where its files end.
"""

import dataclasses
import datetime
import fcntl
import json
import math
import os
import sys
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from engine.machine.files import remove_abandoned, remove_unfinished
from mlx_train.config import CHANGEABLE, Config, SelfplayConfig, Settings, nearest
from mlx_train.system.files import write_json, write_text
from mlx_train.system.provenance import provenance

#: Where run folders are made unless told otherwise.
RUNS = Path("runs")

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

    @classmethod
    def create(cls, config: Settings, name: str, output: Path | None = None, **more: Any) -> "Run":
        """Make a folder, `output` or a dated one below `runs`, and write its config.json, `more` included.

        Raises ValueError if `output` exists and is not an empty folder, OSError if it can't be made.
        """
        if output is None:
            stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
            output = RUNS / f"{stamp}-{name}"
            number = 1
            while output.exists():
                number += 1
                output = RUNS / f"{stamp}-{name}-{number}"
        else:
            remove_abandoned(cls(output).config)  # of a run that was killed before it was one
            if output.exists() and (not output.is_dir() or any(output.iterdir())):
                raise ValueError(f"{output} exists already and is not an empty folder")
        output.mkdir(parents=True, exist_ok=True)
        run = cls(output)
        write_json(run.config, {"command": sys.argv[1:], **more, "config": config.to_dict(), **provenance()})
        run._lock()
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
        """What goes on with it."""
        made_by = json.loads(self.config.read_text()).get("made_by", "run")
        return f"python -m mlx_train {made_by} --resume {self.folder}"

    def read(self, kind: type[Settings] = Config) -> dict[str, Any]:
        """What config.json says, `config` as settings of a kind. Raises ValueError for a folder of no run."""
        try:
            found = json.loads(self.config.read_text())
            return found | {"config": kind.from_dict(found["config"])}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{self.folder}: not a run folder: {error}") from None

    def _lock(self) -> None:
        """Keep other processes out for as long as this object lives."""
        descriptor = os.open(self.config, os.O_RDONLY)
        weakref.finalize(self, os.close, descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ValueError(f"{self.folder} is in use by another process") from None

    def append_metrics(self, values: dict[str, Any]) -> None:
        """Add one line to metrics.jsonl."""
        with self.metrics.open("a") as file:
            file.write(json.dumps(values, allow_nan=False) + "\n")

    def write_metrics(self, rows: list[dict[str, Any]]) -> None:
        """Have metrics.jsonl hold these lines and no others."""
        write_text(self.metrics, "".join(json.dumps(row, allow_nan=False) + "\n" for row in rows))

    def files(self) -> dict[str, Path]:
        """The files that a person may want, by what they are, as far as they are there; the folder last."""
        known = {
            "games": self.games,
            "weights": self.weights,
            "loss curve": self.loss_curve,
            "learning curve": self.learning_curve,
            "win rates": self.evaluation,
            "events": self.events,
        }
        return {what: path for what, path in known.items() if path.exists()} | {"run folder": self.folder}


def resumed_config(folder: Path, made_by: str, given: dict[str, Any], kind: type[S]) -> S:
    """The settings with which a run goes on: its own, but for the settings in CHANGEABLE.

    given: settings that were asked for. Raises ValueError for one that differs and can't, or for a folder of another
    command than `made_by`.
    """
    found = Run(folder).read(kind)
    config: S = found["config"]
    if found.get("made_by", made_by) != made_by:
        raise ValueError(f"{folder} was made by `{found['made_by']}`, not by `{made_by}`")
    for name, value in given.items():
        own = getattr(config, name)
        if name not in CHANGEABLE and value != own:
            raise ValueError(f"{name} is {own} in {folder}, and stays so; only {', '.join(CHANGEABLE)} may be given")
    return dataclasses.replace(config, **given)


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """What a run folder says of its run; empty where the run has not come to it.

    Attributes:
        name: the folder's name.
        files: where everything is.
        config: the settings, by their names.
        origin: the rest of config.json: command, versions, system, source revision.
        epochs: the lines of metrics.jsonl, of self-play its rounds.
        matches: those of evaluation.json.
        learning: those of learning.json, which only self-play has.
        exact: the measures of evaluation.json against the solved game; empty where that was not there.
        microseconds: what a move of the value network took, None if it was not measured.
    """

    name: str
    files: Run
    config: dict[str, Any]
    origin: dict[str, Any]
    epochs: list[dict[str, Any]]
    matches: list[dict[str, Any]]
    learning: list[dict[str, Any]]
    exact: dict[str, Any]
    microseconds: float | None

    @property
    def teacher(self) -> str:
        """Where the labels came from: a teacher of Config, or selfplay."""
        return self.config.get("teacher") or self.origin.get("made_by", "")

    @property
    def state(self) -> str:
        """How far the run has come: measured, trained, training, games or begun."""
        if self.matches or self.learning:
            return "measured"
        if self.files.weights.exists():
            return "trained"
        if self.epochs:
            return "training"
        return "games" if self.files.games.exists() else "begun"

    def best(self, name: str) -> float | None:
        """The lowest value of a number of the epochs, None where there is none."""
        return min((row[name] for row in self.epochs if name in row), default=None)

    def samples_per_second(self) -> float | None:
        """Mean speed of the training."""
        rows = [row for row in self.epochs if "samples_per_second" in row]
        return mean_over_time(rows, "samples_per_second") if rows else None

    def figures(self) -> dict[str, float | None]:
        """What the run came to, by name: losses, speed, win rates in percent; of self-play its last weights."""
        if self.teacher == "selfplay":
            last, learnt = (rows[-1] if rows else {} for rows in (self.epochs, self.learning))
            return {
                "rounds": last.get("round"),
                "games played": last.get("games"),
                "loss": last.get("loss"),
                "value error": learnt.get("value_error"),
                "regret, points": learnt.get("regret"),
                "win % perfect": learnt.get("win_rate"),
            }
        found: dict[str, float | None] = {
            "epochs": len(self.epochs) or None,
            "value loss": self.best("validation_value_loss"),
            "policy loss": self.best("validation_policy_loss"),
            "samples/s": self.samples_per_second(),
            "microseconds a move": self.microseconds,
        }
        if self.exact:
            found["value error"] = (self.exact["value_error"] or {}).get("mean")
            found["regret, points"] = self.exact["regret"]["mean"]
            found["win % perfect"] = self.exact["estimate"]["rate"]
        return found | {f"win % {match['opponent']}": 100 * match["win_rate"] for match in self.matches}

    def margin(self, name: str) -> float | None:
        """Half of a win rate's 95 % interval, in percent; None for other figures."""
        for match in self.matches:
            if name == f"win % {match['opponent']}" and "interval95" in match:
                return 50 * (match["interval95"][1] - match["interval95"][0])
        return None

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "run": self.name,
            "folder": str(self.files.folder),
            "state": self.state,
            "config": self.config,
            **self.origin,
            "figures": self.figures(),
            "matches": self.matches,
        }


def mean_over_time(epochs: Sequence[Mapping[str, float]], name: str) -> float:
    """The mean of a number of the epochs, each weighted by its seconds."""
    return sum(row[name] * row["seconds"] for row in epochs) / sum(row["seconds"] for row in epochs)


def read_record(folder: Path) -> RunRecord:
    """Read a run folder. Raises ValueError, naming the file, where it is none or damaged; OSError."""
    run = Run(folder)
    if not run.config.exists():
        raise ValueError(f"{folder} is no run folder: it has no config.json")
    origin = _read_json(run.config)
    config = origin.pop("config", None)
    if not isinstance(config, dict):
        raise ValueError(f"{run.config} holds no settings")
    evaluation = _read_json(run.evaluation) if run.evaluation.exists() else {}
    lines = run.metrics.read_text().splitlines() if run.metrics.exists() else []
    try:
        epochs = [json.loads(line) for line in lines]
    except ValueError:
        raise ValueError(f"{run.metrics} is damaged") from None
    try:
        learning = json.loads(run.learning.read_text()) if run.learning.exists() else []
    except ValueError:
        raise ValueError(f"{run.learning} is damaged") from None
    return RunRecord(
        name=folder.name,
        files=run,
        config=config,
        origin=origin,
        epochs=epochs,
        matches=evaluation.get("matches", []),
        learning=learning,
        exact=evaluation.get("exact") or {},
        microseconds=evaluation.get("microseconds_per_move"),
    )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text())
    except ValueError:
        raise ValueError(f"{path} is damaged") from None
    if not isinstance(values, dict):
        raise ValueError(f"{path} holds no JSON object")
    return values


def run_folders(parent: Path = RUNS) -> list[Path]:
    """The run folders below `parent`, the oldest first."""
    found = [path.parent for path in parent.glob("*/config.json")]
    return sorted(found, key=lambda folder: ((folder / "config.json").stat().st_mtime, folder.name))


def find_run(text: str, parent: Path = RUNS) -> Path:
    """The run folder of a path, of a name below `parent`, of the beginning of one name alone, or of the word `last`.

    Raises ValueError, naming the nearest, where there is none or more than one.
    """
    if (Path(text) / "config.json").exists():
        return Path(text)
    folders = run_folders(parent)
    if not folders:
        raise ValueError(f"no runs in {parent}")
    if text == "last":
        return folders[-1]
    names = [folder.name for folder in folders]
    begun = [name for name in names if name.startswith(text)]
    if text in names:
        begun = [text]
    if len(begun) > 1:
        raise ValueError(f"{text!r} begins the names of {len(begun)} runs: {', '.join(begun)}")
    if not begun:
        raise ValueError(f"no run {text!r} in {parent}{nearest(text, [*names, 'last'])}")
    return parent / begun[0]


def changed_settings(record: RunRecord) -> dict[str, Any]:
    """The settings of a run that are not the defaults."""
    defaults = (SelfplayConfig if record.teacher == "selfplay" else Config)().to_dict()
    return {name: value for name, value in record.config.items() if name not in defaults or value != defaults[name]}


def difference(first: RunRecord, second: RunRecord) -> list[dict[str, Any]]:
    """What tells two runs apart: rows of "kind", "name", "first" and "second".

    Settings, versions and source revision are there where they differ, figures always; None where a run has none. A win
    rate's row also has "margin": half of the 95 % interval of the difference, as of games that have nothing in common.
    """
    rows: list[dict[str, Any]] = []

    def compare(kind: str, one: dict[str, Any], two: dict[str, Any], every: bool = False) -> None:
        for name in one | two:
            values = one.get(name), two.get(name)
            if every or values[0] != values[1]:
                rows.append({"kind": kind, "name": name, "first": values[0], "second": values[1]})

    compare("setting", first.config, second.config)
    compare("version", _versions(first), _versions(second))
    compare("figure", first.figures(), second.figures(), every=True)
    for row in rows:
        margins = (first.margin(row["name"]), second.margin(row["name"]))
        if row["kind"] == "figure" and None not in margins:
            row["margin"] = math.hypot(*margins)  # type: ignore[arg-type]
    return rows


def _versions(record: RunRecord) -> dict[str, Any]:
    named = {name: record.origin.get(name) for name in ("feature_set", "system", "source_revision")}
    return record.origin.get("versions", {}) | named
