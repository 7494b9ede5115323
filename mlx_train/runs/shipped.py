"""The shipped models for a person: their table, their points in a picture, and their measures taken again."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from engine.games.agents import open_table
from engine.network.shipped import shipped_folder
from engine.solved.tablebase import Tablebase
from mlx_train.measuring.exactness import exactness
from mlx_train.networks.manifest import MeasureSettings, ModelEntry, file_problem, head_agent, read_manifest
from mlx_train.pictures.models import SizePoint
from mlx_train.system.progress import say
from mlx_train.system.text import fitted_table

#: The largest difference from the manifest when a measure is taken again. Processors round float32 sums differently:
#: that moves an error a little, and now and then changes a choice between nearly equal moves. Win rates and regrets are
#: percentage points. The keys are the places of a measure in an entry's `measures`.
TOLERANCES: dict[tuple[str | int, ...], float] = {
    ("value_error", "mean"): 1e-6,
    ("value_error", "rms"): 1e-6,
    ("value_error", "p95"): 5e-6,
    ("value_error", "max"): 1e-5,
    ("regret", "mean"): 2e-4,
    ("regret", "p95"): 2e-3,
    ("regret", "best_share"): 5e-4,
    ("estimate", "rate"): 0.02,
    ("estimate", "interval", 0): 0.02,
    ("estimate", "interval", 1): 0.02,
    ("estimate", "played_rate"): 0.2,
}


def measure(file: Path, heads: Sequence[str], table: Tablebase, settings: MeasureSettings) -> dict[str, dict[str, Any]]:
    """Measure networks of a file against the solved game -> JSON values, by "value" and "policy". Raises ValueError."""
    settings.check(table)
    amounts = asdict(settings)
    del amounts["pieces"]
    measures = {}
    for head in heads:
        values = exactness(head_agent(file, head), table, **amounts).to_dict()
        del values["agent"], values["size"], values["table"]
        values["microseconds_per_move"] = round(values["microseconds_per_move"], 2)
        measures[head] = values
    return measures


def differences(entry: ModelEntry, table: Tablebase, folder: Path) -> list[str]:
    """Measure a model again -> a line for each figure that differs from the manifest's by more than `TOLERANCES`."""
    again = measure(entry.path(folder), list(entry.measures), table, entry.settings)
    lines = []
    for head, expected in entry.measures.items():
        for path, tolerance in TOLERANCES.items():
            if expected[str(path[0])] is None:
                continue
            old, new = _value_at(expected, path), _value_at(again[head], path)
            if not abs(old - new) <= tolerance:
                name = " ".join(map(str, path))
                lines.append(f"{entry.name}: {head} {name} is {new:.6g}, the manifest says {old:.6g}")
    return lines


def _value_at(measures: Any, path: Sequence[str | int]) -> float:
    """The value in nested dictionaries and lists, by the keys and indices of `path`."""
    for key in path:
        measures = measures[key]
    return measures


def list_models(folder: Path | None, verify: bool, table_file: Path | None, as_json: bool) -> None:
    """Print the models of a folder, by default the shipped ones, each with the state of its file.

    verify: whether to measure them again. Raises RuntimeError, in one line, for damaged files and for measures that
    differ from the manifest's.
    """
    folder = folder or shipped_folder()
    entries = read_manifest(folder)
    problems = [file_problem(entry, folder) for entry in entries]
    if as_json:
        rows = [asdict(entry) | {"problem": problem} for entry, problem in zip(entries, problems, strict=True)]
        print(json.dumps(rows, indent=2))
    else:
        print(model_table(entries, ["damaged" if problem else "ok" for problem in problems]))
    faults = [problem for problem in problems if problem]
    if verify and not faults:
        for entry in entries:
            say(f"measuring {entry.name} again")
            faults += differences(entry, open_table(table_file, entry.rules), folder)
    if faults:
        raise RuntimeError("; ".join(faults))
    if verify and not as_json:
        print("\nevery measure is the manifest's")


def size_point(entry: ModelEntry) -> SizePoint:
    """A model's point in the picture of strength by size."""
    measures = entry.measures[entry.head]
    return SizePoint(
        name=entry.name,
        parameters=entry.parameters[entry.head],
        regret=measures["regret"]["mean"],
        win_rate=measures["estimate"]["rate"],
    )


def model_table(entries: Sequence[ModelEntry], states: Sequence[str]) -> str:
    """The models as a Markdown table. states: the state of each model's file, "ok" or "damaged"."""
    header = (
        "model", "parameters", "mean error", "regret, points", "win % against perfect", "microseconds a move",
        "bytes", "file", "what",
    )  # fmt: skip
    rows = [_row(entry, state) for entry, state in zip(entries, states, strict=True)]
    return fitted_table(header, rows, ("what", "microseconds a move", "bytes", "mean error", "parameters"))


def _row(entry: ModelEntry, state: str) -> tuple[object, ...]:
    measures = entry.measures[entry.head]
    error = measures["value_error"]
    return (
        entry.name,
        f"{entry.parameters[entry.head]:,}",
        "" if error is None else f"{error['mean']:.6f}",
        f"{measures['regret']['mean']:.4f}",
        f"{measures['estimate']['rate']:.2f}",
        f"{measures['microseconds_per_move']:.1f}",
        f"{entry.bytes:,}",
        state,
        entry.what,
    )
