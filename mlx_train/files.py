"""Writing files so that a reader, a full disk or a kill never meets half of one."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast


@contextmanager
def atomic_file(path: str | Path) -> Iterator[BinaryIO]:
    """A binary file that takes its name only when it is complete and on the disk.

    It is written beside `path` and renamed; if anything fails, what was there before stays. Raises OSError.
    """
    path = Path(path)
    with _naming(path):
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield cast(BinaryIO, file)
                file.flush()
                os.fsync(file.fileno())
            umask = os.umask(0)
            os.umask(umask)
            Path(name).chmod(0o666 & ~umask)  # mkstemp's files are private
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    _sync_folder(path.parent)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Have an error of writing name the file that was meant, not the unfinished one beside it, or none."""
    try:
        yield
    except OSError as error:
        named = "" if error.filename is None else Path(str(error.filename)).name
        if error.errno is None or (named and not named.startswith(f".{path.name}.")):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def _sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk too, so that a power cut can't take back a rename."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_unfinished(folder: Path) -> None:
    """Delete what a killed `atomic_file` has left in a folder. Nobody may be writing there."""
    for path in folder.glob(".*.????????"):
        if path.is_file():
            path.unlink()


def write_text(path: str | Path, text: str) -> None:
    """Write a UTF-8 text file atomically."""
    with atomic_file(path) as file:
        file.write(text.encode())


def write_json(path: str | Path, value: Any) -> None:
    """Write a JSON file atomically, indented, numbers finite."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")
