"""Writing texts and JSON: a file is there whole, or not at all."""

import json
from pathlib import Path
from typing import Any

from engine.machine.files import atomic_file


def write_text(path: str | Path, text: str) -> None:
    """Write a UTF-8 text file atomically."""
    with atomic_file(path) as file:
        file.write(text.encode())


def write_json(path: str | Path, value: Any) -> None:
    """Write a JSON file atomically, indented, numbers finite."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")
