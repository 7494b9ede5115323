"""How a batch reaches MLX's device. A GPU gets its rows here: packed positions and table entries become features there.

On the CPU the rows are features already. Under CUDA a thread copies the rows of several batches and makes their
features while the steps before go on: the host writes to memory that moves to the GPU page by page.
"""

import itertools
import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from functools import cache, partial
from typing import TYPE_CHECKING, cast

from mlx_train.data.batches import Batch, PackedRows, Rows, TableEntries, joined
from mlx_train.data.prefetch import prefetched
from mlx_train.device.backend import mx
from mlx_train.device.feature_kernel import feature_bytes

if TYPE_CHECKING:
    from mlx_train.device.table_kernel import DeviceTable

#: Transfers that are made ahead of the step.
_TRANSFERS_AHEAD = 2

_LOCAL = threading.local()


def to_mlx(batch: Batch, network: str, table: "DeviceTable | None" = None, rules: str = "finkel") -> list[mx.array]:
    """The features and labels of the "value" or the "policy" network's rows, on MLX's device.

    table: needed for rows that are `TableEntries`. rules: the rule set of the positions.
    """
    return as_features(batch.of(network).each(mx.array), table, rules)


def crossing(
    batches: Iterable[Batch],
    networks: Sequence[str],
    batches_per_transfer: int,
    table: "DeviceTable | None" = None,
    rules: str = "finkel",
) -> Generator[list[list[mx.array]], None, None]:
    """For each batch, the features and labels of each of the networks, as of `to_mlx`.

    batches_per_transfer: how many batches are copied to the device at once; each copy to a GPU takes time by itself.
    """
    rest = iter(batches)
    sizes = _group_sizes(batches_per_transfer)
    groups = iter(lambda: list(itertools.islice(rest, next(sizes))), [])
    transfer = partial(_transferred, networks, table, rules)
    with ExitStack() as stack:
        transferred: Iterator[tuple[list[int], list[list[mx.array]]]] = map(transfer, groups)
        if mx.default_device() == mx.Device(mx.gpu) and mx.cuda.is_available():
            transferred = stack.enter_context(closing(prefetched(transfer, groups, _thread(), _TRANSFERS_AHEAD)))
        for ends, together in transferred:
            for start, end in itertools.pairwise(ends):
                yield [[array[start:end] for array in arrays] for arrays in together]


def _group_sizes(most: int) -> Iterator[int]:
    """1, 2, 4, ..., then `most` for ever: the first step of an epoch does not wait until `most` batches are made."""
    size = 1
    while True:
        yield min(size, most)
        size = min(2 * size, most)


def _transferred(
    networks: Sequence[str], table: "DeviceTable | None", rules: str, group: Sequence[Batch]
) -> tuple[list[int], list[list[mx.array]]]:
    """A group of batches on the device, copied at once -> (where each begins and ends, arrays by network)."""
    together = [to_mlx(joined(group), network, table, rules) for network in networks]
    mx.eval(together)  # a lazy array would fail in another thread
    return list(itertools.accumulate((len(batch.of(networks[0])) for batch in group), initial=0)), together


def as_features(rows: Rows, table: "DeviceTable | None" = None, rules: str = "finkel") -> list[mx.array]:
    """Rows of a rule set on MLX's device -> [features before scaling (n, features) uint8, *labels].

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
        arrays = [feature_bytes(rows.inputs, rules, stream), *labels]
    else:
        return rows.arrays
    mx.async_eval(arrays)
    return arrays


@cache
def _thread() -> ThreadPoolExecutor:
    """The thread that brings rows to a GPU, the same in every epoch."""
    return ThreadPoolExecutor(1, thread_name_prefix="transfer")


def transfer_stream() -> mx.Stream:
    """The GPU's stream in which rows become features: one for each thread, because a stream belongs to a thread."""
    if not hasattr(_LOCAL, "stream"):
        _LOCAL.stream = mx.new_stream(mx.gpu)
    return cast(mx.Stream, _LOCAL.stream)
