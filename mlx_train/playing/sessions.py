"""The commands `play`, `watch` and `replay`: the record's file, the table at hand, and how to go on afterwards."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from rich.console import Console

from engine.core.position import Position
from engine.games.agents import Agent, open_table
from engine.machine.installation import command
from engine.network.shipped import levels
from engine.solved.tablebase import Tablebase
from mlx_train.config import RUNS
from mlx_train.data.solving import find_table, not_solved
from mlx_train.playing.records.formats import read_record
from mlx_train.playing.records.game_record import GameRecord
from mlx_train.playing.records.own import play_on
from mlx_train.playing.review import knows
from mlx_train.playing.terminal import Game, show
from mlx_train.playing.walking import walk
from mlx_train.system.files import create_dated
from mlx_train.system.progress import say

#: The name of the person in a record.
YOU = "you"

#: The agent that a person plays against unless another is named.
OPPONENT = "emm:3"

#: Where records are kept unless a file is named.
GAMES = RUNS / "games"


def new_record(first: str, second: str, seed: int | None, start: str | None, rules: str = "finkel") -> GameRecord:
    """The record of a new game of two agents by their spellings, or of an agent and `YOU`.

    seed: the seed of the dice, None for a new one. start: the notation of the first position, by default the opening.
    Raises ValueError for a wrong spelling or notation, and for a finished game.
    """
    for name in {first, second} - {YOU}:
        Agent.parse(name, rules)
    position = Position.initial(rules) if start is None else Position.from_notation(start, rules)
    if position.is_over:
        raise ValueError(f"the game is over in {position}")
    return GameRecord((first, second), secrets.randbits(32) if seed is None else seed, position)


def new_file(path: Path | None = None) -> Path:
    """Create the empty file of a new record: `path`, or a dated file in `GAMES`. Makes its folder.

    Raises ValueError if the file exists, because a game never replaces another; OSError.
    """
    create = partial(Path.touch, exist_ok=False)
    if path is None:
        return create_dated(GAMES, "", ".jsonl", create)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        create(path)
    except FileExistsError:
        raise ValueError(f"{path} exists already") from None
    return path


def unfinished(path: Path) -> GameRecord:
    """The record of an unfinished game of a person.

    Raises ValueError for a finished game, or one that was not played in the terminal; OSError.
    """
    record = read_record(path)
    if record.players.count(YOU) != 1 or record.seed is None:
        raise ValueError(f"{path}: not a game of yours: {' against '.join(record.players)}, seed {record.seed}")
    if record.is_finished:
        raise ValueError(f"{path}: the game is over")
    return record


def play_new(record: GameRecord, file: Path | None, *, hints: bool, table_file: Path | None) -> dict[str, Path]:
    """Let `YOU` play a new game in the terminal -> the files of the summary. file: as in `new_file`.

    Raises ValueError, OSError.
    """
    file = new_file(file)
    try:
        return play(record, file, hints=hints, table_file=table_file)
    finally:
        _remove_empty(file)


def play(record: GameRecord, file: Path, *, hints: bool, table_file: Path | None) -> dict[str, Path]:
    """Let `YOU` play a game on to its end in the terminal -> the files of the summary. Raises ValueError, OSError."""
    side = record.players.index(YOU)
    opponent = Agent.parse(record.players[1 - side], record.start.rules)
    table = _table(table_file, record)
    game = Game(_console(), record=record, opponent=opponent, side=side, file=file, hints=hints, table=table)
    with _kept(record, file, table_file, table) as files:
        game.run()
    return files


def watch(record: GameRecord, file: Path | None, *, delay: float, table_file: Path | None) -> dict[str, Path]:
    """Show the game of two agents while it is played -> the files of the summary. Raises ValueError, OSError.

    file: as in `new_file`. delay: seconds a turn, on a terminal.
    """
    agents = [Agent.parse(name, record.start.rules) for name in record.players]
    table = _table(table_file, record)
    file = new_file(file)
    try:
        with _kept(record, file, table_file, table) as files:
            show(_console(), record, play_on(record, agents, file), table, delay=delay)
    finally:
        _remove_empty(file)
    return files


def _remove_empty(file: Path) -> None:
    """Delete the file of a game in which nothing was played."""
    with suppress(OSError):
        if file.stat().st_size == 0:
            file.unlink()


def replay(file: Path, *, delay: float, turn: int | None, table_file: Path | None) -> None:
    """Show a recorded game. delay: seconds a turn, on a terminal; turn: walk through the game from this turn instead.

    Raises ValueError, OSError.
    """
    record = read_record(file)
    table = _table(table_file, record)
    if turn is None:
        show(_console(), record, record.steps(), table, delay=delay)
    else:
        with suppress(EOFError):
            walk(_console(), record, table, turn=turn)


def _console() -> Console:
    return Console(highlight=False)


def _table(file: Path | None, record: GameRecord) -> Tablebase | None:
    """The table of a file. Without a file the record's solved game, or None where it can't be had."""
    rules = record.start.rules
    if file is not None:
        return open_table(file, rules)
    table, reason = find_table(rules)
    if reason not in ("", not_solved(rules)):
        say(f"played without the solved game: {reason}")
    return table


@contextmanager
def _kept(
    record: GameRecord, file: Path, table_file: Path | None, table: Tablebase | None
) -> Iterator[dict[str, Path]]:
    """However a game ends, say how to go on with it -> the files of the summary, filled in at the end.

    Ctrl-D ends a game like any other end. After Ctrl-C there is no summary, so the file is named here.
    """
    files: dict[str, Path] = {}
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
        say(f"\n{what}: {_next_command(record, file, table_file, table)}")


def _next_command(record: GameRecord, file: Path, table_file: Path | None, table: Tablebase | None) -> str:
    """The command that plays an unfinished game on, or judges a finished one.

    The judge is the solved game, or the network of the strongest level where the game is not solved.
    """
    options = () if table_file is None else ("--table", str(table_file))
    if record.winner is None:
        return command("play", "--resume", file, *options)
    if table is not None and knows(table, record.start):
        return command("analyze", file, *options)
    return command("analyze", file, "--agent", f"net:{levels(record.start.rules)[-1].network}")
