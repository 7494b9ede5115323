"""compress: smaller files of trained networks."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from mlx_train.commands.options import Files, JsonFlag, TableFile, Workers, one_of, usage
from mlx_train.config import MAX_SEED, NETWORKS, check_choice


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
    ] = Path("runs/compress"),
    table: TableFile = None,
    seed: Annotated[
        int,
        typer.Option(help="Seed of the positions of the rounding and of the training.", min=0, max=MAX_SEED),
    ] = 0,
    workers: Workers = None,
    as_json: JsonFlag = False,
) -> Files:
    """Round a model's weights to few bits, and measure the files against the solved game."""
    from engine.games.agents import open_table
    from engine.network.quantized import MAX_BITS, MIN_BITS
    from mlx_train.device.memory import peak_line
    from mlx_train.runs.compression import compress as compress_model
    from mlx_train.runs.compression_results import reference_curve, write_results
    from mlx_train.system.progress import say

    bits, prune = bits or [8, 6, 4], prune or [0.0]
    with usage():
        check_choice("networks", networks, NETWORKS)
        if not all(MIN_BITS <= count <= MAX_BITS for count in bits):
            raise ValueError(f"bits must be from {MIN_BITS} to {MAX_BITS}, got {bits}")
        if not all(0 <= share <= 0.95 for share in prune):
            raise ValueError(f"prune must be a share from 0 to 0.95, got {prune}")
        if calibration < 1000:
            raise ValueError(f"calibration must be at least 1000 positions, got {calibration}")
        if steps < 0:
            raise ValueError(f"steps must not be negative, got {steps}")
    solution = open_table(table)
    results = compress_model(
        model, output, solution, bits=bits, prune=prune, networks=networks, calibration=calibration, steps=steps,
        seed=seed, workers=workers,
    )  # fmt: skip
    text = write_results(output, results, reference_curve(solution))
    print(json.dumps([asdict(result) for result in results], indent=2) if as_json else text)
    say(peak_line())
    return {"files": output, "picture": output / "compress.png"}
