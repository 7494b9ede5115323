"""Places where a test can kill the process.

UR_KILL_AT="NAME:N" in the environment ends the process by SIGKILL, as a power cut would, when it reaches the place NAME
for the Nth time. Without UR_KILL_AT a place costs one look-up.
"""

import os
import signal
from collections import Counter

_KILL_AT = os.environ.get("UR_KILL_AT", "")
_reached: Counter[str] = Counter()


def moment(name: str) -> None:
    """Mark a place at which a kill must do no harm."""
    if not _KILL_AT:
        return
    _reached[name] += 1
    if f"{name}:{_reached[name]}" == _KILL_AT:
        os.kill(os.getpid(), signal.SIGKILL)
