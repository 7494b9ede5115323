"""Win rates: matches between agents, and the low-noise estimate of the win rate against perfect play."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from engine.games.agents import Agent
from engine.games.matches import play_match
from engine.games.regret import play_against_perfect
from engine.solved.tablebase import Tablebase
from mlx_train.system.text import markdown_table

#: Standard normal quantile of a two-sided 95 % interval.
Z95 = 1.959963984540054

#: Games of an estimate against perfect play.
GAMES = 10_000


@dataclass(frozen=True, kw_only=True)
class WinRate:
    """Games of one agent against another, seats alternated, dice paired."""

    agent: str
    opponent: str
    games: int
    wins: int
    seed: int
    seconds: float
    mean_turns: float

    @property
    def rate(self) -> float:
        """Share of the games won."""
        return self.wins / self.games

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the share, for independent games: with paired dice it is wider than needed."""
        return wilson(self.wins, self.games)

    def to_dict(self) -> dict[str, object]:
        """As plain JSON values."""
        return asdict(self) | {"win_rate": self.rate, "interval95": list(self.interval)}


def wilson(wins: int, games: int) -> tuple[float, float]:
    """95 % score interval of a share (Wilson, 1927)."""
    share = wins / games
    centre = share + Z95**2 / (2 * games)
    spread = Z95 * math.sqrt(share * (1 - share) / games + Z95**2 / (4 * games**2))
    scale = 1 + Z95**2 / games
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def win_rate(
    agent: Agent,
    opponent: Agent,
    games: int,
    *,
    seed: int = 0,
    workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> WinRate:
    """Play a match. Raises ValueError for fewer than one game, engine.Interrupted on Ctrl-C."""
    start = time.perf_counter()
    result = play_match(agent, opponent, games, seed, workers=workers, progress=progress)
    return WinRate(
        agent=agent.name,
        opponent=opponent.name,
        games=result.games,
        wins=int(result.won.sum()),
        seed=seed,
        seconds=time.perf_counter() - start,
        mean_turns=float(result.turns.mean()),
    )


def play_pairs(
    pairs: Sequence[tuple[Agent, Agent]],
    games: int,
    *,
    seed: int = 0,
    workers: int | None = None,
    progress: Callable[[int, str], None] = lambda finished, note: None,
) -> list[WinRate]:
    """Play a match of each pair of agents.

    progress: called with the games finished in all matches so far, and a note that names the pair.
    """
    results = []
    for number, (agent, opponent) in enumerate(pairs):
        note = f"{agent.name} - {opponent.name}"

        def on_games(finished: int, before: int = number * games, note: str = note) -> None:
            progress(before + finished, note)

        results.append(win_rate(agent, opponent, games, seed=seed, workers=workers, progress=on_games))
    return results


@dataclass(frozen=True, kw_only=True)
class WinRateEstimate:
    """The win rate against perfect play, in percent, estimated from the sum of an agent's regrets in each game.

    A move of regret r lowers the win probability by r. Perfect play against itself wins one half over both seats, so
    the agent wins one half less the mean of its summed regret. From game to game, the regret varies far less than the
    result. (The regret of a player who hardly ever wins varies more, and the estimate may fall just below 0; `rate` and
    `interval` are then 0.) `played_rate` is the share of the same games that the agent won.
    """

    games: int
    seed: int
    rate: float
    interval: tuple[float, float]
    played_rate: float
    regret_per_game: float


def win_rate_estimate(
    agent: Agent,
    table: Tablebase,
    games: int = GAMES,
    seed: int = 0,
    *,
    workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> WinRateEstimate:
    """Estimate the win rate against perfect play, with its 95 % interval.

    Raises ValueError unless games is even and at least 4: the interval is computed from pairs of games with equal dice.
    """
    if games < 4 or games % 2:
        raise ValueError(f"games against perfect play come in pairs, at least two of them, got {games}")
    match = play_against_perfect(agent, table, games, seed, workers=workers, progress=progress)
    pairs = 100 * match.regret.reshape(-1, 2).mean(axis=1)
    mean = float(pairs.mean())
    spread = Z95 * float(pairs.std(ddof=1)) / math.sqrt(len(pairs))
    return WinRateEstimate(
        games=games,
        seed=seed,
        rate=max(0.0, 50 - mean),
        interval=(max(0.0, 50 - mean - spread), max(0.0, 50 - mean + spread)),
        played_rate=100 * float(match.won.mean()),
        regret_per_game=mean,
    )


def win_rate_table(results: Sequence[WinRate]) -> str:
    """Win rates in percent with their 95 % intervals, as a Markdown table."""
    rows = [
        (r.opponent, r.games, f"{100 * r.rate:.2f}", f"{100 * r.interval[0]:.2f} - {100 * r.interval[1]:.2f}")
        for r in results
    ]
    return markdown_table(("opponent", "games", "win %", "95% interval"), rows)
