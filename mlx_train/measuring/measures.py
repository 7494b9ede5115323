"""The one place of measures: how strong, how exact and how fast a player is.

A point is one percentage point of win probability. Exact values are those of a table of the solved game, in float64.
A smaller game's table works as well: its positions have more pieces borne off, its games a later opening.
"""

import itertools
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.core.features import FEATURE_NAMES, GROUPS, extract_features_bytes
from engine.core.position import Position
from engine.games.agents import Agent
from engine.games.arena import (
    MatchResult,
    choices,
    play_against_perfect,
    play_match,
    policy_slots,
    regrets,
    sample_decisions,
    seconds_to_choose,
    successors,
)
from engine.machine.cores import run_parallel, worker_count
from engine.network.document import POLICY_OUTPUTS, parameter_count
from engine.network.network import Network
from engine.solved.tablebase import Tablebase
from mlx_train.system.progress import progress

#: Standard normal quantile of a two-sided 95 % interval.
Z95 = 1.959963984540054

#: Moves whose win probability is within this of the best are best: the table's own error is below 1e-11.
TIE = 1e-9

#: What the measures take unless told: positions, decisions, games.
POSITIONS, DECISIONS, GAMES = 100_000, 60_000, 10_000

PIECES = 7

# What `policy_slots` has where there is no further move.
NO_SLOT = 255

# Positions that a thread takes at a time when values are compared.
_CHUNK = 1 << 14

# Bins of the histogram of absolute errors, from which the 95th percentile is read to within 1 / _BINS.
_BINS = 1 << 20

Progress = Callable[[int], None]


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


def win_rates(
    agent: Agent,
    opponents: Sequence[Agent],
    games: int,
    *,
    seed: int = 0,
    workers: int | None = None,
    progress: Callable[[int, str], None] = lambda done, note: None,
) -> list[WinRate]:
    """Play a match against each opponent. progress: told the games finished of all matches, and against whom."""
    results = []
    for number, opponent in enumerate(opponents):

        def on_games(done: int, before: int = number * games, name: str = opponent.name) -> None:
            progress(before + done, f"against {name}")

        results.append(win_rate(agent, opponent, games, seed=seed, workers=workers, progress=on_games))
    return results


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


# Value error


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
    progress: Progress | None = None,
) -> ValueErrors:
    """Compare the win probabilities of a value network with the exact ones.

    The positions are drawn uniformly from all that are not over; with `every`, they are all of them. The 95th
    percentile (nearest rank) is exact to 1e-6. Raises ValueError for a player without win probabilities.
    """
    estimate = win_probabilities(player)
    count = table.count if every else n
    if count < 1:
        raise ValueError(f"positions must be at least 1, got {count}")
    total = squares = largest = 0.0
    bins = np.zeros(_BINS + 1, dtype=np.int64)
    done = 0
    for chunk in table.positions() if every else [table.sample(n, seed)]:
        parts = [chunk[i : i + _CHUNK] for i in range(0, len(chunk), _CHUNK)]
        for error in _in_order(lambda part: np.abs(estimate(part) - table.values(part)), parts, workers):
            total += float(error.sum())
            squares += float(error @ error)
            largest = max(largest, float(error.max()))
            bins += np.bincount(np.minimum(error * _BINS, _BINS).astype(np.int64), minlength=_BINS + 1)
        done += len(chunk)
        if progress is not None:
            progress(done)
    p95 = int(np.searchsorted(np.cumsum(bins), 0.95 * count)) / _BINS
    return ValueErrors(positions=count, mean=total / count, rms=math.sqrt(squares / count), p95=p95, max=largest)


def win_probabilities(player: Agent | Network | Tablebase) -> Callable[[NDArray[np.uint64]], NDArray[np.float64]]:
    """What gives a player's win probabilities of the sides to move for packed positions, (n,) -> (n,).

    Those of a look-ahead of N turns, which values a move by N - 1 turns after it, are those of N - 1 turns.
    Raises ValueError for a player that has none.
    """
    if isinstance(player, Agent):
        if not gives_win_probabilities(player):
            raise ValueError(f"{player.name} gives no win probabilities")
        if isinstance(player.player, Network):
            return partial(player.player.values, depth=player.depth - 1)
        assert isinstance(player.player, Tablebase)  # no others have that unit
        return player.player.values
    return player.values


def gives_win_probabilities(agent: Agent) -> bool:
    """Whether `value_error` can measure an agent."""
    return agent.unit == "win probability"


def _in_order(
    work: Callable[[NDArray[np.uint64]], NDArray[np.float64]],
    parts: list[NDArray[np.uint64]],
    workers: int | None,
) -> Iterable[NDArray[np.float64]]:
    """`work(part)` for every part, on threads; the results in the order of the parts."""
    count = min(worker_count(workers), len(parts))
    results: dict[int, NDArray[np.float64]] = {}

    def task(worker: int) -> None:
        for i in range(worker, len(parts), count):
            results[i] = work(parts[i])

    run_parallel(task, count)
    return [results[i] for i in range(len(parts))]


# Policy regret


@dataclass(frozen=True, kw_only=True)
class PolicyRegret:
    """What the moves of an agent give away in decisions of optimal play, in points."""

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
    progress: Progress | None = None,
) -> PolicyRegret:
    """The regret of an agent's choices in the first n decisions (two or more legal moves) met in optimal play."""
    *_, regret = decision_regrets(agent, table, n, seed, workers=workers, progress=progress)
    return summarize_regret(regret)


def summarize_regret(regret: NDArray[np.float64]) -> PolicyRegret:
    """The measures of regrets given as win probabilities, one for each decision."""
    return PolicyRegret(
        decisions=len(regret),
        mean=100 * float(regret.mean()),
        p95=100 * float(np.percentile(regret, 95)),
        best_share=float((regret <= TIE).mean()),
    )


def decision_regrets(
    agent: Agent,
    table: Tablebase,
    n: int = DECISIONS,
    seed: int = 0,
    *,
    workers: int | None = None,
    progress: Progress | None = None,
) -> tuple[NDArray[np.uint64], NDArray[np.uint8], NDArray[np.int8], NDArray[np.float64]]:
    """-> (packed positions, rolls, squares moved from, regrets as win probabilities), each (n,)."""
    if n < 1:
        raise ValueError(f"decisions must be at least 1, got {n}")
    if table.pieces < 2:
        raise ValueError("a game with one piece a side has no decisions")
    packed, rolls = table.play_sample(n, seed)
    squares = choices(agent, packed, rolls, seed, workers=workers, progress=progress)
    return packed, rolls, squares, regrets(table, packed, rolls, squares)


def rounded_table_regret(table: Tablebase, bits: int, n: int = DECISIONS, seed: int = 0) -> float:
    """The mean regret, in points, of playing by the table with its values rounded to 2^bits equally spaced ones.

    The decisions are those of `policy_regret`. Of moves that are equal then, the one of the lowest square is played.
    """
    packed, rolls = table.play_sample(n, seed)
    counts = (policy_slots(packed, rolls) != NO_SLOT).sum(axis=1)
    exact = np.full((n, counts.max()), -1.0)
    for nth in range(exact.shape[1]):
        rows = np.flatnonzero(counts > nth)
        after, again = successors(packed[rows], rolls[rows], np.full(len(rows), nth))
        own_off, opponent_off = (after >> np.uint64(shift) & np.uint64(0xFF) for shift in (32, 40))
        values = (own_off == PIECES).astype(np.float64)
        going_on = (own_off < PIECES) & (opponent_off < PIECES)
        values[going_on] = table.values(after[going_on])
        exact[rows, nth] = np.where(again, values, 1 - values)
    played = np.argmax(np.rint(exact * (2**bits - 1)), axis=1)
    return 100 * float((exact.max(axis=1) - exact[np.arange(n), played]).mean())


#: Kinds of moves; a move is of the first kind that it fits.
KINDS = ("capture", "rosette", "entering", "bearing off", "other")


def move_kinds(packed: NDArray[np.uint64], rolls: NDArray[np.uint8], squares: NDArray[np.int8]) -> NDArray[np.int8]:
    """The kinds of n moves, as indices of `KINDS`: (n,) positions, rolls and squares moved from -> (n,)."""
    target = squares.astype(np.int64) + rolls
    opponent = (packed >> np.uint64(16)).astype(np.int64) & 0xFFFF
    captures = (target >= 5) & (target <= 12) & (opponent >> target & 1 == 1)
    rosettes = np.isin(target, (4, 8, 14))
    fits = [captures, rosettes, squares == 0, target == 15, np.ones(len(squares), dtype=bool)]
    return np.argmax(fits, axis=0).astype(np.int8)


@dataclass(frozen=True, kw_only=True)
class RegretShares:
    """Where the regret of an agent sits, as shares of all of it, each summing to 1 (to 0 without any regret).

    score[i, j]: at decisions with i pieces borne off by the mover and j by the opponent. kind[i, j]: where a move of
    `KINDS`[i] was best and one of `KINDS`[j] was played.
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
    positions = [Position.from_packed(int(p)) for p in packed[wrong]]
    best = [table.best_move(position, int(roll)) for position, roll in zip(positions, rolls[wrong], strict=True)]
    lost = regret[wrong]
    whole = lost.sum() or 1.0
    score, kind = np.zeros((7, 7)), np.zeros((len(KINDS), len(KINDS)))
    off = [(packed[wrong] >> np.uint64(shift)).astype(np.int64) & 0xFF for shift in (32, 40)]
    np.add.at(score, tuple(off), lost / whole)
    kinds = [
        move_kinds(packed[wrong], rolls[wrong], np.array(moved, dtype=np.int8)) for moved in (best, squares[wrong])
    ]
    np.add.at(kind, tuple(kinds), lost / whole)
    return RegretShares(agent=agent.name, regret=summarize_regret(regret), score=score, kind=kind)


# Calibration


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Win probabilities of a player against the exact ones, by equal steps of its own; arrays by step that occurs.

    predicted: the mean of the player's. exact: the mean of the exact ones. low, high: 5th and 95th percentile of
    exact less predicted.
    """

    agent: str
    positions: int
    predicted: NDArray[np.float64]
    exact: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    count: NDArray[np.int64]


def calibration(agent: Agent, table: Tablebase, n: int = POSITIONS, seed: int = 0, *, steps: int = 20) -> Calibration:
    """Compare over n positions drawn uniformly. Raises ValueError for a player without win probabilities."""
    packed = table.sample(n, seed)
    predicted, exact = win_probabilities(agent)(packed), table.values(packed)
    step = np.minimum((predicted * steps).astype(np.int64), steps - 1)
    groups = [step == i for i in range(steps) if (step == i).any()]
    errors = [exact[group] - predicted[group] for group in groups]
    return Calibration(
        agent=agent.name,
        positions=n,
        predicted=np.array([predicted[group].mean() for group in groups]),
        exact=np.array([exact[group].mean() for group in groups]),
        low=np.array([np.percentile(error, 5) for error in errors]),
        high=np.array([np.percentile(error, 95) for error in errors]),
        count=np.array([len(error) for error in errors]),
    )


# Importance of the features


@dataclass(frozen=True, kw_only=True)
class Successors:
    """Every legal move of n decisions, one entry a move, in the order of the decisions and of ascending squares.

    decision: its number. nth: which of the decision's moves. after: the packed position, seen by whoever moves next.
    same_player: whether that is the mover.
    """

    decision: NDArray[np.int64]
    nth: NDArray[np.int64]
    after: NDArray[np.uint64]
    same_player: NDArray[np.bool_]

    def for_mover(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """Win probabilities of the sides to move in `after`, as win probabilities of the movers."""
        return np.where(self.same_player, values, 1.0 - values)

    def by_decision(self, values: NDArray[np.float64], n: int) -> NDArray[np.float64]:
        """(entries,) -> (n, 7), by decision and number of the move; minus infinity beyond the last move."""
        table = np.full((n, POLICY_OUTPUTS), -np.inf)
        table[self.decision, self.nth] = values
        return table


def all_successors(packed: NDArray[np.uint64], rolls: NDArray[np.uint8]) -> Successors:
    """Play every legal move of n positions with their rolls."""
    counts = (policy_slots(packed, rolls) < POLICY_OUTPUTS).sum(axis=1)
    decision = np.repeat(np.arange(len(packed)), counts)
    nth = np.arange(len(decision)) - np.repeat(np.cumsum(counts) - counts, counts)
    after, same_player = successors(packed[decision], rolls[decision], nth)
    return Successors(decision=decision, nth=nth, after=after, same_player=same_player)


#: The groups of `engine.core.features.GROUPS` that are shuffled, and their columns: all but those about the roll, which the
#: value network is not told.
SHUFFLED = {
    name: slice(end - len(features), end)
    for (name, features, _), end in zip(
        GROUPS, itertools.accumulate(len(features) for _, features, _ in GROUPS), strict=True
    )
    if not name.startswith("state.roll")
}


@dataclass(frozen=True, kw_only=True)
class Importance:
    """What shuffling a group of features costs a value network, in points of regret.

    groups: those of `SHUFFLED`. regret: without shuffling. cost: (groups, repeats), the regret with the group shuffled
    less `regret`.
    """

    agent: str
    decisions: int
    groups: tuple[str, ...]
    regret: float
    cost: NDArray[np.float64]


def permutation_importance(
    agent: Agent,
    table: Tablebase,
    n: int = 10_000,
    seed: int = 0,
    *,
    repeats: int = 3,
    progress: Progress | None = None,
) -> Importance:
    """Shuffle one group of features at a time among all successors of n decisions of optimal play, and choose again.

    What the network does not use costs nothing; what two groups both say costs less than it is worth (Breiman, "Random
    forests", 2001). progress: told the groups done. Raises ValueError for an agent that is no value network of one ply.
    """
    from mlx_train.device.backend import mx
    from mlx_train.networks.mlp import values
    from mlx_train.networks.weights import load_networks

    if not (isinstance(agent.player, Network) and gives_win_probabilities(agent)):
        raise ValueError(f"{agent.name} has no value network whose features could be shuffled")
    packed, rolls = table.play_sample(n, seed)
    moves = all_successors(packed, rolls)
    exact = moves.by_decision(moves.for_mover(table.values(moves.after)), n)
    inputs = extract_features_bytes(moves.after)
    network = load_networks(agent.player.path)[0].value

    def regret(rows: NDArray[np.uint8]) -> float:
        with mx.stream(mx.cpu):  # GPUs may multiply in fewer bits
            estimate = 0.5 + 0.5 * np.array(values(network, mx.array(rows)), dtype=np.float64)
        chosen = moves.by_decision(moves.for_mover(estimate), n).argmax(axis=1)
        return 100 * float((exact.max(axis=1) - exact[np.arange(n), chosen]).mean())

    plain = regret(inputs)
    rng = np.random.default_rng((seed, n))
    cost: list[list[float]] = []
    for columns in SHUFFLED.values():
        cost.append([])
        for _ in range(repeats):
            shuffled = inputs.copy()
            shuffled[:, columns] = inputs[rng.permutation(len(inputs)), columns]
            cost[-1].append(regret(shuffled) - plain)
        if progress is not None:
            progress(len(cost))
    return Importance(agent=agent.name, decisions=n, groups=tuple(SHUFFLED), regret=plain, cost=np.array(cost))


# Win rate against perfect play, with little noise


@dataclass(frozen=True, kw_only=True)
class WinRateEstimate:
    """The win rate against perfect play, in percent, from the regret that the agent summed in each game.

    Before a move, perfect play has the position's value; a move of regret r leaves r less. So the agent wins as
    often as perfect play against itself does, one half over both seats, less the mean of its summed regret. The
    regret varies far less from game to game than the result does. (That of a player who hardly ever wins varies more,
    and the estimate may come out just below 0: `rate` and `interval` end there.)
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
    progress: Progress | None = None,
) -> WinRateEstimate:
    """Estimate the win rate against perfect play, with its 95 % interval; `played_rate` is that of the same games.

    Raises ValueError unless games is even and at least 4: the interval comes from pairs of games with one dice.
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


# Speed and size


def microseconds_per_move(agent: Agent, *, decisions: int = 2000, seed: int = 0) -> float:
    """Processor time of one choice, on one core without Python, as the mean over decisions of random games.

    It is the least of three passes: what else the machine does can only add.
    """
    packed, rolls = sample_decisions(decisions, seed)
    return min(seconds_to_choose(agent, packed, rolls) for _ in range(3)) / decisions * 1e6


@dataclass(frozen=True, kw_only=True)
class Size:
    """What a player consists of: the parameters of the network that chooses, the bytes of the file or table."""

    parameters: int | None
    bytes: int | None


def size(agent: Agent) -> Size:
    """The size of an agent; None where it has no such thing."""
    player = agent.player
    if isinstance(player, Tablebase):
        return Size(parameters=None, bytes=player.nbytes)
    if not isinstance(player, Network):
        return Size(parameters=None, bytes=None)
    outputs = POLICY_OUTPUTS if agent.unit == "policy" else 1
    parameters = parameter_count(len(FEATURE_NAMES), player.hidden_sizes, outputs)
    return Size(parameters=parameters, bytes=Path(player.path).stat().st_size)


# All of them


@dataclass(frozen=True, kw_only=True)
class Truth:
    """The solved game that something was measured against."""

    pieces: int
    dtype: str

    @classmethod
    def of(cls, table: Tablebase) -> "Truth":
        """That of a table."""
        return cls(pieces=table.pieces, dtype=table.dtype)

    @property
    def note(self) -> str:
        """What a reader has to know of it: nothing of the whole game in float64."""
        smaller = [f"{self.pieces} pieces a side instead of {PIECES}"] if self.pieces < PIECES else []
        coarser = [f"values rounded to {self.dtype}"] if self.dtype != "float64" else []
        return f"The solved game measured against has {' and '.join(smaller + coarser)}." if smaller + coarser else ""


@dataclass(frozen=True, kw_only=True)
class Exactness:
    """An agent against the exact solution; without a value error where it gives no win probabilities."""

    agent: str
    table: Truth
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
    """Take every measure that needs the solution, speed and size. Raises ValueError."""
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
        table=Truth.of(table),
        value_error=error,
        regret=regret,
        estimate=estimate,
        microseconds_per_move=microseconds_per_move(agent),
        size=size(agent),
    )
