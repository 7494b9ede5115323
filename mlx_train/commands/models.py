"""models and models promote: the shipped weights."""

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer

from mlx_train.commands.options import Files, JsonFlag, ModelsFolder, TableFile, one_of

app = typer.Typer(help="List and check the shipped models, or admit a new one.")


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
    from mlx_train.runs import shipped

    cards = shipped.read_manifest(folder)
    problems = {card.name: shipped.problem(card, folder) for card in cards}
    if as_json:
        print(json.dumps([dataclasses.asdict(card) | {"problem": problems[card.name]} for card in cards], indent=2))
    else:
        print(shipped.table_of(cards, ["damaged" if problems[card.name] else "ok" for card in cards]))
    found = [text for text in problems.values() if text]
    if verify and not found:
        found = list(shipped.verify(cards, open_table(table), folder))
    if found:
        raise RuntimeError("; ".join(found))
    if verify and not as_json:
        print("\nevery measure is the manifest's")


@app.command()
def promote(
    file: Annotated[Path, typer.Argument(help="The JSON weights file to admit.")],
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
    """Check and measure a weights file, and ship it if it passes every gate."""
    from engine.games.agents import open_table
    from mlx_train.runs import shipped

    card = shipped.promote(
        file, name, open_table(table), what=what, command=command, by=measure, folder=folder
    )  # fmt: skip
    print(shipped.table_of([card], ["ok"]))
    return {"model": folder / f"{card.name}.json", "manifest": folder / "manifest.json"}
