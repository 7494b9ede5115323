"""models and models promote: the shipped weights."""

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer

from mlx_train.commands.options import Files, JsonFlag, ModelsFolder, TableFile, one_of

app = typer.Typer(help="List and check the shipped models, or add a model to them.")


@app.callback(invoke_without_command=True)
def models(
    context: typer.Context,
    verify: Annotated[
        bool, typer.Option("--verify", help="Measure every model again and compare with the manifest.")
    ] = False,
    folder: ModelsFolder = Path("weights"),
    table: TableFile = None,
    as_json: JsonFlag = False,
) -> None:
    """List the shipped models and check their files."""
    if context.invoked_subcommand is not None:
        return
    from engine.games.agents import open_table
    from mlx_train.networks.manifest import file_problem, read_manifest
    from mlx_train.runs import shipped

    entries = read_manifest(folder)
    problems = [file_problem(entry, folder) for entry in entries]
    if as_json:
        rows = [
            dataclasses.asdict(entry) | {"problem": problem} for entry, problem in zip(entries, problems, strict=True)
        ]
        print(json.dumps(rows, indent=2))
    else:
        print(shipped.model_table(entries, ["damaged" if problem else "ok" for problem in problems]))
    faults = [problem for problem in problems if problem]
    if verify and not faults:
        faults = list(shipped.verify(entries, open_table(table), folder))
    if faults:
        raise RuntimeError("; ".join(faults))
    if verify and not as_json:
        print("\nevery measure is the manifest's")


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
    folder: ModelsFolder = Path("weights"),
    table: TableFile = None,
) -> Files:
    """Check and measure a weights file, and ship it if it passes every check."""
    from engine.games.agents import open_table
    from mlx_train.runs import promotion, shipped

    entry = promotion.promote(
        file, name, open_table(table), what=what, command=command, by=measure, folder=folder
    )  # fmt: skip
    print(shipped.model_table([entry], ["ok"]))
    return {"model": folder / entry.file, "manifest": folder / "manifest.json"}
