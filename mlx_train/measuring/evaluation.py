"""The command `evaluate`: an agent's matches, and its measures against the exact solution."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.games.agents import Agent, open_table
from engine.games.chunks import check_games
from engine.solved.tablebase import Tablebase
from mlx_train.measuring.exactness import Exactness, exactness, exactness_table
from mlx_train.measuring.matches import WinRate, play_pairs, win_rate_table
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


def check_request(
    agent: str, against: Sequence[str], games: int, exact: bool, table_file: Path | None, rules: str
) -> tuple[Agent, list[Agent]]:
    """The agent and its opponents, by their spellings. Raises ValueError for a request that makes no sense."""
    player, opponents = Agent.parse(agent, rules), [Agent.parse(name, rules) for name in against]
    check_games(games)
    if not (opponents or exact):
        raise ValueError("give an opponent with --against, or --exact")
    if table_file is not None and not exact and _perfect(opponents) is None:
        raise ValueError("--table is what --exact measures against: give that too")
    return player, opponents


def _perfect(opponents: Sequence[Agent]) -> Tablebase | None:
    return next((other.player for other in opponents if isinstance(other.player, Tablebase)), None)


def evaluate(
    agent: Agent,
    opponents: Sequence[Agent],
    games: int,
    *,
    exact: bool,
    every: bool,
    table_file: Path | None,
    seed: int,
    workers: int | None,
) -> Evaluation:
    """Play `games` games against each opponent; with `exact`, or against perfect play, measure against the solved game.

    every: take the value error over every position, not over a sample. Raises ValueError, OSError.
    """
    table = open_table(table_file, agent.rules) if exact or table_file is not None else _perfect(opponents)
    matches = []
    if opponents:
        with progress("matches", games * len(opponents), "games") as update:
            pairs = [(agent, opponent) for opponent in opponents]
            matches = play_pairs(pairs, games, seed=seed, workers=workers, progress=update)
    measures = None if table is None else exactness(agent, table, seed=seed, every=every, workers=workers)
    return Evaluation(agent=agent.name, matches=matches, exact=measures)
