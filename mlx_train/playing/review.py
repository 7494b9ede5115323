"""A game looked back on: what each move gave away, by the solved game or by a value network."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from engine.core.position import Position
from engine.drawing import SEATS
from engine.games.agents import Agent, open_table
from engine.network.network import Network
from engine.solved.tablebase import Tablebase
from mlx_train.measuring.luck import Account, Judge, account
from mlx_train.measuring.measures import TIE, gives_win_probabilities
from mlx_train.pictures.report import markdown_table
from mlx_train.playing.analysis import route
from mlx_train.playing.records import Record, Step

#: Points that a move gives away, its sign and its name. GNU Backgammon's marks are 0.04, 0.08 and 0.16 of equity, which
#: is 2p - 1: twice the win probability.
MARKS = ((8.0, "??", "very bad"), (4.0, "?", "bad"), (2.0, "?!", "doubtful"))

_DIGITS = 2  # of the points that a person reads

#: How to read a verdict.
LEGEND = "Behind a move: the points of win probability that it gave away; {}: the best move follows.".format(
    ", ".join(f"{sign} {name} ({least:g} or more)" for least, sign, name in reversed(MARKS))
)


def mark_of(regret: float) -> tuple[str, str]:
    """The sign and the name of a move that gives away so many points; two empty strings below the least mark.

    What counts are the points as they are shown, so that 4.00 is never doubtful where bad begins at 4.
    """
    return next(((sign, name) for least, sign, name in MARKS if round(regret, _DIGITS) >= least), ("", ""))


class Verdict(NamedTuple):
    """What a judge says of a move: the points of win probability that it gives away, and the best square instead."""

    regret: float
    best: int

    @property
    def mark(self) -> str:
        """The sign of a mistake, empty for a move that is none."""
        return mark_of(self.regret)[0]

    def text(self, roll: int) -> str:
        """In a few characters: "best", "-0.31", or "-2.31 ?! hand -> 2" with the best move instead."""
        if self.regret <= 100 * TIE:
            return "best"
        text = f"-{self.regret:.{_DIGITS}f}"
        return f"{text} {self.mark} {route(self.best, roll)}" if self.mark else text


def judge_move(judge: Judge, position: Position, roll: int, square: int) -> Verdict | None:
    """The verdict on a legal move; None where there was nothing to choose."""
    values = {move[0]: move[1] for move in judge.moves(position, roll)}
    if len(values) < 2:
        return None
    best = max(values, key=lambda each: (values[each], -each))
    return Verdict(100 * (values[best] - values[square]), best)


def knows(table: Tablebase, position: Position) -> bool:
    """Whether the table, which may be of fewer than seven pieces a side, holds the position."""
    return table.pieces >= 7 - min(position.own_off, position.opponent_off)


def find_judge(spelling: str | None, table: Path | None) -> tuple[str, Tablebase | Network]:
    """Who judges games, and its name: the agent of a spelling, or the solved game.

    Raises ValueError for an agent that gives no win probabilities, or looks ahead; FileNotFoundError, saying how to
    make it, for a table that is not there.
    """
    if spelling is None:
        try:
            return "the solved game", open_table(table)
        except FileNotFoundError as error:
            raise FileNotFoundError(f"{error}, or name a network as the judge: --agent net:FILE") from None
    agent = Agent.parse(spelling)
    if not gives_win_probabilities(agent) or re.search(r"@\d+$", spelling):
        raise ValueError(f"a game is judged by perfect or net:FILE, which give win probabilities, not by {spelling}")
    assert isinstance(agent.player, (Tablebase, Network))
    return spelling, agent.player


class Decision(NamedTuple):
    """A turn with a choice, and what the judge says of it."""

    step: Step
    verdict: Verdict


@dataclass(frozen=True, kw_only=True)
class Review:
    """A record with its judgement: the account of luck and errors, and the turns that left a choice."""

    record: Record
    judge: str
    account: Account
    decisions: list[Decision]

    def of(self, player: int) -> list[Decision]:
        """One player's decisions."""
        return [decision for decision in self.decisions if decision.step.turn.player == player]

    def mistakes(self) -> list[Decision]:
        """The decisions that have a mark, in the order of the game."""
        return [decision for decision in self.decisions if decision.verdict.mark]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; points of win probability, and win probabilities of player 0."""
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
        regrets = np.array([decision.verdict.regret for decision in self.of(player)])
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
        names = [f"{name} ({colour})" for name, colour in zip(record.players, SEATS, strict=True)]
        won = "not finished" if record.winner is None else f"{names[record.winner]} won"
        first = 100 * self.account.win_probability[0]
        heading = f"{' against '.join(names)}, {len(record.turns)} turns, {won}\njudged by {self.judge}; "
        heading += f"{names[0]} began with a win probability of {first:.1f} %\n"
        return "\n".join([heading, self._players_table(), "", self._mistakes_table()])

    def _players_table(self) -> str:
        rows = []
        for player in (0, 1):
            found = self._player(player)
            share, regret = found["best_share"], found["regret"]
            rows.append(
                (
                    found["name"],
                    found["decisions"],
                    "" if share is None else f"{100 * share:.0f}",
                    "" if regret is None else f"{regret:.2f}",
                    f"{found['given_away']:.1f}",
                    f"{found['luck']:+.1f}",
                    *found["marks"].values(),
                )
            )
        header = ("player", "decisions", "best %", "regret", "given away", "luck")
        return markdown_table((*header, *(sign for _, sign, _ in MARKS)), rows)

    def _mistakes_table(self) -> str:
        rows = []
        for step, verdict in self.mistakes():
            turn = step.turn
            assert turn.move is not None
            routes = (route(square, turn.roll) for square in (turn.move, verdict.best))
            points = f"{verdict.regret:.{_DIGITS}f} {verdict.mark}"
            rows.append((step.number, SEATS[turn.player], turn.roll, *routes, points, str(step.position)))
        if not rows:
            return f"no move gave away {MARKS[-1][0]:g} points or more"
        return markdown_table(("turn", "player", "roll", "played", "best", "points", "position"), rows)


def review(record: Record, judge: Judge, name: str) -> Review:
    """Judge every turn of a record. Raises ValueError for one without turns, or beyond the judge's table."""
    steps = list(record.steps())
    decisions = []
    for step in steps:
        if step.turn.move is not None:
            verdict = judge_move(judge, step.position, step.turn.roll, step.turn.move)
            if verdict:
                decisions.append(Decision(step, verdict))
    found = account(judge, ((step.turn, step.position) for step in steps))
    return Review(record=record, judge=name, account=found, decisions=decisions)
