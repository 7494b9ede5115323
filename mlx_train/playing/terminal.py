"""Games in the terminal: playing one, watching one, and stepping through a record."""

import datetime
import itertools
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from engine.core.dice import rolls
from engine.drawing import SEAT_STYLES, SEATS, Board, marks
from engine.games.agents import Agent
from engine.solved.tablebase import Tablebase
from mlx_train.measuring.luck import play_game
from mlx_train.pictures.report import short_name
from mlx_train.playing.analysis import move_text
from mlx_train.playing.records import Record, Step
from mlx_train.playing.review import LEGEND, Verdict, judge_move, knows
from mlx_train.runs.run_folder import RUNS

#: The name of the person in a record.
YOU = "you"

#: Who gives hints where the solution does not reach.
FALLBACK = "emm:3"

_HELP = (
    "Type the number of the square to move from, 0 for the hand; Enter alone plays an only move. "
    "h: hints, u: take back, q: leave."
)
_LINES_KEPT = 6  # of what happened, under the board of a game that is watched


def new_seed() -> int:
    """A seed that nobody knows beforehand."""
    return secrets.randbits(32)


def new_file(path: Path | None = None) -> Path:
    """Where a game will be kept: `path`, or a dated file below the folder of runs. Makes the folder.

    Raises ValueError if there is something already: a game never takes another's place. OSError.
    """
    if path is None:
        stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
        names = (f"{stamp}{f'-{number}' if number > 1 else ''}.jsonl" for number in itertools.count(1))
        path = next(each for each in (RUNS / "games" / name for name in names) if not each.exists())
    if path.exists():
        raise ValueError(f"{path} exists already")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def unfinished(path: Path) -> tuple[Record, str, int]:
    """A game that was broken off -> its record, the opponent's spelling and the person's side.

    Raises ValueError for one that is over, or that was not played in the terminal; OSError.
    """
    record = Record.read(path)
    if record.players.count(YOU) != 1 or record.seed is None:
        raise ValueError(f"{path}: not a game of yours: {' against '.join(record.players)}, seed {record.seed}")
    if record.winner is not None:
        raise ValueError(f"{path}: the game is over")
    side = record.players.index(YOU)
    return record, record.players[1 - side], side


def _verdict(table: Tablebase | None, step: Step) -> Verdict | None:
    if table is None or step.turn.move is None or not knows(table, step.position):
        return None
    return judge_move(table, step.position, step.turn.roll, step.turn.move)


def _turn_line(step: Step, names: Sequence[str], verdict: Verdict | None) -> Text:
    """A turn in one line: who, the roll, the move and its verdict. names: of both players."""
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


def _end_line(record: Record) -> Text:
    """How a game stands: who won, or that nobody has."""
    if record.winner is None:
        return Text(f"not finished after {len(record.turns)} turns")
    line = Text()
    line.append(SEATS[record.winner], style=SEAT_STYLES[record.winner])
    line.append(f" ({record.players[record.winner]}) wins after {len(record.turns)} turns")
    return line


@dataclass
class Game:
    """A game of a person against an agent, turn by turn.

    record: new, or broken off, with a seed. side: the person's player, 0 or 1. file: the record, written after every
    turn. hints: whether the moves' values are always shown. table: the solved game, or as much of it as there is: it
    gives the verdicts, and hints where it can.
    """

    console: Console
    record: Record
    opponent: Agent
    side: int
    file: Path
    hints: bool = False
    table: Tablebase | None = None

    def __post_init__(self) -> None:
        if self.record.seed is None:
            raise ValueError("the dice of a game that is played need a seed")
        self.seed = self.record.seed
        self._fallback = Agent.parse(FALLBACK)
        self._verdicts = [_verdict(self.table, step) for step in self.record.steps()]  # one a turn

    def run(self) -> None:
        """Play until the game is over or the person leaves. EOFError and KeyboardInterrupt pass; the record is kept."""
        self._print(f"You are {SEATS[self.side]} and {'begin' if self.side == 0 else self.opponent.name + ' begins'}.")
        self._print(f"The dice have seed {self.seed}.", style="dim")
        if self.table is None:
            self._print(
                f"Hints come from {FALLBACK}: the game is not solved here (`python -m mlx_train solve`).", style="dim"
            )
        else:
            self._print(LEGEND, style="dim")
        self._print(_HELP, style="dim")
        while self.record.winner is None:
            roll = self._roll()
            if self.record.mover != self.side:
                move = self.opponent.best_move(self.record.position, roll)
            elif not self.record.position.legal_moves(roll):
                move = None
            else:
                answer = self._ask(roll)
                if answer == "quit":
                    return
                if answer == "undo":
                    self._undo()
                    continue
                move = int(answer)
            self._play(roll, move)
        self.console.print()
        self.console.print(Board(self.record.position, seat=self.record.mover, last=self.record.last))
        self.console.print(_end_line(self.record))
        self._print_errors("You have", self.side)
        self._print_errors(f"{self.opponent.name} has", 1 - self.side)

    def _regrets(self, player: int) -> list[float]:
        """What each of a player's decisions gave away, in points, where the table knows them."""
        verdicts = zip(self.record.turns, self._verdicts, strict=True)
        return [verdict.regret for turn, verdict in verdicts if turn.player == player and verdict]

    def _print_errors(self, who: str, player: int, style: str = "") -> None:
        regrets = self._regrets(player)
        if regrets:
            decisions = f"{len(regrets)} decision{'' if len(regrets) == 1 else 's'}"
            self._print(f"{who} given away {sum(regrets):.1f} points in {decisions}.", style)

    def _print(self, text: str, style: str = "") -> None:
        self.console.print(Text(text, style=style))

    def _roll(self) -> int:
        """The roll of the next turn. It belongs to the turn: taking moves back does not change the dice."""
        return rolls(self.seed, 0, len(self.record.turns) + 1)[-1]

    def _play(self, roll: int, move: int | None) -> None:
        self.record.add(roll, move)
        self.record.write(self.file)
        step = self.record.last_step()
        verdict = _verdict(self.table, step)
        self._verdicts.append(verdict)
        self.console.print(_turn_line(step, self.record.players, verdict))

    def _ask(self, roll: int) -> str:
        """Show the board and the moves -> a square as text, "undo" or "quit"."""
        squares = self.record.position.legal_moves(roll)
        self._show(roll, self.hints)
        choices = ", ".join(map(str, squares))
        while True:
            typed = self.console.input(f"Move from {choices}? ").strip().lower()
            if not self.console.is_terminal:
                self.console.print()  # nobody saw an Enter
            if typed in ("q", "quit", "exit"):
                return "quit"
            if typed in ("u", "undo"):
                if any(turn.player == self.side and turn.move is not None for turn in self.record.turns):
                    return "undo"
                self._print("There is nothing to take back yet.")
            elif typed in ("h", "hint"):
                self._show(roll, True)
            elif typed == "" and len(squares) == 1:
                return str(squares[0])
            elif typed.isdecimal() and int(typed) in squares:
                return str(int(typed))
            elif typed in ("?", "help"):
                self._print(_HELP)
            else:
                self._print(f"Type one of {choices}, or h, u, q.")

    def _show(self, roll: int, hints: bool) -> None:
        """The board, and the moves by number; with their values if `hints`."""
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
        """Take everything back to the person's last move, that one included."""
        while True:
            turn = self.record.undo()
            self._verdicts.pop()
            if turn.player == self.side and turn.move is not None:
                break
        if self.record.turns:
            self.record.write(self.file)
        else:
            self.file.unlink(missing_ok=True)  # a game of which nothing was played has no file
        self._print(f"Back at turn {len(self.record.turns) + 1}.")


@contextmanager
def _screen(console: Console, in_place: bool) -> Iterator[Callable[[RenderableType, Text], object]]:
    """Something to show frames on -> `display(frame, line)`; where the output is no terminal, it prints lines alone."""
    if not console.is_terminal:
        yield lambda frame, line: console.print(line, soft_wrap=True)
    elif in_place:
        with Live(console=console, auto_refresh=False) as live:
            yield lambda frame, line: live.update(frame, refresh=True)
    else:
        yield lambda frame, line: console.print(frame)


def show(
    console: Console,
    record: Record,
    steps: Iterable[Step],
    table: Tablebase | None = None,
    *,
    delay: float,
    step_by_step: bool = False,
) -> None:
    """Show the turns of a game, one after the other, as they come.

    record: the game to which the steps belong; it may grow as they are asked for. delay: seconds a turn; where the
    output is no terminal there is none, and no board, only a line a turn. step_by_step: wait for Enter instead.
    """
    title = Text.assemble((record.players[0], SEAT_STYLES[0]), " against ", (record.players[1], SEAT_STYLES[1]))
    lines: list[Text] = []
    last: tuple[int, int] | None = None
    with _screen(console, in_place=not step_by_step) as display:
        display(title, title)
        for step in steps:
            turn = step.turn
            lines = [*lines, _turn_line(step, record.players, _verdict(table, step))][-_LINES_KEPT:]
            board = Board(step.position, turn.roll, last=last, seat=turn.player)
            display(Group(title, board, *lines), lines[-1])
            if step_by_step:
                console.input()
            elif console.is_terminal:
                time.sleep(delay)
            last = None if turn.move is None else (turn.move, turn.roll)
        lines = [*lines, _end_line(record)][-_LINES_KEPT:]
        display(Group(title, Board(record.position, last=last, seat=record.mover), *lines), lines[-1])


def agents_play(record: Record, agents: Sequence[Agent], file: Path) -> Iterator[Step]:
    """Play a record from its start to its end by two agents -> each step, when it is played and written."""
    for turn, _ in play_game(agents, record.start, record.seed or 0):
        record.add(turn.roll, turn.move)
        record.write(file)
        yield record.last_step()
