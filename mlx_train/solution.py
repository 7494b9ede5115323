"""Solving the game from the command line: progress, files, verification, and the facts of the solved game."""

import math
import time
from pathlib import Path
from typing import Any, Literal

from engine.tablebase import Progress, Tablebase, default_path
from mlx_train.memory import gibibytes, peaks
from mlx_train.progress import progress, say
from mlx_train.report import markdown_table


def parse_tolerance(text: str) -> float | Literal["floor"]:
    """The word floor, or a number above 0. Raises ValueError."""
    if text == "floor":
        return "floor"
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < 1:
        raise ValueError(f"tolerance must be between 0 and 1, or 'floor', got {text!r}")
    return number


def solve_game(
    pieces: int,
    tolerance: float | Literal["floor"],
    workers: int | None = None,
    output: Path | None = None,
    rgu: Path | None = None,
    verify: bool = False,
    describe: bool = True,
) -> dict[str, Any]:
    """Solve, save, verify and describe the game -> plain JSON values.

    An interrupted or killed call leaves its finished layers to the next one. Raises RuntimeError if the verification
    fails, ValueError and OSError otherwise.
    """
    output = default_path(pieces) if output is None else output
    output.parent.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    seconds = 0.0  # without the writing of the table
    with progress(f"solving {pieces} pieces", 0, "positions") as update:

        def on_layer(state: Progress) -> None:
            nonlocal seconds
            seconds = time.perf_counter() - start
            update(
                state.positions_done,
                f"layer {state.layer}, {state.sweeps} sweeps",
                total=state.positions_total,
                left=state.left,
            )

        table = Tablebase.solve(pieces, tolerance, workers, on_layer, output=output, say=say)
    result: dict[str, Any] = {
        "table": str(output),
        "bytes": output.stat().st_size,
        "seconds": round(seconds, 2),
        "tolerance": tolerance,
        "residual": table.residual,
        "peak_memory_bytes": peaks(),
    }
    if rgu is not None:
        table.to_rgu(rgu)
        result["rgu"] = str(rgu)
    if verify:
        start = time.perf_counter()
        with progress("verifying every position by the rules", 0, "positions"):
            found = table.verify(workers)
        result["verification"] = found._asdict() | {"seconds": round(time.perf_counter() - start, 2)}
        if not found.passed:
            raise RuntimeError(
                f"verification failed: residual {found.residual:.3g} above {found.limit:.3g} at {found.worst:#x}"
            )
    if not describe:
        return result
    with progress("statistics", 0, "positions"):
        return result | {"statistics": table.statistics(workers)}


def table(result: dict[str, Any]) -> str:
    """The solved game's facts for a person."""
    facts = result["statistics"]
    rows: list[tuple[str, object]] = [
        ("solved in", f"{result['seconds']} s, residual {result['residual']:.2e}"),
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
            "By score (own : opponent's borne off): mean win % and mean regret of the second-best move, in points\n\n"
            + markdown_table(("score", "positions", "win %", "sharpness"), scores),
        ]
    )
