"""Records of games: players, dice, moves and how a game ended, whatever the format of its file."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from engine.core.position import Position
from engine.core.rules import RuleSet, rules
from engine.games.turns import Step, Turn, next_turn

#: How a game can end before a side has borne off all its pieces; `STOPPED` is an end without a given reason.
RESIGNED, ABANDONED, STOPPED = "resigned", "abandoned", "stopped"
ENDINGS = (RESIGNED, ABANDONED, STOPPED)


class Ending(NamedTuple):
    """The end of a game that nobody won on the board: one of `ENDINGS`, the winner or None, a reason in words."""

    how: str
    winner: int | None = None
    reason: str = ""

    def text(self, names: Sequence[str]) -> str:
        """The ending in a sentence. names: of player 0 and player 1."""
        if self.how == ABANDONED:
            return f"The game was abandoned{f': {self.reason}' if self.reason else ''}."
        if self.winner is None:
            return "The record ends the game here, as where a player resigns."
        if self.how == RESIGNED:
            return f"{names[1 - self.winner]} resigned."
        return f"The record says that {names[self.winner]} wins; the game is not over."


class GameRecord:
    """A game, finished or not. Player 0 moves first; every turn is checked by the rules as it is added.

    Attributes:
        players: the names of player 0 and player 1; the name of an agent is its spelling.
        seed: the seed of the dice (game 0 of `engine.core.dice.rolls`), None for other dice.
        start: the position before the first roll, which player 0 makes; it knows the rule set.
        turns: the turns so far; `add` and `undo` change them.
        position: the position after these turns, seen by `mover`.
        mover: the player who rolls next.
        unplayed: a last roll whose move is not recorded, or None.
        ending: how the game ended before it was over by the rules, or None.
    """

    def __init__(self, players: tuple[str, str], seed: int | None = None, start: Position | None = None) -> None:
        self.players = players
        self.seed = seed
        self.start = start or Position.initial()
        if self.start.is_over:
            raise ValueError(f"a game cannot start where it is over: {self.start}")
        self.turns: list[Turn] = []
        self._before: list[tuple[Position, int]] = []
        self.position, self.mover = self.start, 0
        self.unplayed: int | None = None
        self.ending: Ending | None = None

    @property
    def rules(self) -> RuleSet:
        """The rule set of the game."""
        return rules(self.start.rules)

    def add(self, roll: int, move: int | None) -> None:
        """Play a turn of `mover`. Raises ValueError if the rules do not allow it."""
        if self.position.is_over:
            raise ValueError("the game is over")
        if roll not in self.rules.rolls:
            raise ValueError(f"the dice give a roll of {', '.join(map(str, self.rules.rolls))}, not {roll}")
        if self.unplayed not in (None, roll):
            raise ValueError(f"the roll of {self.unplayed} is followed by a turn with a roll of {roll}")
        legal = self.position.legal_moves(roll)
        if move is None:
            if legal:
                raise ValueError(f"the turn cannot pass: there are legal moves, from {', '.join(map(str, legal))}")
        elif move not in legal:
            raise ValueError(
                f"moving from {move} with a roll of {roll} is not legal; legal: {', '.join(map(str, legal)) or 'none'}"
            )
        turn = Turn(self.mover, roll, move)
        self.unplayed = None
        self._before.append((self.position, self.mover))
        self.turns.append(turn)
        self.position, self.mover = next_turn(self.position, turn)

    def add_roll(self, roll: int) -> None:
        """Add a roll whose move, if any is legal, is not known yet. Raises ValueError."""
        if roll in self.rules.rolls and not self.position.is_over and self.position.legal_moves(roll):
            if self.unplayed is not None:
                raise ValueError(f"the roll of {self.unplayed} is followed by another roll")
            self.unplayed = roll
        else:
            self.add(roll, None)

    def end(self, ending: Ending) -> None:
        """End the game before it is over by the rules. Raises ValueError if it is over, or ended differently."""
        if self.position.is_over:
            raise ValueError("the game is over")
        self.ending = ending

    def check_winner(self, winner: int | None, words: Callable[[int], str] = "player {}".format) -> None:
        """Raise ValueError if the game is won and `winner`, a player, has lost it. words: a player in words."""
        if self.position.is_over and winner != self.winner:
            claim = "nobody" if winner is None else words(winner)
            raise ValueError(f"{words(1 - self.mover)} has won, not {claim}")

    def undo(self) -> Turn:
        """Take the last turn back and return it. Raises IndexError if there is none."""
        turn = self.turns.pop()
        self.position, self.mover = self._before.pop()
        self.unplayed = None
        return turn

    @property
    def winner(self) -> int | None:
        """The player who has borne off every piece, or to whom the other resigned; None where there is no winner."""
        if self.position.is_over:
            return 1 - self.mover  # the last move ended its player's turn
        return self.ending.winner if self.ending else None

    @property
    def is_finished(self) -> bool:
        """Whether the game is over by the rules or ended otherwise."""
        return self.position.is_over or self.ending is not None

    @property
    def last(self) -> tuple[int, int] | None:
        """The last turn's move as (square, roll), which `Position.svg` frames; None at the start and after a pass."""
        if not self.turns or self.turns[-1].move is None:
            return None
        return self.turns[-1].move, self.turns[-1].roll

    def steps(self) -> Iterator[Step]:
        """Every turn with the position before it."""
        for number, ((position, _), turn) in enumerate(zip(self._before, self.turns, strict=True), 1):
            yield Step(number, position, turn)


def captured_square(position: Position, roll: int, square: int) -> int | None:
    """The opponent's path square of the piece that a legal move captures; None where it captures nothing."""
    target = square + roll
    game = rules(position.rules)
    theirs = game.theirs[target] if target < game.borne_off else None
    return theirs if theirs in position.opponent_squares else None
