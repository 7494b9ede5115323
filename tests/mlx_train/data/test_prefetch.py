"""Items that threads make ahead of their use."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from mlx_train.data.prefetch import prefetched


def test_items_made_ahead_keep_their_order_and_their_errors():
    assert list(prefetched(lambda n: n * n, range(100), 3, 7)) == [n * n for n in range(100)]

    def failing(number):
        if number == 2:
            raise RuntimeError("no more")
        return number

    items = prefetched(failing, range(9), 2, 4)
    assert [next(items), next(items)] == [0, 1]
    with pytest.raises(RuntimeError, match="no more"):
        next(items)
    endless = prefetched(lambda n: n, iter(int, 1), 2, 4)
    assert next(endless) == 0
    endless.close()  # ends its threads


def test_the_callers_threads_stay():
    with ThreadPoolExecutor(1) as pool:
        for first in (0, 10):
            items = prefetched(lambda n: n + 1, iter(range(first, first + 5)), pool, 2)
            assert next(items) == first + 1
            items.close()
        assert list(prefetched(lambda n: n + 1, range(5), pool, 2)) == [1, 2, 3, 4, 5]
