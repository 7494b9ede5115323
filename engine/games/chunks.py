"""Many games over the performance cores, in chunks of fixed size.

A game's dice and choices are a function of (seed, game number), and the results of the chunks are put together in the
order of the games: the same seed gives the same bytes, whatever the number of workers.
"""

import math
import threading
from collections.abc import Callable
from typing import Any

from engine.machine.cores import run_parallel, worker_count

MAX_GAMES = 1 << 31
_CHUNK = 16  # games that a worker takes at a time; no result depends on it


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during many games. `partial` is the result over the finished games, in order."""

    def __init__(self, partial: Any) -> None:
        super().__init__("interrupted")
        self.partial = partial


def check_games(games: int, what: str = "games") -> int:
    """The number of games, or ValueError unless it is from 1 to 2**31."""
    if games < 1:
        raise ValueError(f"{what} must be at least 1, got {games}")
    if games > MAX_GAMES:
        raise ValueError(f"{what} must be at most 2**31, got {games}")
    return games


def in_chunks(
    games: int,
    workers: int | None,
    play: Callable[[int, int], Any],
    progress: Callable[[int], object] | None,
    chunk: int = _CHUNK,
) -> tuple[list[Any], bool]:
    """Calls `play(first, count)` for every chunk of games -> (results in the order of the games, whether Ctrl-C came).

    workers: threads, by default one for each performance core.
    progress: called with the number of games finished so far, from any worker, one call at a time.
    """
    starts = iter(range(0, games, chunk))
    results = {}
    lock = threading.Lock()
    stop = threading.Event()
    finished = 0

    def work(_: int) -> None:
        nonlocal finished
        while not stop.is_set():
            with lock:
                first = next(starts, None)
            if first is None:
                return
            count = min(chunk, games - first)
            result = play(first, count)
            with lock:
                results[first] = result
                finished += count
                if progress is not None:
                    progress(finished)

    interrupted = False
    try:
        run_parallel(work, min(worker_count(workers), math.ceil(games / chunk)), on_interrupt=stop.set)
    except KeyboardInterrupt:
        interrupted = True
    return [results[first] for first in sorted(results)], interrupted
