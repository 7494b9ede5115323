"""What the benches share: a row of the table, and the median time of some work."""

import statistics
import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar

T = TypeVar("T")

#: Calls that are timed of each work, after one that is not.
CALLS = 5


class Row(NamedTuple):
    """A line of the table."""

    what: str  # the work, or the thing that is measured
    figure: str  # what was measured, with its unit
    how: str = ""  # the function, or the command, that does the work
    peer: str = ""  # what another program, or another way, took in the same session


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """(seconds of one call, what it returned): for work of minutes."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def median_seconds(work: Callable[[], object]) -> float:
    """The median time of five calls, after one that is not counted."""
    work()
    return statistics.median(timed(work)[0] for _ in range(CALLS))


def rate(count: float, seconds: float, unit: str) -> str:
    """Such as 12,300 games/s."""
    return f"{count / seconds:,.0f} {unit}/s"


def millions(count: float, seconds: float, unit: str) -> str:
    """Such as 12.3 million rows/s."""
    return f"{count / seconds / 1e6:,.1f} million {unit}/s"
