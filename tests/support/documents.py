"""The commands and Python programs that stand in the documents, with their marks.

tests/document_marks.toml lists the commands that no test runs: by document (`"*"` is every document), then by reason,
the beginnings of commands. `"*"` for a command is the whole document, "```python" its blocks of Python.
"""

import re
import shlex
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]

PROGRAMS = ("python", "python3", "mlx-ur", "make", "pip", "node", "tensorboard", ".ci/run")
#: Why a command is not run: it takes long, it needs a GPU, or it needs a person or never ends.
REASONS = ("slow", "gpu", "by-hand")

_SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")
# A word that stands for something else: FILE, net:FILE, A, GAMES.npz, ... or [...].
_PLACEHOLDER = re.compile(r"(?:^|[:/=])[A-Z]+(?:\.\w+)*(?:[@:]|$)|^\[|\.\.\.$")


@dataclass(frozen=True, kw_only=True)
class Snippet:
    """A command line, or a fenced block of Python."""

    document: Path
    line: int
    text: str
    mark: str | None
    python: bool = False
    inline: bool = False

    @property
    def where(self):
        return f"{self.document.name}:{self.line}"

    @property
    def words(self):
        """The command's words, without the comment at its end."""
        return shlex.split(self.text, comments=True)

    @property
    def synopsis(self):
        """Whether a word stands for something else, so that the command cannot be run."""
        return any(_PLACEHOLDER.search(word) for word in self.words[1:])


@dataclass
class _Piece:
    """Lines that belong together: a block of code, or a paragraph, list item or table row."""

    kind: str  # "code", "text", or a fence's language
    line: int
    lines: list[str] = field(default_factory=list)


def _pieces(text):
    """A document cut into pieces; blank lines between them are left out."""
    piece, fenced = None, False
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip().startswith("```"):
            if fenced:
                yield piece
                piece, fenced = None, False
            else:
                if piece:
                    yield piece
                piece, fenced = _Piece(line.strip().strip("`") or "code", number + 1), True
            continue
        if not fenced:
            indented = line.startswith("    ") and (piece is None or piece.kind == "code")
            kind = "code" if indented else "text"
            if piece and (not line.strip() or piece.kind != kind or re.match(r"\s*(\||- |\d+\. |#)", line)):
                yield piece
                piece = None
            if not line.strip():
                continue
            piece = piece or _Piece(kind, number)
        piece.lines.append(line)
    if piece:
        yield piece


def read_marks(path):
    """{document or "*": {reason: [beginnings of commands]}}. Raises ValueError for an unknown reason."""
    marks = tomllib.loads(path.read_text())
    for document, reasons in marks.items():
        for reason in reasons:
            if reason not in REASONS:
                raise ValueError(f"{document}: unknown reason {reason!r} (known: {', '.join(REASONS)})")
    return marks


def snippets(document, marks):
    """Every snippet of a document, in order. marks: {reason: [beginnings of commands]}."""
    rows = []
    for piece in _pieces(document.read_text()):
        if piece.kind == "text":
            rows += _inline(document, piece.line, "\n".join(piece.lines), marks)
        else:
            rows += _block(document, piece, marks)
    return rows


def _mark(marks, words):
    """The first reason for which this command is not run, or None."""
    for reason, beginnings in marks.items():
        if any(start == "*" or words[: len(shlex.split(start))] == shlex.split(start) for start in beginnings):
            return reason
    return None


def _command(document, line, text, marks, inline):
    try:
        words = shlex.split(text, comments=True)
    except ValueError:
        return []  # no command line
    if not words or words[0].removeprefix(".venv/bin/") not in PROGRAMS:
        return []
    if words[0].startswith("python") and not (len(words) > 1 and words[1].startswith("-")):
        return []  # a message about Python, such as "python3 is missing"
    return [Snippet(document=document, line=line, text=text, mark=_mark(marks, words), inline=inline)]


def _inline(document, line, text, marks):
    rows = []
    for span in _SPAN.finditer(text):
        if " " in span[1] or "\n" in span[1]:
            at = line + text.count("\n", 0, span.start())
            rows += _command(document, at, " ".join(span[1].split()), marks, inline=True)
    return rows


def _block(document, piece, marks):
    if piece.kind == "python":
        text = "\n".join(piece.lines)
        return [Snippet(document=document, line=piece.line, text=text, mark=_mark(marks, ["```python"]), python=True)]
    if piece.kind not in ("code", "sh", "bash", "shell", "console"):
        return []
    rows, begun, start = [], "", 0
    for number, line in enumerate(piece.lines, piece.line):
        start = start if begun else number
        begun += line.strip().removeprefix("$ ")
        if begun.endswith("\\"):
            begun = begun[:-1]
            continue
        rows += _command(document, start, begun, marks, inline=False)
        begun = ""
    return rows
