"""Round robins: every agent against every other, the win matrix, and a rating of each agent."""

import csv
import io
import itertools
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.games.agents import Agent
from engine.solved.tablebase import Tablebase
from mlx_train.measuring.cost import microseconds_per_move, size
from mlx_train.measuring.exactness import SolvedGame
from mlx_train.measuring.matches import Z95, WinRate, play_pairs, wilson
from mlx_train.measuring.regret import DECISIONS, PolicyRegret, policy_regret
from mlx_train.system.progress import progress, say
from mlx_train.system.text import markdown_table

#: The difference in Elo that makes a side ten times as likely to win as to lose, by Elo's definition.
ELO_PER_DECADE = 400

# Games that each pair is taken to have played in addition, one half won by either side: without them, an agent that
# lost every game would have no finite rating.
_VIRTUAL_GAMES = 1.0

_ITERATIONS = 100_000
_SETTLED = 1e-10  # relative change of a strength in the last iteration


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One agent of a round robin."""

    agent: str
    won: int
    games: int
    elo: float
    elo_margin: float
    regret: PolicyRegret | None
    microseconds_per_move: float
    parameters: int | None

    @property
    def rate(self) -> float:
        """Share of its games that it won."""
        return self.won / self.games


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A round robin. `wins[i, j]`: games that agent i won against agent j. table: what regret was measured against."""

    games: int
    seed: int
    agents: tuple[str, ...]
    wins: NDArray[np.int64]
    matches: tuple[WinRate, ...]
    standings: tuple[Standing, ...]
    table: SolvedGame | None

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "games": self.games,
            "seed": self.seed,
            "table": None if self.table is None else asdict(self.table),
            "agents": list(self.agents),
            "wins": self.wins.tolist(),
            "matches": [match.to_dict() for match in self.matches],
            "standings": [_standing_values(standing) for standing in self.standings],
        }


def _standing_values(standing: Standing) -> dict[str, Any]:
    regret = standing.regret
    return {
        "agent": standing.agent,
        "won": standing.won,
        "games": standing.games,
        "win_rate": standing.rate,
        "elo": standing.elo,
        "elo_margin95": standing.elo_margin,
        "regret_points": None if regret is None else regret.mean,
        "best_share": None if regret is None else regret.best_share,
        "microseconds_per_move": standing.microseconds_per_move,
        "parameters": standing.parameters,
    }


def compare(
    agents: Sequence[Agent],
    games: int,
    *,
    seed: int = 0,
    table: Tablebase | None = None,
    decisions: int = DECISIONS,
    workers: int | None = None,
) -> Comparison:
    """Play every pair of agents, seats alternated and dice paired; with a table, measure their regret too.

    games: the number of games of each pair. decisions: decisions of optimal play over which the regret is a mean.

    Raises ValueError for fewer than two agents or the same one twice.
    """
    names = tuple(agent.name for agent in agents)
    if len(names) < 2:
        raise ValueError("a comparison needs at least two agents")
    if len(set(names)) < len(names):
        raise ValueError("an agent is named twice")
    pairs = list(itertools.combinations(agents, 2))
    with progress("matches", games * len(pairs), "games") as update:
        matches = play_pairs(pairs, games, seed=seed, workers=workers, progress=update)
    wins = np.zeros((len(agents), len(agents)), dtype=np.int64)
    for (i, j), match in zip(itertools.combinations(range(len(agents)), 2), matches, strict=True):
        wins[i, j], wins[j, i] = match.wins, match.games - match.wins
    elo, margins = bradley_terry(wins)
    standings = []
    for i, agent in enumerate(agents):
        say(f"measuring {agent.name}")
        standings.append(
            Standing(
                agent=agent.name,
                won=int(wins[i].sum()),
                games=int(wins[i].sum() + wins[:, i].sum()),
                elo=float(elo[i]),
                elo_margin=float(margins[i]),
                regret=None if table is None else policy_regret(agent, table, decisions, workers=workers),
                microseconds_per_move=microseconds_per_move(agent),
                parameters=size(agent).parameters,
            )
        )
    return Comparison(
        games=games,
        seed=seed,
        agents=names,
        wins=wins,
        matches=tuple(matches),
        standings=tuple(standings),
        table=None if table is None else SolvedGame.of(table),
    )


def bradley_terry(wins: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Elo ratings with mean zero, and their 95 % margins, from a matrix of won games.

    Agent i beats agent j with probability s[i] / (s[i] + s[j]). The strengths s maximise the likelihood of the games;
    they are computed by minorisation and maximisation (Hunter, "MM algorithms for generalized Bradley-Terry models",
    2004). The margins, from the information matrix, are for a rating less the mean of all ratings.
    """
    met = (wins + wins.T) > 0
    won = wins + _VIRTUAL_GAMES / 2 * met
    games = won + won.T
    strength = np.ones(len(wins))
    for _ in range(_ITERATIONS):
        new = won.sum(axis=1) / (games / (strength[:, None] + strength)).sum(axis=1)
        new /= np.exp(np.log(new).mean())
        settled = np.abs(new / strength - 1).max() < _SETTLED
        strength = new
        if settled:
            break
    share = strength[:, None] / (strength[:, None] + strength)
    weight = games * share * (1 - share)
    information = np.diag(weight.sum(axis=1)) - weight
    margins = Z95 * np.sqrt(np.diag(np.linalg.pinv(information, hermitian=True)))
    scale = ELO_PER_DECADE / math.log(10)
    return scale * np.log(strength), scale * margins


def cells(result: Comparison) -> list[list[str]]:
    """The win matrix in percent with half the width of its 95 % intervals; empty on the diagonal."""
    agents = range(len(result.agents))
    return [[_cell(int(result.wins[i, j]), int(result.wins[j, i])) for j in agents] for i in agents]


def _cell(won: int, lost: int) -> str:
    if won + lost == 0:
        return ""
    low, high = wilson(won, won + lost)
    return f"{100 * won / (won + lost):.1f} ± {50 * (high - low):.1f}"


def matrix_table(result: Comparison) -> str:
    """The win matrix as a Markdown table: the row's win % against the column."""
    rows = [[name, *row] for name, row in zip(result.agents, cells(result), strict=True)]
    return markdown_table(("win % against", *result.agents), rows)


def standings_table(result: Comparison) -> str:
    """The agents as a Markdown table, the strongest first."""
    header = ("agent", "Elo", "win %", "regret, points", "best moves %", "microseconds a move", "parameters")
    ranked = sorted(result.standings, key=lambda standing: -standing.elo)
    return markdown_table(header, [_standing_row(standing) for standing in ranked])


def _standing_row(standing: Standing) -> tuple[str, ...]:
    regret = standing.regret
    return (
        standing.agent,
        f"{standing.elo:+.0f} ± {standing.elo_margin:.0f}",
        f"{100 * standing.rate:.1f}",
        "" if regret is None else f"{regret.mean:.4f}",
        "" if regret is None else f"{100 * regret.best_share:.2f}",
        f"{standing.microseconds_per_move:.2f}",
        "" if standing.parameters is None else f"{standing.parameters:,}",
    )


def markdown(result: Comparison) -> str:
    """Both tables, and how the games were played."""
    conditions = (
        f"{result.games:,} games a pair, seats alternated, dice paired, seed {result.seed}; ± is half a 95% interval"
    )
    note = "" if result.table is None else result.table.note
    closing = f"{conditions}; Elo's mean is 0." + (note and f" {note}")
    return "\n\n".join((matrix_table(result), standings_table(result), closing))


def standings_csv(result: Comparison) -> str:
    """One CSV line for each agent: Elo, win rate, regret and speed; a value that was not measured is empty."""
    rows = [_standing_values(standing) for standing in result.standings]
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def pairs_csv(result: Comparison) -> str:
    """One CSV line for each ordered pair: games, wins, and the win rate with its 95 % interval."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("agent", "opponent", "games", "wins", "win_rate", "low95", "high95"))
    for (i, agent), (j, opponent) in itertools.permutations(enumerate(result.agents), 2):
        won = int(result.wins[i, j])
        played = won + int(result.wins[j, i])
        low, high = wilson(won, played)
        writer.writerow((agent, opponent, played, won, f"{won / played:.6f}", f"{low:.6f}", f"{high:.6f}"))
    return text.getvalue()
