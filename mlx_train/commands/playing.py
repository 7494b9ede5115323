"""play, watch, replay, analyze, convert: games and positions to look at."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mlx_train.commands.options import (
    Files,
    JsonFlag,
    RulesFlag,
    TableFile,
    checked_rules,
    complete_agent,
    one_of,
    usage,
)
from mlx_train.config import RULES


class Side(StrEnum):
    """Who the person is: player 0 moves first."""

    FIRST = "first"
    SECOND = "second"


_LARGEST_SEED = 2**53 - 1  # a whole number in every reader of JSON

DiceSeed = Annotated[
    int | None, typer.Option(min=0, max=_LARGEST_SEED, help="Seed of the dice.", show_default="a new one")
]
Start = Annotated[
    str | None, typer.Option(metavar="POSITION", help="First position, seen by who begins.", show_default="the opening")
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
Delay = Annotated[float, typer.Option(min=0, max=3600, help="Seconds a turn, on a terminal; an hour at most.")]


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
        Side | None, typer.Option(help="Whether you move first, as blue, or second, as orange.", show_default="first")
    ] = None,
    hints: Annotated[bool, typer.Option("--hints", help="Always show what the moves are worth.")] = False,
    rules: Annotated[
        str | None, one_of(RULES, "The rule set of the game.", show_default=RULES[0], callback=checked_rules)
    ] = None,
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
    from mlx_train.playing import sessions

    if resume is not None:
        with usage():
            if any(given is not None for given in (opponent, side, rules, seed, start, record)):
                raise ValueError("--resume goes on as the game began: --hints and --table can be given beside it")
        return sessions.play(sessions.unfinished(resume), resume, hints=hints, table_file=table)
    names = (sessions.YOU, opponent or sessions.OPPONENT)
    with usage():
        game = sessions.new_record(*(names[::-1] if side is Side.SECOND else names), seed, start, rules or RULES[0])
    return sessions.play_new(game, record, hints=hints, table_file=table)


def watch(
    first: Annotated[
        str, typer.Argument(metavar="AGENT", help="Who moves first, such as emm:3.", autocompletion=complete_agent)
    ],
    second: Annotated[
        str,
        typer.Argument(metavar="AGENT", help="Its opponent, such as greedy or perfect.", autocompletion=complete_agent),
    ],
    delay: Delay = 1.0,
    rules: RulesFlag = RULES[0],
    seed: DiceSeed = None,
    start: Start = None,
    record: RecordFile = None,
    table: TableFile = None,
) -> Files:
    """Watch two agents play a game."""
    from mlx_train.playing import sessions

    with usage():
        game = sessions.new_record(first, second, seed, start, rules)
    return sessions.watch(game, record, delay=delay, table_file=table)


def replay(
    record: Annotated[Path, typer.Argument(metavar="RECORD", help="A game's record, in any format that is known.")],
    delay: Delay = 1.0,
    step: Annotated[
        bool, typer.Option("--step", help="Walk through the turns instead: on, back, to the next mistake.")
    ] = False,
    turn: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Walk through the turns from this one on, counted from 1.",
            show_default="the first",
        ),
    ] = None,
    table: TableFile = None,
) -> None:
    """Show a recorded game again, turn by turn."""
    from mlx_train.playing import sessions

    sessions.replay(record, delay=delay, turn=turn or (1 if step else None), table_file=table)


def analyze(
    what: Annotated[
        str,
        typer.Argument(
            metavar="POSITION|RECORD",
            help="A position, such as '..............:0|..............:0', or a record's file.",
        ),
    ],
    roll: Annotated[
        int | None, typer.Option(min=0, max=4, help="Of a position: the roll, 0 to 4.", show_default="all of them")
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
    rules: Annotated[
        str | None, one_of(RULES, "Of a position: its rule set.", show_default=RULES[0], callback=checked_rules)
    ] = None,
    table: TableFile = None,
    as_json: JsonFlag = False,
) -> Files:
    """Show a position's legal moves with their values, or a recorded game's mistakes and its evaluation curve."""
    if Path(what).exists():
        with usage():
            if rules is not None:
                raise ValueError("--rules is for a position; a record says its own")
        return _analyze_record(Path(what), roll, agent, output, table, as_json)
    from mlx_train.playing import analysis

    with usage():
        if table is not None:
            raise ValueError(f"--table is for a record, and there is no file {what}")
        position, player = analysis.read_question(what, agent, output, rules or RULES[0])
        result = analysis.analyze_position(position, player, roll)
    print(json.dumps(result, indent=2) if as_json else analysis.moves_table(result))
    return {} if output is None else analysis.write_board(output, position, player, roll)


def convert(
    record: Annotated[Path, typer.Argument(metavar="RECORD", help="A game's record, in any format that is known.")],
    output: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="The new file; its ending names the format: .jsonl our own, .json RoyalUr's, .rgn RGN."
        ),
    ],
) -> Files:
    """Write a game's record in another format."""
    from mlx_train.playing.records import formats

    with usage():
        formats.format_of(output)
    return formats.convert(record, output)


def _analyze_record(
    path: Path, roll: int | None, agent: str | None, output: Path | None, table: Path | None, as_json: bool
) -> Files:
    from mlx_train.playing import review

    with usage():
        if roll is not None:
            raise ValueError("--roll is for a position; a record has its rolls")
        picture = review.picture_file(path, output)
    rules = review.rules_of(path)
    with usage():
        name, judge = review.find_judge(agent, table, rules)
    return review.review_file(path, judge, name, picture, as_json)
