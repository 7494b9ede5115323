"""How a batch reaches MLX's device. A GPU gets its rows here: packed positions and table entries become features there.

On the CPU the rows are features already. Two steps, so that the second runs on the device beside the training step
before: `crossing` copies arrays, `as_features` runs the kernels of `mlx_train.device`.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING

from mlx_train.data.batches import Batch, PackedRows, Rows, TableEntries
from mlx_train.device.backend import mx
from mlx_train.device.feature_kernel import feature_bytes

if TYPE_CHECKING:
    from mlx_train.device.table_kernel import DeviceTable


def to_mlx(batch: Batch, network: str, table: "DeviceTable | None" = None) -> list[mx.array]:
    """The features and labels of the "value" or the "policy" network's rows, on MLX's device.

    table: needed for rows that are `TableEntries`.
    """
    return as_features(batch.of(network).each(mx.array), table)


def crossing(batches: Iterable[Batch], networks: Sequence[str], batches_per_transfer: int) -> Iterator[list[Rows]]:
    """For each batch, the rows of each of the networks as MLX arrays, of the same `Rows` class as in the batch.

    batches_per_transfer: how many batches are copied to the device at once; each copy to a GPU takes time by itself.
    """
    rest = iter(batches)
    while group := list(itertools.islice(rest, batches_per_transfer)):
        crossed = [Rows.joined([batch.of(network) for batch in group]).each(mx.array) for network in networks]
        ends = itertools.accumulate((len(batch.of(networks[0])) for batch in group), initial=0)
        for start, end in itertools.pairwise(ends):
            yield [rows[start:end] for rows in crossed]


def as_features(rows: Rows, table: "DeviceTable | None" = None) -> list[mx.array]:
    """Rows on MLX's device -> [features before scaling (n, 150) uint8, *labels].

    Packed positions and table entries become features on the GPU, in a stream of its own beside the training step
    before. Raises ValueError for table entries without their table.
    """
    if isinstance(rows, TableEntries):
        if table is None:
            raise ValueError("rows that are entries of the solved game's table need the table")
        arrays = table.rows(rows.inputs, transfer_stream())
    elif isinstance(rows, PackedRows):
        stream = transfer_stream()
        labels = [mx.where(True, array, array, stream=stream) for array in rows.labels]  # a copy in that stream
        arrays = [feature_bytes(rows.inputs, stream), *labels]
    else:
        return rows.arrays
    mx.async_eval(arrays)
    return arrays


@cache
def transfer_stream() -> mx.Stream:
    """The GPU's stream in which rows become features."""
    return mx.new_stream(mx.gpu)
