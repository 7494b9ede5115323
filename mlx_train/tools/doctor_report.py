"""The report of a machine that its owner can send: what `doctor` shows, and what the GPU computes against the engine.

A report has no name of a user or a machine, and no path below the home. A part that fails has the error in its place.
"""

import getpass
import socket
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from engine.core.features import extract_features_bytes
from engine.games.exact_rows import entry_batch, value_batch
from engine.games.sampling import sample_decisions
from engine.machine.detection import detect
from engine.machine.files import check_writable
from engine.solved.solving import Progress
from engine.solved.tablebase import Tablebase
from mlx_train.device import feature_kernel, kernels, solver_kernel
from mlx_train.device.backend import available_devices, mx
from mlx_train.device.table_kernel import DeviceTable
from mlx_train.system.files import write_json
from mlx_train.system.progress import say
from mlx_train.system.provenance import processor
from mlx_train.tools.bench import page
from mlx_train.tools.browser import missing
from mlx_train.tools.doctor import examine

#: Pieces a side of the game that is solved: its layers are the first ones of the whole game.
PIECES = 3

_DECISIONS, _ROWS = 20_000, 5_000


def write_report(path: Path) -> dict[str, Any]:
    """Examine the machine and write the report as JSON -> the report. Raises OSError, before the work."""
    check_writable(path)
    parts: dict[str, Callable[[], Any]] = {
        "doctor": examine,
        "processor": processor,
        "cores": lambda: vars(detect()) | {"logical": len(detect().logical)},
        "solver": solver,
        "kernels": gpu,
        "page": page_figures,
    }
    report: dict[str, Any] = {}
    for name, part in parts.items():
        say(f"{name} ...")
        try:
            report[name] = part()
        except Exception as error:  # what fails is what the report is for
            report[name] = {"error": f"{type(error).__name__}: {error}"}
    report = anonymous(report)
    write_json(path, report)
    return report


def solver() -> dict[str, Any]:
    """The engine's solution of the first layers: each layer's sweeps and seconds, and the residual."""
    layers: list[dict[str, Any]] = []
    last = time.perf_counter()

    def on_layer(state: Progress) -> None:
        nonlocal last
        now = time.perf_counter()
        seconds, last = now - last, now
        layers.append({"layer": list(state.layer), "sweeps": state.sweeps, "seconds": round(seconds, 4)})

    table = _solved(on_layer)
    return {"pieces": PIECES, "positions": table.count, "residual": table.residual, "layers": layers}


def _solved(progress: Callable[[Progress], object] | None = None) -> Tablebase:
    with tempfile.TemporaryDirectory() as folder:
        return Tablebase.solve(PIECES, progress=progress, checkpoint=Path(folder, "partial"))


def gpu() -> dict[str, Any]:
    """The GPU's kernels against the engine: bytes and rows that differ, and the largest difference of a solution."""
    if "gpu" not in available_devices():
        return {"missing": "MLX finds no GPU"}
    with mx.stream(mx.gpu):
        if not kernels.available():
            return {"missing": "MLX's GPU runs no kernels of this program"}
        return compare_kernels()


def compare_kernels() -> dict[str, Any]:
    """The comparisons of `gpu`, by MLX's default device."""
    positions, rolls = sample_decisions(_DECISIONS, 3)
    packed = positions | rolls.astype(np.uint64) << np.uint64(48)
    features = np.array(feature_kernel.feature_bytes(mx.array(packed.view(np.uint32).reshape(-1, 2))))
    table = _solved()
    entries = entry_batch(table, _ROWS, 1, 2, play_share=0.5)
    rows = [np.array(array) for array in DeviceTable(table).rows(mx.array(entries))]
    expected = value_batch(table, _ROWS, 1, 2, play_share=0.5)
    start = time.perf_counter()
    values = solver_kernel.first_values(PIECES)
    return {
        "feature_bytes": features.size,
        "differing_feature_bytes": int((features != extract_features_bytes(positions, rolls)).sum()),
        "rows": _ROWS,
        "differing_rows": int(
            sum((a != b).reshape(_ROWS, -1).any(axis=1) for a, b in zip(rows, expected, strict=True)).sum()
        ),
        "largest_difference_of_a_win_probability": float(np.abs(values - table.array).max()),
        "solver_seconds": round(time.perf_counter() - start, 3),
    }


def page_figures() -> Any:
    """The figures of the page in a browser; what is missing for them."""
    reason = missing()
    return {"missing": reason} if reason else [list(row) for row in page.rows()]


def anonymous(value: Any) -> Any:
    """A JSON value in which no text has the home's path, the user's name or the machine's name."""
    if isinstance(value, dict):
        return {key: anonymous(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [anonymous(item) for item in value]
    if isinstance(value, str):
        for private, stand_in in _private():
            value = value.replace(private, stand_in)
    return value


def _private() -> list[tuple[str, str]]:
    """The texts that no report may have, and what takes their place."""
    names: list[tuple[str, str]] = []
    for read, stand_in in ((lambda: str(Path.home()), "~"), (getpass.getuser, "USER"), (socket.gethostname, "HOST")):
        try:
            names.append((read(), stand_in))
        except (OSError, KeyError, RuntimeError):  # a user without a home or a name
            continue
    return [(name, stand_in) for name, stand_in in names if len(name) > 2]
