"""Ctrl-C and SIGTERM: raised at once, or held back until the work is saved."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

#: The signals that ask a process to end; SIGHUP comes when the terminal or the ssh connection is gone.
ENDING = (signal.SIGTERM, signal.SIGHUP)

_received = signal.SIGINT


def _raise(number: int, frame: FrameType | None) -> None:
    global _received
    _received = signal.Signals(number)
    raise KeyboardInterrupt


def raise_on_termination() -> None:
    """Have SIGTERM and SIGHUP raise KeyboardInterrupt, as Ctrl-C does. To be called in a program's main thread."""
    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has it
            signal.signal(number, _raise)


def exit_code() -> int:
    """The exit code of a program that the last of these signals ended: 130 for Ctrl-C."""
    return 128 + _received


@contextmanager
def held_back() -> Iterator[Callable[[], bool]]:
    """Hold Ctrl-C and SIGTERM back -> `stop_requested()`: whether one has come. The caller ends where it can.

    A second signal is raised at once. Outside the main thread, which alone receives signals, nothing is held back.
    """
    stop_requested = False
    former: dict[signal.Signals, object] = {}

    def request_stop(number: int, frame: FrameType | None) -> None:
        nonlocal stop_requested
        global _received
        _received = signal.Signals(number)
        if stop_requested:
            raise KeyboardInterrupt
        stop_requested = True

    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, *ENDING):
            if signal.getsignal(number) is not signal.SIG_IGN:
                former[number] = signal.signal(number, request_stop)
    try:
        yield lambda: stop_requested
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
