"""Policy regret: the win probability that a player's moves give away in decisions of optimal play.

A point is one percentage point of win probability.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.core.position import Position
from engine.core.rules import rules
from engine.games.agents import Agent
from engine.games.regret import choices, regrets
from engine.solved.tablebase import Tablebase
from mlx_train.measuring.moves import KINDS, all_successors, move_kinds

#: Moves whose win probability is within this of the best are best: the table's own error is below 1e-11.
TIE = 1e-9

#: Decisions over which a regret is a mean.
DECISIONS = 60_000


@dataclass(frozen=True, kw_only=True)
class PolicyRegret:
    """What an agent's moves give away in decisions of optimal play: mean and 95th percentile in points.

    best_share: the share of the decisions in which the agent chose a best move.
    """

    decisions: int
    mean: float
    p95: float
    best_share: float


def policy_regret(
    agent: Agent,
    table: Tablebase,
    n: int = DECISIONS,
    seed: int = 0,
    *,
    workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> PolicyRegret:
    """The regret of an agent's choices in the first n decisions (two or more legal moves) of optimal play."""
    *_, regret = decision_regrets(agent, table, n, seed, workers=workers, progress=progress)
    return summarize_regret(regret)


def summarize_regret(regret: NDArray[np.float64]) -> PolicyRegret:
    """Summarize the regrets of decisions, given as win probabilities, (n,)."""
    return PolicyRegret(
        decisions=len(regret),
        mean=100 * float(regret.mean()),
        p95=100 * float(np.percentile(regret, 95)),
        best_share=float((regret <= TIE).mean()),
    )


def optimal_decisions(
    table: Tablebase, n: int = DECISIONS, seed: int = 0
) -> tuple[NDArray[np.uint64], NDArray[np.uint8]]:
    """-> (packed positions, rolls), each (n,): the first n decisions of optimal play.

    Raises ValueError for fewer than one, and for a game of one piece a side, which has none.
    """
    if n < 1:
        raise ValueError(f"decisions must be at least 1, got {n}")
    if table.pieces < 2:
        raise ValueError("a game with one piece a side has no decisions")
    return table.play_sample(n, seed)


def decision_regrets(
    agent: Agent,
    table: Tablebase,
    n: int = DECISIONS,
    seed: int = 0,
    *,
    workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> tuple[NDArray[np.uint64], NDArray[np.uint8], NDArray[np.int8], NDArray[np.float64]]:
    """-> (packed positions, rolls, squares moved from, regrets as win probabilities), each (n,)."""
    packed, rolls = optimal_decisions(table, n, seed)
    squares = choices(agent, packed, rolls, seed, workers=workers, progress=progress)
    return packed, rolls, squares, regrets(table, packed, rolls, squares)


def choice_regret(exact: NDArray[np.float64], estimate: NDArray[np.float64]) -> float:
    """The mean regret, in points, of the moves with the largest estimates; of equal ones, the lowest square is played.

    exact, estimate: (n, 7) values of the moves of n decisions, as `Successors.by_decision` gives them.
    """
    chosen = estimate.argmax(axis=1)
    return 100 * float((exact.max(axis=1) - exact[np.arange(len(exact)), chosen]).mean())


def rounded_table_regret(table: Tablebase, bits: int, n: int = DECISIONS, seed: int = 0) -> float:
    """The mean regret, in points, of play by the table with its values rounded to 2^bits equally spaced values.

    The decisions are the same as in `policy_regret`.
    """
    packed, rolls = optimal_decisions(table, n, seed)
    moves = all_successors(packed, rolls, table.rules)
    exact = moves.for_mover(table.values(moves.after))
    rounded = np.rint(exact * (2**bits - 1))
    return choice_regret(moves.by_decision(exact, n), moves.by_decision(rounded, n))


@dataclass(frozen=True, kw_only=True)
class RegretShares:
    """The shares of an agent's regret, by score and by kinds of moves; each array sums to 1 (to 0 without any regret).

    score[i, j]: decisions with i pieces borne off by the mover and j by the opponent. kind[i, j]: decisions in which a
    move of `KINDS`[i] was best and a move of `KINDS`[j] was played.
    """

    agent: str
    regret: PolicyRegret
    score: NDArray[np.float64]
    kind: NDArray[np.float64]


def regret_shares(
    agent: Agent, table: Tablebase, n: int = DECISIONS, seed: int = 0, *, workers: int | None = None
) -> RegretShares:
    """Divide the regret of n decisions by score and by kinds of moves. Raises ValueError."""
    packed, rolls, squares, regret = decision_regrets(agent, table, n, seed, workers=workers)
    wrong = regret > TIE
    positions = [Position.from_packed(int(p), table.rules) for p in packed[wrong]]
    best = [table.best_move(position, int(roll)) for position, roll in zip(positions, rolls[wrong], strict=True)]
    lost = regret[wrong]
    whole = lost.sum() or 1.0
    pieces = rules(table.rules).pieces
    score, kind = np.zeros((pieces, pieces)), np.zeros((len(KINDS), len(KINDS)))
    off = [(packed[wrong] >> np.uint64(shift)).astype(np.int64) & 0xFF for shift in (32, 40)]
    np.add.at(score, tuple(off), lost / whole)
    kinds = [
        move_kinds(packed[wrong], rolls[wrong], np.array(moved, dtype=np.int8), table.rules)
        for moved in (best, squares[wrong])
    ]
    np.add.at(kind, tuple(kinds), lost / whole)
    return RegretShares(agent=agent.name, regret=summarize_regret(regret), score=score, kind=kind)
