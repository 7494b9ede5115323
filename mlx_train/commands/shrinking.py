"""compress: smaller files of trained networks."""

from pathlib import Path
from typing import Annotated

import typer

from mlx_train.commands.options import Files, JsonFlag, TableFile, Workers, one_of, usage
from mlx_train.config import MAX_SEED, NETWORKS, RUNS


def compress(
    model: Annotated[Path, typer.Argument(help="The JSON weights file to compress.")],
    bits: Annotated[
        list[int] | None, typer.Option(help="Bits a weight, 2 to 8; repeat for several; by default 8, 6 and 4.")
    ] = None,
    prune: Annotated[
        list[float] | None,
        typer.Option(help="Share of the weights to set to zero, 0 to 0.95; repeat for several; by default 0."),
    ] = None,
    networks: Annotated[str, one_of(NETWORKS, "Networks to compress.")] = "both",
    calibration: Annotated[int, typer.Option(help="Positions at which the rounding keeps the outputs close.")] = 40_000,
    steps: Annotated[int, typer.Option(help="Steps of training with exact labels after the rounding; 0 for none.")] = 0,
    output: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Where files, tables and picture go; older ones are replaced.")
    ] = RUNS / "compress",
    table: TableFile = None,
    seed: Annotated[
        int, typer.Option(help="Seed of the positions of the rounding and of the training.", min=0, max=MAX_SEED)
    ] = 0,
    workers: Workers = None,
    as_json: JsonFlag = False,
) -> Files:
    """Round a model's weights to few bits, and measure the files against the solved game."""
    from mlx_train.runs import compression

    with usage():
        request = compression.check_request(bits or [8, 6, 4], prune or [0.0], networks, calibration, steps)
    return compression.compress_into(output, model, table, as_json, **request, seed=seed, workers=workers)
