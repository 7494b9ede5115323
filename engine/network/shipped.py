"""The networks that come with the program, by name, and the levels of play that are made from them."""

import json
from pathlib import Path
from typing import NamedTuple

#: The file beside the shipped networks that describes them and defines the levels; it is no network.
MANIFEST = "manifest.json"

_ENDINGS = (".json", ".json.gz")
_ROOT = Path(__file__).resolve().parents[2]  # the folder that has the package `engine`


def is_weights_path(text: str) -> bool:
    """Whether a text is written as the path of a weights file: with a folder, or with a weights file's ending."""
    return "/" in text or text.lower().endswith(_ENDINGS)


def weights_files(folder: Path) -> dict[str, Path]:
    """The weights files of a folder by their names without ending; of NAME.json and NAME.json.gz the first one.

    Empty where there is no such folder.
    """
    if not folder.is_dir():
        return {}
    files = [
        path for path in folder.iterdir() if path.name.endswith(_ENDINGS) and path.name != MANIFEST and path.is_file()
    ]
    return {file.name.removesuffix(".gz").removesuffix(".json"): file for file in sorted(files, reverse=True)}


def shipped_folder() -> Path:
    """The folder of the shipped networks: weights/ of a checkout, else the copy in the installed package (setup.py)."""
    checkout = _ROOT / "weights"
    return checkout if (checkout / MANIFEST).is_file() else _ROOT / "mlx_train" / "site" / "weights"


def shipped_models() -> dict[str, Path]:
    """The shipped networks' files by the models' names."""
    return dict(sorted(weights_files(shipped_folder()).items()))


class Level(NamedTuple):
    """A level of play: a shipped network whose choice among the moves is softened.

    The level draws a move with a probability proportional to exp(-regret / temperature), where the regret is the
    network's, in points of win probability. At temperature 0 it plays the best move. elo: measured by `compare`,
    relative to perfect play.
    """

    name: str
    network: str
    temperature: float
    elo: int


def levels(rules: str = "finkel") -> tuple[Level, ...]:
    """The levels of a rule set, the weakest first, from the manifest; none where no network is shipped."""
    path = shipped_folder() / MANIFEST
    manifest = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return tuple(Level(**level) for level in manifest.get("levels", {}).get(rules, ()))
