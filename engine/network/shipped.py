"""The networks that come with the program, by name."""

from pathlib import Path

#: The file beside the shipped networks that describes them; it is no network.
MANIFEST = "manifest.json"

_ENDINGS = (".json", ".json.gz")
_ROOT = Path(__file__).resolve().parents[2]  # the folder that has the package `engine`


def is_weights_path(text: str) -> bool:
    """Whether a text is written as the path of a weights file: with a folder, or with a weights file's ending."""
    return "/" in text or text.endswith(_ENDINGS)


def weights_files(folder: Path) -> dict[str, Path]:
    """The weights files of a folder by their names without ending; of NAME.json and NAME.json.gz the first one.

    Empty where there is no such folder.
    """
    if not folder.is_dir():
        return {}
    files = [path for path in folder.iterdir() if path.name.endswith(_ENDINGS) and path.name != MANIFEST]
    return {file.name.removesuffix(".gz").removesuffix(".json"): file for file in sorted(files, reverse=True)}


def shipped_folder() -> Path:
    """The folder of the shipped networks: weights/ of a checkout, else the copy in the installed package (setup.py)."""
    checkout = _ROOT / "weights"
    return checkout if (checkout / MANIFEST).is_file() else _ROOT / "mlx_train" / "site" / "weights"


def shipped_models() -> dict[str, Path]:
    """The shipped networks' files by the models' names."""
    return dict(sorted(weights_files(shipped_folder()).items()))
