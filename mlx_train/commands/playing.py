"""play, watch, replay, analyze: games and positions to look at."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mlx_train.commands.options import Files, JsonFlag, TableFile, complete_agent, usage


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
        typer.Option(metavar="RECORD", help="An unfinished game of yours, to play on.", show_default="none"),
    ] = None,
    table: TableFile = None,
) -> Files:
    """Play a game in the terminal; where the game is solved, see what each move gave away."""
    from engine.games.agents import Agent
    from mlx_train.playing import sessions

    with usage():
        if resume is not None and any(given is not None for given in (opponent, side, seed, start, record)):
            raise ValueError("--resume goes on as the game began: --hints and --table can be given beside it")
        agent = Agent.parse(opponent or sessions.OPPONENT)
        position = sessions.first_position(start)
    if resume is not None:
        return sessions.play_unfinished(resume, hints=hints, table_file=table)
    player = int(side is Side.SECOND)
    return sessions.play_new(agent, player, position, seed, record, hints=hints, table_file=table)


def watch(
    first: Annotated[
        str, typer.Argument(metavar="AGENT", help="Who moves first, such as emm:3.", autocompletion=complete_agent)
    ],
    second: Annotated[
        str,
        typer.Argument(
            metavar="AGENT", help="Its opponent, such as net:weights/card.json.", autocompletion=complete_agent
        ),
    ],
    delay: Delay = 1.0,
    seed: DiceSeed = None,
    start: Start = None,
    record: RecordFile = None,
    table: TableFile = None,
) -> Files:
    """Watch two agents play a game."""
    from engine.games.agents import Agent
    from mlx_train.playing import sessions

    with usage():
        agents = [Agent.parse(name) for name in (first, second)]
        position = sessions.first_position(start)
    return sessions.watch(agents, position, seed, record, delay=delay, table_file=table)


def replay(
    record: Annotated[Path, typer.Argument(metavar="RECORD", help="A record of `play`, `watch` or the browser.")],
    delay: Delay = 1.0,
    step: Annotated[bool, typer.Option("--step", help="Wait for Enter after each turn instead.")] = False,
    table: TableFile = None,
) -> None:
    """Show a recorded game again, turn by turn."""
    from mlx_train.playing import sessions

    sessions.replay(record, delay=delay, step_by_step=step, table_file=table)


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
    if not Path(what).exists():
        return _analyze_position(what, roll, agent, output, table, as_json)
    with usage():
        if roll is not None:
            raise ValueError("--roll is for a position; a record has its rolls")
    return _analyze_record(Path(what), agent, output, table, as_json)


def _analyze_position(
    notation: str, roll: int | None, agent: str | None, output: Path | None, table: Path | None, as_json: bool
) -> Files:
    from mlx_train.playing import analysis
    from mlx_train.system.files import write_text

    with usage():
        if table is not None:
            raise ValueError(f"--table is for a record, and there is no file {notation}")
        analysis.check_picture(output, "a position", ".svg")
        position = analysis.read_position(notation)
        player = analysis.adviser(agent)
        result = analysis.analyze_position(position, player, roll)
    print(json.dumps(result, indent=2) if as_json else analysis.moves_table(result))
    if output is None:
        return {}
    write_text(output, position.svg(roll, player))
    return {"picture": output}


def _analyze_record(path: Path, agent: str | None, output: Path | None, table: Path | None, as_json: bool) -> Files:
    from mlx_train.pictures.games import game_chart
    from mlx_train.pictures.style import save_figure
    from mlx_train.playing.analysis import check_picture
    from mlx_train.playing.records import GameRecord
    from mlx_train.playing.review import find_judge, review

    picture = output or path.with_suffix(".png")
    with usage():
        if agent is not None and table is not None:
            raise ValueError("give --agent or --table, not both")
        check_picture(output, "a record", ".png")
        if picture.exists() and picture.samefile(path):
            raise ValueError(f"the picture would take the place of the record {path}")
        name, judge = find_judge(agent, table)
    result = review(GameRecord.read(path), judge, name)
    print(json.dumps(result.to_dict(), indent=2) if as_json else result.text())
    save_figure(game_chart(result.account, result.record.players), picture)
    return {"picture": picture}
