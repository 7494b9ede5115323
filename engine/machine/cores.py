"""Workers: how many, and threads that are placed on the performance cores.

Linux has an affinity, which binds. macOS has none: its quality-of-service class is a preference that the
scheduler may override, not a pin.
"""

import ctypes
import os
import platform
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TypeVar

from engine.machine.detection import Cores, detect

__all__ = ["Cores", "detect", "run_parallel", "worker_count"]

T = TypeVar("T")

MAX_WORKERS = 1024

# QOS_CLASS_USER_INITIATED in Apple's <sys/qos.h>.
QOS_USER_INITIATED = 0x19

# How long the main thread waits at a time: waits without a limit can't be interrupted by Ctrl-C on macOS.
POLL_SECONDS = 0.1


def worker_count(requested: int | None) -> int:
    """The number of workers: as requested, or one for each performance core.

    Raises:
        ValueError: fewer than 1 or more than 1024 were requested.
    """
    if requested is None:
        return detect().count
    if not 1 <= requested <= MAX_WORKERS:
        raise ValueError(f"workers must be from 1 to {MAX_WORKERS}, not {requested}")
    return requested


def run_parallel(
    task: Callable[[int], T],
    workers: int,
    *,
    on_interrupt: Callable[[], None] | None = None,
    on_poll: Callable[[], None] | None = None,
    cores: Cores | None = None,
) -> list[T]:
    """Run `task(0)` to `task(workers - 1)` in threads on the performance cores; results in order.

    The tasks release the GIL for their work; the caller's own placement stays as it is. On Ctrl-C, or when a task has
    failed, `on_interrupt` is called once: it sets the flag that makes the tasks end early. The caller then waits for
    the tasks, and KeyboardInterrupt or the first failure is raised. A second Ctrl-C stops the waiting. `on_poll` is
    called every POLL_SECONDS, in the caller's thread.
    """
    workers = worker_count(workers)
    cores = detect() if cores is None else cores
    results: dict[int, T] = {}
    failures: list[BaseException] = []
    begun: list[int] = []
    ended: list[int] = []
    stopping = False
    # Ctrl-C may come between any two steps of the main thread. A SimpleQueue survives it. Locks of Python code
    # (Condition, futures) do not, nor does Thread.join: before 3.12 an interrupted join takes a thread for ended.
    bell: SimpleQueue[None] = SimpleQueue()

    def work(index: int) -> None:
        begun.append(index)
        try:
            if not stopping:
                _place_thread(cores)
                results[index] = task(index)
        except BaseException as error:  # raised in the caller's thread below
            failures.append(error)
        finally:
            ended.append(index)
            bell.put(None)

    def listen() -> None:
        with suppress(Empty):
            bell.get(timeout=POLL_SECONDS)

    try:
        # A single task gets a thread too: the main thread, the only one that sees Ctrl-C, has to be free.
        for index in range(workers):
            threading.Thread(target=work, args=(index,), daemon=True).start()
        while len(ended) < workers and not failures:
            listen()
            if on_poll is not None:
                on_poll()
        if failures:
            raise failures[0]
    except BaseException:
        stopping = True  # before `begun` is read: whatever begins later ends at once
        if on_interrupt is not None:
            on_interrupt()
        while len(ended) < len(begun):
            listen()
        raise
    return [results[index] for index in range(workers)]


def _place_thread(cores: Cores) -> None:
    """Move the calling thread, alone, to the performance cores; never fatal."""
    if cores.system == "Darwin" and platform.system() == "Darwin":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).pthread_set_qos_class_self_np(QOS_USER_INITIATED, 0)
    elif _can_place(cores):
        with suppress(OSError):  # the container's processors may have changed since the detection
            os.sched_setaffinity(0, cores.logical)


def _can_place(cores: Cores) -> bool:
    return bool(cores.logical) and hasattr(os, "sched_setaffinity")
