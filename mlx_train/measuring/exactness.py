"""A player against the exact solution: every measure that needs the solved game, with speed and size."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from engine.core.rules import rules
from engine.games.agents import Agent
from engine.solved.tablebase import Tablebase
from mlx_train.measuring.cost import Size, microseconds_per_move, size
from mlx_train.measuring.matches import GAMES, WinRateEstimate, win_rate_estimate
from mlx_train.measuring.regret import DECISIONS, PolicyRegret, policy_regret
from mlx_train.measuring.value_error import POSITIONS, ValueErrors, gives_win_probabilities, value_error
from mlx_train.system.progress import progress
from mlx_train.system.text import markdown_table


@dataclass(frozen=True, kw_only=True)
class SolvedGame:
    """The solved game that a measure was taken against: pieces a side, the type of its values, and the rule set."""

    pieces: int
    dtype: str
    rules: str = "finkel"

    @classmethod
    def of(cls, table: Tablebase) -> "SolvedGame":
        """The solved game of a table."""
        return cls(pieces=table.pieces, dtype=table.dtype, rules=table.rules)

    @property
    def note(self) -> str:
        """How the solved game differs from the whole game in float64, as a sentence; empty if it does not."""
        pieces = rules(self.rules).pieces
        smaller = [f"{self.pieces} pieces a side instead of {pieces}"] if self.pieces < pieces else []
        coarser = [f"values rounded to {self.dtype}"] if self.dtype != "float64" else []
        return f"The solved game measured against has {' and '.join(smaller + coarser)}." if smaller + coarser else ""


@dataclass(frozen=True, kw_only=True)
class Exactness:
    """An agent against the exact solution. value_error: None for an agent that gives no win probabilities."""

    agent: str
    table: SolvedGame
    value_error: ValueErrors | None
    regret: PolicyRegret
    estimate: WinRateEstimate
    microseconds_per_move: float
    size: Size

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)


def exactness(
    agent: Agent,
    table: Tablebase,
    *,
    positions: int = POSITIONS,
    decisions: int = DECISIONS,
    games: int = GAMES,
    seed: int = 0,
    every: bool = False,
    workers: int | None = None,
) -> Exactness:
    """Measure value error, regret, win rate against perfect play, speed and size. Raises ValueError."""
    error = None
    if gives_win_probabilities(agent):
        with progress("value error", table.count if every else positions, "positions") as update:
            error = value_error(agent, table, positions, seed, every=every, workers=workers, progress=update)
    with progress("regret", decisions, "decisions") as update:
        regret = policy_regret(agent, table, decisions, seed, workers=workers, progress=update)
    with progress("games against perfect play", games, "games") as update:
        estimate = win_rate_estimate(agent, table, games, seed, workers=workers, progress=update)
    return Exactness(
        agent=agent.name,
        table=SolvedGame.of(table),
        value_error=error,
        regret=regret,
        estimate=estimate,
        microseconds_per_move=microseconds_per_move(agent),
        size=size(agent),
    )


def exactness_table(results: Sequence[Exactness]) -> str:
    """Agents against the exact solution, as a Markdown table: errors as win probabilities, regrets in points."""
    header = (
        "agent", "parameters", "mean error", "error p95", "error max", "regret, points", "regret p95", "best moves %",
        "win % against perfect", "95% interval", "microseconds a move",
    )  # fmt: skip
    table = markdown_table(header, [_exactness_row(result) for result in results])
    return "\n\n".join([table, *sorted({result.table.note for result in results} - {""})])


def _exactness_row(result: Exactness) -> tuple[object, ...]:
    error, regret, estimate = result.value_error, result.regret, result.estimate
    parameters = result.size.parameters
    return (
        result.agent,
        "" if parameters is None else f"{parameters:,}",
        *(("", "", "") if error is None else (f"{error.mean:.6f}", f"{error.p95:.5f}", f"{error.max:.4f}")),
        f"{regret.mean:.4f}",
        f"{regret.p95:.4f}",
        f"{100 * regret.best_share:.2f}",
        f"{estimate.rate:.2f}",
        f"{estimate.interval[0]:.2f} - {estimate.interval[1]:.2f}",
        f"{result.microseconds_per_move:.2f}",
    )
