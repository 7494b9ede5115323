"""Batches of a network's own games: positions with their returns, of the last rounds, while the next round is played.

An epoch is a round. Everything follows from the seed, whatever the number of threads: games by (seed, game), batches by
(seed, round). Neither the solved game nor the classic evaluation is used.
"""

from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.core.features import extract_features_bytes
from engine.games.returns import play_games
from engine.machine.cores import worker_count
from engine.network.network import Network
from mlx_train.config import SelfplayConfig
from mlx_train.data.batches import Batch, FeatureRows
from mlx_train.data.source import Player, Source

#: Games that a thread plays at a time; no result depends on it.
_GAMES_AT_A_TIME = 8

#: Seconds between two calls of `stop_requested` while the source waits for games.
_POLL_SECONDS = 0.1

#: The attributes that a checkpoint stores as JSON values.
_COUNTS = ("rounds", "games", "positions", "turns")

#: Packed positions, their returns (2 p - 1 for the side to move), and the turns that were played.
Played = tuple[NDArray[np.uint64], NDArray[np.float32], int]


class SelfPlaySource(Source):
    """Plays the games of a round while the trainer trains on the positions of the rounds before; no validation.

    Attributes:
        rounds: rounds whose games have been played to the end.
        games: games of these rounds.
        positions: positions of these rounds.
        turns: turns of the last round's games.
        window: packed positions and returns of the last rounds, at most `window` of the configuration.
    """

    def __init__(self, config: SelfplayConfig, stop_requested: Callable[[], bool] = lambda: False):
        """stop_requested: called while the source waits for games; if it returns true, the round stays unfinished."""
        self.config = config
        self.batch_size = config.batch_size
        self.steps_per_epoch = config.steps
        self.total_steps = max(1, config.steps * (config.rounds - 1))  # in round 1 there are no games to train on yet
        self.rounds = self.games = self.positions = self.turns = 0
        self.window: deque[tuple[NDArray[np.uint64], NDArray[np.float32]]] = deque(maxlen=config.window)
        self._stop_requested = stop_requested

    @property
    def trace_decay(self) -> float:
        """Lambda of the next round's returns."""
        config = self.config
        passed = self.rounds / max(1, config.rounds - 1)
        return config.trace_decay + passed * (config.final_trace_decay - config.trace_decay)

    def epoch(self, number: int, first: int = 0, player: Player | None = None) -> Generator[Batch, None, None]:
        """The batches of a round; once they are trained on, its games go into the window. No batches in round 1.

        player: returns the network that plays the round's games; called before the first batch.
        """
        if self.rounds >= number:  # the checkpoint was saved after the round's games, before its end
            return
        if player is None:
            raise ValueError("self-play needs a network that plays")
        pool = ThreadPoolExecutor(worker_count(self.config.workers))
        try:
            jobs = self._start_games(player(), pool)
            yield from self._batches(number, first)
            while wait(jobs, _POLL_SECONDS).not_done:
                if self._stop_requested():
                    return
            self._take([job.result() for job in jobs])
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _start_games(self, network: Network, pool: ThreadPoolExecutor) -> list[Future[Played]]:
        """Have the pool's threads play the next round's games, some in each job, in the order of their numbers."""
        config = self.config
        return [
            pool.submit(
                play_games,
                network,
                min(_GAMES_AT_A_TIME, config.games - game),
                config.seed,
                self.games + game,
                trace_decay=self.trace_decay,
                depth=config.depth,
                exploration=config.exploration,
                siblings=config.siblings,
            )
            for game in range(0, config.games, _GAMES_AT_A_TIME)
        ]

    def _batches(self, number: int, first: int) -> Generator[Batch, None, None]:
        """Batches of random positions of the window, from batch `first` of the round on."""
        if not self.window:
            return
        packed = np.concatenate([positions for positions, _ in self.window])
        returns = np.concatenate([known for _, known in self.window])
        rng = np.random.default_rng((self.config.seed, number - 1))
        for step in range(self.steps_per_epoch):
            rows = rng.integers(len(packed), size=self.batch_size)
            if step >= first:
                yield Batch(value=FeatureRows(extract_features_bytes(packed[rows]), (returns[rows],)))

    def _take(self, parts: list[Played]) -> None:
        """Put the positions of a round's games into the window, in the order of the games."""
        packed = np.concatenate([positions for positions, _, _ in parts])
        self.window.append((packed, np.concatenate([returns for _, returns, _ in parts])))
        self.rounds += 1
        self.games += self.config.games
        self.positions += len(packed)
        self.turns = sum(turns for _, _, turns in parts)

    def state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """-> (the window, the counts)."""
        window = [{"packed": packed, "returns": returns} for packed, returns in self.window]
        return {"window": window}, {name: getattr(self, name) for name in _COUNTS}

    def restore(self, arrays: dict[str, Any], values: dict[str, Any]) -> None:
        """Restore the result of `state`."""
        self.window.extend((part["packed"], part["returns"]) for part in arrays.get("window", []))
        for name in _COUNTS:
            setattr(self, name, values[name])
