"""The solved game: solving, verifying, look-ups, rows for training. Seven pieces are solved once, not five times."""

import subprocess
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from engine import Tablebase
from engine.games.exact_rows import entry_batch, value_batch
from mlx_train.tools.bench.measure import Row, median_seconds, millions, timed

# Prints the seconds and the peak memory of a process of its own that solves seven pieces.
_SOLVE_PROGRAM = """
import sys, time
from engine import Tablebase
from mlx_train.system.peak_memory import process_peak_memory
start = time.perf_counter()
Tablebase.solve(7, 1e-12, 2, checkpoint=sys.argv[1])
print(time.perf_counter() - start, process_peak_memory())
"""


def rows() -> list[Row]:
    """Times of solving and verifying, then what the table gives."""
    with TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "checkpoint"
        solving, table = _solving(checkpoint)
    return [*solving, *_verifying(table), *_reading(table)]


def _solving(checkpoint: Path) -> tuple[list[Row], Tablebase]:
    """The rows of solving, and the table of seven pieces, solved to float64's own floor."""
    five = median_seconds(lambda: Tablebase.solve(5, 1e-12, 1, checkpoint=checkpoint))
    program = [sys.executable, "-c", _SOLVE_PROGRAM, str(checkpoint)]
    output = subprocess.run(program, capture_output=True, text=True, check=True).stdout
    seconds, peak = map(float, output.split())
    rows = [
        Row("solve five pieces, one worker", f"{five:.2f} s", "Tablebase.solve(5, workers=1)"),
        Row("solve seven pieces to 1e-12, 2 workers", f"{seconds:.1f} s (once)", "Tablebase.solve(7, 1e-12, 2)"),
        Row("peak memory of that process", f"{peak / 2**30:.2f} GiB", "ru_maxrss"),
    ]
    cases: tuple[tuple[int, float | Literal["floor"]], ...] = ((1, 1e-12), (2, "floor"))
    for workers, tolerance in cases:
        seconds, table = timed(partial(Tablebase.solve, 7, tolerance, workers, checkpoint=checkpoint))
        what = f"solve seven pieces to {tolerance}, {workers} worker{'s' * (workers > 1)}"
        rows.append(Row(what, f"{seconds:.1f} s (once)", f"Tablebase.solve(7, {tolerance!r}, {workers})"))
    return rows, table


def _verifying(table: Tablebase) -> list[Row]:
    seconds, report = timed(lambda: table.verify(2))
    figure = f"{seconds:.1f} s (once), {report.residual:.1e}{'' if report.passed else ': failed'}"
    return [Row("verify every position, two workers", figure, "Tablebase.verify(2)")]


def _reading(table: Tablebase) -> list[Row]:
    """Look-ups, and training rows made of them, on one core."""
    entries = table.sample(5_000_000, 1)
    seconds = median_seconds(lambda: table.values(entries))
    figure = millions(len(entries), seconds, "positions")
    rows = [Row("look-ups of random positions, one core", figure, "Tablebase.values")]
    for what, make in (("as features", value_batch), ("as places in the table", entry_batch)):
        seconds = median_seconds(partial(make, table, 4096, 0, 0, batches=64, play_share=0.5))
        rows.append(
            Row(
                f"training rows {what}, half from play, one core",
                millions(64 * 4096, seconds, "rows"),
                f"engine.games.exact_rows.{make.__name__}(table, 4096, 0, 0, batches=64, play_share=0.5)",
            )
        )
    return rows
