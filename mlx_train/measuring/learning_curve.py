"""How well a network played while it learned: its snapshots, measured against the exact solution afterwards."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.games.agents import Agent
from engine.solved.tablebase import Tablebase
from mlx_train.measuring.matches import win_rate_estimate
from mlx_train.measuring.regret import policy_regret
from mlx_train.measuring.value_error import value_error

#: Decisions, games and positions that each network on the curve is measured over.
DECISIONS, GAMES, POSITIONS = 20_000, 2000, 20_000


@dataclass(frozen=True, kw_only=True)
class LearningPoint:
    """A network after some rounds: the work so far, and how well it plays."""

    round: int
    games: int
    positions: int
    seconds: float
    cpu_seconds: float
    regret: float  # points a decision, in optimal play
    best_share: float  # share of these decisions in which the best move was chosen
    win_rate: float  # percent against perfect play, the low-noise estimate
    interval: tuple[float, float]
    value_error: float  # mean over positions drawn uniformly


def measure(
    metrics: Sequence[dict[str, Any]],
    snapshots: dict[int, Path],
    table: Tablebase,
    *,
    workers: int | None = None,
    progress: Callable[[int], None] = lambda measured: None,
) -> list[LearningPoint]:
    """Measure the weights files of some rounds.

    metrics: the lines of metrics.jsonl. snapshots: the files by round. progress: called with the files measured.
    """
    curve: list[LearningPoint] = []
    for row in metrics:
        if row["round"] not in snapshots:
            continue
        agent = Agent.parse(f"net:{snapshots[row['round']]}", table.rules)
        regret = policy_regret(agent, table, DECISIONS, workers=workers)
        estimate = win_rate_estimate(agent, table, GAMES, workers=workers)
        curve.append(
            LearningPoint(
                **{name: row[name] for name in ("round", "games", "positions", "seconds", "cpu_seconds")},
                regret=regret.mean,
                best_share=regret.best_share,
                win_rate=estimate.rate,
                interval=estimate.interval,
                value_error=value_error(agent, table, POSITIONS, workers=workers).mean,
            )
        )
        progress(len(curve))
    return curve


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The lines of a metrics.jsonl. Raises OSError."""
    return [json.loads(line) for line in path.read_text().splitlines()]
