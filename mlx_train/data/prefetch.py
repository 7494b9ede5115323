"""Batches made ahead of the step by threads of their own.

The threads hand over numpy arrays only: an MLX array that was not evaluated fails in another thread.
"""

import itertools
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

S = TypeVar("S")
T = TypeVar("T")


def prefetched(make: Callable[[S], T], sources: Iterable[S], threads: int, depth: int) -> Generator[T, None, None]:
    """make(source) for each of the sources, in their order, up to `depth` ahead of the item that is taken next.

    threads: 0 to make each item when it is taken. An error in `make` is raised where its item would have come. Closing
    the iterator ends the threads.
    """
    if not threads:
        yield from map(make, sources)
        return
    rest = iter(sources)
    pool = ThreadPoolExecutor(threads)
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
        pool.shutdown(wait=True, cancel_futures=True)
