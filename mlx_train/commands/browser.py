"""web: the game in the browser."""

from pathlib import Path
from typing import Annotated

import typer

from mlx_train.commands.options import usage


def web(
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port on the loopback address; 0 takes a free one.")
    ] = 8765,
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="A JSON weights file to play against, beside the shipped ones; by default none."
        ),
    ] = None,
    browse: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in the browser.")] = True,
) -> None:
    """Play in the browser, against the search and every network, on a page served to this machine alone."""
    from mlx_train.playing import server

    with usage():
        server.check_model(model)
    server.serve(model, port, browse)
