"""Every legal move of many decisions at once: the successors, and the kinds of moves."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.core.batch import policy_slots, successors
from engine.core.rules import rules as rule_set
from engine.network.document import POLICY_OUTPUTS


@dataclass(frozen=True, kw_only=True)
class Successors:
    """Every legal move of n decisions, one entry a move, in the order of the decisions and of ascending squares.

    decision: number of the decision. nth: number of the move within its decision. after: the packed position after the
    move, seen by the player who rolls next. same_player: whether the mover rolls next.
    """

    decision: NDArray[np.int64]
    nth: NDArray[np.int64]
    after: NDArray[np.uint64]
    same_player: NDArray[np.bool_]

    def for_mover(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """Win probabilities of the sides to move in `after`, as win probabilities of the movers."""
        return np.where(self.same_player, values, 1.0 - values)

    def by_decision(self, values: NDArray[np.float64], n: int) -> NDArray[np.float64]:
        """(entries,) -> (n, 7), by decision and number of the move; minus infinity where there is no such move."""
        table = np.full((n, POLICY_OUTPUTS), -np.inf)
        table[self.decision, self.nth] = values
        return table


def all_successors(packed: NDArray[np.uint64], rolls: NDArray[np.uint8], rules: str = "finkel") -> Successors:
    """Play every legal move of n decisions of a rule set: (n,) packed positions and rolls."""
    counts = (policy_slots(packed, rolls, rules) < POLICY_OUTPUTS).sum(axis=1)
    decision = np.repeat(np.arange(len(packed)), counts)
    nth = np.arange(len(decision)) - np.repeat(np.cumsum(counts) - counts, counts)
    after, same_player = successors(packed[decision], rolls[decision], nth, rules)
    return Successors(decision=decision, nth=nth, after=after, same_player=same_player)


#: Kinds of moves; a move is of the first kind that it fits.
KINDS = ("capture", "rosette", "entering", "bearing off", "other")


def move_kinds(
    packed: NDArray[np.uint64], rolls: NDArray[np.uint8], squares: NDArray[np.int8], rules: str = "finkel"
) -> NDArray[np.int8]:
    """The kinds of n moves, as indices of `KINDS`: (n,) positions, rolls and squares moved from -> (n,)."""
    game = rule_set(rules)
    theirs = np.array([square or 0 for square in (*game.theirs, None)])
    target = squares.astype(np.int64) + rolls
    opponent = ((packed >> np.uint64(16)).astype(np.int64) & 0xFFFF) << (game.squares // 16)  # bit s is square s
    captures = np.isin(target, game.shared) & (opponent >> theirs[target] & 1 == 1)
    rosettes = np.isin(target, game.rosettes)
    fits = [captures, rosettes, squares == 0, target == game.borne_off, np.ones(len(squares), dtype=bool)]
    return np.argmax(fits, axis=0).astype(np.int8)
