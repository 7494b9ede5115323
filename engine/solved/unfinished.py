"""The file of an unfinished solve: its finished layers, from which a solve goes on after a kill.

The values stand in the order of the table behind two headers, which are written in turn. Each has the number of
values that are completely written, and their CRC-32. A kill can damage only the header and the values that were being
written; the other header and its values stay. A thread writes while the next layer is solved.
"""

import fcntl
import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from engine.solved.table import CHUNK
from engine.solved.table_file import HEADER_BYTES, Header, checksum_of, parse_header

#: At the start of the file: it never opens as a table.
MAGIC = b"UrPart\n\0"

#: Seconds between two writes. A kill loses the layers finished since the last write, and the layer under way.
SAVE_SECONDS = 5.0

_SLOTS = (0, HEADER_BYTES // 2)


class UnfinishedSolve:
    """The file of one solve. It is created when the first layers are written."""

    def __init__(
        self, path: Path, rules: str, pieces: int, tolerance: float, say: Callable[[str], object] | None = None
    ):
        """say: called with each message for the user."""
        self.path, self._game, self._tolerance = path, (rules, pieces), tolerance
        self._say = say or (lambda text: None)
        self._descriptor: int | None = None
        self._slot = 0  # the slot of the next header
        self._count = 0  # values that are completely written
        self._checksum = 0  # the CRC-32 of these values
        self._last = time.monotonic()
        self._thread: threading.Thread | None = None
        self._broken = False  # nothing more is written
        self._foreign = False  # another solve is at work in the file

    def read(self, values: np.ndarray, ends: Sequence[int]) -> tuple[int, float]:
        """Put the finished layers into `values` -> (their number, their residual); (0, 0.0) without a usable file.

        ends: how many values the first 0, 1, 2 ... layers have.
        """
        try:
            with self.path.open("rb") as file:
                heads = file.read(HEADER_BYTES)
                headers = sorted(self._headers(heads, ends), reverse=True)
                for rank, (count, residual, checksum, slot) in enumerate(headers):
                    file.seek(HEADER_BYTES)
                    part = values[:count].view(np.uint8)
                    if file.readinto(part.data) < len(part) or checksum_of(values[:count]) != checksum:
                        continue
                    self._count, self._checksum, self._slot = count, checksum, 1 - slot
                    layers = ends.index(count)
                    damaged = "the newest ones are damaged; " if rank else ""
                    self._say(f"{damaged}going on from {layers} of {len(ends) - 1} layers in {self.path}")
                    return layers, residual
                if headers:
                    self._say(f"{self.path} is damaged: solving afresh")
        except OSError:  # no such file, or an unreadable one
            pass
        return 0, 0.0

    def _headers(self, heads: bytes, ends: Sequence[int]) -> list[tuple[int, float, int, int]]:
        """The headers of a solve with these arguments -> (number of values, residual, checksum, slot) of each."""
        headers = []
        for slot, start in enumerate(_SLOTS):
            with suppress(ValueError):
                header = parse_header(self.path, heads[start:], MAGIC)
                if (header[:2], header.tolerance) == (self._game, self._tolerance) and header.length in ends:
                    headers.append((header.length, header.residual, header.checksum, slot))
        return headers

    def keep(self, values: np.ndarray, residual: float, *, now: bool = False) -> None:
        """Write the finished layers, `values`, if the last write is SAVE_SECONDS old or `now` is true.

        `values` may not change any more. An error is reported once, and nothing more is written: the solve goes on.
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
        """Delete the file: the game is solved."""
        self._wait()
        if not self._foreign:
            with suppress(OSError):  # for example because another solve has locked the file
                if self._descriptor is None and self.path.exists():
                    self._open()
                self.path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Wait for the thread that writes, and close the file."""
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
                part = values[first : min(first + CHUNK, len(values))]
                self._put(part.view(np.uint8).data, HEADER_BYTES + 8 * first)
                self._checksum = checksum_of(part, self._checksum)
            os.fsync(self._file)
            header = Header(*self._game, "float64", len(values), self._tolerance, residual, self._checksum)
            self._put(memoryview(header.pack(MAGIC)), _SLOTS[self._slot])
            os.fsync(self._file)
            self._slot, self._count = 1 - self._slot, len(values)
        except BlockingIOError:
            self._broken = self._foreign = True
            self._say(f"another solve keeps its layers in {self.path}; the layers of this solve are not kept")
        except OSError as error:
            self._broken = True
            self._say(f"the finished layers can't be kept in {self.path}: {error.strerror}")
            self._cut()

    def _cut(self) -> None:
        """Free the disk space of the layers that were written only in part."""
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
        while self._descriptor is None:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
            self._descriptor = descriptor
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not os.fstat(descriptor).st_nlink:  # another solve has finished, and deleted it before it was locked
                os.close(descriptor)
                self._descriptor = None
        if self._count == 0:
            os.ftruncate(self._descriptor, 0)

    def _put(self, data: Any, offset: int) -> None:
        while len(data):
            written = os.pwrite(self._file, data, offset)
            data, offset = data[written:], offset + written
