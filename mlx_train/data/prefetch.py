"""Batches made ahead of the step by threads of their own.

The threads hand over numpy arrays only: an MLX array that was not evaluated fails in another thread.
"""

import itertools
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def prefetched(make: Callable[[int], T], numbers: Iterable[int], threads: int, depth: int) -> Generator[T, None, None]:
    """make(n) for each of the numbers, in their order, up to `depth` ahead of the item that is taken next.

    An error in `make` is raised where its item would have come. Closing the iterator ends the threads.
    """
    rest = iter(numbers)
    pool = ThreadPoolExecutor(threads)
    waiting: deque[Future[T]] = deque()
    try:
        for number in itertools.islice(rest, depth):
            waiting.append(pool.submit(make, number))
        while waiting:
            item = waiting.popleft().result()
            for number in itertools.islice(rest, 1):
                waiting.append(pool.submit(make, number))
            yield item
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
