"""Luck and skill: how much the dice and how much the moves changed the win probability, by the exact solution.

Before a roll, the side to move has the position's value V. The roll changes it to the value Q of the best move; the
difference Q - V is luck, zero on average. The move that is played may have a lower value than Q; the difference is the
error, never negative. The value after the move is the value before the next turn, so over a game, apart from rounding:

    result = V(start) + luck of player 0 - luck of player 1 - errors of player 0 + errors of player 1

Backgammon programs such as GNU Backgammon report luck by the same definition.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from engine.core.position import Position
from engine.games.agents import Agent
from engine.games.turns import Step, play_turns
from engine.solved.tablebase import Tablebase

#: Who plays a match: an agent, or the table of the solved game, as perfect play.
Contestant = Agent | Tablebase


class Judge(Protocol):
    """What values positions: the solved game, or a value network in its place."""

    def value(self, position: Position, /) -> float:
        """The win probability of the side to move, before its roll."""

    def moves(self, position: Position, roll: int, /) -> Sequence[tuple[Any, ...]]:
        """The legal moves as (square, win probability of the mover after the move, ...), ascending squares."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """One game, turn by turn, in win probability of player 0.

    win_probability: (turns + 1,), before each turn and after the last. luck, error: (turns,), the change by each roll
    and by each move. player: (turns,), the player who rolled.
    """

    win_probability: NDArray[np.float64]
    luck: NDArray[np.float64]
    error: NDArray[np.float64]
    player: NDArray[np.int8]

    def luck_of(self, player: int) -> float:
        """The sum of a player's luck, positive where its rolls raised its own win probability."""
        return (1 - 2 * player) * float(self.luck[self.player == player].sum())

    def error_of(self, player: int) -> float:
        """The sum of a player's errors, never negative."""
        return float(np.abs(self.error[self.player == player]).sum())


def account(judge: Judge, steps: Iterable[Step]) -> Account:
    """Divide a game, finished or not, into luck and error.

    With a network as the judge, the sum holds too, but the mean of the luck need not be zero.

    Raises ValueError for a game without turns, a position that the table does not hold, or a move that is not legal.
    """
    values: list[float] = []
    luck: list[float] = []
    error: list[float] = []
    players: list[int] = []
    after = 0.0
    for number, position, (player, roll, square) in steps:
        before = judge.value(position)
        moves = judge.moves(position, roll)
        if square is None:
            if moves:
                raise ValueError(f"turn {number}: passed, though there are legal moves")
            best = after = 1.0 - judge.value(position.swapped)
        else:
            best = max((move[1] for move in moves), default=0.0)
            after = next((move[1] for move in moves if move[0] == square), -1.0)
            if after < 0:
                raise ValueError(f"turn {number}: no legal move from {square} with a roll of {roll}")
        sign = 1 - 2 * player
        values.append(before if player == 0 else 1.0 - before)
        luck.append(sign * (best - before))
        error.append(sign * (after - best))
        players.append(player)
    if not players:
        raise ValueError("a game without turns")
    values.append(after if players[-1] == 0 else 1.0 - after)
    return Account(
        win_probability=np.array(values),
        luck=np.array(luck),
        error=np.array(error),
        player=np.array(players, dtype=np.int8),
    )


@dataclass(frozen=True, kw_only=True)
class Shares:
    """Luck and skill over the games of a match, as win probabilities of the agent, one entry a game.

    start: the agent's win probability before the first roll. luck: its change by both players' dice. skill: the
    opponent's errors less the agent's. start + luck + skill is 1 in a won game and 0 in a lost one.
    """

    agent: str
    opponent: str
    start: NDArray[np.float64]
    luck: NDArray[np.float64]
    skill: NDArray[np.float64]

    @property
    def won(self) -> NDArray[np.bool_]:
        """Which games the agent won."""
        return self.start + self.luck + self.skill > 0.5


def luck_and_skill(agent: Contestant, opponent: Contestant, table: Tablebase, games: int, seed: int = 0) -> Shares:
    """Play a match of the table's game, seats alternated and dice paired, and divide every game.

    Games 2k and 2k + 1 have the same rolls. Raises ValueError for fewer than one game.
    """
    if games < 1:
        raise ValueError(f"games must be at least 1, got {games}")
    rows = []
    for game in range(games):
        seat = game % 2
        players = (opponent, agent) if seat else (agent, opponent)
        game_account = account(table, play_turns(players, table.opening, seed, game // 2))
        start = float(game_account.win_probability[0])
        skill = game_account.error_of(1 - seat) - game_account.error_of(seat)
        luck = game_account.luck_of(seat) - game_account.luck_of(1 - seat)
        rows.append((1.0 - start if seat else start, luck, skill))
    start, luck, skill = np.array(rows).T
    return Shares(agent=_name(agent), opponent=_name(opponent), start=start, luck=luck, skill=skill)


def _name(player: Contestant) -> str:
    return "perfect" if isinstance(player, Tablebase) else player.name
