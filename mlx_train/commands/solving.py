"""solve: the exact solution."""

from pathlib import Path
from typing import Annotated

import typer

from mlx_train.commands.options import Files, JsonFlag, Workers, one_of, usage


def solve(
    pieces: Annotated[int, typer.Option(help="Pieces a side, 1 to 7.")] = 7,
    tolerance: Annotated[
        str, typer.Option(help="Largest change of a win probability in the last sweep, or 'floor' for float64's own.")
    ] = "1e-12",
    workers: Workers = None,
    device: Annotated[
        str, one_of(("cpu", "gpu", "auto"), "Where to begin; from a GPU's float32 the CPU goes on to exact values.")
    ] = "cpu",
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The table to write; by default in the user's cache folder.")
    ] = None,
    rgu: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also write the published .rgu format to this file; by default not."),
    ] = None,
    verify: Annotated[bool, typer.Option(help="Check every position by the rules alone.")] = False,
    as_json: JsonFlag = False,
) -> Files:
    """Solve the game exactly, write the table, and show what perfect play is like."""
    from mlx_train.tools import solution

    with usage():
        request = solution.check_request(pieces, tolerance, workers, device, output, rgu)
    return solution.solve(request, verify, as_json)
