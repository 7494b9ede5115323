"""How the program was installed and is started here: for messages that name a command or a package to install."""

import importlib.util
import shlex
import sys
from os import PathLike, fspath
from pathlib import Path

#: The installed program. `python -m mlx_train` is the same.
PROGRAM = "mlx-ur"

#: The extra of the distribution that installs a package, by the package's name where it is imported.
EXTRAS = {
    "jsonschema": "train",
    "matplotlib": "train",
    "mlx": "train",
    "optuna": "tune",
    "psutil": "train",
    "rich": "train",
    "tensorboard": "tensorboard",
    "typer": "train",
}


def command(*words: str | PathLike[str]) -> str:
    """A command line of this program, spelled as its user started it: `mlx-ur solve` or `python -m mlx_train solve`."""
    started_as = PROGRAM if Path(sys.argv[0]).stem == PROGRAM else "python -m mlx_train"
    return shlex.join([*started_as.split(), *map(fspath, words)])


def has_command_line() -> bool:
    """Whether the packages of the command line are installed beside the engine."""
    return importlib.util.find_spec("typer") is not None


def install_advice(package: str | None) -> str | None:
    """One line that says which `pip install` brings a package; None for a package that no extra has."""
    name = (package or "").partition(".")[0]
    return f"{name} is not installed here: pip install 'mlx-ur[{EXTRAS[name]}]'" if name in EXTRAS else None
