"""Batches of a network's own games: positions with their returns, of the last rounds, while the next round is played.

An epoch is a round. Everything follows from the seed, whatever the number of threads: games by (seed, game), batches by
(seed, round). Neither the solved game nor the classic evaluation is used.
"""

from collections.abc import Callable, Generator
from typing import Any

import numpy as np

from engine.core.features import extract_features_bytes
from mlx_train.config import SelfplayConfig
from mlx_train.data.batches import Batch, FeatureRows
from mlx_train.data.own_games import OwnGames, PlayRules
from mlx_train.data.source import Player, Source


class SelfPlaySource(Source):
    """Plays the games of a round while the trainer trains on the positions of the rounds before; no validation.

    Attributes:
        own: the games and the window of the last rounds.
    """

    def __init__(self, config: SelfplayConfig, stop_requested: Callable[[], bool] = lambda: False):
        """stop_requested: as for `OwnGames`."""
        self.config = config
        self.batch_size = config.batch_size
        self.steps_per_epoch = config.steps
        self.total_steps = max(1, config.steps * (config.rounds - 1))  # in round 1 there are no games to train on yet
        self.own = OwnGames(
            config.seed,
            config.workers,
            PlayRules(depth=config.depth, exploration=config.exploration, siblings=config.siblings),
            window=config.window,
            stop_requested=stop_requested,
        )

    @property
    def trace_decay(self) -> float:
        """Lambda of the next round's returns."""
        config = self.config
        passed = self.own.rounds / max(1, config.rounds - 1)
        return config.trace_decay + passed * (config.final_trace_decay - config.trace_decay)

    def epoch(self, number: int, first: int = 0, player: Player | None = None) -> Generator[Batch, None, None]:
        """The batches of a round; once they are trained on, its games go into the window. No batches in round 1.

        player: returns the network that plays the round's games; called before the first batch.
        """
        if self.own.rounds >= number:  # the checkpoint was saved after the round's games, before its end
            return
        if player is None:
            raise ValueError("self-play needs a network that plays")
        with self.own.round(player(), self.config.games, self.trace_decay) as finish:
            yield from self._batches(number, first)
            finish()

    def _batches(self, number: int, first: int) -> Generator[Batch, None, None]:
        """Batches of random positions of the window, from batch `first` of the round on."""
        if not self.own.window:
            return
        packed, returns = self.own.all_positions()
        rng = np.random.default_rng((self.config.seed, number - 1))
        for step in range(self.steps_per_epoch):
            rows = rng.integers(len(packed), size=self.batch_size)
            if step >= first:
                yield Batch(
                    value=FeatureRows(extract_features_bytes(packed[rows], rules=self.config.rules), (returns[rows],))
                )

    def state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The state of the games."""
        return self.own.state()

    def restore(self, arrays: dict[str, Any], values: dict[str, Any]) -> None:
        """Restore the result of `state`."""
        self.own.restore(arrays, values)
