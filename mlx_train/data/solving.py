"""Solving the game from the command line: progress, files, verification, and the facts of the solved game."""

import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import numpy as np

from engine.games.agents import MissingTable
from engine.solved.solving import Progress, check_tolerance
from engine.solved.tablebase import Tablebase, default_path
from mlx_train.device.memory import gibibytes, peaks
from mlx_train.pictures.report import markdown_table
from mlx_train.system.progress import progress, say


def parse_tolerance(text: str) -> float | Literal["floor"]:
    """The word floor, or a number between 0 and 1. Raises ValueError."""
    tolerance: Any = text
    with suppress(ValueError):
        tolerance = float(text)
    check_tolerance(tolerance)
    return tolerance


def check_outputs(pieces: int, tolerance: float | Literal["floor"], output: Path | None, rgu: Path | None) -> None:
    """Raises ValueError for a number of pieces, and for places where the solved game can't, or should not, be written.

    Unless it is told where to write, a solve does not replace a finer table: `perfect` and all measures read that.
    """
    usual = default_path(pieces)  # which knows how many pieces there may be
    places = [usual if output is None else output] + ([] if rgu is None else [rgu])
    for place in places:
        if place.exists() and not place.is_file():
            raise ValueError(f"{place} is {'a folder' if place.is_dir() else 'not a regular file'}")
    if len({place.resolve() for place in places}) < len(places):
        raise ValueError(f"--output and --rgu are both {places[0]}")
    if output is None and tolerance != "floor":
        found = _tolerance_of(places[0], tolerance)
        if found is not None:
            raise ValueError(
                f"the table in {places[0]} was solved to {found or 'the floor'}: say --output FILE for a coarser one"
            )


def choose_device(device: str) -> str:
    """Make a device MLX's default -> "cpu" or "gpu". Raises ValueError for one that is unknown or not there."""
    if device == "cpu":
        return device  # without MLX
    from mlx_train.device.backend import use_device

    return use_device(device)


def _tolerance_of(path: Path, least: float) -> float | None:
    """What the table in a file was solved to if that is less than `least`, 0 for the floor of float64.

    None also where there is no table of use.
    """
    with suppress(OSError, ValueError):
        if Tablebase.open(path, check=False).tolerance < least:
            return Tablebase.open(path).tolerance  # it is whole
    return None


def offer(error: MissingTable) -> bool:
    """Ask the person at the terminal whether to solve the game that is missing at its usual place, and do it.

    Returns whether it is solved now.
    """
    import typer

    if not (error.default and sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    question = f"The solved game is not there yet. Solve it now, in about a minute, into {error.path} (1.1 GB)?"
    try:
        if not typer.confirm(question, default=True, err=True):
            return False
    except typer.Abort as abort:
        if isinstance(abort.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        return False  # the end of the input
    solve_whole_game()
    return True


def solve_whole_game(workers: int | None = None) -> None:
    """Solve the game of seven pieces into its usual place, for whatever needs it there."""
    solve_game(7, 1e-12, workers=workers, describe=False)


def solve_game(
    pieces: int,
    tolerance: float | Literal["floor"],
    workers: int | None = None,
    output: Path | None = None,
    rgu: Path | None = None,
    verify: bool = False,
    describe: bool = True,
    device: str = "cpu",
) -> dict[str, Any]:
    """Solve, save, verify and describe the game -> plain JSON values.

    device: "gpu" (`choose_device`) begins there, in float32, and leaves the rest to the engine. A call that is
    interrupted or killed leaves its finished layers to the next one. Raises RuntimeError if the verification fails,
    ValueError and OSError otherwise.
    """
    output = default_path(pieces) if output is None else output
    output.parent.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    guess = _first_values(pieces) if device == "gpu" else None
    first_seconds = time.perf_counter() - start
    seconds = 0.0  # without the writing of the table
    resumed = None  # positions that a call before has solved
    with progress(f"solving {pieces} pieces", 0, "positions") as update:

        def on_layer(state: Progress) -> None:
            nonlocal seconds, resumed
            seconds = time.perf_counter() - start
            resumed = state.resumed
            update(
                state.positions_done - state.resumed,
                f"layer {state.layer}, {state.sweeps} sweeps",
                total=state.positions_total - state.resumed,
                left=state.left,
            )

        table = Tablebase.solve(pieces, tolerance, workers, on_layer, output=output, say=say, guess=guess)
    result: dict[str, Any] = {
        "table": str(output),
        "bytes": output.stat().st_size,
        "seconds": round(seconds, 2),
        "resumed_positions": table.count if resumed is None else resumed,
        "tolerance": tolerance,
        "residual": table.residual,
    }
    say(f"{output}: written")
    if guess is not None:
        result["gpu_seconds"] = round(first_seconds, 2)
    if rgu is not None:
        table.to_rgu(rgu)
        result["rgu"] = str(rgu)
    if verify:
        start = time.perf_counter()
        with progress("verifying every position by the rules", table.count, "positions") as update:
            found = table.verify(workers, progress=lambda done, total: update(done))
        result["verification"] = found._asdict() | {"seconds": round(time.perf_counter() - start, 2)}
        if not found.passed:
            raise RuntimeError(
                f"verification failed: residual {found.residual:.3g} above {found.limit:.3g} at {found.worst:#x}"
            )
        say(f"verified: {found.positions:,} positions, residual {found.residual:.2e}")
    if describe:
        with progress("statistics", 2 * table.count, "positions") as update:
            result["statistics"] = table.statistics(workers, progress=lambda done, total: update(done))
    return result | {"peak_memory_bytes": peaks()}


def _first_values(pieces: int) -> np.ndarray:
    """What MLX's default device, a GPU, makes of the game: a guess for the engine."""
    from mlx_train.device.solver_kernel import first_values

    with progress(f"solving {pieces} pieces in float32 on the GPU", 0, "positions") as update:
        return first_values(pieces, lambda done, total, layer: update(done, layer, total=total))


def table(result: dict[str, Any]) -> str:
    """The solved game's facts for a person."""
    facts = result["statistics"]
    on_gpu = f", {result['gpu_seconds']} s of it on the GPU" if "gpu_seconds" in result else ""
    before = result["resumed_positions"]
    gone_on = f", {before:,} of the positions by a call before" if before else ""
    rows: list[tuple[str, object]] = [
        ("solved in", f"{result['seconds']} s{on_gpu}{gone_on}, residual {result['residual']:.2e}"),
        ("peak memory", gibibytes(result["peak_memory_bytes"]["process"])),
        ("positions that are not over", f"{facts['positions']:,}"),
        ("the first player wins", f"{facts['first_player_wins']:.12f}"),
        ("expected turns", f"{facts['expected_turns']:.6f}"),
        ("positions that never occur in optimal play", f"{facts['never_occur']:,}"),
    ]
    if "verification" in result:
        found = result["verification"]
        rows.append(
            ("verified", f"{found['placements']:,} placements, residual {found['residual']:.2e}, {found['seconds']} s")
        )
    replies = [
        (reply["roll"], f"{reply['win_probability']:.6f}", *("pass" if r is None else r for r in reply["replies"]))
        for reply in facts["best_replies"]
    ]
    scores = [
        (f"{score['own_off']} : {score['opponent_off']}", f"{score['positions']:,}",
         f"{100 * score['win_probability']:.2f}", f"{100 * score['sharpness']:.2f}")
        for score in facts["scores"]
    ]  # fmt: skip
    return "\n\n".join(
        [
            markdown_table(("the solved game", ""), rows),
            "After the opening's roll: win probability of whoever moves next, and the square its best move leaves "
            "(0 is the hand) for each roll\n\n"
            + markdown_table(("roll", "wins", *(f"reply to {roll}" for roll in range(5))), replies),
            "By score (own : opponent's borne off, those that a smaller game lacks included): mean win %, and mean "
            "regret of the second-best move in points\n\n"
            + markdown_table(("score", "positions", "win %", "sharpness"), scores),
        ]
    )
