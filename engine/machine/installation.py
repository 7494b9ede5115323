"""How the program was installed and is started here: for messages that name a command or a package to install."""

import importlib.util
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike, fsencode, fspath
from pathlib import Path

#: The installed program. `python -m mlx_train` is the same.
PROGRAM = "mlx-ur"

#: The extra of the distribution that installs a package, by the package's name where it is imported.
EXTRAS = {
    "PIL": "rl",
    "coremltools": "coreml",
    "gymnasium": "rl",
    "jsonschema": "train",
    "matplotlib": "train",
    "mlx": "train",
    "onnx": "onnx",
    "optuna": "tune",
    "pettingzoo": "rl",
    "psutil": "train",
    "pyspiel": "openspiel",
    "resvg_py": "rl",
    "rich": "train",
    "tensorboard": "tensorboard",
    "typer": "train",
}


def command(*words: str | PathLike[str]) -> str:
    """A command line of this program, spelled as its user started it: `mlx-ur solve` or `python -m mlx_train solve`."""
    started_as = PROGRAM if Path(sys.argv[0]).stem == PROGRAM else "python -m mlx_train"
    return " ".join([started_as, *map(_quoted, words)])


def _quoted(word: str | PathLike[str]) -> str:
    """A word of a command line as it is typed. Bytes that are no UTF-8, and control signs, need the shell's $'...'."""
    text = fspath(word)
    if text.isprintable():
        return shlex.quote(text)
    return "$'" + "".join(map(_escaped, fsencode(text))) + "'"


def _escaped(byte: int) -> str:
    """A byte of a word within $'...'."""
    sign = chr(byte)
    if sign in "\\'":
        return f"\\{sign}"
    return sign if 32 <= byte < 127 else f"\\x{byte:02x}"


def has_command_line() -> bool:
    """Whether the packages of the command line are installed beside the engine."""
    return importlib.util.find_spec("typer") is not None


def install_advice(package: str | None) -> str | None:
    """One line that says which `pip install` brings a package; None for a package that no extra has."""
    name = (package or "").partition(".")[0]
    return f"{name} is not installed here: pip install 'mlx-ur[{EXTRAS[name]}]'" if name in EXTRAS else None


@contextmanager
def explained_imports() -> Iterator[None]:
    """Within it, an import that fails for want of an extra says which `pip install` brings the package."""
    try:
        yield
    except ModuleNotFoundError as error:
        advice = install_advice(error.name)
        if advice is None:
            raise
        raise ModuleNotFoundError(advice, name=error.name) from None
