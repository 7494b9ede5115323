"""How much memory a program can still take."""

import os
from contextlib import suppress
from pathlib import Path

#: Where Linux says how much memory is free, or can be made free without writing to disk.
_MEMINFO = Path("/proc/meminfo")


def available_memory() -> int | None:
    """Bytes that a program can take without paging: on Linux what is available, elsewhere all of the machine's.

    None where the system does not say.
    """
    with suppress(OSError, ValueError, IndexError):
        for line in _MEMINFO.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    with suppress(OSError, ValueError, AttributeError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def gibibytes(count: float) -> str:
    """Bytes as a person reads them: 1.5 GiB, 300 MiB."""
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"


def check_memory(needed: int, what: str) -> None:
    """Raises MemoryError, before anything begins, where less memory than `needed` bytes is available."""
    available = available_memory()
    if available is not None and needed > available:
        raise MemoryError(f"{what} takes {gibibytes(needed)} of memory, and {gibibytes(available)} are available")
