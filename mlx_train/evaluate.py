"""The one place of measures: how strong, how exact and how fast a player is."""

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from engine.agents import Agent
from engine.arena import MatchResult, play_match, sample_decisions
from engine.position import Position

#: Standard normal quantile of a two-sided 95 % interval.
Z95 = 1.959963984540054


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
        """Wilson's 95 % interval of the share. It takes the games for independent, which paired dice make cautious."""
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
    return summarize_match(agent, opponent, result, seed, time.perf_counter() - start)


def summarize_match(agent: Agent, opponent: Agent, result: MatchResult, seed: int, seconds: float) -> WinRate:
    """The win rate over the finished games of a match."""
    return WinRate(
        agent=agent.name,
        opponent=opponent.name,
        games=result.games,
        wins=int(result.won.sum()),
        seed=seed,
        seconds=seconds,
        mean_turns=float(result.turns.mean()),
    )


def microseconds_per_move(agent: Agent, *, decisions: int = 2000, seed: int = 0) -> float:
    """Time of one choice, on one core, as the mean over decisions of random games; Python's call is part of it."""
    positions, rolls = sample_decisions(decisions, seed)
    asked = [(Position.from_packed(int(p)), int(r)) for p, r in zip(positions, rolls, strict=True)]
    for position, roll in asked[:100]:
        agent.best_move(position, roll)
    start = time.perf_counter()
    for position, roll in asked:
        agent.best_move(position, roll)
    return (time.perf_counter() - start) / decisions * 1e6
