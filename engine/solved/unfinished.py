"""The finished layers of a table that is being solved, in a file, so that a killed solve goes on from there.

The values stand in the order of the table behind two headers, which are written in turn. Each says how many values are
whole, and their CRC-32; a kill can spoil only the header, and the values, that were being written, and what the other
header speaks of stays. A thread writes while the next layer is solved.
"""

import fcntl
import os
import threading
import time
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from engine.solved.tablebase import CHUNK, HEADER_BYTES, PARTIAL_MAGIC, pack_header, parse_header

#: Seconds of solving that a kill may cost, besides the layer under way.
SAVE_SECONDS = 5.0

_SLOTS = (0, HEADER_BYTES // 2)


class Layers:
    """The file of one solve. It is made when there is something to write."""

    def __init__(self, path: Path, pieces: int, tolerance: float, say: Callable[[str], object] | None = None):
        """say: called with one line for whatever a person should know."""
        self.path, self._pieces, self._tolerance = path, pieces, tolerance
        self._say = say or (lambda text: None)
        self._descriptor: int | None = None
        self._slot = 0  # of the next header
        self._count = 0  # values that are whole
        self._checksum = 0  # theirs
        self._last = time.monotonic()
        self._thread: threading.Thread | None = None
        self._broken = False  # nothing more is written
        self._foreign = False  # another solve is at work in the file

    def read(self, values: np.ndarray, ends: Sequence[int]) -> tuple[int, float]:
        """Put the finished layers into `values` -> (how many, their residual); (0, 0.0) without a file of use.

        ends: how many values the first 0, 1, 2 ... layers have.
        """
        try:
            with self.path.open("rb") as file:
                heads = file.read(HEADER_BYTES)
                found = sorted(self._headers(heads, ends), reverse=True)
                for rank, (count, residual, checksum, slot) in enumerate(found):
                    file.seek(HEADER_BYTES)
                    part = values[:count].view(np.uint8)
                    if file.readinto(part.data) == len(part) and _crc(values[:count]) == checksum:
                        self._count, self._checksum, self._slot = count, checksum, 1 - slot
                        done = ends.index(count)
                        damaged = "the newest ones are damaged; " if rank else ""
                        self._say(f"{damaged}going on from {done} of {len(ends) - 1} layers in {self.path}")
                        return done, residual
                if found:
                    self._say(f"{self.path} is damaged: solving afresh")
        except OSError:  # none, or it can't be read
            pass
        return 0, 0.0

    def _headers(self, heads: bytes, ends: Sequence[int]) -> list[tuple[int, float, int, int]]:
        """The headers of this very solve -> (values, residual, checksum, slot) of each."""
        found = []
        for slot, start in enumerate(_SLOTS):
            with suppress(ValueError):
                pieces, _, count, tolerance, residual, checksum = parse_header(self.path, heads[start:], PARTIAL_MAGIC)
                if (pieces, tolerance) == (self._pieces, self._tolerance) and count in ends:
                    found.append((count, residual, checksum, slot))
        return found

    def keep(self, values: np.ndarray, residual: float, *, now: bool = False) -> None:
        """Write the finished layers, `values`, if that was last done long ago, or `now`. They may not change any more.

        An error is said once, and nothing more is written: the solve itself goes on.
        """
        if self._broken or len(values) == self._count:
            return
        if now:
            self._wait()
        elif time.monotonic() - self._last < SAVE_SECONDS or (self._thread and self._thread.is_alive()):
            return
        self._last = time.monotonic()
        self._thread = threading.Thread(target=self._write, args=(values, residual), daemon=True)
        self._thread.start()
        if now:
            self._wait()

    def remove(self) -> None:
        """Delete the file: the solve is done."""
        self._wait()
        if not self._foreign:
            with suppress(OSError):  # as where it is another solve's
                if self._descriptor is None and self.path.exists():
                    self._open()
                self.path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Wait for what is being written, and close the file."""
        self._wait()
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _wait(self) -> None:
        if self._thread is not None:
            self._thread.join()

    def _write(self, values: np.ndarray, residual: float) -> None:
        try:
            if self._descriptor is None:
                self._open()
            for first in range(self._count, len(values), CHUNK):
                part = values[first : min(first + CHUNK, len(values))].view(np.uint8)
                self._put(part.data, HEADER_BYTES + 8 * first)
                self._checksum = zlib.crc32(part, self._checksum)
            os.fsync(self._file)
            header = pack_header(PARTIAL_MAGIC, self._pieces, len(values), self._tolerance, residual, self._checksum)
            self._put(memoryview(header), _SLOTS[self._slot])
            os.fsync(self._file)
            self._slot, self._count = 1 - self._slot, len(values)
        except BlockingIOError:
            self._broken = self._foreign = True
            self._say(f"another solve keeps its layers in {self.path}; those of this one are not kept")
        except OSError as error:
            self._broken = True
            self._say(f"the finished layers can't be kept in {self.path}: {error.strerror}")
            self._cut()

    def _cut(self) -> None:
        """Give back the room of what could not be written whole."""
        with suppress(OSError):
            if self._count:
                os.ftruncate(self._file, HEADER_BYTES + 8 * self._count)
            elif self._descriptor is not None:
                self.path.unlink()

    @property
    def _file(self) -> int:
        assert self._descriptor is not None
        return self._descriptor

    def _open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if self._count == 0:
            os.ftruncate(self._descriptor, 0)

    def _put(self, data: Any, offset: int) -> None:
        while len(data):
            written = os.pwrite(self._file, data, offset)
            data, offset = data[written:], offset + written


def _crc(values: np.ndarray) -> int:
    checksum = 0
    for first in range(0, len(values), CHUNK):
        checksum = zlib.crc32(values[first : first + CHUNK].view(np.uint8), checksum)
    return checksum
