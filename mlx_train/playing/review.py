"""Reviews of games: what each move gave away, judged by the solved game or by a value network."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from engine.core.position import Position
from engine.core.rules import rules as rule_set
from engine.drawing import SEATS
from engine.games.agents import Agent, open_table
from engine.games.turns import Step
from engine.machine.installation import command
from engine.network.network import Network
from engine.solved.tablebase import Tablebase
from mlx_train.measuring.luck import Account, Judge, account
from mlx_train.measuring.marks import DIGITS, MARKS, mark_of
from mlx_train.measuring.regret import TIE
from mlx_train.measuring.value_error import gives_win_probabilities
from mlx_train.pictures.games import game_chart
from mlx_train.pictures.style import save_figure
from mlx_train.playing.analysis import check_picture, route
from mlx_train.playing.records.formats import read_record
from mlx_train.playing.records.game_record import GameRecord
from mlx_train.system.progress import say
from mlx_train.system.text import markdown_table, printable, short_names, shortened

_NAME = 17  # characters of a name in a text, so that the tables fit 80 columns

#: The explanation of a verdict's text.
LEGEND = "Behind a move: the points of win probability that it gave away; {}: the best move follows.".format(
    ", ".join(f"{sign} {name} ({least:g} or more)" for least, sign, name in reversed(MARKS))
)


class Verdict(NamedTuple):
    """A judge's verdict on a move: the regret in points, the square of the best move, and the rule set of the game."""

    regret: float
    best: int
    rules: str = "finkel"

    @property
    def mark(self) -> str:
        """The sign of the move's mark; empty without a mark."""
        return mark_of(self.regret)[0]

    def text(self, roll: int) -> str:
        """The verdict in short: "best", "-0.31", or "-2.31 ?! hand -> 2" with the best move."""
        if self.regret <= 100 * TIE:
            return "best"
        text = f"-{self.regret:.{DIGITS}f}"
        return f"{text} {self.mark} {route(self.best, roll, self.rules)}" if self.mark else text


def judge_move(judge: Judge, position: Position, roll: int, square: int) -> Verdict | None:
    """The verdict on a legal move; None for the only legal move."""
    values = {move[0]: move[1] for move in judge.moves(position, roll)}
    if len(values) < 2:
        return None
    best = max(values, key=lambda each: (values[each], -each))
    return Verdict(100 * (values[best] - values[square]), best, position.rules)


def knows(table: Tablebase, position: Position) -> bool:
    """Whether the table, which may have fewer pieces a side than the whole game, holds the position."""
    pieces = rule_set(position.rules).pieces
    return table.rules == position.rules and table.pieces >= pieces - min(position.own_off, position.opponent_off)


def find_judge(spelling: str | None, table: Path | None, rules: str = "finkel") -> tuple[str, Tablebase | Network]:
    """-> (name, judge): the agent of a spelling, or the solved game of a rule set.

    Raises ValueError for an agent and a table, or an agent that gives no win probabilities, or looks ahead;
    FileNotFoundError, which says how to solve the game, for a missing table.
    """
    if spelling is not None and table is not None:
        raise ValueError("give --agent or --table, not both")
    if spelling is None:
        try:
            return "the solved game", open_table(table, rules)
        except FileNotFoundError as error:
            raise FileNotFoundError(f"{error}, or name a network as the judge: --agent net:FILE") from None
    agent = Agent.parse(spelling, rules)
    if not gives_win_probabilities(agent) or re.search(r"@\d+$", spelling):
        raise ValueError(f"a game is judged by perfect or net:FILE, which give win probabilities, not by {spelling}")
    assert isinstance(agent.player, (Tablebase, Network))
    return spelling, agent.player


def rules_of(path: Path) -> str:
    """The name of the rule set of a record's game. Raises ValueError, OSError."""
    return read_record(path).rules.name


def picture_file(record: Path, picture: Path | None) -> Path:
    """The file of a record's curve, by default beside the record. Raises ValueError if it is not PNG or the record."""
    check_picture(picture, "a record", ".png")
    path = picture or record.with_suffix(".png")
    if path.exists() and path.samefile(record):
        raise ValueError(f"the picture would take the place of the record {record}")
    return path


class JudgedTurn(NamedTuple):
    """A turn with a choice, and the verdict on its move."""

    step: Step
    verdict: Verdict


@dataclass(frozen=True, kw_only=True)
class Review:
    """A judged record: the account of luck and errors, and the verdicts on the turns with a choice."""

    record: GameRecord
    judge: str
    account: Account
    decisions: list[JudgedTurn]

    def decisions_of(self, player: int) -> list[JudgedTurn]:
        """One player's decisions."""
        return [decision for decision in self.decisions if decision.step.turn.player == player]

    def mistakes(self) -> list[JudgedTurn]:
        """The decisions whose verdict has a mark, in the order of the game."""
        return [decision for decision in self.decisions if decision.verdict.mark]

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values: luck and regret in points, win probabilities of player 0."""
        verdicts = {decision.step.number: decision.verdict for decision in self.decisions}
        turns = []
        for step, chance, luck in zip(
            self.record.steps(), self.account.win_probability[:-1], self.account.luck, strict=True
        ):
            verdict = verdicts.get(step.number)
            turns.append(
                {
                    "turn": step.number,
                    "position": str(step.position),
                    **step.turn._asdict(),
                    "win_probability": float(chance),
                    "luck": float(100 * luck) * (1 - 2 * step.turn.player),
                    "regret": verdict.regret if verdict else None,
                    "best": verdict.best if verdict else None,
                }
            )
        return {
            "judge": self.judge,
            "winner": self.record.winner,
            "players": [self._player(player) for player in (0, 1)],
            "turns": turns,
        }

    def _player(self, player: int) -> dict[str, Any]:
        regrets = np.array([decision.verdict.regret for decision in self.decisions_of(player)])
        return {
            "name": self.record.players[player],
            "decisions": len(regrets),
            "best_share": float((regrets <= 100 * TIE).mean()) if len(regrets) else None,
            "regret": float(regrets.mean()) if len(regrets) else None,
            "given_away": float(regrets.sum()),
            "luck": 100 * self.account.luck_of(player),
            "marks": {name: sum(mark_of(regret)[1] == name for regret in regrets) for _, _, name in MARKS},
        }

    def text(self) -> str:
        """Who won, a table of the players and a table of the mistakes, as Markdown."""
        record = self.record
        names = self._names()
        won = "not finished" if record.winner is None else f"{names[record.winner]} won"
        if record.ending:
            won = printable(record.ending.text(names)).removesuffix(".")
        first = 100 * self.account.win_probability[0]
        heading = f"{' against '.join(names)}\n{len(record.turns)} turns, {won}\n"
        heading += f"judged by {printable(self.judge)}; {SEATS[0]} began with a win probability of {first:.1f} %\n"
        return "\n".join([heading, self._players_table(), "", self._mistakes_table()])

    def _names(self) -> list[str]:
        """The players with their colours; long names are cut."""
        return [f"{name} ({colour})" for name, colour in zip(self.short_names(), SEATS, strict=True)]

    def short_names(self) -> tuple[str, str]:
        """The players' names; long ones are cut."""
        first, second = (shortened(name, _NAME) for name in short_names(self.record.players))
        return first, second

    def _players_table(self) -> str:
        columns = []
        for player in (0, 1):
            totals = self._player(player)
            share, regret = totals["best_share"], totals["regret"]
            columns.append(
                (
                    totals["decisions"],
                    "" if share is None else f"{100 * share:.0f}",
                    f"{totals['given_away']:.1f}",
                    "" if regret is None else f"{regret:.2f}",
                    f"{totals['luck']:+.1f}",
                    *totals["marks"].values(),
                )
            )
        measures = ("decisions", "best moves, %", "points given away", "points a decision", "luck, points")
        names = (*measures, *(f"{sign} {name}" for _, sign, name in MARKS))
        return markdown_table(("", *self._names()), list(zip(names, *columns, strict=True)))

    def _mistakes_table(self) -> str:
        rows = []
        for step, verdict in self.mistakes():
            turn = step.turn
            assert turn.move is not None
            routes = (route(square, turn.roll, step.position.rules) for square in (turn.move, verdict.best))
            rows.append(
                (step.number, SEATS[turn.player], turn.roll, *routes, f"{verdict.regret:.{DIGITS}f}", verdict.mark)
            )
        if not rows:
            return f"no move gave away {MARKS[-1][0]:g} points or more"
        return markdown_table(("turn", "player", "roll", "played", "best", "points", ""), rows)


def review(record: GameRecord, judge: Judge, name: str) -> Review:
    """Judge every turn of a record.

    Raises ValueError for a record without turns, or with a position that the judge's table does not hold.
    """
    steps = list(record.steps())
    decisions = []
    for step in steps:
        if step.turn.move is not None:
            verdict = judge_move(judge, step.position, step.turn.roll, step.turn.move)
            if verdict:
                decisions.append(JudgedTurn(step, verdict))
    return Review(record=record, judge=name, account=account(judge, steps), decisions=decisions)


def review_file(path: Path, judge: Judge, name: str, picture: Path, as_json: bool) -> dict[str, Path]:
    """Review a record's file: print the mistakes, and draw win probability, luck and errors as PNG -> the files.

    Raises ValueError, OSError.
    """
    result = review(read_record(path), judge, name)
    print(json.dumps(result.to_dict(), indent=2) if as_json else result.text())
    save_figure(game_chart(result.account, result.short_names()), picture)
    if result.mistakes() and not as_json:
        say(f"\nto see a turn: {command('replay', path, '--turn', str(result.mistakes()[0].step.number))}")
    return {"picture": picture}
