"""Batches in tests."""


def batch_arrays(batch):
    """All arrays of a batch: the value network's, then the policy network's."""
    return [array for rows in batch if rows is not None for array in rows.arrays]
