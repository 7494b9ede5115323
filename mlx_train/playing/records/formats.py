"""Reading records in any known format, told apart by their content, and writing them."""

from pathlib import Path
from types import ModuleType

from mlx_train.playing.records import browser_game, jheled, own, rgn, royalur
from mlx_train.playing.records.game_record import GameRecord
from mlx_train.system.files import write_text

#: The formats that are read, by the names of the command line.
FORMATS: dict[str, ModuleType] = {"own": own, "royalur": royalur, "rgn": rgn, "jheled": jheled, "browser": browser_game}

#: The formats that are written too.
WRITTEN = tuple(name for name, module in FORMATS.items() if hasattr(module, "text"))


def parse_record(text: str) -> tuple[str, GameRecord]:
    """-> (the name of the format, the record) of a text. Raises ValueError, which says where and why it is refused."""
    text = text.removeprefix("\ufeff")
    if not text.strip():
        raise ValueError("line 1: the file is empty")
    try:
        name = next((name for name, module in FORMATS.items() if module.recognizes(text)), None)
        if name is None:
            names = ", ".join(module.NAME for module in FORMATS.values())
            raise ValueError(f"not a record in a known format ({names})")
        return name, FORMATS[name].parse(text)
    except RecursionError:
        raise ValueError("its JSON is nested too deeply") from None


def read_record(path: str | Path) -> GameRecord:
    """The record of a file. Raises ValueError, which names the file and where it is refused; OSError."""
    try:
        return parse_record(Path(path).read_text(encoding="utf-8"))[1]
    except ValueError as error:  # a UnicodeDecodeError is one too
        raise ValueError(f"{path}: {error}") from None


def format_of(path: Path) -> str:
    """The format that a file's ending names. Raises ValueError for an ending that none of the written ones has."""
    endings = {FORMATS[name].SUFFIX: name for name in WRITTEN}
    if path.suffix.lower() not in endings:
        known = ", ".join(f"{ending} ({FORMATS[name].NAME})" for ending, name in endings.items())
        raise ValueError(f"{path}: the name of a record that is written ends in {known}")
    return endings[path.suffix.lower()]


def write_record(record: GameRecord, path: Path, name: str = "own") -> None:
    """Write a record's file atomically, in one of the formats `WRITTEN`. Raises OSError."""
    write_text(path, FORMATS[name].text(record))


def convert(path: Path, output: Path) -> dict[str, Path]:
    """Read a record and write it in the format of another file's ending -> the files.

    Raises ValueError for a record that is refused, an ending without a format, or an output that exists, because a
    game never replaces another.
    """
    name = format_of(output)
    if output.exists():
        raise ValueError(f"{output} exists already")
    write_record(read_record(path), output, name)
    return {"record": output}
