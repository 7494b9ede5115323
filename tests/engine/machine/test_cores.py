"""Worker counts, and threads on the performance cores."""

import os
import signal
import threading
import time

import pytest

from engine.machine import cores

linux_only = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system has no affinity")


@pytest.mark.parametrize("requested", [0, -3, 1025, 10**9])
def test_absurd_worker_counts(requested):
    with pytest.raises(ValueError, match="workers must be from 1 to 1024, not"):
        cores.worker_count(requested)


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_results_come_in_order_from_other_threads(workers):
    main = threading.get_ident()
    results = cores.run_parallel(lambda index: (index, threading.get_ident()), workers)
    assert [index for index, _ in results] == list(range(workers))
    assert all(thread != main for _, thread in results)


def test_a_failure_stops_the_others_and_is_raised():
    stop = threading.Event()

    def task(index):
        if index == 1:
            raise LookupError("of task 1")
        return stop.wait(30)

    with pytest.raises(LookupError, match="of task 1"):
        cores.run_parallel(task, 3, on_interrupt=stop.set)
    assert stop.is_set()


def test_interrupt_lets_the_tasks_finish():
    stop = threading.Event()
    everyone = threading.Barrier(2)
    finished = []

    def task(index):
        everyone.wait(30)
        if index == 0:
            signal.raise_signal(signal.SIGINT)  # Python handles it in the main thread
        assert stop.wait(30)
        time.sleep(0.01)
        finished.append(index)

    with pytest.raises(KeyboardInterrupt):
        cores.run_parallel(task, 2, on_interrupt=stop.set)
    assert sorted(finished) == [0, 1]


@linux_only
def test_workers_are_placed_and_the_caller_is_left_alone():
    before = os.sched_getaffinity(0)
    one = cores.Cores(system="Linux", logical=(min(before),), count=1, total=1, reason="")
    assert cores.run_parallel(lambda _: os.sched_getaffinity(0), 2, cores=one) == [{min(before)}] * 2
    assert os.sched_getaffinity(0) == before


@linux_only
def test_placement_on_processors_that_do_not_exist_is_not_fatal():
    gone = cores.Cores(system="Linux", logical=(100_000,), count=1, total=1, reason="")
    assert cores.run_parallel(lambda index: index, 1, cores=gone) == [0]
