"""The Python loop that plays a game turn by turn, for games that a person watches, plays, or takes apart.

Matches, records and training rows come from the loop in C (`engine/core/game.pxd`).
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from engine.core.dice import rolls
from engine.core.position import Position
from engine.core.rules import rules as rule_set

#: Pieces a side of the whole game of Finkel's rules.
PIECES = rule_set().pieces

_ROLLS_AT_ONCE = 512


class Turn(NamedTuple):
    """One roll: who rolled, what, and the path square moved from (0 = hand), None when the turn passed."""

    player: int
    roll: int
    move: int | None


class Step(NamedTuple):
    """A turn in its game: its number from 1, and the position before it, seen by the player who rolled."""

    number: int
    position: Position
    turn: Turn


class Player(Protocol):
    """Who chooses moves: an `Agent`, or the `Tablebase` of the solved game, which plays perfectly."""

    def best_move(self, position: Position, roll: int, /) -> int | None:
        """The path square to move from (0 = hand); None where no move is legal."""


def opening(pieces: int | None = None, rules: str = "finkel") -> Position:
    """The first position of the game with `pieces` pieces a side, by default all: the others are borne off."""
    all_pieces = rule_set(rules).pieces
    side = f"{'.' * rule_set(rules).squares}:{all_pieces - (all_pieces if pieces is None else pieces)}"
    return Position.from_notation(f"{side}|{side}", rules)


def dice(seed: int, game: int = 0, first: int = 0, rules: str = "finkel") -> Iterator[int]:
    """The rolls of one game from its turn `first` (counted from 0) on, without end."""
    count = first
    while True:
        block = rolls(seed, game, count + _ROLLS_AT_ONCE, rules)[count:]
        yield from block
        count += len(block)


def next_turn(position: Position, turn: Turn) -> tuple[Position, int]:
    """Play a legal turn -> (the position after it, the player who rolls next); the position is seen by that player."""
    if turn.move is None:
        return position.swapped, 1 - turn.player
    after, same_player = position.play(turn.roll, turn.move)
    return after, turn.player if same_player else 1 - turn.player


def play_turns(
    players: Sequence[Player],
    start: Position | None = None,
    seed: int = 0,
    game: int = 0,
    *,
    played: int = 0,
    player: int = 0,
) -> Iterator[Step]:
    """Play a game to its end -> each step as it is played.

    players: players 0 and 1. start: the position before the first step, by default the opening, seen by `player`, who
    rolls first. seed, game: which dice are rolled (`engine.core.dice.rolls`). played: the number of turns before
    `start`; the dice of these turns are skipped.
    """
    position = opening() if start is None else start
    for number, roll in enumerate(dice(seed, game, played, position.rules), played + 1):
        turn = Turn(player, roll, players[player].best_move(position, roll))
        yield Step(number, position, turn)
        position, player = next_turn(position, turn)
        if position.is_over:
            return
