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
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Where they go; older ones of the same name are replaced.",
            show_default="docs/figures",
        ),
    ] = None,
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
    from engine.games.agents import open_table
    from mlx_train.networks.manifest import read_manifest
    from mlx_train.tools import gallery

    with usage():
        if games < 1:
            raise ValueError(f"games must be at least 1, got {games}")
        chosen = gallery.check_names(names or ())
        if run is not None and output is None:
            raise ValueError(f"{gallery.FIGURES} shows the production run: give --output for the losses of a run")
        if output is None and table is not None and open_table(table).pieces < 7:
            raise ValueError(f"{gallery.FIGURES} shows the game of seven pieces: give --output with a smaller table")
    place = output or gallery.FIGURES
    if run is not None:
        gallery.write_losses(run, place)
        if not chosen:
            return {"loss curve": place / gallery.LOSSES, "folder": place}
    sources = gallery.Sources(
        table_file=table, models=read_manifest(folder), folder=folder, games=games, seed=seed, workers=workers
    )
    for path in gallery.write_pictures(sources, place, chosen):
        print(path)
    return {"folder": place}
