"""Luck and skill: what the dice and what the moves did to a game, told apart by the exact solution.

Before a roll the side to move has the position's value V. The roll makes it the value Q of the best move: that is luck,
zero on average. The move that is played may leave less than Q: that is error, which is never negative. The value after
the move is where the next turn starts, so over a game everything adds up, to the last bit but rounding:

    result = V(start) + luck of player 0 - luck of player 1 - errors of player 0 + errors of player 1

Luck in this sense is what backgammon programs report, as GNU Backgammon does.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from engine.core.dice import rolls
from engine.core.position import Position
from engine.games.agents import Agent
from engine.solved.tablebase import Tablebase
from mlx_train.playing.records import Turn

_ROLLS_AT_ONCE = 512


class Judge(Protocol):
    """Who says what a position is worth: the solved game, or a value network in its place."""

    def value(self, position: Position, /) -> float:
        """The win probability of the side to move, before its roll."""

    def moves(self, position: Position, roll: int, /) -> Sequence[tuple[Any, ...]]:
        """The legal moves, each with its square first and its value second: 1 - the successor's, or its own again."""


def opening(pieces: int = 7) -> Position:
    """The first position of the game with so many pieces a side: the others are borne off."""
    side = f"{'.' * 14}:{7 - pieces}"
    return Position.from_notation(f"{side}|{side}")


def dice(seed: int, game: int) -> Iterator[int]:
    """The rolls of one game, without end."""
    count = 0
    while True:
        known = rolls(seed, game, count + _ROLLS_AT_ONCE)
        yield from known[count:]
        count = len(known)


#: Who plays a game: an agent, or the table of the solved game itself, as perfect play.
Player = Agent | Tablebase


def play_game(
    players: Sequence[Player], start: Position | None = None, seed: int = 0, game: int = 0
) -> Iterator[tuple[Turn, Position]]:
    """Play a game turn by turn -> (the turn, the position before it, seen by who moves). Player 0 starts."""
    position = opening() if start is None else start
    player = 0
    for roll in dice(seed, game):
        square = players[player].best_move(position, roll)
        yield Turn(player, roll, square), position
        again = False
        if square is None:
            position = position.swapped
        else:
            position, again = position.play(roll, square)
        if position.is_over:
            return
        if not again:
            player = 1 - player


@dataclass(frozen=True, kw_only=True)
class Account:
    """One game, turn by turn; everything in win probability, of player 0 where it has a sign.

    win_probability: (turns + 1,) before each turn, and the result at the end. luck, error: (turns,), what the roll and
    the move changed. player: (turns,), whose turn it was.
    """

    win_probability: NDArray[np.float64]
    luck: NDArray[np.float64]
    error: NDArray[np.float64]
    player: NDArray[np.int8]

    def luck_of(self, player: int) -> float:
        """The sum of a player's luck, positive where its rolls were good."""
        return (1 - 2 * player) * float(self.luck[self.player == player].sum())

    def error_of(self, player: int) -> float:
        """The sum of what a player's moves gave away, never negative."""
        return float(np.abs(self.error[self.player == player]).sum())


def account(judge: Judge, turns: Iterable[tuple[Turn, Position]]) -> Account:
    """Divide a game into luck and error. turns: as of `play_game`; a game that was broken off is divided so far.

    With a network as the judge everything still adds up, but its luck need not be zero on average.

    Raises ValueError for a game without turns, a position that the table does not hold, or a move that is not legal.
    """
    values: list[float] = []
    luck: list[float] = []
    error: list[float] = []
    players: list[int] = []
    after = 0.0
    for (player, roll, square), position in turns:
        before = judge.value(position)
        moves = judge.moves(position, roll)
        if square is None:
            if moves:
                raise ValueError(f"turn {len(players) + 1}: passed, though there are legal moves")
            best = after = 1.0 - judge.value(position.swapped)
        else:
            best = max((move[1] for move in moves), default=0.0)
            after = next((move[1] for move in moves if move[0] == square), -1.0)
            if after < 0:
                raise ValueError(f"turn {len(players) + 1}: no legal move from {square} with a roll of {roll}")
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
    """Luck and skill over the games of a match, as win probability of the agent, one entry a game.

    start: what it had before the first roll. luck: of both players' dice. skill: the opponent's errors less its own.
    start + luck + skill is 1 where it won, 0 where it lost.
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


def luck_and_skill(agent: Player, opponent: Player, table: Tablebase, games: int, seed: int = 0) -> Shares:
    """Play a match of the table's game, seats alternated and dice paired, and divide every game.

    Games 2k and 2k + 1 have the same rolls. Raises ValueError for fewer than one game.
    """
    if games < 1:
        raise ValueError(f"games must be at least 1, got {games}")
    rows = []
    for game in range(games):
        seat = game % 2
        players = (opponent, agent) if seat else (agent, opponent)
        found = account(table, play_game(players, opening(table.pieces), seed, game // 2))
        start = float(found.win_probability[0])
        skill = found.error_of(1 - seat) - found.error_of(seat)
        luck = found.luck_of(seat) - found.luck_of(1 - seat)
        rows.append((1.0 - start if seat else start, luck, skill))
    start, luck, skill = np.array(rows).T
    return Shares(agent=_name(agent), opponent=_name(opponent), start=start, luck=luck, skill=skill)


def _name(player: Player) -> str:
    return "perfect" if isinstance(player, Tablebase) else player.name
