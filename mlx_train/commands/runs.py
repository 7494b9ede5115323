"""runs, runs show and runs diff: the results of earlier runs."""

from pathlib import Path
from typing import Annotated

import typer

from mlx_train.commands.options import Files, JsonFlag, complete_run, usage
from mlx_train.config import RUNS

app = typer.Typer(help="List the run folders with their figures, show one, or compare two.")

RunsFolder = Annotated[Path, typer.Option("--folder", metavar="FOLDER", help="Where the run folders are.")]
_NAMING = "its folder, its name, the beginning of that, or `last`"
RunName = Annotated[str, typer.Argument(help=f"A run: {_NAMING}.", autocompletion=complete_run)]


@app.callback(invoke_without_command=True)
def runs(context: typer.Context, folder: RunsFolder = RUNS, as_json: JsonFlag = False) -> None:
    """List the run folders with their figures, the oldest first."""
    if context.invoked_subcommand is not None:
        return
    from mlx_train.runs import run_views

    run_views.list_runs(folder, as_json)


@app.command()
def show(run: RunName, folder: RunsFolder = RUNS, as_json: JsonFlag = False) -> Files:
    """Show a run: command, versions, the settings that are not the defaults, figures, files."""
    from mlx_train.runs import run_views

    with usage():
        (path,) = run_views.find_runs([run], folder)
    return run_views.show_run(path, as_json)


@app.command()
def diff(first: RunName, second: RunName, folder: RunsFolder = RUNS, as_json: JsonFlag = False) -> None:
    """Compare two runs: the settings and versions that differ, and their figures side by side."""
    from mlx_train.runs import run_views

    with usage():
        one, two = run_views.find_runs([first, second], folder)
    run_views.compare_runs(one, two, as_json)
