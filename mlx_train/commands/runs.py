"""runs, runs show and runs diff: the results of earlier runs."""

import json
from pathlib import Path
from typing import Annotated

import typer

from mlx_train.commands.options import Files, JsonFlag, complete_run, usage

app = typer.Typer(help="List the run folders with their figures, show one, or compare two.")

RunsFolder = Annotated[Path, typer.Option("--folder", metavar="FOLDER", help="Where the run folders are.")]
_NAMING = "its folder, its name, the beginning of that, or `last`"
RunName = Annotated[str, typer.Argument(help=f"A run: {_NAMING}.", autocompletion=complete_run)]


@app.callback(invoke_without_command=True)
def runs(context: typer.Context, folder: RunsFolder = Path("runs"), as_json: JsonFlag = False) -> None:
    """List the run folders with their figures, the oldest first."""
    if context.invoked_subcommand is not None:
        return
    from mlx_train.pictures.report import runs_table
    from mlx_train.runs.run_record import read_record, run_folders
    from mlx_train.system.progress import say

    records = []
    for path in run_folders(folder):
        try:
            records.append(read_record(path))
        except ValueError as error:
            say(f"left out: {error}")
    if as_json:
        print(json.dumps([record.to_dict() for record in records], indent=2))
    elif records:
        print(runs_table(records))
    else:
        print(f"no runs in {folder} yet: `python -m mlx_train run --preset quick` makes one")


@app.command()
def show(run: RunName, folder: RunsFolder = Path("runs"), as_json: JsonFlag = False) -> Files:
    """Show a run: command, versions, the settings that are not the defaults, figures, files."""
    from mlx_train.pictures.report import run_page
    from mlx_train.runs.run_record import find_run, read_record

    with usage():
        path = find_run(run, folder)
    record = read_record(path)
    print(json.dumps(record.to_dict(), indent=2) if as_json else run_page(record))
    return record.files.files()


@app.command()
def diff(first: RunName, second: RunName, folder: RunsFolder = Path("runs"), as_json: JsonFlag = False) -> None:
    """Compare two runs: the settings and versions that differ, and their figures side by side."""
    from mlx_train.pictures.report import difference_table
    from mlx_train.runs.run_record import difference, find_run, read_record

    with usage():
        paths = [find_run(name, folder) for name in (first, second)]
    records = [read_record(path) for path in paths]
    rows = difference(*records)
    print(json.dumps(rows, indent=2) if as_json else difference_table(records[0].name, records[1].name, rows))
