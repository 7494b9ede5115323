"""Games in the terminal: playing one, watching one, and stepping through a record."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from engine.core.position import Position
from engine.drawing import SEAT_STYLES, SEATS, Board, marks
from engine.games.agents import Agent
from engine.games.turns import Player, Step
from engine.machine.installation import command
from engine.network.shipped import levels
from engine.solved.tablebase import Tablebase
from mlx_train.playing.analysis import move_text
from mlx_train.playing.records.formats import write_record
from mlx_train.playing.records.game_record import GameRecord
from mlx_train.playing.records.own import play_on
from mlx_train.playing.review import LEGEND, Verdict, judge_move, knows
from mlx_train.system.text import printable, short_name

#: The agent that gives hints for positions that no table at hand holds.
FALLBACK = "emm:3"

_HELP = (
    "Type the number of the square to move from, 0 for the hand; Enter alone plays an only move. "
    "h: hints, u: take back, q: leave."
)
_LINES_KEPT = 6  # of the last turns, under the board of a game that is watched


def verdict_of(table: Tablebase | None, step: Step) -> Verdict | None:
    """The verdict on a turn; None for an only move, for a pass, and where the table does not hold the position."""
    if table is None or step.turn.move is None or not knows(table, step.position):
        return None
    return judge_move(table, step.position, step.turn.roll, step.turn.move)


def turn_line(step: Step, names: Sequence[str], verdict: Verdict | None) -> Text:
    """A turn in one line: player, roll, move, verdict. names: the players' names."""
    turn = step.turn
    line = Text()
    line.append(f"{step.number:>4}  ", style="dim")
    line.append(f"{SEATS[turn.player]:<{max(map(len, SEATS))}}", style=SEAT_STYLES[turn.player])
    shown = [short_name(name) for name in names]
    line.append(f"  {shown[turn.player]:<{max(map(len, shown))}}  ")
    line.append(f"roll {turn.roll}", style="dim")
    line.append(f"  {move_text(step.position, turn.roll, turn.move):<24}")
    if verdict:
        line.append(f"  {verdict.text(turn.roll)}", style="bold" if verdict.mark else "dim")
    line.rstrip()
    return line


def end_line(record: GameRecord) -> Text:
    """The state of a game in one line: who won, or that it is not finished."""
    turns = f"{len(record.turns)} turns"
    if record.ending:
        return Text(f"{printable(record.ending.text(record.players))} Turns played: {len(record.turns)}.")
    if record.winner is None:
        return Text(f"not finished after {turns}")
    line = Text()
    line.append(SEATS[record.winner], style=SEAT_STYLES[record.winner])
    line.append(f" ({printable(record.players[record.winner])}) wins after {turns}")
    return line


def title_line(record: GameRecord) -> Text:
    """The players in one line."""
    first, second = map(printable, record.players)
    return Text.assemble((first, SEAT_STYLES[0]), " against ", (second, SEAT_STYLES[1]))


class _Leave(Exception):
    """The person leaves the game."""


class _TakeBack(Exception):
    """The person takes the last move back."""


class _Person(NamedTuple):
    """The person as a player."""

    best_move: Callable[[Position, int], int | None]


@dataclass
class Game:
    """A game of a person against an agent, turn by turn.

    record: a new or an unfinished one, with a seed. side: the person's player, 0 or 1. file: the record's file, written
    after every turn. hints: whether the moves' values are always shown. table: the solved game, of seven or fewer
    pieces a side; it gives verdicts and hints for the positions that it holds.
    """

    console: Console
    record: GameRecord
    opponent: Agent
    side: int
    file: Path
    hints: bool = False
    table: Tablebase | None = None

    def __post_init__(self) -> None:
        if self.record.seed is None:
            raise ValueError("the dice of a game that is played need a seed")
        self._fallback = Agent.parse(FALLBACK, self.record.start.rules)
        self._verdicts = [verdict_of(self.table, step) for step in self.record.steps()]  # one a turn

    def run(self) -> None:
        """Play until the game is over or the person leaves.

        Raises EOFError for Ctrl-D and KeyboardInterrupt for Ctrl-C; the record's file is kept.
        """
        self._print(f"You are {SEATS[self.side]} and {'begin' if self.side == 0 else self.opponent.name + ' begins'}.")
        kind, _, number = self.opponent.name.partition(":")
        if kind == "level":
            level = levels(self.record.rules.name)[int(number) - 1]
            self._print(f"{self.opponent.name} is {level.name}, {-level.elo} Elo below perfect play.", style="dim")
        self._print(f"The dice have seed {self.record.seed}.", style="dim")
        if self.table is None:
            self._print(f"Hints come from {FALLBACK}: the game is not solved here (`{command('solve')}`).", style="dim")
        else:
            self._print(LEGEND, style="dim")
        self._print(_HELP, style="dim")
        person = _Person(self._ask)
        players: tuple[Player, Player] = (person, self.opponent) if self.side == 0 else (self.opponent, person)
        while self.record.winner is None:
            try:
                for step in play_on(self.record, players, self.file):
                    self._tell(step)
            except _TakeBack:
                self._undo()
            except _Leave:
                return
        self.console.print()
        self.console.print(Board(self.record.position, seat=self.record.mover, last=self.record.last))
        self.console.print(end_line(self.record))
        self._print_errors("You have", self.side)
        self._print_errors(f"{self.opponent.name} has", 1 - self.side)

    def _regrets(self, player: int) -> list[float]:
        """The regrets of a player's decisions, in points, of the positions that the table holds."""
        verdicts = zip(self.record.turns, self._verdicts, strict=True)
        return [verdict.regret for turn, verdict in verdicts if turn.player == player and verdict]

    def _print_errors(self, who: str, player: int, style: str = "") -> None:
        regrets = self._regrets(player)
        if regrets:
            decisions = f"{len(regrets)} decision{'' if len(regrets) == 1 else 's'}"
            self._print(f"{who} given away {sum(regrets):.1f} points in {decisions}.", style)

    def _print(self, text: str, style: str = "") -> None:
        self.console.print(Text(printable(text), style=style))

    def _tell(self, step: Step) -> None:
        """Print a turn that was played, with its verdict."""
        verdict = verdict_of(self.table, step)
        self._verdicts.append(verdict)
        self.console.print(turn_line(step, self.record.players, verdict))

    def _ask(self, position: Position, roll: int) -> int | None:
        """Show the board and the moves -> the square that the person types; None where no move is legal.

        Raises _TakeBack or _Leave where the person types that instead.
        """
        squares = position.legal_moves(roll)
        if not squares:
            return None
        self._show(roll, self.hints)
        choices = ", ".join(map(str, squares))
        while True:
            typed = self.console.input(f"Move from {choices}? ").strip().lower()
            if not self.console.is_terminal:
                self.console.print()  # ends the line, as Enter does on a terminal
            if typed in ("q", "quit", "exit"):
                raise _Leave
            if typed in ("u", "undo"):
                if any(turn.player == self.side and turn.move is not None for turn in self.record.turns):
                    raise _TakeBack
                self._print("There is nothing to take back yet.")
            elif typed in ("h", "hint"):
                self._show(roll, True)
            elif typed == "" and len(squares) == 1:
                return squares[0]
            elif typed.isdecimal() and int(typed) in squares:
                return int(typed)
            elif typed in ("?", "help"):
                self._print(_HELP)
            else:
                self._print(f"Type one of {choices}, or h, u, q.")

    def _show(self, roll: int, hints: bool) -> None:
        """Print the board and the moves by number; with their values if `hints`."""
        position = self.record.position
        adviser: Tablebase | Agent | None = None
        if hints:
            adviser = self.table if self.table is not None and knows(self.table, position) else self._fallback
        self.console.print()
        self.console.print(Board(position, roll, adviser, last=self.record.last, seat=self.side))
        if adviser is not None:
            self._print(f"{'win %' if isinstance(adviser, Tablebase) else adviser.unit:>41}", style="dim")
        for mark in marks(position, roll, adviser):
            line = Text(f"{mark.square:>4}", style="bold")
            line.append(f"  {move_text(position, roll, mark.square):<28}", style="not bold")
            line.append(f"{mark.label:>7}", style="bold" if mark.best else "not bold")
            line.append("  best" if mark.best else "")
            line.rstrip()
            self.console.print(line)
        self._print_errors("You have", self.side, style="dim")

    def _undo(self) -> None:
        """Take turns back up to the person's last move, which is taken back too. The dice of a turn stay the same."""
        while True:
            turn = self.record.undo()
            self._verdicts.pop()
            if turn.player == self.side and turn.move is not None:
                break
        if self.record.turns:
            write_record(self.record, self.file)
        else:
            self.file.unlink(missing_ok=True)  # a game without turns has no file
        self._print(f"Back at turn {len(self.record.turns) + 1}.")


@contextmanager
def _screen(console: Console) -> Iterator[Callable[[RenderableType, Text], object]]:
    """-> `display(frame, line)`, which shows a frame on a terminal, and prints the line where there is no terminal."""
    if not console.is_terminal:
        yield lambda frame, line: console.print(line, soft_wrap=True)
    else:
        with Live(console=console, auto_refresh=False) as live:
            yield lambda frame, line: live.update(frame, refresh=True)


def show(
    console: Console, record: GameRecord, steps: Iterable[Step], table: Tablebase | None = None, *, delay: float
) -> None:
    """Show the turns of a game one after the other.

    record: the game of the steps; it may grow while they are shown. delay: seconds a turn on a terminal; elsewhere a
    turn is one line, without a board and without a delay.
    """
    title = title_line(record)
    lines: list[Text] = []
    last: tuple[int, int] | None = None
    with _screen(console) as display:
        display(title, title)
        for step in steps:
            turn = step.turn
            lines = [*lines, turn_line(step, record.players, verdict_of(table, step))][-_LINES_KEPT:]
            board = Board(step.position, turn.roll, last=last, seat=turn.player)
            display(Group(title, board, *lines), lines[-1])
            if console.is_terminal:
                time.sleep(delay)
            last = None if turn.move is None else (turn.move, turn.roll)
        lines = [*lines, end_line(record)][-_LINES_KEPT:]
        display(Group(title, Board(record.position, last=last, seat=record.mover), *lines), lines[-1])
