"""Writing files so that a reader, a full disk or a kill never meets half of one."""

import errno
import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast


@contextmanager
def atomic_file(path: str | Path) -> Iterator[BinaryIO]:
    """A binary file that takes its name only when it is complete and on the disk.

    It is written beside `path` and renamed; if anything fails, what was there before stays. What a killed process has
    left of the same file is deleted first. A symbolic link stays one. Raises OSError, which names `path`, also for what
    is no regular file.
    """
    given, path = path, Path(path).resolve()
    name = None
    try:
        _check_kind(path)
        remove_abandoned(path)
        descriptor, name = _beside(path)
        with os.fdopen(descriptor, "wb") as file:
            yield cast(BinaryIO, file)
            file.flush()
            os.fsync(file.fileno())
            umask = os.umask(0)
            os.umask(umask)
            os.fchmod(file.fileno(), 0o666 & ~umask)  # mkstemp's files are private
            name.replace(path)
    except BaseException as error:
        if name is not None:
            name.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno and error.filename in (None, str(name)):
            raise OSError(error.errno, error.strerror, str(given)) from None  # a person knows no other name
        raise
    _sync_folder(path.parent)


def check_writable(path: Path) -> None:
    """Raises OSError if `atomic_file` can't write a file of this name: to be known before long work."""
    try:
        _check_kind(path)
        with tempfile.TemporaryFile(dir=path.resolve().parent):
            pass
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None


def _check_kind(path: Path) -> None:
    """Raises OSError for what is no regular file."""
    if path.exists() and not path.is_file():
        raise OSError(errno.EISDIR if path.is_dir() else errno.EINVAL, "not a regular file")


def check_regular(path: Path) -> None:
    """Raises ValueError for a folder, a pipe or a device: to open a named pipe would wait for ever."""
    if path.exists() and not path.is_file():
        raise ValueError(f"{path} is {'a folder' if path.is_dir() else 'not a regular file'}")


def _beside(path: Path) -> tuple[int, Path]:
    """A new file in the folder of `path`, locked for as long as it is open -> (descriptor, name)."""
    while True:
        try:
            descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        except OSError as error:
            raise OSError(error.errno, error.strerror) from None  # without the name that it tried
        with suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return descriptor, Path(name)
        os.close(descriptor)  # before it was locked, another writer took it for abandoned


def _sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk too, so that a power cut can't take back a rename."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def lock_folder(folder: Path) -> int:
    """Keep other processes that call this out of a folder -> a descriptor; closing it, or dying, ends the lock.

    The lock is on the folder, because a file in it may be replaced by another of its name, which is not locked. Raises
    BlockingIOError where another process has the lock, OSError where there is no such folder. On a file system without
    locks nobody is kept out.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise BlockingIOError(errno.EWOULDBLOCK, "in use by another process", str(folder)) from None
    except OSError:  # a file system without locks
        pass
    return descriptor


def remove_abandoned(path: Path) -> None:
    """Delete the unfinished files of `path` that nobody holds any more: their writers were killed."""
    prefix = f".{path.name}."
    with suppress(OSError):  # no such folder, a file of somebody else
        for left in path.parent.iterdir():
            if len(left.name) == len(prefix) + 8 and left.name.startswith(prefix):
                with suppress(BlockingIOError), left.open("rb") as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    left.unlink()


def remove_unfinished(folder: Path) -> None:
    """Delete what a killed `atomic_file` has left in a folder. Nobody may be writing there."""
    for path in folder.glob(".*.????????"):
        if path.is_file():
            path.unlink()
