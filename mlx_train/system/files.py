"""Text and JSON files, written whole or not at all, and the gzip of a weights file."""

import datetime
import json
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine.machine.files import atomic_file, lock_folder


def make_folder(folder: Path) -> None:
    """Make a folder, with those above it, unless it exists. Raises ValueError for a link to nothing, OSError."""
    if folder.is_symlink() and not folder.exists():
        raise ValueError(f"{folder} is a link to {folder.readlink()}, which does not exist")
    folder.mkdir(parents=True, exist_ok=True)


@contextmanager
def own_folder(folder: Path) -> Iterator[None]:
    """`make_folder`, and keep other processes that call this out of it. Raises OSError too where one is in it."""
    make_folder(folder)
    lock = lock_folder(folder)
    try:
        yield
    finally:
        os.close(lock)


def write_text(path: str | Path, text: str) -> None:
    """Write a UTF-8 text file atomically. Bytes of a file's name that are no UTF-8 become escapes."""
    with atomic_file(path) as file:
        file.write(text.encode(errors="backslashreplace"))


def write_json(path: str | Path, value: Any) -> None:
    """Write a JSON file atomically, indented, numbers finite."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def create_dated(folder: Path, name: str, ending: str, create: Callable[[Path], object]) -> Path:
    """Create a file or a folder that is named by the time: DATE-TIME, `name`, a number if that is taken, `ending`.

    create: makes a path, and raises FileExistsError where it exists, so that of two processes each gets its own.
    Raises OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{datetime.datetime.now():%Y%m%d-%H%M%S}{name}"
    number = 1
    while True:
        path = folder / f"{stem}{f'-{number}' if number > 1 else ''}{ending}"
        try:
            create(path)
        except FileExistsError:
            number += 1
        else:
            return path


def compressed(content: bytes) -> bytes:
    """The gzip of the JSON text of a weights file: equal texts give equal bytes (setup.py makes the same ones).

    Weights hardly repeat: the short matches that zlib's default strategy takes cost more than single characters.
    Measured on the standard model: 76,300 bytes instead of 71,800 in 8 bits, 783,000 instead of 733,000 as a flat list.
    Memory level 6 makes short blocks, each with a code that fits its part of the text: ur-46k in 8 bits takes 38,888
    bytes instead of 40,031, and the standard model as a flat list 739,660 instead of 736,011.
    """
    packer = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS, 6, zlib.Z_FILTERED)
    return packer.compress(content) + packer.flush()
