"""Batches with exact labels, drawn afresh from the solved game: no set of positions comes twice."""

from collections.abc import Generator, Iterator
from functools import cached_property
from typing import Any

from engine.games.agents import open_table
from engine.games.exact_rows import entry_batch, policy_batch, value_batch
from engine.machine.cores import worker_count
from engine.solved.tablebase import Tablebase
from mlx_train.config import Config
from mlx_train.data.batches import ALL, Batch, FeatureRows, PackedRows, Rows, Share, TableEntries, joined
from mlx_train.data.prefetch import prefetched
from mlx_train.data.source import Player, Source
from mlx_train.device import kernels
from mlx_train.device.table_kernel import DeviceTable

#: Batches that each thread makes ahead of the step.
_BATCHES_AHEAD = 3
_VALIDATION_BATCHES = 4
_VALIDATION_BATCH = 4096

#: Rows that cross to a GPU at once: fewer and more were slower (docs/experiments.md).
_CROSSING = 1 << 19

#: A large batch is made of blocks of so many rows, so that a process makes only the blocks that it has a share in.
_BLOCK = 4096


class ExactSource(Source):
    """Batches labelled by the solved game: the value of a position, and a softmax over the values of its moves.

    Batch n of a configuration is always the same, so a resumed run goes on as the undisturbed one would.
    """

    def __init__(self, config: Config, table: Tablebase | None = None, share: Share = ALL):
        """On a GPU (MLX's default device now) the features are made there. share: which rows of every batch are made.

        Raises FileNotFoundError if the game is not solved yet.
        """
        self.config = config
        self.table = open_table(rules=config.rules) if table is None else table
        self.share = share
        self.steps_per_epoch = max(1, config.steps // config.epochs)
        self.total_steps = config.epochs * self.steps_per_epoch
        self.batch_size = config.batch_size
        self._threads = worker_count(config.workers)
        self._on_device = kernels.available()
        ahead, rows = _BATCHES_AHEAD * self._threads, -(-config.batch_size // share.size)
        self.batches_per_transfer = max(1, min(_CROSSING // rows, ahead // 2)) if self._on_device else 1

    @cached_property
    def device_table(self) -> DeviceTable | None:
        """The table on the GPU, where the value network's rows are entries of it."""
        return DeviceTable(self.table) if self._on_device and self.config.networks != "policy" else None

    def batch(self, number: int, count: int, seed: int) -> Batch:
        """The process's share of batch `number` of `count` rows, of the stream of a seed."""
        rows = self.share.of(count)
        blocks, whole = -(-count // _BLOCK), count // _BLOCK
        first, end = rows.start // _BLOCK, -(-rows.stop // _BLOCK)
        parts = []
        if first < min(end, whole):
            parts.append(self._blocks(number * blocks + first, min(end, whole) - first, _BLOCK, seed))
        if end > whole:
            parts.append(self._blocks(number * blocks + whole, 1, count % _BLOCK, seed))
        wanted = slice(rows.start - first * _BLOCK, rows.stop - first * _BLOCK)
        return Batch(*(None if part is None else part[wanted] for part in joined(parts)))

    def _blocks(self, first: int, blocks: int, count: int, seed: int) -> Batch:
        """Blocks from `first` on, of `count` rows each."""
        config = self.config
        draw: dict[str, Any] = {"batches": blocks, "play_share": config.play_share, "exploration": config.exploration}
        value: Rows | None = None
        policy: Rows | None = None
        if config.networks != "policy" and self._on_device:
            value = TableEntries(entry_batch(self.table, count, seed, first, **draw))
        elif config.networks != "policy":
            inputs, targets = value_batch(self.table, count, seed, first, **draw)
            value = FeatureRows(inputs, (targets,))
        if config.networks != "value":
            draw |= {"temperature": config.temperature, "packed": self._on_device}
            decisions, probabilities, legal = policy_batch(self.table, count, seed, first, **draw)
            policy = (PackedRows if self._on_device else FeatureRows)(decisions, (probabilities, legal))
        return Batch(value, policy)

    def epoch(self, number: int, first: int = 0, player: Player | None = None) -> Generator[Batch, None, None]:
        """The batches of epoch `number`, counted from 1."""
        start = (number - 1) * self.steps_per_epoch
        return prefetched(
            lambda step: self.batch(step, self.batch_size, 2 * self.config.seed),
            range(start + first, start + self.steps_per_epoch),
            self._threads,
            _BATCHES_AHEAD * self._threads,
        )

    def validation(self) -> Iterator[Batch]:
        """The same batches each time, of a stream that no training batch comes from."""
        for number in range(_VALIDATION_BATCHES):
            yield self.batch(number, _VALIDATION_BATCH, 2 * self.config.seed + 1)
