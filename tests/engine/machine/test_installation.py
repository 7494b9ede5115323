"""What messages say about commands and packages."""

import os
import subprocess
import sys

import pytest

from engine.machine.installation import command, explained_imports, install_advice


@pytest.mark.parametrize(
    ("started_as", "expected"),
    [
        ("/opt/bin/mlx-ur", "mlx-ur replay 'my game.jsonl'"),
        ("/lib/mlx_train/__main__.py", "python -m mlx_train replay 'my game.jsonl'"),
        ("", "python -m mlx_train replay 'my game.jsonl'"),
    ],
)
def test_a_command_is_spelled_as_the_program_was_started(started_as, expected, monkeypatch):
    monkeypatch.setattr("sys.argv", [started_as])
    assert command("replay", "my game.jsonl") == expected


@pytest.mark.parametrize("name", ["a b", "it's", "$HOME", "bad\udcff\\'", "two\nlines", "é王"])
def test_a_command_can_be_typed(name, monkeypatch):
    """Also with names that are no text: the shell reads the same bytes."""
    monkeypatch.setattr("sys.argv", ["mlx-ur"])
    words = command("replay", name).removeprefix("mlx-ur replay ")
    assert words.isprintable()
    read = subprocess.run(["bash", "-c", f"printf %s {words}"], capture_output=True, check=True)
    assert os.fsdecode(read.stdout) == name


def test_advice():
    assert install_advice("mlx.core") == "mlx is not installed here: pip install 'mlx-ur[train]'"
    assert install_advice("no_such_package") is None
    assert install_advice(None) is None


def test_an_import_says_what_it_needs(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyspiel", None)
    message = r"^pyspiel is not installed here: pip install 'mlx-ur\[openspiel\]'$"
    with pytest.raises(ModuleNotFoundError, match=message), explained_imports():
        import pyspiel  # noqa: F401
    with pytest.raises(ModuleNotFoundError, match="no_such_package"), explained_imports():
        import no_such_package  # noqa: F401
