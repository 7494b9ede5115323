"""models and models promote: the shipped weights."""

from pathlib import Path
from typing import Annotated

import typer

from mlx_train.commands.options import Files, JsonFlag, ModelsFolder, TableFile, one_of
from mlx_train.config import WEIGHTS

app = typer.Typer(help="List and check the shipped models, or add a model to them.")


@app.callback(invoke_without_command=True)
def models(
    context: typer.Context,
    verify: Annotated[
        bool, typer.Option("--verify", help="Measure every model again and compare with the manifest.")
    ] = False,
    folder: ModelsFolder = None,
    table: TableFile = None,
    as_json: JsonFlag = False,
) -> None:
    """List the shipped models and check their files."""
    if context.invoked_subcommand is not None:
        return
    from mlx_train.runs import shipped

    shipped.list_models(folder, verify, table, as_json)


@app.command()
def promote(
    file: Annotated[Path, typer.Argument(help="The JSON weights file to add.")],
    name: Annotated[str, typer.Option(help="The model's name; a model of that name is replaced.")],
    what: Annotated[
        str | None, typer.Option(help="What the model is, in one line; by default that of the model it replaces.")
    ] = None,
    command: Annotated[
        str | None, typer.Option(help="The command that trained it; by default the one of its run folder.")
    ] = None,
    measure: Annotated[
        str, one_of(("regret", "value_error", "win_rate"), "What must be better than before.")
    ] = "regret",
    folder: Annotated[
        Path, typer.Option(metavar="FOLDER", help="The models and their manifest, where the file is added.")
    ] = WEIGHTS,
    table: TableFile = None,
) -> Files:
    """Check and measure a weights file, and ship it if it passes every check."""
    from mlx_train.runs import promotion

    return promotion.promote_file(file, name, table, what=what, command=command, by=measure, folder=folder)
