"""Training data with exact labels: batches drawn afresh from the solved game, never the same position set twice."""

from collections.abc import Iterator

from engine.agents import open_table
from engine.cores import worker_count
from engine.tablebase import Tablebase
from engine.teacher import policy_batch, value_batch
from mlx_train.config import Config
from mlx_train.dataset import Batch
from mlx_train.prefetch import made_ahead

#: Batches ahead of the step, for each thread.
_DEPTH = 3
_VALIDATION_BATCHES = 4
_VALIDATION_BATCH = 4096


class ExactSource:
    """Batches labelled by the solved game: the value of a position, and a softmax over the values of its moves.

    Batch n of a configuration is always the same, so a resumed run goes on as the undisturbed one would.
    """

    def __init__(self, config: Config, table: Tablebase | None = None):
        """Raises FileNotFoundError where the game has not been solved yet."""
        self.config = config
        self.table = open_table() if table is None else table
        self.steps_per_epoch = max(1, config.steps // config.epochs // config.reuse)
        self.batch_size = config.batch_size
        self._threads = worker_count(config.workers)

    def batch(self, number: int, count: int, seed: int) -> Batch:
        """Batch `number` of the stream of a seed."""
        config = self.config
        share = {"play_share": config.play_share, "exploration": config.exploration}
        batch = Batch()
        if config.networks != "policy":
            inputs, targets = value_batch(self.table, count, seed, number, **share)
            batch = batch._replace(value_inputs=inputs, value_targets=targets)
        if config.networks != "value":
            rows = policy_batch(self.table, count, seed, number, temperature=config.temperature, **share)
            batch = batch._replace(policy_inputs=rows[0], policy_targets=rows[1], policy_legal=rows[2])
        return batch

    def epoch(self, number: int) -> Iterator[Batch]:
        """The batches of epoch `number`, counted from 1."""
        first = (number - 1) * self.steps_per_epoch
        return made_ahead(
            lambda step: self.batch(step, self.batch_size, 2 * self.config.seed),
            range(first, first + self.steps_per_epoch),
            self._threads,
            _DEPTH * self._threads,
        )

    def validation(self) -> Iterator[Batch]:
        """The same batches each time, of another stream than any that is trained on."""
        for number in range(_VALIDATION_BATCHES):
            yield self.batch(number, _VALIDATION_BATCH, 2 * self.config.seed + 1)
