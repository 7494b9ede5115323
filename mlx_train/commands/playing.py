"""play, watch, replay, analyze: games and positions to look at."""

import json
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlx_train.commands.options import Files, JsonFlag, TableFile, complete_agent, usage

if TYPE_CHECKING:
    from engine.core.position import Position
    from engine.solved.tablebase import Tablebase
    from mlx_train.playing.records import Record


class Side(StrEnum):
    """Who the person is: player 0 moves first."""

    FIRST = "first"
    SECOND = "second"


_LARGEST_SEED = 2**53 - 1  # a whole number in every reader of JSON

DiceSeed = Annotated[
    int | None,
    typer.Option(min=0, max=_LARGEST_SEED, help="Seed of the dice.", show_default="a new one"),
]
Start = Annotated[
    str | None,
    typer.Option(metavar="POSITION", help="First position, seen by who begins.", show_default="the opening"),
]
RecordFile = Annotated[
    Path | None,
    typer.Option(
        "--record",
        metavar="FILE",
        help="Where the game is kept, as JSON lines; must be new.",
        show_default="runs/games/DATE.jsonl",
    ),
]
Delay = Annotated[float, typer.Option(min=0, help="Seconds a turn, on a terminal.")]


def _start(notation: str | None) -> "Position":
    from engine.core.position import Position

    with usage():
        position = Position.initial() if notation is None else Position.from_notation(notation)
        if position.is_over:
            raise ValueError(f"the game is over in {position}")
    return position


def _table(path: Path | None) -> "Tablebase | None":
    """The named table; without a name the solved game where there is one."""
    from engine.games.agents import open_table
    from engine.solved.tablebase import default_path

    return open_table(path) if path is not None or default_path().exists() else None


#: The network that judges a game where it is not solved.
_JUDGE = Path("weights/ur-29k.json")


def _next_command(record: "Record", file: Path, table: Path | None, solution: "Tablebase | None") -> str:
    """What to type to play a game on, or to look at one that is over: the best that works where it is typed."""
    from mlx_train.playing.review import knows

    words = ["replay", str(file)]
    if record.winner is None:
        words = ["play", "--resume", str(file)]
    elif solution is not None and knows(solution, record.start):
        words = ["analyze", str(file)]
    elif _JUDGE.exists():
        return shlex.join(["python", "-m", "mlx_train", "analyze", str(file), "--agent", f"net:{_JUDGE}"])
    named = [] if table is None else ["--table", str(table)]
    return shlex.join(["python", "-m", "mlx_train", *words, *named])


@contextmanager
def _kept(record: "Record", file: Path, table: Path | None, solution: "Tablebase | None") -> Iterator[Files]:
    """Whatever ends a game, say how to go on with it -> the files of the summary, filled in at the end.

    Ctrl-D is an end as any other; Ctrl-C has no summary, so the file is named here.
    """
    from mlx_train.system.progress import say

    files: Files = {}
    try:
        yield files
    except EOFError:
        print()
    except KeyboardInterrupt:
        say(f"\nkept: {file}" if record.turns else "\nnothing was played")
        raise
    if record.turns:
        files["record"] = file
        what = "play on" if record.winner is None else "look at the game again"
        say(f"\n{what}: {_next_command(record, file, table, solution)}")


def play(
    opponent: Annotated[
        str | None,
        typer.Option(
            help="The agent to play against, such as greedy or perfect.",
            autocompletion=complete_agent,
            show_default="emm:3",
        ),
    ] = None,
    side: Annotated[
        Side | None,
        typer.Option(help="Whether you move first, as blue, or second, as orange.", show_default="first"),
    ] = None,
    hints: Annotated[bool, typer.Option("--hints", help="Always show what the moves are worth.")] = False,
    seed: DiceSeed = None,
    start: Start = None,
    record: RecordFile = None,
    resume: Annotated[
        Path | None,
        typer.Option(metavar="RECORD", help="A game of yours that was broken off, to play on.", show_default="none"),
    ] = None,
    table: TableFile = None,
) -> Files:
    """Play a game in the terminal; where the game is solved, hear what each move gave away."""
    from rich.console import Console

    from engine.games.agents import Agent
    from mlx_train.playing.records import Record
    from mlx_train.playing.terminal import YOU, Game, new_file, new_seed, unfinished

    if resume is not None:
        with usage():
            if any(given is not None for given in (opponent, side, seed, start, record)):
                raise ValueError("--resume goes on as the game began: --hints and --table can be given beside it")
        played, name, mine = unfinished(resume)
        agent, file = Agent.parse(name), resume
    else:
        name, mine = opponent or "emm:3", int(side is Side.SECOND)
        with usage():
            agent = Agent.parse(name)
        names = (name, YOU) if mine else (YOU, name)
        played = Record(names, new_seed() if seed is None else seed, _start(start))
        file = new_file(record)
    solution = _table(table)
    game = Game(
        console=Console(highlight=False),
        record=played,
        opponent=agent,
        side=mine,
        file=file,
        hints=hints,
        table=solution,
    )
    with _kept(played, file, table, solution) as files:
        game.run()
    return files


def watch(
    first: Annotated[
        str, typer.Argument(metavar="AGENT", help="Who moves first, such as emm:3.", autocompletion=complete_agent)
    ],
    second: Annotated[
        str,
        typer.Argument(
            metavar="AGENT", help="Its opponent, such as net:weights/standard.json.", autocompletion=complete_agent
        ),
    ],
    delay: Delay = 1.0,
    seed: DiceSeed = None,
    start: Start = None,
    record: RecordFile = None,
    table: TableFile = None,
) -> Files:
    """Watch two agents play a game."""
    from rich.console import Console

    from engine.games.agents import Agent
    from mlx_train.playing.records import Record
    from mlx_train.playing.terminal import agents_play, new_file, new_seed, show

    with usage():
        agents = [Agent.parse(name) for name in (first, second)]
    position = _start(start)
    solution = _table(table)
    game = Record((first, second), new_seed() if seed is None else seed, position)
    file = new_file(record)
    with _kept(game, file, table, solution) as files:
        show(Console(highlight=False), game, agents_play(game, agents, file), solution, delay=delay)
    return files


def replay(
    record: Annotated[Path, typer.Argument(metavar="RECORD", help="A record of `play`, `watch` or the browser.")],
    delay: Delay = 1.0,
    step: Annotated[bool, typer.Option("--step", help="Wait for Enter after each turn instead.")] = False,
    table: TableFile = None,
) -> None:
    """Show a recorded game again, turn by turn."""
    from contextlib import suppress

    from rich.console import Console

    from mlx_train.playing.records import Record
    from mlx_train.playing.terminal import show

    game = Record.read(record)
    with suppress(EOFError):
        show(Console(highlight=False), game, game.steps(), _table(table), delay=delay, step_by_step=step)


def analyze(
    what: Annotated[
        str,
        typer.Argument(
            metavar="POSITION|RECORD",
            help="A position, such as '..............:0|..............:0', or a record's file.",
        ),
    ],
    roll: Annotated[
        int | None, typer.Option(help="Of a position: the roll, 0 to 4.", show_default="all of them")
    ] = None,
    agent: Annotated[
        str | None,
        typer.Option(
            help="Who values the moves; of a record perfect or net:FILE.",
            autocompletion=complete_agent,
            show_default="the solved game; of a position emm:3 where it is not solved",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The picture to write: of a position SVG, of a record PNG.",
            show_default="none; of a record beside it",
        ),
    ] = None,
    table: TableFile = None,
    as_json: JsonFlag = False,
) -> Files:
    """Show a position's legal moves with their values, or a recorded game's mistakes and its evaluation curve."""
    if Path(what).exists():
        with usage():
            if roll is not None:
                raise ValueError("--roll is for a position; a record has its rolls")
        return _analyze_record(Path(what), agent, output, table, as_json)
    from engine.core.position import Position
    from engine.games.agents import Agent
    from engine.solved.tablebase import default_path
    from mlx_train.playing.analysis import analyze_position
    from mlx_train.playing.analysis import table as moves_table
    from mlx_train.system.files import write_text

    with usage():
        if table is not None:
            raise ValueError(f"--table is for a record, and there is no file {what}")
        _check_picture(output, "a position", ".svg")
        try:
            position = Position.from_notation(what)
        except ValueError as error:
            raise ValueError(f"{what!r} is no file, and no position: {error}") from None
        player = Agent.parse(agent or ("perfect" if default_path().exists() else "emm:3"))
        result = analyze_position(position, player, roll)
    print(json.dumps(result, indent=2) if as_json else moves_table(result))
    if output is None:
        return {}
    write_text(output, position.svg(roll, player))
    return {"picture": output}


def _check_picture(path: Path | None, what: str, suffix: str) -> None:
    """Raise ValueError for a picture's name that says another format than the picture has."""
    if path is not None and path.suffix.lower() != suffix:
        raise ValueError(
            f"the picture of {what} is a {suffix[1:].upper()} file, so its name ends in {suffix}, not {path}"
        )


def _analyze_record(path: Path, agent: str | None, output: Path | None, table: Path | None, as_json: bool) -> Files:
    from mlx_train.pictures.figures import game_chart
    from mlx_train.pictures.report import save_figure
    from mlx_train.playing.records import Record
    from mlx_train.playing.review import find_judge, review

    picture = output or path.with_suffix(".png")
    with usage():
        if agent is not None and table is not None:
            raise ValueError("give --agent or --table, not both")
        _check_picture(output, "a record", ".png")
        if picture.exists() and picture.samefile(path):
            raise ValueError(f"the picture would take the place of the record {path}")
        name, judge = find_judge(agent, table)
    found = review(Record.read(path), judge, name)
    print(json.dumps(found.to_dict(), indent=2) if as_json else found.text())
    save_figure(game_chart(found.account, found.record.players), picture)
    return {"picture": picture}
