"""Progress of long work: a bar on a terminal, a line that changes in a notebook, a plain line now and then elsewhere.

Bars and plain lines go to stderr.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_PLAIN_SECONDS = 10.0  # between the lines of a log
_CELL_SECONDS = 0.5  # between the changes of a line in a notebook
_BAR_SECONDS = 0.05  # between two looks of a bar: updates may come by the million
_CORE_SECONDS = 0.5  # that a core's use is averaged over, at least
_LEVELS = "▁▂▃▄▅▆▇█"
_BAR_WIDTH = 10  # of the bar itself, at least
_MANY_CORES = 8  # a line gives each core's number up to here


_silent = False


def silence() -> None:
    """Say nothing more in this process: another one does, for all of them."""
    global _silent
    _silent = True


def say(text: str) -> None:
    """One line for the person who watches; never part of a result."""
    if not _silent:
        print(text, file=sys.stderr, flush=True)


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


def _core_times() -> list[tuple[float, float]]:
    """(seconds busy, seconds in all) of each processor since the machine started; empty without psutil.

    Not psutil.cpu_percent: it compares with the last call of the same thread, and progress comes from many.
    """
    try:
        import psutil
    except ImportError:
        return []
    found = []
    for times in psutil.cpu_times(percpu=True):
        spent = {name: value for name, value in times._asdict().items() if not name.startswith("guest")}  # in user
        total = sum(spent.values())
        found.append((total - spent["idle"] - spent.get("iowait", 0.0), total))
    return found


class CoreUse:
    """How busy each processor of the machine has been since the last look, whoever kept it busy.

    Nothing is known where psutil is missing: no work should fail for want of a remark.
    """

    def __init__(self) -> None:
        self._last = time.perf_counter()
        self._shares: list[float] = []
        self._times = _core_times()

    def shares(self) -> list[float]:
        """Percent of each processor, by its number; empty until half a second has gone by."""
        now = time.perf_counter()
        if now - self._last >= _CORE_SECONDS:
            self._last, before, self._times = now, self._times, _core_times()
            self._shares = [
                100 * (busy - busy_before) / (total - total_before) if total > total_before else 0.0
                for (busy, total), (busy_before, total_before) in zip(self._times, before, strict=False)
            ]
        return self._shares

    def __str__(self) -> str:
        """For the note of a progress: a block for each core on a terminal, numbers in a log."""
        shares = self.shares()
        return core_blocks(shares) if sys.stderr.isatty() else core_numbers(shares)


def core_blocks(shares: list[float]) -> str:
    """One block for each core, as high as it is busy, and their mean: cores ██▁▁ 50 %."""
    if not shares:
        return ""
    blocks = "".join(_LEVELS[min(len(_LEVELS) - 1, int(share / 100 * len(_LEVELS)))] for share in shares)
    return f"cores {blocks} {sum(shares) / len(shares):.0f} %"


def core_numbers(shares: list[float]) -> str:
    """The same in figures: cores 99 98 2 0 %, or their range and mean where they are many."""
    if not shares:
        return ""
    if len(shares) > _MANY_CORES:
        mean = sum(shares) / len(shares)
        return f"{len(shares)} cores {min(shares):.0f} - {max(shares):.0f} %, mean {mean:.0f} %"
    return f"cores {' '.join(f'{share:.0f}' for share in shares)} %"


@contextmanager
def progress(title: str, total: int, unit: str, begun: int = 0) -> Iterator[Callable[..., None]]:
    """Show how far some work is -> `update(done, note="", total=None, left=None)`.

    done: how much so far, of `total`, which is 0 where nobody knows; note: a short remark, shown by its `str`; left:
    the seconds left, where the work knows better than that each unit takes as long; begun: what an earlier process had
    done. The rate follows from the work done since. `update` may be called from any thread, one at a time, and as often
    as one likes.
    """
    shown = _lines
    if not _silent and _in_notebook():
        shown = _cell
    elif not _silent and sys.stderr.isatty():
        shown = _bar
    with shown(title, total, unit, begun) as update:
        yield update


@contextmanager
def _lines(title: str, expected: int, unit: str, begun: int) -> Iterator[Callable[..., None]]:
    start = time.perf_counter()
    if not expected:
        say(f"{title} ...")  # perhaps the only line until the end
    yield _teller(say, title, expected, unit, begun, _PLAIN_SECONDS)
    say(f"{title}: done in {duration(time.perf_counter() - start)}")


@contextmanager
def _cell(title: str, expected: int, unit: str, begun: int) -> Iterator[Callable[..., None]]:
    """One line of a notebook's output, which changes in place."""
    from IPython.display import display

    start = time.perf_counter()
    handle = display({"text/plain": f"{title} ..."}, raw=True, display_id=True)

    def show(text: str) -> None:
        handle.update({"text/plain": text}, raw=True)

    yield _teller(show, title, expected, unit, begun, _CELL_SECONDS)
    show(f"{title}: done in {duration(time.perf_counter() - start)}")


def _in_notebook() -> bool:
    """Whether a Jupyter kernel runs this."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")


def _teller(
    tell: Callable[[str], None], title: str, expected: int, unit: str, begun: int, seconds: float
) -> Callable[..., None]:
    """An `update` that tells in one line how far the work is, at most once in so many seconds."""
    start = last = time.perf_counter()

    def update(done: int, note: object = "", total: int | None = None, left: float | None = None) -> None:
        nonlocal last
        now = time.perf_counter()
        if now - last < seconds:
            return
        last = now
        total = expected if total is None else total
        rate, left = _outlook(done - begun, total - begun, now - start, left)
        parts = [f"{count(done)}/{count(total)} {unit}", speed(rate, unit)]
        if left is not None:
            parts.append(f"{duration(left)} left")
        tell(f"{title}: {', '.join(parts)}{f'  {note}' if str(note) else ''}")

    return update


@contextmanager
def _bar(title: str, expected: int, unit: str, begun: int) -> Iterator[Callable[..., None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn
    from rich.table import Column

    def text(field: str) -> TextColumn:
        return TextColumn(field, markup=False, table_column=Column(no_wrap=True))

    columns = (
        text("{task.description}"),
        BarColumn(bar_width=None, table_column=Column(min_width=_BAR_WIDTH, ratio=1)),
        *(text(f"{{task.fields[{field}]}}") for field in ("amount", "rate", "left", "note")),
    )
    start = time.perf_counter()
    last = 0.0
    console = Console(stderr=True)
    with Progress(*columns, console=console, expand=True) as bar:
        task = bar.add_task(title, total=expected or None, amount="", rate="", left="", note="")

        def update(done: int, note: object = "", total: int | None = None, left: float | None = None) -> None:
            nonlocal last
            now = time.perf_counter()
            total = expected if total is None else total
            if now - last < _BAR_SECONDS and done < total:
                return
            last = now
            rate, left = _outlook(done - begun, total - begun, now - start, left)
            amount, each = f"{count(done)}/{count(total)}", speed(rate, unit)
            rest = "" if left is None else f"{duration(left)} left"
            room = console.width - _BAR_WIDTH - len(f"{title} {amount} {each} {rest} ") - 1
            known = shortened(str(note), room)
            bar.update(task, completed=done, total=total, amount=amount, rate=each, left=rest, note=known)

        yield update
        bar.update(task, left=f"in {duration(time.perf_counter() - start)}")


def shortened(text: str, room: int) -> str:
    """The text, its end cut off where it is longer than `room` characters; nothing where no word would be left."""
    if len(text) <= room:
        return text
    return f"{text[: room - 1]}…" if room > 8 else ""


def _outlook(done: int, total: int, seconds: float, left: float | None) -> tuple[float, float | None]:
    """(work a second so far, seconds left: as the work itself says, else at that rate; None if nothing is done yet)."""
    rate = done / max(1e-9, seconds)
    if left is None and rate:
        left = max(0, total - done) / rate
    return rate, left
