"""Where a test may kill the process.

UR_KILL_AT="NAME:N" in the environment ends the process (SIGKILL, as a power cut would) when it comes to the moment of
that name for the Nth time. Without it a moment costs one look-up.
"""

import os
import signal
from collections import Counter

_WANTED = os.environ.get("UR_KILL_AT", "")
_reached: Counter[str] = Counter()


def moment(name: str) -> None:
    """A place that a kill must not harm."""
    if not _WANTED:
        return
    _reached[name] += 1
    if f"{name}:{_reached[name]}" == _WANTED:
        os.kill(os.getpid(), signal.SIGKILL)
