"""What a run folder says of its run: finding a run, reading it, and comparing two."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlx_train.config import RETIRED, RUNS, Config, SelfplayConfig, nearest
from mlx_train.runs.run_folder import Run
from mlx_train.system.shapes import Shape, fits


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """What a run folder says of its run. Parts that the run has not reached are empty.

    Attributes:
        name: the folder's name.
        files: the paths of its files.
        config: the settings by name.
        origin: the rest of config.json: command, versions, system, source revision.
        epochs: the lines of metrics.jsonl; of self-play, its rounds.
        matches: the matches of evaluation.json.
        learning: the points of learning.json, which only self-play has.
        exact: the measures of evaluation.json against the solved game; empty if there was no solved game.
        microseconds: the time of a move of the value network; None if it was not measured.
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
        """The source of the labels: a teacher of Config, or selfplay."""
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
        """The lowest value that the epochs have under a name, None where no epoch has it.

        The last one where the network learnt from its own games, whose losses do not compare.
        """
        rows = self.epochs[-1:] if self.epochs and "own_games" in self.epochs[-1] else self.epochs
        return min((row[name] for row in rows if name in row), default=None)

    def samples_per_second(self) -> float | None:
        """Mean speed of the training."""
        rows = [row for row in self.epochs if "samples_per_second" in row and row.get("seconds", 0) > 0]
        return mean_over_time(rows, "samples_per_second") if rows else None

    def figures(self) -> dict[str, float | None]:
        """The run's results by name: losses, speed, win rates in percent; for self-play, of its last weights."""
        if self.teacher == "selfplay":
            last, measured = (rows[-1] if rows else {} for rows in (self.epochs, self.learning))
            return {
                "rounds": last.get("round"),
                "games played": last.get("games"),
                "loss": last.get("loss"),
                "value error": measured.get("value_error"),
                "regret, points": measured.get("regret"),
                "win % perfect": measured.get("win_rate"),
            }
        figures: dict[str, float | None] = {
            "epochs": len(self.epochs) or None,
            "value loss": self.best("validation_value_loss"),
            "policy loss": self.best("validation_policy_loss"),
            "samples/s": self.samples_per_second(),
            "microseconds a move": self.microseconds,
        }
        if self.exact:
            figures["value error"] = (self.exact["value_error"] or {}).get("mean")
            figures["regret, points"] = self.exact["regret"]["mean"]
            figures["win % perfect"] = self.exact["estimate"]["rate"]
        return figures | {f"win % {match['opponent']}": 100 * match["win_rate"] for match in self.matches}

    def margin(self, name: str) -> float | None:
        """Half of a win rate's 95 % interval, in percent; None for other figures."""
        for match in self.matches:
            if name == f"win % {match['opponent']}" and len(match.get("interval95", ())) == 2:
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
    """The mean over epochs of the number under a name, each epoch weighted by its seconds."""
    return sum(row[name] * row["seconds"] for row in epochs) / sum(row["seconds"] for row in epochs)


def read_record(folder: Path) -> RunRecord:
    """Read a run folder. Raises ValueError, naming the file, where it is no run folder or damaged; OSError."""
    run = Run(folder)
    if not run.config.exists():
        raise ValueError(f"{folder} is no run folder: it has no config.json")
    origin = _read(run.config, _ORIGIN)
    evaluation = _read(run.evaluation, _EVALUATION) if run.evaluation.exists() else {}
    return RunRecord(
        name=folder.name,
        files=run,
        config=origin.pop("config"),
        origin=origin,
        epochs=_read(run.metrics, [{str: float}], lines=True) if run.metrics.exists() else [],
        matches=evaluation.get("matches", []),
        learning=_read(run.learning, [{str: (float, None, [float])}]) if run.learning.exists() else [],
        exact=evaluation.get("exact") or {},
        microseconds=evaluation.get("microseconds_per_move"),
    )


#: The shapes of what this module takes from config.json and evaluation.json.
_ORIGIN = {
    "config": {"teacher?": str, "games?": int, "hidden_sizes?": [int]},
    "made_by?": str,
    "command?": [str],
    "versions?": {str: (str, None)},
    "system?": str,
    "source_revision?": (str, None),
    "feature_set?": str,
}
_EVALUATION = {
    "matches?": [{"opponent": str, "win_rate": float, "interval95?": [float]}],
    "exact?": (None, {"value_error": (None, {"mean": float}), "regret": {"mean": float}, "estimate": {"rate": float}}),
    "microseconds_per_move?": (float, None),
}


def _read(path: Path, shape: Shape, *, lines: bool = False) -> Any:
    """The JSON value of a file, or the list of its lines' values. Raises ValueError for one of another shape."""
    try:
        text = path.read_text(encoding="utf-8")
        value = [json.loads(line) for line in text.splitlines()] if lines else json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError(f"{path} is damaged") from None
    if not fits(value, shape):
        raise ValueError(f"{path} is damaged: it lacks something, or has it in another type")
    return value


def run_folders(parent: Path = RUNS) -> list[Path]:
    """The run folders below `parent`, the oldest first."""
    folders = [path.parent for path in parent.glob("*/config.json")]
    return sorted(folders, key=lambda folder: ((folder / "config.json").stat().st_mtime, folder.name))


def find_run(text: str, parent: Path = RUNS) -> Path:
    """The run folder of a path, of a name below `parent`, of the beginning of exactly one name, or of the word `last`.

    Raises ValueError, naming the nearest, where no name or more than one fits.
    """
    if (Path(text) / "config.json").exists():
        return Path(text)
    folders = run_folders(parent)
    if not folders:
        raise ValueError(f"no runs in {parent}")
    if text == "last":
        return folders[-1]
    names = [folder.name for folder in folders]
    matches = [text] if text in names else [name for name in names if name.startswith(text)]
    if len(matches) > 1:
        raise ValueError(f"{text!r} begins the names of {len(matches)} runs: {', '.join(matches)}")
    if not matches:
        raise ValueError(f"no run {text!r} in {parent}{nearest(text, [*names, 'last'])}")
    return parent / matches[0]


def changed_settings(record: RunRecord) -> dict[str, Any]:
    """The settings of a run that are not the defaults."""
    defaults = RETIRED | (SelfplayConfig if record.teacher == "selfplay" else Config)().to_dict()
    return {name: value for name, value in record.config.items() if name not in defaults or value != defaults[name]}


def difference(first: RunRecord, second: RunRecord) -> list[dict[str, Any]]:
    """The differences of two runs: rows of "kind", "name", "first" and "second".

    A setting, a version or the source revision has a row where it differs, a figure always; None where a run lacks it.
    A win rate's row also has "margin": half of the 95 % interval of the difference, the games taken as independent.
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
