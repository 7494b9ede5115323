"""Facts of the solved game that its statistics do not hold: openings, squares, races. Any table will do."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.core.position import Position
from engine.core.rules import RuleSet
from engine.core.rules import rules as rule_set
from engine.games.turns import play_turns
from engine.solved.tablebase import Tablebase, default_path
from mlx_train.data.solving import solve_game
from mlx_train.measuring.moves import all_successors


def table_at_hand(pieces: int = 3, rules: str = "finkel") -> Path:
    """The file of a rule set's solved game in the user's cache; without one a smaller game's, solved if need be.

    Three pieces take well under a second. Raises OSError.
    """
    if default_path(rules=rules).exists():
        return default_path(rules=rules)
    if not default_path(pieces, rules).exists():
        solve_game(pieces, 1e-12, describe=False, rules=rules)
    return default_path(pieces, rules)


# Openings


def first_rolls(table: Tablebase) -> list[tuple[int, float, float]]:
    """-> (roll, its probability, the first player's win probability after its best move), for each first roll."""
    game = rule_set(table.rules)
    passed = 1.0 - table.value(table.opening.swapped)
    return [
        (roll, game.probabilities[roll], max((move.value for move in table.moves(table.opening, roll)), default=passed))
        for roll in game.rolls
    ]


class OpeningDecision(NamedTuple):
    """A decision (two or more legal moves) of the first turns of optimal play.

    turn: the earliest turn of a game, counted from 1, in which the decision can occur. met: how often it occurs in the
    first turns of a game, on average. best, second: the squares of the best and the second-best move. value: the win
    probability after the best move. margin: what the second-best move gives away, as win probability; 0 if it is equal.
    """

    turn: int
    position: Position
    roll: int
    met: float
    best: int
    second: int
    value: float
    margin: float


def opening_decisions(table: Tablebase, turns: int = 4) -> list[OpeningDecision]:
    """Every decision of the first turns of optimal play, the most frequent first. The work triples with each turn."""
    game = rule_set(table.rules)
    reached = {table.opening: 1.0}
    decisions: dict[tuple[Position, int], OpeningDecision] = {}
    for turn in range(1, turns + 1):
        later: dict[Position, float] = {}
        for position, met in reached.items():
            for roll in game.rolls:
                chance = game.probabilities[roll]
                moves = sorted(table.moves(position, roll), key=lambda move: (move.regret, move.square))
                if len(moves) > 1:
                    best, second = moves[:2]
                    first = decisions.get((position, roll))
                    decisions[position, roll] = OpeningDecision(
                        turn=first.turn if first else turn,
                        position=position,
                        roll=roll,
                        met=met * chance + (first.met if first else 0.0),
                        best=best.square,
                        second=second.square,
                        value=best.value,
                        margin=second.regret,
                    )
                after = position.play(roll, moves[0].square)[0] if moves else position.swapped
                if not after.is_over:
                    later[after] = later.get(after, 0.0) + met * chance
        reached = later
    return sorted(decisions.values(), key=lambda decision: (-decision.met, str(decision.position), decision.roll))


def game_lengths(table: Tablebase, games: int, seed: int = 0) -> NDArray[np.int32]:
    """(games,): the number of turns, one a roll, of games of optimal play."""
    lengths = (sum(1 for _ in play_turns((table, table), table.opening, seed, game)) for game in range(games))
    return np.fromiter(lengths, dtype=np.int32, count=games)


# Races and squares


def race_map(table: Tablebase) -> NDArray[np.float64]:
    """(squares + 1, squares + 1): the win probability of the side to move, with one piece left on each side.

    Row: the square of its piece; column: the square of the opponent's piece; 0 is the hand. NaN where both pieces would
    stand on one tile of the board.
    """
    game = rule_set(table.rules)
    wins = np.full((game.borne_off, game.borne_off), np.nan)
    for own in range(game.borne_off):
        for opponent in range(game.borne_off):
            if game.theirs[own] != opponent:
                sides = (_side(game, [own]), _side(game, [opponent]))
                wins[own, opponent] = table.value(Position.from_notation("|".join(sides), game.name))
    return wins


def _side(game: RuleSet, squares: Iterable[int]) -> str:
    """A side with one piece left, on one of the squares or in hand."""
    marks = "".join("x" if square in squares else "." for square in range(1, game.borne_off))
    return f"{marks}:{game.pieces - 1}"


@dataclass(frozen=True, kw_only=True)
class SquareFacts:
    """Use, danger and worth of each square of a path in optimal play; (squares,) arrays, NaN where no piece ever stood.

    Everything is counted before the opponent's turn. games, positions: how many were counted. occupied: the share of
    turns in which a side has a piece on the square. danger: probability that the opponent's next roll and best move
    capture the piece. worth: the win probability that its owner would lose if the piece were back in the hand.
    """

    rules: str
    games: int
    positions: int
    occupied: NDArray[np.float64]
    danger: NDArray[np.float64]
    worth: NDArray[np.float64]

    @property
    def captures(self) -> NDArray[np.float64]:
        """(squares,): how many pieces are captured on the square in a game, both sides together, as an expectation."""
        return np.nan_to_num(self.danger) * self.occupied * (self.positions / self.games)


def square_facts(table: Tablebase, games: int = 1000, seed: int = 0) -> SquareFacts:
    """Play games of optimal play and look at every piece before the opponent's turn."""
    path = rule_set(table.rules).squares
    packed = np.array(
        [
            position.packed
            for game in range(games)
            for _, position, _ in play_turns((table, table), table.opening, seed, game)
        ],
        dtype=np.uint64,
    )  # fmt: skip
    positions, counts = np.unique(packed, return_counts=True)
    captured = _captures(table, positions)
    before = table.values(positions)
    occupied, danger, worth = (np.zeros(path) for _ in range(3))
    for square in range(1, path + 1):
        bit = np.uint64(
            1 << (16 + square - path // 16)
        )  # the opponent of the side to move, as the positions are packed
        occupying = (positions & bit) != 0
        weight = counts[occupying]
        occupied[square - 1] = weight.sum() / len(packed)
        if not occupying.any():
            danger[square - 1] = worth[square - 1] = np.nan
            continue
        danger[square - 1] = np.average(captured[occupying, square], weights=weight)
        worth[square - 1] = np.average(table.values(positions[occupying] ^ bit) - before[occupying], weights=weight)
    return SquareFacts(
        rules=table.rules, games=games, positions=len(packed), occupied=occupied, danger=danger, worth=worth
    )


def _captures(table: Tablebase, positions: NDArray[np.uint64]) -> NDArray[np.float64]:
    """(n, 17): the probability that the side to move's next roll and best move capture the piece on each square."""
    game = rule_set(table.rules)
    captured = np.zeros((len(positions), 17))
    for roll in game.rolls:
        moves = all_successors(positions, np.full(len(positions), roll, dtype=np.uint8), table.rules)
        values = moves.by_decision(moves.for_mover(table.values(moves.after)), len(positions))
        best = values.argmax(axis=1)
        entries = np.flatnonzero(best[moves.decision] == moves.nth)
        decision = moves.decision[entries]
        # The opponent's pieces are the low half of the packed successor where the opponent is to move, else the high.
        after = moves.after[entries] >> np.where(moves.same_player[entries], 16, 0).astype(np.uint64)
        lost = (positions[decision] >> np.uint64(16)) & ~after & np.uint64(0xFFFF)
        for square in game.shared:
            bit = (lost >> np.uint64(square - game.squares // 16)) & np.uint64(1)
            captured[decision, square] += game.probabilities[roll] * bit
    return captured
