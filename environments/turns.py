"""One game at a time, from one decision to the next: what the PettingZoo and the Gymnasium environment share."""

import numpy as np
from numpy.typing import NDArray

from engine.core.observations import observe
from engine.core.position import Position
from engine.core.rules import rules as rule_set


class Turns:
    """A game that rolls and passes by itself, so that the player to move always has a move to choose.

    Attributes:
        position: from the view of the side to move; after the end from the loser's.
        roll: of the side to move; None after the end.
        seat: the player to move, 0 who began or 1; after the end the winner.
    """

    def __init__(self, rules: str, dice: np.random.Generator) -> None:
        self._dice = dice
        self._probabilities = rule_set(rules).probabilities
        self._actions = rule_set(rules).borne_off
        self.position = Position.initial(rules)
        self.seat = 0
        self.roll: int | None = None
        self._roll_on()

    def _roll_on(self) -> None:
        """Roll for the side to move; where it has no legal move, the turn passes and the other side rolls."""
        self.roll = self._next_roll()
        while not self.position.legal_moves(self.roll):
            self.position, self.seat = self.position.swapped, 1 - self.seat
            self.roll = self._next_roll()

    def _next_roll(self) -> int:
        return int(self._dice.choice(len(self._probabilities), p=self._probabilities))

    @property
    def is_over(self) -> bool:
        """Whether a player has borne off all pieces."""
        return self.position.is_over

    @property
    def viewer(self) -> int:
        """The player from whose view the position is: the player to move; after the end the loser."""
        return 1 - self.seat if self.is_over else self.seat

    def legal(self) -> list[int]:
        """The squares that a piece can be moved from, ascending, 0 for the hand; empty after the end."""
        return [] if self.roll is None else self.position.legal_moves(self.roll)

    def mask(self, seat: int) -> NDArray[np.int8]:
        """(actions,) 1 for each legal move of a player; all 0 if it is not that player's turn."""
        mask = np.zeros(self._actions, dtype=np.int8)
        if seat == self.seat:
            mask[self.legal()] = 1
        return mask

    def observation(self, seat: int, kind: str) -> NDArray[np.uint8]:
        """The observation of a player, without a roll if it is not that player's turn."""
        if seat == self.viewer:
            return observe(self.position, self.roll, kind)
        return observe(self.position.swapped, None, kind)

    def play(self, square: int) -> None:
        """Move the piece on a square, and roll on. Raises ValueError if the move is not legal."""
        if self.roll is None:
            raise ValueError("the game is over")
        position, again = self.position.play(self.roll, square)
        self.position = position
        if position.is_over:
            self.roll = None
            return
        self.seat = self.seat if again else 1 - self.seat
        self._roll_on()
