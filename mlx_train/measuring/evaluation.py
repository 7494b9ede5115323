"""The command `evaluate`: an agent's matches, and its measures against the exact solution."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine.games.agents import Agent
from engine.solved.tablebase import Tablebase
from mlx_train.measuring.exactness import Exactness, exactness, exactness_table
from mlx_train.measuring.matches import WinRate, win_rate_table, win_rates
from mlx_train.system.progress import progress


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """How well an agent plays: its matches, and its measures against the solved game, None without a table."""

    agent: str
    matches: Sequence[WinRate]
    exact: Exactness | None

    def to_json(self) -> Any:
        """As plain JSON values: the matches alone, or an object of the matches and the exact measures."""
        matches = [match.to_dict() for match in self.matches]
        return matches if self.exact is None else {"matches": matches, "exact": self.exact.to_dict()}

    def text(self) -> str:
        """The agent's name and the tables, as Markdown."""
        tables = [win_rate_table(self.matches)] if self.matches else []
        if self.exact is not None:
            tables.append(exactness_table([self.exact]))
        return "\n\n".join([self.agent, *tables])


def evaluate(
    agent: Agent,
    opponents: Sequence[Agent],
    games: int,
    table: Tablebase | None,
    *,
    every: bool = False,
    seed: int = 0,
    workers: int | None = None,
) -> Evaluation:
    """Play `games` games against each opponent, and measure against the table.

    every: take the value error over every position, not over a sample. Raises ValueError.
    """
    matches = []
    if opponents:
        with progress("matches", games * len(opponents), "games") as update:
            matches = win_rates(agent, opponents, games, seed=seed, workers=workers, progress=update)
    exact = None if table is None else exactness(agent, table, seed=seed, every=every, workers=workers)
    return Evaluation(agent=agent.name, matches=matches, exact=exact)
