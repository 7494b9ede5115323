"""evaluate, compare, report: how well agents play."""

import json
from pathlib import Path
from typing import Annotated

import typer

from mlx_train.commands.options import (
    Files,
    JsonFlag,
    ModelsFolder,
    RulesFlag,
    SeedFlag,
    TableFile,
    Workers,
    complete_agent,
    complete_run,
    usage,
)
from mlx_train.config import RULES, RUNS


def evaluate(
    agent: Annotated[
        str, typer.Argument(help="An agent, such as emm:3 or net:standard.", autocompletion=complete_agent)
    ],
    against: Annotated[
        list[str] | None,
        typer.Option(help="An opponent; repeat for several; by default none.", autocompletion=complete_agent),
    ] = None,
    games: Annotated[int, typer.Option(help="Games against each opponent.")] = 2000,
    exact: Annotated[
        bool,
        typer.Option(
            "--exact",
            help="Also measure against the solved game: value error, regret, the win rate with little noise. "
            "`--against perfect` does so too.",
        ),
    ] = False,
    every: Annotated[
        bool, typer.Option("--all", help="--exact, with the value error of every position, not of a sample.")
    ] = False,
    rules: RulesFlag = RULES[0],
    table: TableFile = None,
    seed: SeedFlag = 0,
    workers: Workers = None,
    as_json: JsonFlag = False,
) -> None:
    """Play matches, seats alternated and dice paired, and measure against the exact solution."""
    from mlx_train.measuring import evaluation

    exact = exact or every
    with usage():
        player, opponents = evaluation.check_request(agent, against or (), games, exact, table, rules)
    result = evaluation.evaluate(
        player, opponents, games, exact=exact, every=every, table_file=table, seed=seed, workers=workers
    )
    print(json.dumps(result.to_json(), indent=2) if as_json else result.text())


def compare(
    agents: Annotated[
        list[str],
        typer.Argument(help="Two or more agents, such as greedy emm:2 perfect.", autocompletion=complete_agent),
    ],
    games: Annotated[int, typer.Option(help="Games of each pair.")] = 2000,
    output: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Where the tables and the picture go; older ones are replaced.")
    ] = RUNS / "compare",
    rules: RulesFlag = RULES[0],
    table: TableFile = None,
    seed: SeedFlag = 0,
    workers: Workers = None,
    as_json: JsonFlag = False,
) -> Files:
    """Play a round robin: win matrix, Elo, regret where the game is solved, speed."""
    from mlx_train.pictures import comparison

    with usage():
        players = comparison.check_request(agents, games, rules)
    result = comparison.compare_into(output, players, games, table_file=table, seed=seed, workers=workers)
    print(json.dumps(result.to_dict(), indent=2) if as_json else comparison.markdown(result))
    return {"table": output / "comparison.md", "picture": output / "comparison.png", "folder": output}


def report(
    agents: Annotated[
        list[str] | None,
        typer.Argument(
            help="Agents to look into; by default every shipped model of the rule set.", autocompletion=complete_agent
        ),
    ] = None,
    run: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RUN",
            help="A run whose loss curve to draw, as `runs` names it; repeat for several; by default none.",
            autocompletion=complete_run,
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Where the pictures and report.md go; older ones are replaced.")
    ] = RUNS / "report",
    rules: RulesFlag = RULES[0],
    folder: ModelsFolder = None,
    table: TableFile = None,
    seed: SeedFlag = 0,
    workers: Workers = None,
) -> Files:
    """Draw regret and win rate by size, the calibration of win probabilities, where the regret lies, loss curves."""
    from mlx_train.runs import report as reports

    with usage():
        players, records = reports.check_request(agents or (), run or (), rules)
    text = reports.report(
        output, players, records, rules=rules, models=folder, table_file=table, seed=seed, workers=workers
    )
    print(text)
    return {"report": output / "report.md", "folder": output}
