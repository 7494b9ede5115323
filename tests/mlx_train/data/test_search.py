"""Batches of a dataset."""

import numpy as np
import pytest
from batches import batch_arrays

from mlx_train.config import resolve
from mlx_train.data.batches import Share
from mlx_train.data.games import Decisions
from mlx_train.data.search import SearchSource

CONFIG = resolve("quick", batch_size=64)


@pytest.fixture
def data(games):
    return Decisions(games.copy(), {"depth": 2})


@pytest.fixture
def source(data):
    return SearchSource(CONFIG, data)


def test_an_epoch_sees_each_record_once_in_full_batches(source):
    assert not set(source.training.records["game"]) & set(source.held_out.records["game"])
    batches = list(source.epoch(1))
    assert len(batches) == len(source.training) // 64 == source.steps_per_epoch
    assert all(len(batch.value.labels[0]) == 64 for batch in batches)
    again = list(source.epoch(1))
    for batch, same in zip(batches, again, strict=True):
        for array, other in zip(batch_arrays(batch), batch_arrays(same), strict=True):
            np.testing.assert_array_equal(array, other)
    other = next(source.epoch(2))
    assert not np.array_equal(other.value.inputs, batches[0].value.inputs)
    assert sum(len(batch.value.labels[0]) for batch in source.validation()) == len(source.held_out)


def test_an_epoch_goes_on_from_any_batch(source):
    whole = list(source.epoch(2))
    rest = list(source.epoch(2, len(whole) - 3))
    for batch, again in zip(whole[-3:], rest, strict=True):
        for array, other in zip(batch_arrays(batch), batch_arrays(again), strict=True):
            np.testing.assert_array_equal(array, other)


def test_shares_of_a_batch_are_the_batch(data):
    whole = SearchSource(CONFIG, data)
    shares = [SearchSource(CONFIG, data, Share(rank, 3)) for rank in range(3)]
    for batches in (lambda s: s.epoch(1), lambda s: s.validation()):
        for batch, *parts in zip(batches(whole), *map(batches, shares), strict=True):
            for array, *rows in zip(batch_arrays(batch), *map(batch_arrays, parts), strict=True):
                np.testing.assert_array_equal(array, np.concatenate(rows))
