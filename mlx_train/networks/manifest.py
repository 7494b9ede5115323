"""The manifest of the shipped models: weights/manifest.json, and whether each file is the one it describes.

A model NAME is the file weights/NAME.json. Its entry says what it is, which command trained it and how, its measures
against the solved game, and the file's SHA-256. Manifests that also have the SHA-256 of NAME.json.gz are read too.
An installed package has NAME.json.gz in place of NAME.json (setup.py).
"""

import dataclasses
import gzip
import hashlib
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.core.features import features_of
from engine.games.agents import Agent
from engine.network.document import POLICY_OUTPUTS, parameter_count
from engine.network.network import Network
from engine.solved.tablebase import Tablebase
from mlx_train.system.files import write_json
from mlx_train.system.shapes import fits

MANIFEST_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class MeasureSettings:
    """The amounts, the seed and the solved game of a model's measures (see `measuring.exactness.exactness`)."""

    positions: int
    decisions: int
    games: int
    seed: int = 0
    pieces: int  # of the solved game, whose values are float64

    def check(self, table: Tablebase) -> None:
        """Raises ValueError for the table of another game, or one with rounded values."""
        if (table.pieces, table.dtype) != (self.pieces, "float64"):
            raise ValueError(
                f"models are measured with the game of {self.pieces} pieces in float64; "
                f"this table has {table.pieces} pieces in {table.dtype}"
            )


#: The shape of an entry, and of the measures of one of its networks.
_MEASURES = {
    "value_error": (None, {"mean": float}),
    "regret": {"mean": float},
    "estimate": {"rate": float, "interval": [float]},
    "microseconds_per_move": float,
}
_ENTRY = {
    "name": str,
    "what": str,
    "how": {},
    "command": str,
    "seed": (int, None),
    "architecture": {"hidden_sizes": [int], "activation": str},
    "parameters": {str: int},
    "bytes": int,
    "sha256": {str: str},
    "settings": {"positions": int, "decisions": int, "games": int, "seed?": int, "pieces": int},
    "measures": {"value?": _MEASURES, "policy?": _MEASURES},
    "quantized?": (None, {str: (float, str)}),
    "rules?": str,
}


@dataclass(frozen=True, kw_only=True)
class ModelEntry:
    """One model of the manifest. `parameters` and `measures` are by network: "value", "policy" or both."""

    name: str
    what: str
    rules: str = "finkel"  # the rule set that it plays
    how: dict[str, Any]
    command: str
    seed: int | None
    architecture: dict[str, Any]
    parameters: dict[str, int]
    bytes: int
    sha256: dict[str, str]  # by file name
    settings: MeasureSettings
    measures: dict[str, dict[str, Any]]
    quantized: dict[str, Any] | None = None  # the page's file quantized/NAME.json (tools/quantized.py)

    @property
    def file(self) -> str:
        """The name of its JSON file."""
        return f"{self.name}.json"

    def path(self, folder: Path) -> Path:
        """Its file in a folder: NAME.json, or NAME.json.gz where there is no other."""
        plain, packed = folder / self.file, folder / f"{self.file}.gz"
        return packed if packed.exists() and not plain.exists() else plain

    @property
    def head(self) -> str:
        """The network that plays for it: the value network if the model has one."""
        return "value" if "value" in self.measures else "policy"

    def agent(self, folder: Path, head: str | None = None) -> Agent:
        """The player of one of its networks. Raises ValueError, OSError."""
        return head_agent(self.path(folder), head or self.head)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "ModelEntry":
        """The inverse of `dataclasses.asdict`. Raises TypeError for missing or unknown keys, and for other types."""
        if (
            not fits(values, _ENTRY)
            or not values["measures"]
            or values["measures"].keys() != values["parameters"].keys()
        ):
            raise TypeError("an entry lacks something, or has it in another type")
        return cls(**values | {"settings": MeasureSettings(**values["settings"])})


def head_agent(file: Path, head: str) -> Agent:
    """The player of the "value" or "policy" network of a weights file, of any rule set. Raises ValueError, OSError."""
    return Agent.from_network(
        Network.load(file), f"net:{file}" + (":policy" if head == "policy" else ""), policy=head == "policy"
    )


def parameters_of(network: Network) -> dict[str, int]:
    """The number of parameters of each network that a weights file has."""
    heads = (("value", network.has_value, 1), ("policy", network.has_policy, POLICY_OUTPUTS))
    return {
        head: parameter_count(len(features_of(network.rules).names), network.hidden_sizes, outputs)
        for head, present, outputs in heads
        if present
    }


def architecture_of(network: Network) -> dict[str, Any]:
    """The hidden sizes and the activation of a weights file, as an entry has them."""
    return {"hidden_sizes": list(network.hidden_sizes), "activation": network.activation}


def read_manifest(folder: Path) -> list[ModelEntry]:
    """The entries of a folder's manifest, in its order. Raises ValueError for a damaged manifest, OSError."""
    path = folder / "manifest.json"
    try:
        manifest = json.loads(path.read_text())
        if manifest["version"] != MANIFEST_VERSION:
            raise ValueError(f"version {manifest['version']!r} is unknown")
        return [ModelEntry.from_dict(values) for values in manifest["models"]]
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not a usable manifest: {error}") from None


def write_manifest(folder: Path, entries: Sequence[ModelEntry]) -> None:
    """Write the models of a folder's manifest; its levels stay as they are. Raises OSError."""
    path = folder / "manifest.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    models = [dataclasses.asdict(entry) for entry in entries]
    write_json(path, kept | {"version": MANIFEST_VERSION, "models": models})


def file_problem(entry: ModelEntry, folder: Path) -> str | None:
    """One line that says how a model's file differs from its entry; None if it doesn't."""
    path = entry.path(folder)
    try:
        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix == ".gz" else content
    except (OSError, EOFError, zlib.error) as error:  # gzip's own error is an OSError
        return f"{path.name}: {getattr(error, 'strerror', None) or error}"
    if hashlib.sha256(content).hexdigest() != entry.sha256.get(entry.file):
        return f"{path.name}: the SHA-256 is not the manifest's"
    try:
        network = Network.load(path)
    except ValueError as error:
        return str(error)
    for what, stated, actual in (
        ("parameters", entry.parameters, parameters_of(network)),
        ("architecture", entry.architecture, architecture_of(network)),
        ("bytes", entry.bytes, len(content)),
    ):
        if stated != actual:
            return f"{path.name}: its {what} are {actual}, the manifest says {stated}"
    return None
