"""Several processes that run the trials of one search."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from mlx_train.runs.tuning_study import TuningFolder, TuningRequest
from mlx_train.runs.tuning_trials import run_trials
from mlx_train.system.errors import EXPECTED, tell

_POLL_SECONDS = 0.5


def run_in_processes(
    folder: TuningFolder, request: TuningRequest, trials: int, parallel: int, report: Callable[[], None]
) -> None:
    """Run trials in `parallel` processes. Raises RuntimeError as soon as one of them fails."""
    with _processes(folder, request, trials, parallel) as processes:
        while any(process.is_alive() for process in processes):
            time.sleep(_POLL_SECONDS)
            report()
            if any(process.exitcode for process in processes):
                raise RuntimeError(f"a trial failed: see above; go on with `{folder.run.resume_command}`")


@contextmanager
def _processes(
    folder: TuningFolder, request: TuningRequest, trials: int, parallel: int
) -> Iterator[list[multiprocessing.process.BaseProcess]]:
    """Processes that run trials; all have ended when the block ends."""
    context = multiprocessing.get_context("spawn")  # MLX and the engine's threads do not survive a fork
    turn = context.Lock()
    processes: list[multiprocessing.process.BaseProcess] = [
        context.Process(target=_run, args=(folder, request, trials, number, turn), daemon=True)
        for number in range(1, parallel + 1)
    ]
    try:
        # A terminal's Ctrl-C goes to all processes. These inherit the block of the signal, and this process ends them.
        unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
        try:
            for process in processes:
                process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)
        yield processes
    finally:
        for process in processes:
            if process.is_alive():
                process.terminate()
            if process.pid is not None:
                process.join()


def _run(
    folder: TuningFolder, request: TuningRequest, trials: int, worker: int, turn: AbstractContextManager[object]
) -> None:
    """`run_trials` in a process of its own: an expected failure is one line, as in the command itself."""
    _end_with_parent()
    try:
        with folder.usable_database():
            run_trials(folder, request, trials, worker, turn)
    except EXPECTED as error:
        tell(error)
        raise SystemExit(1) from None


def _end_with_parent() -> None:
    """End this process as soon as the one that started it has ended, however that ended."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
