"""The command line: parse, call, exit code. What a command does stands in the module that it calls.

Results go to stdout, progress and remarks to stderr. Exit codes: 0 success, 1 a failure at run time (one line on
stderr), 2 wrong usage, 130 interrupted. Heavy imports happen inside the command that needs them.
"""

import dataclasses
import functools
import inspect
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from mlx_train.config import PRESETS, Config, resolve

app = typer.Typer(
    name="mlx_train",
    help="Train, measure and play neural networks for the Royal Game of Ur.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
OutputFolder = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Run folder to make; by default a dated one below runs/."),
]
Workers = Annotated[int | None, typer.Option(help=Config.__dataclass_fields__["workers"].metadata["help"])]
SeedFlag = Annotated[int, typer.Option(help="Seed of the games' dice.")]
TableFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Table of the solved game; by default the one in the user's cache folder."),
]


def main() -> None:
    """Run the command line; expected failures become one line on stderr."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except (ValueError, OSError, FloatingPointError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


@contextmanager
def usage() -> Iterator[None]:
    """Turn a ValueError about what was typed into wrong usage: exit code 2."""
    try:
        yield
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def config_options(*phases: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command `--preset` and a flag for every setting of these phases; it receives the resolved Config first.

    The flags, their help and their defaults come from Config alone.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        fields = [field for field in dataclasses.fields(Config) if field.metadata["phase"] in phases]

        @functools.wraps(command)
        def wrapper(preset: str, **arguments: Any) -> None:
            overrides = {field.name: arguments.pop(field.name) for field in fields}
            if overrides.get("hidden_sizes"):
                overrides["hidden_sizes"] = parse_sizes(overrides["hidden_sizes"])
            with usage():
                config = resolve(preset, **overrides)
            command(config, preset, **arguments)

        preset_help = f"Settings to start from: {', '.join(PRESETS)}."
        parameters = [
            inspect.Parameter(
                "preset",
                inspect.Parameter.KEYWORD_ONLY,
                default="production",
                annotation=Annotated[str, typer.Option(help=preset_help)],
            )
        ]
        for field in fields:
            default: Any = field.default
            kind: Any = int if default is None else type(default)
            if kind is tuple:
                kind, default = str, ",".join(map(str, default))
            parameters.append(
                inspect.Parameter(
                    field.name,
                    inspect.Parameter.KEYWORD_ONLY,
                    default=None,
                    annotation=Annotated[
                        kind | None,
                        typer.Option(
                            help=field.metadata["help"],
                            show_default="one a core" if default is None else str(default),
                            rich_help_panel="Settings",
                        ),
                    ],
                )
            )
        own = list(inspect.signature(command).parameters.values())[2:]
        parameters += [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
        wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        del wrapper.__wrapped__
        return wrapper

    return decorate


def parse_sizes(text: str) -> tuple[int, ...]:
    """The numbers of a list such as 256,128. Raises wrong usage for anything else."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise typer.BadParameter(f"hidden sizes are whole numbers joined by commas, got {text!r}") from None


@app.command()
@config_options("games", "training", "evaluation", "all")
def run(config: Config, preset: str, output: OutputFolder = None) -> None:
    """Generate games, train both networks, write their JSON, and measure how well they play."""
    import time

    from mlx_train import pipeline
    from mlx_train.runs import Run

    with usage():
        _check_device(config)
    start = time.perf_counter()
    folder = Run.create(config, preset, output)
    if config.teacher == "exact":
        source, made = pipeline.exact_data(config)
    else:
        source, made = pipeline.search_data(config, pipeline.generate(config, folder))
    trained = pipeline.train(config, source, folder, made)
    results = pipeline.evaluate(config, folder)
    print(pipeline.summary(folder, results, trained, time.perf_counter() - start))


@app.command()
@config_options("games", "all")
def generate(config: Config, preset: str, output: OutputFolder = None) -> None:
    """Play the games of the search against itself and write the dataset."""
    from mlx_train import pipeline
    from mlx_train.runs import Run

    folder = Run.create(config, "games", output)
    data = pipeline.generate(config, folder)
    print(json.dumps(data.summary(), indent=2))
    print(folder.games)


@app.command()
@config_options("training", "all")
def train(
    config: Config,
    preset: str,
    data: Annotated[Path, typer.Argument(metavar="GAMES", help="A games.npz of `generate` or `run`.")],
    output: OutputFolder = None,
) -> None:
    """Train both networks on a dataset and write their JSON."""
    from mlx_train import pipeline
    from mlx_train.dataset import Decisions
    from mlx_train.runs import Run

    with usage():
        _check_device(config)
    source, made = pipeline.search_data(config, Decisions.load(data))
    folder = Run.create(config, "training", output)
    trained = pipeline.train(config, source, folder, made)
    print(json.dumps(trained, indent=2))
    print(folder.weights)


def _check_device(config: Config) -> None:
    from mlx_train.backend import use_device

    use_device(config.device)


@app.command()
def export(
    source: Annotated[Path, typer.Argument(help="A checkpoint folder, or a JSON weights file.")],
    target: Annotated[Path, typer.Argument(help="The JSON file (.json, .json.gz) or .safetensors file to write.")],
) -> None:
    """Convert a checkpoint to JSON, or JSON to safetensors."""
    from mlx_train.convert import convert

    print(convert(source, target))


@app.command()
def evaluate(
    agent: Annotated[str, typer.Argument(help="An agent, such as emm:3 or net:weights/model.json.")],
    against: Annotated[list[str] | None, typer.Option(help="An opponent; repeat for several.")] = None,
    games: Annotated[int, typer.Option(help="Games against each opponent.")] = 2000,
    exact: Annotated[
        bool, typer.Option("--exact", help="Also measure against the solved game: value error, regret, win rate.")
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
    from engine.agents import Agent, open_table
    from mlx_train.evaluate import exactness, win_rates
    from mlx_train.progress import progress
    from mlx_train.report import exactness_table, win_rate_table

    with usage():
        player = Agent.parse(agent)
        opponents = [Agent.parse(name) for name in against or ()]
        if games < 1:
            raise ValueError(f"games must be at least 1, got {games}")
        if not (opponents or exact or every):
            raise ValueError("give an opponent with --against, or --exact")
    solution = open_table(table) if exact or every else None
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


@app.command()
def analyze(
    notation: Annotated[str, typer.Argument(help="A position, such as '..............:0|..............:0'.")],
    roll: Annotated[int | None, typer.Option(help="The roll, 0 to 4; all of them where it is not given.")] = None,
    agent: Annotated[str, typer.Option(help="Who values the moves.")] = "emm:3",
    as_json: JsonFlag = False,
) -> None:
    """Show the legal moves of a position with their values."""
    from engine.agents import Agent
    from engine.position import Position
    from mlx_train.analysis import analyze_position, table

    with usage():
        position = Position.from_notation(notation)
        player = Agent.parse(agent)
        result = analyze_position(position, player, roll)
    print(json.dumps(result, indent=2) if as_json else table(result))


@app.command()
def doctor(as_json: JsonFlag = False) -> None:
    """Show versions, devices with a timed training step on each, cores and BLAS: what works here, and why not."""
    from mlx_train.doctor import examine, table

    result = examine()
    print(json.dumps(result, indent=2) if as_json else table(result))


@app.command()
def solve(
    pieces: Annotated[int, typer.Option(help="Pieces a side, 1 to 7.")] = 7,
    tolerance: Annotated[
        str, typer.Option(help="Largest change of a win probability in the last sweep, or 'floor' for float64's own.")
    ] = "1e-12",
    workers: Workers = None,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The table to write; by default in the user's cache folder.")
    ] = None,
    rgu: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write the published .rgu format.")] = None,
    verify: Annotated[bool, typer.Option(help="Check every position by the rules alone.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Solve the game exactly, write the table, and show what perfect play is like."""
    from mlx_train.solution import parse_tolerance, solve_game, table

    with usage():
        number = parse_tolerance(tolerance)
        if not 1 <= pieces <= 7:
            raise ValueError(f"pieces must be 1 to 7, got {pieces}")
    result = solve_game(pieces, number, workers, output, rgu, verify)
    print(json.dumps(result, indent=2) if as_json else table(result))


@app.command()
def compare(
    agents: Annotated[list[str], typer.Argument(help="Two or more agents, such as greedy emm:2 perfect.")],
    games: Annotated[int, typer.Option(help="Games of each pair.")] = 2000,
    output: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Where the tables and the picture go; older ones are replaced.")
    ] = Path("runs/compare"),
    table: TableFile = None,
    seed: SeedFlag = 0,
    workers: Workers = None,
    as_json: JsonFlag = False,
) -> None:
    """Play a round robin: win matrix, Elo, regret where the game is solved, speed."""
    from engine.agents import Agent, open_table
    from engine.tablebase import default_path
    from mlx_train import compare as comparison
    from mlx_train.progress import say

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
    result = comparison.compare(players, games, seed=seed, table=solution, workers=workers)
    comparison.write_comparison(result, output)
    print(json.dumps(result.to_dict(), indent=2) if as_json else f"{comparison.markdown(result)}\n\n{output}")


models_app = typer.Typer(help="List and check the shipped models, or admit a new one.")
app.add_typer(models_app, name="models")
ModelsFolder = Annotated[Path, typer.Option(metavar="FOLDER", help="Where the models and their manifest are.")]


@models_app.callback(invoke_without_command=True)
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
    from engine.agents import open_table
    from mlx_train import models as shipped

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


@models_app.command()
def promote(
    file: Annotated[Path, typer.Argument(help="The JSON weights file to admit.")],
    name: Annotated[str, typer.Option(help="The model's name; a model of that name is replaced.")],
    what: Annotated[str | None, typer.Option(help="What the model is, in one line.")] = None,
    command: Annotated[
        str | None, typer.Option(help="The command that trained it; by default the one of its run folder.")
    ] = None,
    measure: Annotated[
        str, typer.Option(help="What must be better than before: regret, value_error or win_rate.")
    ] = "regret",
    folder: ModelsFolder = Path("weights"),
    table: TableFile = None,
) -> None:
    """Check and measure a weights file, and ship it if it passes every gate."""
    from engine.agents import open_table
    from mlx_train import models as shipped

    card = shipped.promote(
        file, name, open_table(table), what=what, command=command, by=measure, folder=folder
    )  # fmt: skip
    print(shipped.table_of([card], ["ok"]))


@app.command()
def report(
    agents: Annotated[
        list[str] | None, typer.Argument(help="Agents to look into; by default every shipped model.")
    ] = None,
    output: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Where the pictures and report.md go; older ones are replaced.")
    ] = Path("runs/report"),
    folder: ModelsFolder = Path("weights"),
    table: TableFile = None,
    seed: SeedFlag = 0,
    workers: Workers = None,
) -> None:
    """Draw regret and win rate by size, the calibration of win probabilities, and where the regret sits."""
    from engine.agents import Agent, open_table
    from mlx_train import models as shipped
    from mlx_train.evaluate import calibration, gives_win_probabilities, regret_shares
    from mlx_train.progress import say
    from mlx_train.report import write_report

    with usage():
        players = [Agent.parse(name) for name in agents or ()]
    cards = shipped.read_manifest(folder) if (folder / "manifest.json").exists() else []
    players = players or [card.agent(folder) for card in cards]
    if not players:
        raise ValueError(f"no models in {folder}: name the agents to look into")
    solution = open_table(table)
    regrets, calibrations = [], []
    for player in players:
        say(f"measuring {player.name}")
        regrets.append(regret_shares(player, solution, seed=seed, workers=workers))
        if gives_win_probabilities(player):
            calibrations.append(calibration(player, solution, seed=seed))
    print(write_report(output, [card.point() for card in cards], regrets, calibrations))
    print(output)
