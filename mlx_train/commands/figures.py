"""figures: the pictures of the documents."""

from pathlib import Path
from typing import Annotated

import typer

from mlx_train.commands.options import Files, ModelsFolder, SeedFlag, TableFile, Workers, usage


def figures(
    names: Annotated[
        list[str] | None, typer.Argument(help="Pictures to make, such as squares.png; by default all of them.")
    ] = None,
    output: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Where they go; older ones of the same name are replaced.")
    ] = Path("docs/figures"),
    games: Annotated[
        int, typer.Option(help="Games of each match, and those whose squares are counted; at least 1.")
    ] = 1000,
    run: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Run folder whose losses to draw, as loss.png, and only they without names; by default none.",
        ),
    ] = None,
    folder: ModelsFolder = Path("weights"),
    table: TableFile = None,
    seed: SeedFlag = 0,
    workers: Workers = None,
) -> Files:
    """Make the pictures of the documents again, from the shipped models and the solved game."""
    from engine.agents import open_table
    from mlx_train import gallery
    from mlx_train.models import read_manifest

    with usage():
        if games < 1:
            raise ValueError(f"games must be at least 1, got {games}")
        chosen = gallery.check_names(names or ())
    if run is not None:
        gallery.write_losses(run, output)
        if not chosen:
            return {"loss curve": output / gallery.LOSSES, "folder": output}
    sources = gallery.Sources(
        table=open_table(table), cards=read_manifest(folder), folder=folder, games=games, seed=seed, workers=workers
    )
    for path in gallery.write_pictures(sources, output, chosen):
        print(path)
    return {"folder": output}
