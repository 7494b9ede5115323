"""The commands `play`, `watch` and `replay`: the record's file, the table at hand, and how to go on afterwards."""

import datetime
import itertools
import secrets
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from rich.console import Console

from engine.core.position import Position
from engine.games.agents import Agent, open_table
from engine.solved.tablebase import Tablebase, default_path
from mlx_train.playing.records import GameRecord, play_on
from mlx_train.playing.review import knows
from mlx_train.playing.terminal import Game, show
from mlx_train.system.progress import say

#: The name of the person in a record.
YOU = "you"

#: The agent that a person plays against unless another is named.
OPPONENT = "emm:3"

#: The network that judges a game where it is not solved.
JUDGE = "net:weights/small.json"

#: Where records are kept unless a file is named.
GAMES = Path("runs/games")


def first_position(notation: str | None) -> Position:
    """The position of a notation, by default the opening. Raises ValueError for a finished game."""
    position = Position.initial() if notation is None else Position.from_notation(notation)
    if position.is_over:
        raise ValueError(f"the game is over in {position}")
    return position


def new_file(path: Path | None = None) -> Path:
    """The file of a new record: `path`, or a dated file in `GAMES`. Makes its folder.

    Raises ValueError if the file exists, because a game never replaces another; OSError.
    """
    if path is None:
        stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
        names = (f"{stamp}{f'-{number}' if number > 1 else ''}.jsonl" for number in itertools.count(1))
        path = next(each for each in (GAMES / name for name in names) if not each.exists())
    if path.exists():
        raise ValueError(f"{path} exists already")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def unfinished(path: Path) -> tuple[GameRecord, str, int]:
    """An unfinished game of a person -> (record, the opponent's spelling, the person's side).

    Raises ValueError for a finished game, or one that was not played in the terminal; OSError.
    """
    record = GameRecord.read(path)
    if record.players.count(YOU) != 1 or record.seed is None:
        raise ValueError(f"{path}: not a game of yours: {' against '.join(record.players)}, seed {record.seed}")
    if record.winner is not None:
        raise ValueError(f"{path}: the game is over")
    side = record.players.index(YOU)
    return record, record.players[1 - side], side


def play_new(
    opponent: Agent,
    side: int,
    start: Position,
    seed: int | None,
    file: Path | None,
    *,
    hints: bool,
    table_file: Path | None,
) -> dict[str, Path]:
    """Let a person play a new game in the terminal -> the files of the summary.

    side: the person's player. seed: of the dice, None for a new one. file: as in `new_file`.

    Raises ValueError, OSError.
    """
    names = (opponent.name, YOU) if side else (YOU, opponent.name)
    record = GameRecord(names, _seed(seed), start)
    return _play(record, opponent, side, new_file(file), hints, table_file)


def play_unfinished(file: Path, *, hints: bool, table_file: Path | None) -> dict[str, Path]:
    """Let a person finish a game in the terminal -> the files of the summary. Raises ValueError, OSError."""
    record, opponent, side = unfinished(file)
    return _play(record, Agent.parse(opponent), side, file, hints, table_file)


def _play(
    record: GameRecord, opponent: Agent, side: int, file: Path, hints: bool, table_file: Path | None
) -> dict[str, Path]:
    table = _table(table_file)
    console = Console(highlight=False)
    game = Game(console=console, record=record, opponent=opponent, side=side, file=file, hints=hints, table=table)
    with _kept(record, file, table_file, table) as files:
        game.run()
    return files


def watch(
    agents: Sequence[Agent],
    start: Position,
    seed: int | None,
    file: Path | None,
    *,
    delay: float,
    table_file: Path | None,
) -> dict[str, Path]:
    """Show a new game of two agents -> the files of the summary. Raises ValueError, OSError.

    seed: of the dice, None for a new one. file: as in `new_file`. delay: seconds a turn, on a terminal.
    """
    table = _table(table_file)
    first, second = agents
    record = GameRecord((first.name, second.name), _seed(seed), start)
    file = new_file(file)
    with _kept(record, file, table_file, table) as files:
        show(Console(highlight=False), record, play_on(record, agents, file), table, delay=delay)
    return files


def replay(file: Path, *, delay: float, step_by_step: bool, table_file: Path | None) -> None:
    """Show a recorded game. delay: seconds a turn, on a terminal; step_by_step: wait for Enter after each turn instead.

    Raises ValueError, OSError.
    """
    record = GameRecord.read(file)
    with suppress(EOFError):
        show(
            Console(highlight=False), record, record.steps(), _table(table_file), delay=delay, step_by_step=step_by_step
        )


def _seed(seed: int | None) -> int:
    return secrets.randbits(32) if seed is None else seed


def _table(file: Path | None) -> Tablebase | None:
    """The table of a file; without a file the solved game in its usual place, None if there is none."""
    return open_table(file) if file is not None or default_path().exists() else None


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
    """The command that plays an unfinished game on, or shows a finished one in the most detail that works here."""
    words = ["replay", str(file)]
    options = [] if table_file is None else ["--table", str(table_file)]
    if record.winner is None:
        words = ["play", "--resume", str(file)]
    elif table is not None and knows(table, record.start):
        words = ["analyze", str(file)]
    elif _can_judge():
        words, options = ["analyze", str(file)], ["--agent", JUDGE]
    return shlex.join(["python", "-m", "mlx_train", *words, *options])


def _can_judge() -> bool:
    try:
        Agent.parse(JUDGE)
    except (ValueError, OSError):
        return False
    return True
