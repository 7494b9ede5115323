"""evaluate, compare, report: how well agents play."""

import json
from pathlib import Path
from typing import Annotated

import typer

from mlx_train.commands.options import (
    Files,
    JsonFlag,
    ModelsFolder,
    SeedFlag,
    TableFile,
    Workers,
    complete_agent,
    complete_run,
    usage,
)


def evaluate(
    agent: Annotated[
        str, typer.Argument(help="An agent, such as emm:3 or net:weights/model.json.", autocompletion=complete_agent)
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
    table: TableFile = None,
    seed: SeedFlag = 0,
    workers: Workers = None,
    as_json: JsonFlag = False,
) -> None:
    """Play matches, seats alternated and dice paired, and measure against the exact solution."""
    from engine.games.agents import Agent, open_table
    from engine.solved.tablebase import Tablebase
    from mlx_train.measuring.measures import exactness, win_rates
    from mlx_train.pictures.report import exactness_table, win_rate_table
    from mlx_train.system.progress import progress

    with usage():
        player = Agent.parse(agent)
        opponents = [Agent.parse(name) for name in against or ()]
        if games < 1:
            raise ValueError(f"games must be at least 1, got {games}")
        if not (opponents or exact or every):
            raise ValueError("give an opponent with --against, or --exact")
        solution = next((other.player for other in opponents if isinstance(other.player, Tablebase)), None)
        if table is not None and solution is None and not (exact or every):
            raise ValueError("--table is what --exact measures against: give that too")
    if exact or every or table is not None:
        solution = open_table(table)
    results = []
    if opponents:
        with progress("matches", games * len(opponents), "games") as update:
            results = win_rates(player, opponents, games, seed=seed, workers=workers, progress=update)
    matches = [result.to_dict() for result in results]
    if solution is None:
        print(json.dumps(matches, indent=2) if as_json else f"{agent}\n\n{win_rate_table(results)}")
        return
    found = exactness(player, solution, seed=seed, every=every, workers=workers)
    if as_json:
        print(json.dumps({"matches": matches, "exact": found.to_dict()}, indent=2))
        return
    print("\n\n".join([agent, *([win_rate_table(results)] if results else []), exactness_table([found])]))


def compare(
    agents: Annotated[
        list[str],
        typer.Argument(help="Two or more agents, such as greedy emm:2 perfect.", autocompletion=complete_agent),
    ],
    games: Annotated[int, typer.Option(help="Games of each pair.")] = 2000,
    output: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Where the tables and the picture go; older ones are replaced.")
    ] = Path("runs/compare"),
    table: TableFile = None,
    seed: SeedFlag = 0,
    workers: Workers = None,
    as_json: JsonFlag = False,
) -> Files:
    """Play a round robin: win matrix, Elo, regret where the game is solved, speed."""
    from engine.games.agents import Agent, open_table
    from engine.solved.tablebase import default_path
    from mlx_train.measuring import round_robin as comparison
    from mlx_train.system.progress import say

    with usage():
        players = [Agent.parse(name) for name in agents]
        if games < 1:
            raise ValueError(f"games must be at least 1, got {games}")
        if len(players) < 2 or len(set(agents)) < len(agents):
            raise ValueError("a comparison needs two or more agents, each named once")
    solution = None
    if table is not None or default_path().exists():
        solution = open_table(table)
    else:
        say("no regret is measured: the game is not solved here (`python -m mlx_train solve`)")
    output.mkdir(parents=True, exist_ok=True)
    result = comparison.compare(players, games, seed=seed, table=solution, workers=workers)
    comparison.write_comparison(result, output)
    print(json.dumps(result.to_dict(), indent=2) if as_json else comparison.markdown(result))
    return {"table": output / "comparison.md", "picture": output / "comparison.png", "folder": output}


def report(
    agents: Annotated[
        list[str] | None,
        typer.Argument(help="Agents to look into; by default every shipped model.", autocompletion=complete_agent),
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
    ] = Path("runs/report"),
    folder: ModelsFolder = Path("weights"),
    table: TableFile = None,
    seed: SeedFlag = 0,
    workers: Workers = None,
) -> Files:
    """Draw regret and win rate by size, the calibration of win probabilities, where the regret sits, loss curves."""
    from engine.games.agents import Agent, open_table
    from mlx_train.measuring.measures import Truth, calibration, gives_win_probabilities, regret_shares
    from mlx_train.networks.manifest import read_manifest
    from mlx_train.pictures.report import write_report
    from mlx_train.runs.run_record import find_run, read_record
    from mlx_train.runs.shipped import size_point
    from mlx_train.system.progress import say

    with usage():
        players = [Agent.parse(name) for name in agents or ()]
        records = [read_record(find_run(name)) for name in run or ()]
    models = read_manifest(folder) if (folder / "manifest.json").exists() else []
    players = players or [model.agent(folder) for model in models]
    if not players:
        raise ValueError(f"no models in {folder}: name the agents to look into")
    solution = open_table(table)
    output.mkdir(parents=True, exist_ok=True)
    regrets, calibrations = [], []
    for player in players:
        say(f"measuring {player.name}")
        regrets.append(regret_shares(player, solution, seed=seed, workers=workers))
        if gives_win_probabilities(player):
            calibrations.append(calibration(player, solution, seed=seed))
    note = Truth.of(solution).note
    print(write_report(output, [size_point(model) for model in models], regrets, calibrations, records, note))
    return {"report": output / "report.md", "folder": output}
