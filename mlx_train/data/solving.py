"""Solving the game into its file: what is refused, progress, verification, and the facts of the solved game."""

import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import numpy as np

from engine.games.agents import open_table
from engine.machine.files import check_regular
from engine.machine.installation import command
from engine.machine.memory import check_memory
from engine.solved.solving import Progress, check_pieces, check_tolerance, memory_needed
from engine.solved.tablebase import MissingTable, Tablebase, default_path
from mlx_train.system.peak_memory import peaks, process_peak_memory
from mlx_train.system.progress import progress, say


def not_solved(rules: str = "finkel") -> str:
    """The reason of `find_table` where no table was made."""
    options = [] if rules == "finkel" else ["--rules", rules]
    return f"the game is not solved here (`{command('solve', *options)}`)"


def parse_tolerance(text: str) -> float | Literal["floor"]:
    """The word floor, or a number between 0 and 1. Raises ValueError."""
    tolerance: Any = text
    with suppress(ValueError):
        tolerance = float(text)
    check_tolerance(tolerance)
    return tolerance


def check_outputs(
    pieces: int | None, tolerance: float | Literal["floor"], output: Path | None, rgu: Path | None, rules: str
) -> None:
    """Raises ValueError for a wrong number of pieces, and for an output that can't or should not be written.

    Without `output` a solve does not replace a finer table at the usual place, which `perfect` and all measures read.
    """
    usual = default_path(pieces, rules)  # refuses a wrong number of pieces
    places = [usual if output is None else output] + ([] if rgu is None else [rgu])
    for place in places:
        check_regular(place)
    if len({place.resolve() for place in places}) < len(places):
        raise ValueError(f"--output and --rgu are both {places[0]}")
    if output is None and tolerance != "floor":
        finer = _finer_tolerance(places[0], tolerance)
        if finer is not None:
            raise ValueError(
                f"{places[0]} was solved to {finer or 'the floor'}: give another file with --output for a coarser table"
            )


def choose_device(device: str) -> str:
    """Make a device MLX's default -> "cpu" or "gpu". Raises ValueError for an unknown or a missing device."""
    if device == "cpu":
        return device  # without MLX
    from mlx_train.device.backend import use_device

    return use_device(device)


def _finer_tolerance(path: Path, tolerance: float) -> float | None:
    """The tolerance of the table in a file, 0 for the floor of float64, if it is finer than `tolerance`; else None.

    None also if the file does not exist or is damaged.
    """
    with suppress(OSError, ValueError):
        if Tablebase.open(path, check=False).tolerance < tolerance:
            return Tablebase.open(path).tolerance  # checked this time
    return None


def find_table(rules: str = "finkel") -> tuple[Tablebase | None, str]:
    """A rule set's solved game at its usual place, for what can do without it -> (table, ""), or (None, the reason)."""
    try:
        return open_table(rules=rules), ""
    except MissingTable:
        return None, not_solved(rules)
    except OSError as error:  # a home that does not exist, or may not be read
        return None, f"{error.filename}: {error.strerror}"
    except (ValueError, RuntimeError) as error:  # damaged, or a user without a home
        return None, str(error)


def solve_whole_game(workers: int | None = None, rules: str = "finkel") -> None:
    """Solve the whole game of a rule set into its usual place."""
    solve_game(None, 1e-12, workers=workers, describe=False, rules=rules)


def solve_game(
    pieces: int | None,
    tolerance: float | Literal["floor"],
    workers: int | None = None,
    output: Path | None = None,
    rgu: Path | None = None,
    verify: bool = False,
    describe: bool = True,
    device: str = "cpu",
    rules: str = "finkel",
) -> dict[str, Any]:
    """Solve, save, verify and describe a rule set's game -> plain JSON values.

    pieces: a side, None for all of the rule set. device: "cpu", or "gpu" (`choose_device`): the GPU computes first
    values in float32, from which the engine solves. After a call that was interrupted or killed, the next call goes on
    from the finished layers. Raises RuntimeError if the verification fails, ValueError for wrong arguments, OSError if
    a file can't be written, MemoryError if too little memory is available.
    """
    pieces = check_pieces(pieces, rules)
    output = default_path(pieces, rules) if output is None else output
    output.parent.mkdir(parents=True, exist_ok=True)
    table, result = _solved(pieces, tolerance, workers, output, device, rules)
    say(f"{output}: written")
    if rgu is not None:
        table.to_rgu(rgu)
        result["rgu"] = str(rgu)
    if verify:
        result["verification"] = _verified(table, workers)
    if describe:
        with progress("statistics", 2 * table.count, "positions") as update:
            result["statistics"] = table.statistics(workers, progress=lambda done, total: update(done))
    return result | {"peak_memory_bytes": peaks()}


def _solved(
    pieces: int, tolerance: float | Literal["floor"], workers: int | None, output: Path, device: str, rules: str
) -> tuple[Tablebase, dict[str, Any]]:
    """Solve into a file -> (the table, the first entries of `solve_game`'s result). `seconds` excludes the writing."""
    check_memory(memory_needed(pieces, rules), f"solving {rules} with {pieces} pieces a side")
    start = time.perf_counter()
    guess = _first_values(pieces, rules) if device == "gpu" else None
    first_seconds = time.perf_counter() - start
    seconds = 0.0
    resumed = None  # positions that an earlier call has solved
    with progress(f"solving {rules}, {pieces} pieces", 0, "positions") as update:

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

        table = Tablebase.solve(pieces, tolerance, workers, on_layer, output=output, say=say, guess=guess, rules=rules)
    result: dict[str, Any] = {
        "table": str(output),
        "bytes": output.stat().st_size,
        "seconds": round(seconds, 2),
        "resumed_positions": table.count if resumed is None else resumed,
        "tolerance": tolerance,
        "residual": table.residual,
        "solving_peak_memory_bytes": process_peak_memory(),
    }
    if guess is not None:
        result["gpu_seconds"] = round(first_seconds, 2)
    # The system can take the memory of a file that is mapped back, which the statistics may need.
    return Tablebase.open(output, check=False), result


def _verified(table: Tablebase, workers: int | None) -> dict[str, Any]:
    """Check every position by the rules -> the verification's values. Raises RuntimeError if it fails."""
    start = time.perf_counter()
    with progress("verifying every position by the rules", table.count, "positions") as update:
        verification = table.verify(workers, progress=lambda done, total: update(done))
    if not verification.passed:
        raise RuntimeError(
            f"verification failed: residual {verification.residual:.3g} above {verification.limit:.3g} "
            f"at {verification.worst:#x}"
        )
    say(f"verified: {verification.positions:,} positions, residual {verification.residual:.2e}")
    return verification._asdict() | {"seconds": round(time.perf_counter() - start, 2)}


def _first_values(pieces: int, rules: str) -> np.ndarray:
    """The values that MLX's default device, a GPU, computes in float32: a guess for the engine."""
    from mlx_train.device.solver_kernel import first_values

    with progress(f"solving {rules}, {pieces} pieces, in float32 on the GPU", 0, "positions") as update:
        return first_values(pieces, lambda done, total, layer: update(done, layer, total=total), rules)
