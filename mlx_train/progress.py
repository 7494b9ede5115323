"""Progress of long work: a bar on a terminal, a plain line now and then elsewhere; always on stderr."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_PLAIN_SECONDS = 10.0  # between the lines of a log


def say(text: str) -> None:
    """One line for the person who watches; never part of a result."""
    print(text, file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """Seconds as a person reads them: 8 s, 1:05, 2:03:04."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def speed(rate: float, unit: str) -> str:
    """A rate as a person reads it: 1,234 games/s, or 6.5 s each where there are few."""
    return f"{rate:,.0f} {unit}/s" if rate >= 5 or rate == 0 else f"{1 / rate:.1f} s each"


@contextmanager
def progress(title: str, total: int, unit: str) -> Iterator[Callable[..., None]]:
    """Show how far some work is -> `update(done, note="", total=None)`: done so far out of `total`, and a short remark.

    The rate and the time left follow from the work done since the start. `update` may be called from any thread, one
    at a time.
    """
    start = time.perf_counter()
    if sys.stderr.isatty():
        with _bar(title, total, unit) as update:
            yield update
        return
    last = start

    def plain(done: int, note: str = "", total: int = total) -> None:
        nonlocal last
        now = time.perf_counter()
        if now - last >= _PLAIN_SECONDS:
            last = now
            rate = done / (now - start)
            left = f", {duration((total - done) / rate)} left" if rate else ""
            say(f"{title}: {done:,}/{total:,} {unit}, {speed(rate, unit)}{left}{'  ' + note if note else ''}")

    yield plain
    say(f"{title}: done in {duration(time.perf_counter() - start)}")


@contextmanager
def _bar(title: str, total: int, unit: str) -> Iterator[Callable[..., None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = [
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[note]}", style="dim"),
    ]
    start = time.perf_counter()
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=total, rate="", note="")

        def update(done: int, note: str = "", total: int = total) -> None:
            rate = done / max(1e-9, time.perf_counter() - start)
            bar.update(task, completed=done, total=total, rate=speed(rate, unit), note=note)

        yield update
