"""figures: the pictures of the documents."""

from pathlib import Path
from typing import Annotated

import typer

from mlx_train.commands.options import Files, ModelsFolder, SeedFlag, TableFile, Workers, usage


def figures(
    names: Annotated[
        list[str] | None, typer.Argument(help="Pictures to draw, such as squares.png; by default all of them.")
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
        int, typer.Option(help="Games of each match, and games whose squares are counted; at least 1.")
    ] = 1000,
    run: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Run folder whose losses to draw, as loss.png, and only they without names; by default none.",
        ),
    ] = None,
    folder: ModelsFolder = None,
    table: TableFile = None,
    seed: SeedFlag = 0,
    workers: Workers = None,
) -> Files:
    """Make the pictures of the documents again, from the shipped models and the solved game."""
    from mlx_train.tools import gallery

    with usage():
        chosen = gallery.check_request(names or (), games, run, output, table)
    sources = gallery.Sources(table_file=table, folder=folder, games=games, seed=seed, workers=workers)
    return gallery.write_requested(sources, run, output or gallery.FIGURES, chosen)
