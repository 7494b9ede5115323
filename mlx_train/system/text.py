"""Text for people: Markdown tables, figures and settings as they are typed, short names of agents."""

import re
import shutil
import sys
from collections.abc import Sequence
from typing import Any


def printable(text: str) -> str:
    """A text from outside, such as a name in a file, on one line: control signs and broken signs become escapes."""
    signs = (sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)
    return "".join(signs)


def printable_lines(text: str) -> str:
    """`printable` of each line of a text. A line break in a word of the command line, a file's name, ends no line."""
    for word in sys.argv[1:]:
        if "\n" in word:
            text = text.replace(word, printable(word))
    return "\n".join(map(printable, text.split("\n")))


def shortened(text: str, room: int) -> str:
    """The text, its end cut off where it is longer than `room` characters; nothing where no word would be left."""
    if len(text) <= room:
        return text
    return f"{text[: room - 1]}…" if room > 8 else ""


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table, columns padded. A bar in a cell is escaped, as Markdown wants it."""
    cells = [[printable(str(cell)).replace("|", "\\|") for cell in row] for row in (header, *rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    lines = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) + " |" for row in cells]
    lines.insert(1, "| " + " | ".join("-" * w for w in widths) + " |")
    return "\n".join(lines)


def fitted_table(header: Sequence[str], rows: Sequence[Sequence[object]], least: Sequence[str]) -> str:
    """A Markdown table that fits a terminal; where the output is no terminal, all of it.

    least: the columns that a narrow terminal lacks, the first one to go first. The last line names them.
    """
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    kept, left_out = list(range(len(header))), []
    for name in (None, *least):
        if name is not None:
            kept.remove(header.index(name))
            left_out.append(name)
        table = markdown_table([header[i] for i in kept], [[row[i] for i in kept] for row in rows])
        if width is None or len(table.partition("\n")[0]) <= width:
            break
    return f"{table}\nleft out in {width} columns: {', '.join(left_out)}" if left_out else table


def figure_text(name: str, value: float | None, sign: str = "") -> str:
    """A figure of a run, with as many digits as its name asks for; empty for None. sign: "+" also shows a plus."""
    if value is None:
        return ""
    whole, fine = ("epochs", "rounds", "games played", "samples/s"), ("loss", "error", "points")
    digits = 0 if name in whole else 4 if name.endswith(fine) else 2
    return f"{value:{sign},.{digits}f}"


def setting_text(value: Any) -> str:
    """A setting as it is typed; empty for None."""
    return "" if value is None else ",".join(map(str, value)) if isinstance(value, list) else str(value)


def short_name(agent: str) -> str:
    """An agent's name for a picture: of a network, its file's name without folder and ending."""
    agent = printable(agent)
    kind, _, rest = agent.partition(":")
    if kind != "net":
        return agent
    name = rest.rpartition("/")[2]
    for ending in (".json.gz", ".json"):
        name = name.replace(ending, "")
    return name


def short_names(agents: Sequence[str]) -> list[str]:
    """`short_name` of each agent, with as many folders of its file as distinguish it from the others."""
    names = [short_name(agent) for agent in agents]
    folders = 1
    while len(set(names)) < len(set(agents)) and folders <= max(agent.count("/") for agent in agents):
        longer = [printable("/".join([*agent.split("/")[-1 - folders : -1], short_name(agent)])) for agent in agents]
        names = [long if names.count(short) > 1 else short for long, short in zip(longer, names, strict=True)]
        folders += 1
    return [name.removeprefix("net:") for name in names]


def file_name(name: str) -> str:
    """A name in which every character that a file's name should not have is a hyphen."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name)
