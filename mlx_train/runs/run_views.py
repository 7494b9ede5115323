"""What a person sees of runs: the list, one run in full, two compared, and the loss curve."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.machine.installation import command
from mlx_train.config import Config
from mlx_train.pictures.training import loss_curve
from mlx_train.runs.run_record import RunRecord, changed_settings, difference, find_run, read_record, run_folders
from mlx_train.system.progress import say
from mlx_train.system.text import figure_text, fitted_table, markdown_table, setting_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: The figures that the list of runs has a column for, where a run has them.
_RUN_FIGURES = (
    "epochs", "rounds", "value loss", "policy loss", "loss", "samples/s", "win % emm:3", "win % emm:4",
    "value error", "regret, points", "win % perfect",
)  # fmt: skip


def find_runs(names: Sequence[str], parent: Path) -> list[Path]:
    """The folders of runs, by `find_run`. Raises ValueError."""
    return [find_run(name, parent) for name in names]


def list_runs(folder: Path, as_json: bool) -> None:
    """Print the runs below a folder, the oldest first; a line on stderr names each that can't be read."""
    records = []
    for path in run_folders(folder):
        try:
            records.append(read_record(path))
        except ValueError as error:
            say(f"left out: {error}")
    if as_json:
        print(json.dumps([record.to_dict() for record in records], indent=2))
    elif records:
        print(runs_table(records))
    else:
        print(f"no runs in {folder} yet: `{command('run', '--preset', 'quick')}` makes one")


def show_run(folder: Path, as_json: bool) -> dict[str, Path]:
    """Print the run of a folder -> its files. Raises ValueError for a damaged one."""
    record = read_record(folder)
    print(json.dumps(record.to_dict(), indent=2) if as_json else run_page(record))
    return record.files.files()


def compare_runs(first: Path, second: Path, as_json: bool) -> None:
    """Print the differences of the runs of two folders. Raises ValueError for a damaged one."""
    records = [read_record(folder) for folder in (first, second)]
    rows = difference(*records)
    print(json.dumps(rows, indent=2) if as_json else difference_table(records[0].name, records[1].name, rows))


def runs_table(records: Sequence[RunRecord]) -> str:
    """Runs as a Markdown table: state, teacher, size of the work, and the figures that at least one run has."""
    figures = [record.figures() for record in records]
    shown = [name for name in _RUN_FIGURES if any(values.get(name) is not None for values in figures)]
    rows = []
    for record, values in zip(records, figures, strict=True):
        plays = record.teacher != "exact" and record.origin.get("made_by") != "train"
        games = record.config.get("games", "") if plays else ""
        sizes = "-".join(map(str, record.config.get("hidden_sizes", ())))
        known = [figure_text(name, values.get(name)) for name in shown]
        rows.append((record.name, record.state, record.teacher, games, sizes, *known))
    columns = ("hidden sizes", "samples/s", "games", *_RUN_FIGURES[:5], "win % emm:3", "value error", "teacher")
    least = [name for name in columns if name in (*shown, "hidden sizes", "games", "teacher")]
    return fitted_table(("run", "state", "teacher", "games", "hidden sizes", *shown), rows, least)


def run_page(record: RunRecord) -> str:
    """One run in full, as Markdown: origin, settings that are not the defaults, figures."""
    origin = record.origin
    versions = origin.get("versions", {})
    facts = [
        ("state", record.state),
        ("command", " ".join(map(str, origin.get("command", ())))),
        ("source revision", origin.get("source_revision") or ""),
        ("system", origin.get("system", "")),
        ("versions", ", ".join(f"{name} {version}" for name, version in versions.items() if version)),
    ]
    settings = [(name, setting_text(value)) for name, value in changed_settings(record).items()]
    figures = [
        (name, figure_text(name, value) + (_plus_minus(name, margin) if (margin := record.margin(name)) else ""))
        for name, value in record.figures().items()
        if value is not None
    ]
    parts = [
        markdown_table((record.name, ""), facts),
        markdown_table(("setting", "not the default"), settings) if settings else "Every setting is the default.",
        markdown_table(("figure", ""), figures) if figures else "No figures yet.",
    ]
    return "\n\n".join(parts)


def difference_table(first: str, second: str, rows: Sequence[dict[str, Any]]) -> str:
    """The rows of `run_record.difference` as a Markdown table; of figures, also second less first."""
    cells = []
    for row in rows:
        values = (row["first"], row["second"])
        change = ""
        if row["kind"] == "figure":
            if None not in values:
                change = figure_text(row["name"], values[1] - values[0], sign="+")
            if "margin" in row:
                change += _plus_minus(row["name"], row["margin"])
            values = (figure_text(row["name"], values[0]), figure_text(row["name"], values[1]))
        else:
            values = (setting_text(values[0]), setting_text(values[1]))
        cells.append((row["kind"], row["name"], *values, change))
    return markdown_table(("", "", first, second, "more"), cells)


def _plus_minus(name: str, margin: float) -> str:
    return f" ± {figure_text(name, margin)}"


def run_losses(record: RunRecord) -> "Figure":
    """The loss curve of a run folder. Raises ValueError for a run that has no epochs of training."""
    if not any(name.startswith("train_") for row in record.epochs for name in row):
        raise ValueError(f"{record.files.folder} has no losses to draw")
    return loss_curve(record.epochs, record.config.get("value_loss", Config.value_loss))  # older runs had no choice
