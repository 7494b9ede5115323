"""The games of a network against itself: threads play a round of them, and the newest rounds' positions are kept.

Everything follows from the seed, whatever the number of threads: games by (seed, game). Neither the solved game nor the
classic evaluation is used.
"""

from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.games.returns import PlayedGames, play_games
from engine.machine.cores import worker_count
from engine.network.network import Network
from mlx_train.data.batches import ALL, Share

#: Games that a thread plays at a time; no result depends on it.
_GAMES_AT_A_TIME = 8

#: Seconds between two calls of `stop_requested` while finished games are waited for.
_POLL_SECONDS = 0.1

#: The attributes that a checkpoint stores as JSON values.
_COUNTS = ("rounds", "games", "positions", "turns")

#: The dtypes of a `Round`.
_DTYPES = (np.uint64, np.float32, np.uint8, np.int64, np.int64)

#: Bytes of every process, in order of the ranks (`mlx_train.training.ranks`).
Exchange = Callable[[bytes], Sequence[bytes]]


class Round(NamedTuple):
    """The games of a round.

    packed: (n,) uint64, positions. returns: (n,) float32, 2 p - 1 for the side to move. choices: (m,) uint8 and
    lengths: (games,) int64, as of `engine.games.returns.PlayedGames`. first: (1,) int64, the number of the first game.
    The last three are empty in the checkpoints of older versions, which never valued games again.
    """

    packed: NDArray[np.uint64]
    returns: NDArray[np.float32]
    choices: NDArray[np.uint8] = np.empty(0, dtype=np.uint8)
    lengths: NDArray[np.int64] = np.empty(0, dtype=np.int64)
    first: NDArray[np.int64] = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, kw_only=True)
class PlayRules:
    """How the games are played and valued: arguments of `engine.games.returns.play_games`."""

    depth: int
    exploration: float
    siblings: float
    tolerance: float = 0.0


class OwnGames:
    """Rounds of games of a network against itself.

    Attributes:
        rounds: rounds whose games have been played to the end.
        games: games of these rounds.
        positions: positions of these rounds.
        turns: turns of the last round's games.
        window: the last rounds.
    """

    def __init__(
        self,
        seed: int,
        workers: int | None,
        rules: PlayRules,
        *,
        first: int = 0,
        window: int | None = None,
        stop_requested: Callable[[], bool] = lambda: False,
        share: Share = ALL,
        exchange: Exchange = lambda data: [data],
    ):
        """first: the number of the first game. window: the most rounds that it holds; None: all.

        stop_requested: called while games are waited for; if it returns true, the round stays unfinished. share,
        exchange: this process's share of a round's games, and how every process gets the games of all.
        """
        self.seed, self.rules, self.first = seed, rules, first
        self.rounds = self.games = self.positions = self.turns = 0
        self.window: deque[Round] = deque(maxlen=window)
        self._workers = worker_count(workers)
        self._stop_requested = stop_requested
        self._share, self._exchange = share, exchange

    @contextmanager
    def round(self, network: Network, games: int, trace_decay: float) -> Generator[Callable[[], None], None, None]:
        """Have threads play a round of games -> a function that waits for them and adds them to the window.

        The window stays as it is where the function is not called, or a stop is requested while it waits. A round may
        have no games.
        """
        first = self.first + self.games
        with self._playing(network, first, games, trace_decay) as jobs:

            def finish() -> None:
                while wait(jobs, _POLL_SECONDS).not_done:
                    if self._stop_requested():
                        return
                self.rounds += 1
                if games == 0:
                    return
                self.window.append(self._joined(jobs, first))
                self.games += games
                self.positions += len(self.window[-1].packed)
                self.turns = sum(map(int, self._from_all([job.result().turns for job in jobs], np.int64)))

            yield finish

    def value_again(self, network: Network, trace_decay: float) -> None:
        """Give all positions of the window the returns of another network."""
        for number, former in enumerate(self.window):
            self.window[number] = self.valued(
                network, int(former.first[0]), former.choices, former.lengths, trace_decay
            )

    def valued(
        self, network: Network, first: int, choices: NDArray[np.uint8], lengths: NDArray[np.int64], trace_decay: float
    ) -> Round:
        """The round of games from `first` on that were played already, by anybody."""
        with self._playing(network, first, len(lengths), trace_decay, (choices, lengths)) as jobs:
            return self._joined(jobs, first)

    @contextmanager
    def _playing(
        self,
        network: Network,
        first: int,
        games: int,
        trace_decay: float,
        played: tuple[NDArray[np.uint8], NDArray[np.int64]] | None = None,
    ) -> Generator[list[Future[PlayedGames]], None, None]:
        """Have threads play or value this process's share of games -> jobs of some games, in order of their numbers."""
        share = self._share.of(games)
        ends = None if played is None else np.concatenate([[0], np.cumsum(played[1])])
        pool = ThreadPoolExecutor(self._workers)

        def play(start: int, stop: int) -> PlayedGames:
            script = None
            if played is not None and ends is not None:
                script = played[0][ends[start] : ends[stop]], played[1][start:stop]
            rules = vars(self.rules)
            return play_games(
                network, stop - start, self.seed, first + start, trace_decay=trace_decay, played=script, **rules
            )

        try:
            yield [
                pool.submit(play, game, min(game + _GAMES_AT_A_TIME, share.stop))
                for game in range(share.start, share.stop, _GAMES_AT_A_TIME)
            ]
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _joined(self, jobs: Sequence[Future[PlayedGames]], first: int) -> Round:
        """The games of the jobs of all processes, in order."""
        parts = [job.result() for job in jobs]
        return Round(
            self._from_all([part.positions for part in parts], np.uint64),
            self._from_all([part.returns for part in parts], np.float32),
            self._from_all([part.choices for part in parts], np.uint8),
            self._from_all([part.lengths for part in parts], np.int64),
            np.array([first], dtype=np.int64),
        )

    def _from_all(self, parts: Sequence[Any], dtype: Any) -> NDArray[Any]:
        """Arrays or numbers of this process, then joined with the other processes', in order of the ranks."""
        mine = b"".join(np.asarray(part, dtype=dtype).tobytes() for part in parts)
        return np.frombuffer(b"".join(self._exchange(mine)), dtype=dtype)

    def all_positions(self) -> tuple[NDArray[np.uint64], NDArray[np.float32]]:
        """-> (packed positions of the window, their returns), the oldest first."""
        return (
            np.concatenate([part.packed for part in self.window]),
            np.concatenate([part.returns for part in self.window]),
        )

    def state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """-> (the window, the counts)."""
        return {"window": [part._asdict() for part in self.window]}, {name: getattr(self, name) for name in _COUNTS}

    def restore(self, arrays: dict[str, Any], values: dict[str, Any]) -> None:
        """Restore the result of `state`. Raises ValueError, KeyError or TypeError for anything else."""
        rounds = [Round(**part) for part in arrays.get("window", [])]
        if any(tuple(array.dtype for array in part) != _DTYPES or len(part[0]) != len(part[1]) for part in rounds):
            raise ValueError("the window's arrays are of other types")
        if not all(type(values[name]) is int and values[name] >= 0 for name in _COUNTS):
            raise ValueError("the counts are no whole numbers")
        self.window.extend(rounds)
        for name in _COUNTS:
            setattr(self, name, values[name])
