"""Progress of long work: a bar on a terminal, a line that changes in a notebook, a plain line now and then elsewhere.

Bars and plain lines go to stderr.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mlx_train.system.text import printable_lines, shortened

_LOG_SECONDS = 10.0  # between the lines of a log
_CELL_SECONDS = 0.5  # between the changes of a line in a notebook
_BAR_SECONDS = 0.05  # between two changes of a bar: updates may come by the million
_BAR_WIDTH = 10  # of the bar itself, at least

_silent = False


def silence() -> None:
    """Print nothing more in this process, because another one prints for all of them."""
    global _silent
    _silent = True


def say(text: str) -> None:
    """Print one line for the person who watches; it is never part of a result."""
    if not _silent:
        print(printable_lines(text), file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """Seconds as a person reads them: 0.4 s, 8 s, 1:05, 2:03:04."""
    if seconds < 0.95:
        return f"{seconds:.1f} s"
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def count(number: int) -> str:
    """A number as a person reads it: 12,345, or 14.7M from a million on."""
    return f"{number:,}" if number < 1_000_000 else f"{number / 1e6:.1f}M"


def speed(rate: float, unit: str) -> str:
    """A rate as a person reads it: 1,234 games/s, or 6.5 s each where there are few."""
    return f"{count(round(rate))} {unit}/s" if rate >= 5 or rate == 0 else f"{1 / rate:.1f} s each"


class _Work:
    """Some work whose progress is shown: how many units it has, and since when it runs."""

    def __init__(self, title: str, total: int, unit: str, begun: int) -> None:
        """total: 0 where nobody knows; begun: the units that an earlier process did."""
        self.title, self.total, self.unit, self.begun = title, total, unit, begun
        self.start = self.shown = time.perf_counter()

    def is_due(self, seconds: float) -> bool:
        """Whether so many seconds have passed since it was shown last; if so, it counts as shown now."""
        now = time.perf_counter()
        if now - self.shown < seconds:
            return False
        self.shown = now
        return True

    def outlook(self, done: int, total: int, left: float | None) -> tuple[str, str, str]:
        """(how much of how much, rate, time left) as texts.

        left: the seconds left as the work itself knows them, else they follow from the rate; the text is empty as long
        as nothing is done.
        """
        rate = (done - self.begun) / max(1e-9, self.seconds)
        if left is None and rate:
            left = max(0, total - done) / rate
        rest = "" if left is None else f"{duration(left)} left"
        return f"{count(done)}/{count(total)}", speed(rate, self.unit), rest

    @property
    def seconds(self) -> float:
        """How long it has taken."""
        return time.perf_counter() - self.start


@contextmanager
def progress(title: str, total: int, unit: str, begun: int = 0) -> Iterator[Callable[..., None]]:
    """Show how far some work is -> `update(done, note="", total=None, left=None)`.

    done: how much so far, of `total`, which is 0 where nobody knows; note: a short remark, shown by its `str`; left:
    the seconds left, where the work knows better than that each unit takes as long; begun: what an earlier process had
    done. The rate follows from the work done since. `update` may be called from any thread, one at a time, and as often
    as one likes.
    """
    show = _lines
    if not _silent and _in_notebook():
        show = _cell
    elif not _silent and sys.stderr.isatty():
        show = _bar
    with show(_Work(title, total, unit, begun)) as update:
        yield update


def _in_notebook() -> bool:
    """Whether a Jupyter kernel runs this."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")


@contextmanager
def _lines(work: _Work) -> Iterator[Callable[..., None]]:
    if not work.total:
        say(f"{work.title} ...")  # perhaps the only line until the end
    yield _line_update(work, say, _LOG_SECONDS)
    say(f"{work.title}: done in {duration(work.seconds)}")


@contextmanager
def _cell(work: _Work) -> Iterator[Callable[..., None]]:
    """One line of a notebook's output, which changes in place."""
    from IPython.display import display

    handle = display({"text/plain": f"{work.title} ..."}, raw=True, display_id=True)

    def show(text: str) -> None:
        handle.update({"text/plain": text}, raw=True)

    yield _line_update(work, show, _CELL_SECONDS)
    show(f"{work.title}: done in {duration(work.seconds)}")


def _line_update(work: _Work, show: Callable[[str], None], seconds: float) -> Callable[..., None]:
    """An `update` that shows one line of text, at most once in so many seconds."""

    def update(done: int, note: object = "", total: int | None = None, left: float | None = None) -> None:
        if not work.is_due(seconds):
            return
        amount, rate, rest = work.outlook(done, work.total if total is None else total, left)
        parts = [f"{amount} {work.unit}", rate, *([rest] if rest else [])]
        show(f"{work.title}: {', '.join(parts)}{f'  {note}' if str(note) else ''}")

    return update


@contextmanager
def _bar(work: _Work) -> Iterator[Callable[..., None]]:
    from rich import console, table
    from rich.progress import BarColumn, Progress, TextColumn

    def text(name: str) -> TextColumn:
        return TextColumn(name, markup=False, table_column=table.Column(no_wrap=True))

    columns = (
        text("{task.description}"),
        BarColumn(bar_width=None, table_column=table.Column(min_width=_BAR_WIDTH, ratio=1)),
        *(text(f"{{task.fields[{name}]}}") for name in ("amount", "rate", "left", "note")),
    )
    screen = console.Console(stderr=True)
    work.shown = 0.0  # the first update is shown at once
    with Progress(*columns, console=screen, expand=True) as bar:
        task = bar.add_task(work.title, total=work.total or None, amount="", rate="", left="", note="")

        def update(done: int, note: object = "", total: int | None = None, left: float | None = None) -> None:
            total = work.total if total is None else total
            if not work.is_due(_BAR_SECONDS) and done < total:
                return
            amount, rate, rest = work.outlook(done, total, left)
            room = screen.width - _BAR_WIDTH - len(f"{work.title} {amount} {rate} {rest} ") - 1
            remark = shortened(str(note), room)
            bar.update(task, completed=done, total=total, amount=amount, rate=rate, left=rest, note=remark)

        yield update
        bar.update(task, left=f"in {duration(work.seconds)}")
