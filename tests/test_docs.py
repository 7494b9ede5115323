"""What the documents say can be typed: every command is run, or at least parsed where it is marked."""

import ast
import contextlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from commandline import commands, parse
from documents import DOCUMENTS, REASONS, ROOT, Snippet, read_marks, snippets
from typer import Exit

MARKS = read_marks(ROOT / "tests" / "document_marks.toml")


def marks_of(name):
    """{reason: [beginnings of commands]} that hold in a document: its own, then those of every document."""
    common = MARKS["*"]
    return {reason: MARKS.get(name, {}).get(reason, []) + common.get(reason, []) for reason in REASONS}


NAMES = {document.relative_to(ROOT).as_posix(): document for document in DOCUMENTS}
SNIPPETS = {name: snippets(document, marks_of(name)) for name, document in NAMES.items()}
ALL = [snippet for rows in SNIPPETS.values() for snippet in rows]


def run_by_test(snippet: Snippet) -> bool:
    """Whether the command is run: one of Python's that is complete and has no mark."""
    if snippet.mark or (not snippet.python and (snippet.synopsis or is_mention(snippet))):
        return False
    return snippet.python or program(snippet) in ("python", "mlx-ur")


def program(snippet):
    if snippet.words[1:3] == ["-m", "pip"]:
        return "pip"
    return snippet.words[0].removeprefix(".venv/bin/").replace("python3", "python")


def arguments(snippet):
    """The arguments of this project's program, None for another's."""
    words = snippet.words
    if program(snippet) == "mlx-ur":
        return words[1:]
    return words[3:] if program(snippet) == "python" and words[1:3] == ["-m", "mlx_train"] else None


def is_mention(snippet):
    """Whether a text only names a command, as in: `python -m mlx_train solve` makes the table."""
    given = arguments(snippet)
    return snippet.inline and given is not None and " ".join(given) in dict(commands())


def check(snippet):
    """Raise an error if a command can't be meant as it stands: what is parsed where nothing is run."""
    if snippet.python:
        ast.parse(snippet.text)
        return
    words, given = snippet.words, arguments(snippet)
    if given is not None:
        # Completion is installed by the parser itself; test_help.py tries it.
        if not is_mention(snippet) and "--install-completion" not in given:
            with contextlib.suppress(Exit):  # --help
                parse([word for word in given if word not in ("...", "[...]")])
    elif program(snippet) == "python":
        if words[1] == "-c":
            ast.parse(words[2])
            return
        assert words[1] == "-m", f"{snippet.text}: no module"
        assert importlib.util.find_spec(words[2]) is not None, f"no module {words[2]}"
    elif program(snippet) == "make":
        targets = [word for word in words[1:] if "=" not in word and word != "..."]
        rules = (ROOT / "Makefile").read_text()
        for target in targets:
            assert re.search(rf"^{re.escape(target)}:", rules, re.MULTILINE), f"no target {target}"
    elif program(snippet) == "pip":
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
        for word in words:
            if match := re.search(r"\[(.+)\]", word):
                assert set(match[1].split(",")) <= extras.keys(), f"no extra {match[1]}"
    elif program(snippet) in ("node", ".ci/run"):
        file = ROOT / words[1 if program(snippet) == "node" else 0]
        assert file.exists(), f"no file {file}"


def test_the_documents_are_read():
    assert len(ALL) > 30
    texts = {snippet.text for snippet in ALL}
    assert "make test" in {" ".join(snippet.words) for snippet in ALL}
    assert any(
        text.startswith("python -m mlx_train compare random greedy emm:1") and "perfect" in text for text in texts
    )
    assert any(snippet.python for snippet in ALL)
    assert sum(map(run_by_test, ALL)) >= 5


@pytest.mark.parametrize("snippet", ALL, ids=lambda snippet: snippet.where)
def test_every_command_parses(snippet):
    check(snippet)


@pytest.mark.parametrize("name", [name for name, rows in SNIPPETS.items() if any(map(run_by_test, rows))])
def test_commands_run(name, tmp_path):
    """All of a document's, in order, in one folder that looks like a checkout; the game is not solved there."""
    for folder in ("weights", "docs", "notebooks"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    shutil.copy(ROOT / "weights/ur-3k.json", tmp_path / "weights.json")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "UR_CACHE": str(tmp_path / "cache")}
    failures, done = [], set()
    for snippet in filter(run_by_test, SNIPPETS[name]):
        if snippet.text in done:
            continue
        done.add(snippet.text)
        if snippet.python:
            command = [sys.executable, "-c", snippet.text]
        elif program(snippet) == "mlx-ur":
            command = [sys.executable, "-m", "mlx_train", *snippet.words[1:]]
        else:
            command = [sys.executable, *snippet.words[1:]]
        result = subprocess.run(
            command, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=60, stdin=subprocess.DEVNULL
        )
        if result.returncode:
            failures.append(f"{snippet.where}: {snippet.text}\n{result.stderr[-800:]}")
    assert not failures, "\n\n".join(failures)


PAGE = """\
# A page

    python -m mlx_train solve --pieces 2    # a comment
    python -m mlx_train analyze X \\
        --roll 3
    no command

Say `python -m mlx_train doctor` or
`python -m mlx_train
solve`.

| `make bench` | all |
| `make test` |

```python
print("python -m mlx_train")
```
"""


def test_marks_and_places(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    marks = {"slow": ["python -m mlx_train solve --pieces", "make bench"], "gpu": ["python -m mlx_train solve"]}
    rows = [
        (snippet.line, " ".join(snippet.words[-2:]), snippet.mark, snippet.python) for snippet in snippets(page, marks)
    ]
    assert rows == [
        (3, "--pieces 2", "slow", False), (4, "--roll 3", None, False), (8, "mlx_train doctor", None, False),
        (9, "mlx_train solve", "gpu", False), (12, "make bench", "slow", False), (13, "make test", None, False),
        (16, 'print("python -m mlx_train")'.replace('"', ""), None, True),
    ]  # fmt: skip
    assert [snippet.synopsis for snippet in snippets(page, {})][:3] == [False, True, False]
    assert {snippet.mark for snippet in snippets(page, {"slow": ["*"]})} == {"slow"}
    assert snippets(page, {"by-hand": ["```python"]})[-1].mark == "by-hand"


def test_an_unknown_reason_is_an_error(tmp_path):
    marks = tmp_path / "marks.toml"
    marks.write_text('["README.md"]\nslwo = ["make test"]\n')
    with pytest.raises(ValueError, match="unknown reason 'slwo'"):
        read_marks(marks)


def test_every_mark_is_for_a_command():
    for name, reasons in MARKS.items():
        for reason, beginnings in reasons.items():
            for beginning in beginnings:
                rows = [
                    row
                    for each in (NAMES if name == "*" else [name])
                    for row in snippets(NAMES[each], {reason: [beginning]})
                ]
                assert any(row.mark for row in rows), f"{name}: no command begins with {beginning!r}"


@pytest.mark.parametrize(
    "text",
    [
        "python -m mlx_train run --gmes 3", "python -m mlx_train runn", "python -m mlx_train run --learning-rate 0",
        "make tset", "pip install 'mlx-ur[cuda]'", "node tests/support/nowhere.mjs", "python -m mlx_train.nowhere",
        "python -m mlx_train solve --pieces many",
    ],
)  # fmt: skip
def test_a_wrong_command_is_found(text):
    snippet = Snippet(document=Path("page.md"), line=1, text=text, mark="slow")
    with pytest.raises(BaseException):  # noqa: B017, PT011 - the parser's, an assertion, or ValueError
        check(snippet)


def test_links_and_pictures_are_there():
    for document in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name}: {target}"
