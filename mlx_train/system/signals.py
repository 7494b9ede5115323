"""Ctrl-C and SIGTERM: raised at once, or held back until the work can be saved."""

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
    """Have SIGTERM and SIGHUP raise KeyboardInterrupt, as Ctrl-C does. For the main thread of a program."""
    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            signal.signal(number, _raise)


def exit_code() -> int:
    """What a shell expects of a program that ended by the last of these signals: 130 for Ctrl-C."""
    return 128 + _received


@contextmanager
def held_back() -> Iterator[Callable[[], bool]]:
    """Hold Ctrl-C and SIGTERM back -> `asked()`: whether one has come. The caller ends at a place of its own choice.

    A second one is raised at once. Outside the main thread, which alone gets signals, nothing is held.
    """
    asked = False
    former: dict[signal.Signals, object] = {}

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        global _received
        _received = signal.Signals(number)
        if asked:
            raise KeyboardInterrupt
        asked = True

    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, *ENDING):
            if signal.getsignal(number) is not signal.SIG_IGN:
                former[number] = signal.signal(number, note)
    try:
        yield lambda: asked
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
