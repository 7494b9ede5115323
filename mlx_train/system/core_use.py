"""How busy the machine's processors are, for the remark of a progress."""

import sys
import time

try:
    import psutil
except ImportError:
    psutil = None

_SECONDS = 0.5  # that a processor's use is averaged over, at least
_LEVELS = "▁▂▃▄▅▆▇█"
_MANY_CORES = 8  # a log's line gives the number of each core up to here


class CoreUse:
    """How busy each processor of the machine has been since the last look, whichever program kept it busy.

    Where psutil is missing, nothing is known and nothing fails.
    """

    def __init__(self) -> None:
        self._last = time.perf_counter()
        self._shares: list[float] = []
        self._times = _core_times()

    def shares(self) -> list[float]:
        """Percent of each processor, by its number; empty until half a second has gone by."""
        now = time.perf_counter()
        if now - self._last >= _SECONDS:
            self._last, before, self._times = now, self._times, _core_times()
            self._shares = [
                100 * (busy - busy_before) / (total - total_before) if total > total_before else 0.0
                for (busy, total), (busy_before, total_before) in zip(self._times, before, strict=False)
            ]
        return self._shares

    def __str__(self) -> str:
        """A block for each core on a terminal, numbers in a log."""
        shares = self.shares()
        return core_blocks(shares) if sys.stderr.isatty() else core_numbers(shares)


def _core_times() -> list[tuple[float, float]]:
    """(seconds busy, seconds in all) of each processor since the machine started; empty without psutil.

    Not psutil.cpu_percent: it compares with the last call of the same thread, and progress comes from many.
    """
    if psutil is None:
        return []
    times = []
    for core in psutil.cpu_times(percpu=True):
        seconds = {name: value for name, value in core._asdict().items() if not name.startswith("guest")}  # in user
        total = sum(seconds.values())
        times.append((total - seconds["idle"] - seconds.get("iowait", 0.0), total))
    return times


def core_blocks(shares: list[float]) -> str:
    """One block for each core, as high as the core is busy, and their mean: cores ██▁▁ 50 %."""
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
