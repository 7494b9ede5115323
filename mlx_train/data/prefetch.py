"""Batches made ahead of the step by threads of their own.

The threads hand over numpy arrays only: an MLX array that was not evaluated fails in another thread.
"""

import itertools
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

S = TypeVar("S")
T = TypeVar("T")


def prefetched(
    make: Callable[[S], T], sources: Iterable[S], threads: int | ThreadPoolExecutor, depth: int
) -> Generator[T, None, None]:
    """make(source) for each of the sources, in their order, up to `depth` ahead of the item that is taken next.

    threads: how many, which end with the iterator; or the caller's, which stay. An error in `make` is raised where its
    item would have come. Closing the iterator waits for the items that threads are making.
    """
    rest = iter(sources)
    pool = ThreadPoolExecutor(threads) if isinstance(threads, int) else threads
    waiting: deque[Future[T]] = deque()
    try:
        for source in itertools.islice(rest, depth):
            waiting.append(pool.submit(make, source))
        while waiting:
            item = waiting.popleft().result()
            for source in itertools.islice(rest, 1):
                waiting.append(pool.submit(make, source))
            yield item
    finally:
        wait([future for future in waiting if not future.cancel()])
        if pool is not threads:
            pool.shutdown()
