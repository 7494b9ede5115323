"""Walking through a record in the terminal: forwards, back, to a turn, and from mistake to mistake."""

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from engine.drawing import Board
from engine.solved.tablebase import Tablebase
from mlx_train.playing.records.game_record import GameRecord
from mlx_train.playing.review import Verdict
from mlx_train.playing.terminal import end_line, title_line, turn_line, verdict_of

_HELP = "Enter: on, b: back, m: next mistake, p: mistake before, a number: to that turn, q: leave"


def walk(console: Console, record: GameRecord, table: Tablebase | None = None, *, turn: int = 1) -> None:
    """Show a turn of a record and ask where to go next, until the person leaves or the game is at its end.

    table: the solved game, which gives the verdicts and the values of the moves. turn: the first one to show, from 1.
    Raises ValueError for a turn that the record does not have, EOFError for Ctrl-D.
    """
    if not 1 <= turn <= max(1, len(record.turns)):
        raise ValueError(f"the record has turns 1 to {len(record.turns)}, not {turn}")
    verdicts = [verdict_of(table, step) for step in record.steps()]
    at: int | None = turn - 1
    console.print(title_line(record))
    console.print(Text(_HELP, style="dim"))
    while at is not None:
        _show(console, record, table, verdicts, at)
        at = _ask(console, verdicts, at)


def _show(
    console: Console, record: GameRecord, table: Tablebase | None, verdicts: Sequence[Verdict | None], at: int
) -> None:
    """Print the board before turn `at` (from 0) and the turn, or the end of the game."""
    steps = list(record.steps())
    before = steps[at - 1].turn if at else None
    last = None if before is None or before.move is None else (before.move, before.roll)
    console.print()
    if at == len(steps):
        console.print(Board(record.position, last=last, seat=record.mover))
        console.print(end_line(record))
        return
    step = steps[at]
    adviser = table if verdicts[at] else None  # the table holds the position, and there is a choice
    console.print(Board(step.position, step.turn.roll, adviser, last=last, seat=step.turn.player))
    console.print(turn_line(step, record.players, verdicts[at]), soft_wrap=True)


def _ask(console: Console, verdicts: Sequence[Verdict | None], at: int) -> int | None:
    """Ask until the person names a turn -> its number from 0, the number of turns for the end; None to leave."""
    mistakes = [number for number, verdict in enumerate(verdicts) if verdict and verdict.mark]
    after = next((number for number in mistakes if number > at), None)
    earlier = next((number for number in reversed(mistakes) if number < at), None)
    while True:
        typed = console.input("> ").strip().lower()
        if not console.is_terminal:
            console.print()  # ends the line, as Enter does on a terminal
        if typed in ("q", "quit", "exit") or (typed == "" and at == len(verdicts)):
            return None
        target = {"": at + 1, "b": at - 1, "m": after, "p": earlier}.get(typed, -1)
        if typed.isdecimal():
            target = int(typed) - 1
        if target is None:
            console.print(Text(f"There is no mistake {'after' if typed == 'm' else 'before'} this turn."))
        elif 0 <= target <= len(verdicts):
            return target
        else:
            console.print(Text(f"There are turns 1 to {len(verdicts)}. {_HELP}"))
