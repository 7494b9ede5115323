"""Batches of the decisions of self-play games: the teachers search and outcome, and recorded games of exact play."""

from collections.abc import Generator, Iterator

import numpy as np

from mlx_train.config import Config
from mlx_train.data.batches import ALL, Batch, Share
from mlx_train.data.games import Decisions
from mlx_train.data.labels import Labels
from mlx_train.data.prefetch import prefetched
from mlx_train.data.source import Player, Source

_PREFETCHED = 16  # batches made ahead of the step
_VALIDATION_BATCH = 8192


class SearchSource(Source):
    """Batches of a dataset: some of its games to train on, the others for validation.

    A sample is one decision: a row for the policy network, and one of its successors, drawn anew each epoch, for the
    value network.
    """

    def __init__(self, config: Config, data: Decisions, share: Share = ALL):
        """share: which rows of every batch are made. Raises ValueError for a dataset of a single game."""
        training, validation = data.split(config.validation_split, config.seed)
        self.records = data.records
        self.seed = config.seed
        self.share = share
        unit = data.info.get("unit", "points")
        self.training = Labels(training, config, unit)
        self.held_out = Labels(validation, config, unit)
        self.batch_size = min(config.batch_size, len(self.training))
        self.steps_per_epoch = len(self.training) // self.batch_size
        self.total_steps = config.epochs * self.steps_per_epoch

    def epoch(self, number: int, first: int = 0, player: Player | None = None) -> Generator[Batch, None, None]:
        """Every training decision once in a random order; what does not fill the last batch is left out."""
        order = np.random.default_rng((self.seed, 2, number)).permutation(len(self.training))

        def make(step: int) -> Batch:
            rows = order[step * self.batch_size : (step + 1) * self.batch_size]
            return self.training.batch(rows, np.random.default_rng((self.seed, 3, number, step)), self.share)

        return prefetched(make, range(first, self.steps_per_epoch), 1, _PREFETCHED)

    def validation(self) -> Iterator[Batch]:
        """Every held-out decision once, the same successors each time; the last batch may be smaller."""
        rng = np.random.default_rng((self.seed, 4))
        for start in range(0, len(self.held_out), _VALIDATION_BATCH):
            rows = np.arange(start, min(start + _VALIDATION_BATCH, len(self.held_out)))
            yield self.held_out.batch(rows, rng, self.share)
