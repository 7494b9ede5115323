"""Rows whose type says what they hold."""

import numpy as np
import pytest

from mlx_train.data.batches import Batch, FeatureRows, PackedRows, TableEntries, joined


def packed(first, count):
    words = np.arange(2 * first, 2 * (first + count), dtype=np.uint32).reshape(-1, 2)
    return PackedRows(words, (words[:, 0] / 2, words[:, 1] % 2 == 0))


def test_parts_are_joined_and_stay_what_they_are():
    whole = joined([Batch(None, packed(0, 3)), Batch(None, packed(3, 4))])
    assert whole.value is None
    assert isinstance(whole.policy, PackedRows)
    for array, expected in zip(whole.policy.arrays, packed(0, 7).arrays, strict=True):
        np.testing.assert_array_equal(array, expected)
    part = whole.policy[2:5]
    assert (type(part), len(part)) == (PackedRows, 3)
    np.testing.assert_array_equal(part.labels[0], [2, 3, 4])


def test_one_part_is_not_copied():
    entries = TableEntries(np.arange(5, dtype=np.uint32))
    assert joined([Batch(entries)]).value is entries


def test_a_batch_names_the_network_that_it_lacks():
    batch = Batch(FeatureRows(np.zeros((2, 150), dtype=np.uint8), (np.zeros(2),)))
    assert batch.of("value") is batch.value
    with pytest.raises(ValueError, match="without rows for the policy network"):
        batch.of("policy")
