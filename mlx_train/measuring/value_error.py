"""How far the win probabilities of a player lie from the exact ones."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from engine.games.agents import Agent
from engine.machine.cores import run_parallel, worker_count
from engine.network.network import Network
from engine.solved.tablebase import Tablebase

#: Positions over which a value error is a mean.
POSITIONS = 100_000

# Positions that a thread takes at a time.
_CHUNK = 1 << 14

# Bins of the histogram of absolute errors, from which the 95th percentile is read to within 1 / _BINS.
_BINS = 1 << 20


@dataclass(frozen=True, kw_only=True)
class ValueErrors:
    """Absolute errors of a win probability (0 to 1) over positions that are not over."""

    positions: int
    mean: float
    rms: float
    p95: float
    max: float


def value_error(
    player: Agent | Network | Tablebase,
    table: Tablebase,
    n: int = POSITIONS,
    seed: int = 0,
    *,
    every: bool = False,
    workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> ValueErrors:
    """Compare a player's win probabilities with the exact ones.

    The n positions are drawn uniformly from all positions that are not over; with `every`, all of them are compared.
    The 95th percentile (nearest rank) is exact to 1e-6. Raises ValueError for a player without win probabilities.
    """
    estimate = win_probabilities(player)
    count = table.count if every else n
    if count < 1:
        raise ValueError(f"positions must be at least 1, got {count}")
    total = squares = largest = 0.0
    compared = 0
    bins = np.zeros(_BINS + 1, dtype=np.int64)
    for chunk in table.positions() if every else [table.sample(n, seed)]:
        parts = [chunk[i : i + _CHUNK] for i in range(0, len(chunk), _CHUNK)]
        for error in _in_order(lambda part: np.abs(estimate(part) - table.values(part)), parts, workers):
            total += float(error.sum())
            squares += float(error @ error)
            largest = max(largest, float(error.max()))
            bins += np.bincount(np.minimum(error * _BINS, _BINS).astype(np.int64), minlength=_BINS + 1)
        compared += len(chunk)
        if progress is not None:
            progress(compared)
    p95 = int(np.searchsorted(np.cumsum(bins), 0.95 * count)) / _BINS
    return ValueErrors(positions=count, mean=total / count, rms=math.sqrt(squares / count), p95=p95, max=largest)


def win_probabilities(player: Agent | Network | Tablebase) -> Callable[[NDArray[np.uint64]], NDArray[np.float64]]:
    """The function that gives a player's win probabilities of the sides to move, (n,) packed positions -> (n,).

    A look-ahead of N turns values a move by looking N - 1 turns beyond it, so its positions are valued by N - 1 turns.
    Raises ValueError for a player without win probabilities.
    """
    if isinstance(player, Agent):
        if not gives_win_probabilities(player):
            raise ValueError(f"{player.name} gives no win probabilities")
        if isinstance(player.player, Network):
            return partial(player.player.values, depth=player.depth - 1)
        assert isinstance(player.player, Tablebase)  # no other player has win probabilities
        return player.player.values
    return player.values


def gives_win_probabilities(agent: Agent) -> bool:
    """Whether an agent values moves by win probabilities, so that `value_error` can measure it."""
    return agent.unit == "win probability"


def _in_order(
    work: Callable[[NDArray[np.uint64]], NDArray[np.float64]], parts: list[NDArray[np.uint64]], workers: int | None
) -> Iterable[NDArray[np.float64]]:
    """`work(part)` for every part, on threads; the results in the order of the parts."""
    count = min(worker_count(workers), len(parts))
    results: dict[int, NDArray[np.float64]] = {}

    def task(worker: int) -> None:
        for i in range(worker, len(parts), count):
            results[i] = work(parts[i])

    run_parallel(task, count)
    return [results[i] for i in range(len(parts))]
