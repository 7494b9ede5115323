"""Batches on their way to MLX's device."""

import numpy as np
import pytest

from mlx_train.config import resolve
from mlx_train.data.batches import Batch, TableEntries
from mlx_train.data.games import Decisions
from mlx_train.data.search import SearchSource
from mlx_train.data.transfer import crossing, to_mlx
from mlx_train.device.backend import use_device


@pytest.fixture(autouse=True)
def _cpu():
    use_device("cpu")


@pytest.fixture
def source(games):
    return SearchSource(resolve("quick", batch_size=64), Decisions(games, {}))


@pytest.mark.parametrize("together", [1, 3, 100])
@pytest.mark.parametrize("networks", [("value", "policy"), ("value",), ("policy",)])
def test_batches_that_cross_together_are_the_same(source, together, networks):
    batches = list(source.epoch(1))[:7]
    batches[4] = Batch(*(rows[:5] for rows in batches[4]))
    crossed = list(crossing(iter(batches), networks, together))
    assert len(crossed) == 7
    for parts, batch in zip(crossed, batches, strict=True):
        for arrays, name in zip(parts, networks, strict=True):
            for one, other in zip(arrays, to_mlx(batch, name), strict=True):
                np.testing.assert_array_equal(one, other)


def test_table_entries_need_their_table():
    with pytest.raises(ValueError, match="need the table"):
        to_mlx(Batch(TableEntries(np.arange(8, dtype=np.uint32))), "value")


def test_a_batch_without_rows_for_a_network(source):
    with pytest.raises(ValueError, match="without rows for the policy network"):
        to_mlx(Batch(next(source.epoch(1)).value), "policy")
