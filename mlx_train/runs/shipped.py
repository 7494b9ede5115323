"""The shipped models: weights/manifest.json says what each is, and nothing gets in but through the gates.

A model NAME is weights/NAME.json and the same as a deterministic gzip, NAME.json.gz. Its card in the manifest says what
it is, how and with which command it was trained, what it measures, and the SHA-256 of both files.
"""

import dataclasses
import gzip
import hashlib
import json
import re
import shlex
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from engine.core.features import FEATURE_NAMES, extract_features_bytes
from engine.games.agents import Agent
from engine.games.arena import sample_decisions
from engine.network.document import POLICY_OUTPUTS, parameter_count, read_document
from engine.network.network import Network
from engine.solved.tablebase import Tablebase
from mlx_train.config import check_choice
from mlx_train.measuring.measures import DECISIONS, GAMES, PIECES, POSITIONS, exactness
from mlx_train.pictures.report import SizePoint, markdown_table
from mlx_train.system.files import write_json
from mlx_train.system.progress import say

#: Where the shipped models are, from the checkout's root.
WEIGHTS = Path("weights")

MANIFEST_VERSION = 1

#: A shipped JSON file is smaller than this.
MAX_BYTES = 15_000_000

#: Largest difference of a probability between the engine's forward pass and MLX's.
PARITY = 1e-5

#: The same of a quantised network, whose layers' inputs the engine rounds to 16 bits and MLX does not.
QUANTIZED_PARITY = 1e-3
_PARITY_DECISIONS = 5000

#: The measures that a replacement can be asked to better: where each stands, and the sign that makes less better.
MEASURES = {
    "regret": ("regret", "mean", 1),
    "value_error": ("value_error", "mean", 1),
    "win_rate": ("estimate", "rate", -1),
}

#: How far a measure may be from the manifest's when it is taken again: processors round float32 sums differently, which
#: moves an error a little and turns a choice between nearly equal moves now and then. Win rates and regrets in points.
TOLERANCES: dict[tuple[str | int, ...], float] = {
    ("value_error", "mean"): 1e-6,
    ("value_error", "rms"): 1e-6,
    ("value_error", "p95"): 5e-6,
    ("value_error", "max"): 1e-5,
    ("regret", "mean"): 2e-4,
    ("regret", "p95"): 2e-3,
    ("regret", "best_share"): 5e-4,
    ("estimate", "rate"): 0.02,
    ("estimate", "interval", 0): 0.02,
    ("estimate", "interval", 1): 0.02,
    ("estimate", "played_rate"): 0.2,
}

# What the card takes over from the metadata of the weights.
_HOW = (
    "training_date", "teacher", "num_games", "num_training_samples", "epochs", "best_epoch", "batch_size",
    "learning_rate", "training_time_seconds", "training_cpu_seconds", "device", "source_revision",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the measures of a card were taken over."""

    positions: int = POSITIONS
    decisions: int = DECISIONS
    games: int = GAMES
    seed: int = 0
    pieces: int = PIECES  # of the solved game, whose values are float64

    def check(self, table: Tablebase) -> None:
        """Raises ValueError for the table of another game, or one with rounded values."""
        if (table.pieces, table.dtype) != (self.pieces, "float64"):
            raise ValueError(
                f"models are measured with the game of {self.pieces} pieces in float64; "
                f"this table has {table.pieces} pieces in {table.dtype}"
            )


@dataclass(frozen=True, kw_only=True)
class Card:
    """One model of the manifest. `parameters` and `measures` are by network: "value", "policy" or both."""

    name: str
    what: str
    how: dict[str, Any]
    command: str
    seed: int | None
    architecture: dict[str, Any]
    parameters: dict[str, int]
    bytes: int
    sha256: dict[str, str]
    settings: Settings
    measures: dict[str, dict[str, Any]]

    @property
    def file(self) -> str:
        """The name of its JSON file."""
        return f"{self.name}.json"

    @property
    def head(self) -> str:
        """The network that plays for it."""
        return "value" if "value" in self.measures else "policy"

    def agent(self, folder: Path, head: str | None = None) -> Agent:
        """The player of one of its networks. Raises ValueError, OSError."""
        return _agent(folder / self.file, head or self.head)

    def point(self) -> SizePoint:
        """Where it stands in the picture of strength by size."""
        measures = self.measures[self.head]
        return SizePoint(
            name=self.name,
            parameters=self.parameters[self.head],
            regret=measures["regret"]["mean"],
            win_rate=measures["estimate"]["rate"],
        )

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Card":
        """The inverse of `dataclasses.asdict`. Raises TypeError for missing or unknown keys."""
        return cls(**values | {"settings": Settings(**values["settings"])})


def _agent(file: Path, head: str) -> Agent:
    return Agent.parse(f"net:{file}" + (":policy" if head == "policy" else ""))


# The manifest


def read_manifest(folder: Path = WEIGHTS) -> list[Card]:
    """The cards of a folder, in the manifest's order. Raises ValueError for a damaged manifest, OSError."""
    path = folder / "manifest.json"
    try:
        manifest = json.loads(path.read_text())
        if manifest["version"] != MANIFEST_VERSION:
            raise ValueError(f"version {manifest['version']!r} is unknown")
        return [Card.from_dict(values) for values in manifest["models"]]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: not a usable manifest: {error}") from None


def _write_manifest(folder: Path, cards: Sequence[Card]) -> None:
    models = [dataclasses.asdict(card) for card in cards]
    write_json(folder / "manifest.json", {"version": MANIFEST_VERSION, "models": models})


def problem(card: Card, folder: Path = WEIGHTS) -> str | None:
    """What is wrong with a model's files, in one line; None if nothing is."""
    for name in (card.file, f"{card.file}.gz"):
        try:
            content = (folder / name).read_bytes()
        except OSError as error:
            return f"{name}: {error.strerror}"
        if hashlib.sha256(content).hexdigest() != card.sha256.get(name):
            return f"{name}: the SHA-256 is not the manifest's"
    try:
        network = Network.load(folder / card.file)
    except ValueError as error:
        return str(error)
    said = (card.parameters, card.architecture, card.bytes)
    found = (_parameters(network), _architecture(network), (folder / card.file).stat().st_size)
    for what, one, other in zip(("parameters", "architecture", "bytes"), said, found, strict=True):
        if one != other:
            return f"{card.file}: its {what} are {other}, the manifest says {one}"
    if gzip.decompress(content) != (folder / card.file).read_bytes():
        return f"{card.file}.gz is not the gzip of {card.file}"
    return None


# Measures


def measure(file: Path, heads: Sequence[str], table: Tablebase, settings: Settings) -> dict[str, dict[str, Any]]:
    """Measure the networks of a file against the solution -> plain values by network. Raises ValueError."""
    settings.check(table)
    amounts = dataclasses.asdict(settings)
    del amounts["pieces"]
    measures = {}
    for head in heads:
        found = exactness(_agent(file, head), table, **amounts).to_dict()
        del found["agent"], found["size"], found["table"]
        found["microseconds_per_move"] = round(found["microseconds_per_move"], 2)
        measures[head] = found
    return measures


def differences(card: Card, table: Tablebase, folder: Path = WEIGHTS) -> list[str]:
    """Measure a model again -> a line for each figure that is not the manifest's, within `TOLERANCES`."""
    again = measure(folder / card.file, list(card.measures), table, card.settings)
    found = []
    for head, expected in card.measures.items():
        for path, tolerance in TOLERANCES.items():
            if expected[str(path[0])] is None:
                continue
            old, new = _figure(expected, path), _figure(again[head], path)
            if not abs(old - new) <= tolerance:
                name = " ".join(map(str, path))
                found.append(f"{card.name}: {head} {name} is {new:.6g}, the manifest says {old:.6g}")
    return found


def _figure(measures: Any, path: Sequence[str | int]) -> float:
    """What stands in nested dictionaries and lists under one key after the other."""
    for key in path:
        measures = measures[key]
    return measures


# Promotion


def promote(
    file: Path,
    name: str,
    table: Tablebase,
    *,
    what: str | None = None,
    command: str | None = None,
    by: str = "regret",
    folder: Path = WEIGHTS,
    settings: Settings | None = None,
) -> Card:
    """Admit a weights file to the folder under a name, or in place of the model of that name.

    what, command: for the card; unless told, those of the model that is replaced and of the run folder that the file
    lies in. by: the measure, of `MEASURES`, by which it has to be better than what it replaces, by more than rounding
    makes; no network of that may be missing or worse. settings: unless told, those over which that was measured. Raises
    ValueError, in one line, at the first gate that it fails; then nothing was written. The manifest is written last: a
    kill between leaves files that `problem` finds, until the same call is made again.
    """
    check_choice("measure", by, MEASURES)
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", name):
        raise ValueError(f"a model's name is small letters, digits and dashes, got {name!r}")
    document = read_document(file)
    network = Network.load(file)
    heads = list(_parameters(network))
    _check_parity(file, network)
    cards = read_manifest(folder) if (folder / "manifest.json").exists() else []
    old = next((card for card in cards if card.name == name), None)
    settings = settings or (old.settings if old else Settings())
    settings.check(table)
    what = what or (old.what if old else None)
    command = command or _command_of(file)
    if not what:
        raise ValueError("the card lacks what the model is: give --what")
    if not command:
        raise ValueError("the card lacks the command that trained the model: give --command")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".promote-") as staging:
        staged = _stage(document, name, Path(staging))
        _check_schema(staged[0])
        measures = measure(staged[0], heads, table, settings)
        card = Card(
            name=name,
            what=what,
            how={key: document["metadata"][key] for key in _HOW if key in document["metadata"]},
            command=command,
            seed=document["metadata"].get("seed"),
            architecture=_architecture(network),
            parameters=_parameters(network),
            bytes=staged[0].stat().st_size,
            sha256={path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in staged},
            settings=settings,
            measures=measures,
        )
        if old is not None:
            _check_better(card, old, by)
        for path in staged:
            path.replace(folder / path.name)
    others = [card if other.name == name else other for other in cards]
    _write_manifest(folder, others if old else [*others, card])
    return card


def _parameters(network: Network) -> dict[str, int]:
    """How many the value and the policy network have, as far as they are there."""
    there = (("value", network.has_value, 1), ("policy", network.has_policy, POLICY_OUTPUTS))
    return {
        head: parameter_count(len(FEATURE_NAMES), network.hidden_sizes, outputs) for head, has, outputs in there if has
    }


def _architecture(network: Network) -> dict[str, Any]:
    return {"hidden_sizes": list(network.hidden_sizes), "activation": network.activation}


def _check_schema(file: Path) -> None:
    """Hold a file against the published schema of the format."""
    import jsonschema

    schema = json.loads((files("mlx_train.networks") / "weights.schema.json").read_text())
    error = jsonschema.exceptions.best_match(
        jsonschema.Draft202012Validator(schema).iter_errors(json.loads(file.read_text()))
    )
    if error is not None:
        raise ValueError(f"not of the format's schema: {error.json_path} {error.message[:200]}")


def _check_parity(file: Path, engine: Network) -> None:
    """Hold the engine's probabilities against MLX's, on decisions of greedy play."""
    from mlx_train.device.backend import mx
    from mlx_train.networks.mlp import log_policies, values
    from mlx_train.networks.weights import load_networks

    model, _ = load_networks(file)
    allowed = QUANTIZED_PARITY if engine.quantized else PARITY
    packed, rolls = sample_decisions(_PARITY_DECISIONS, 0, Agent.parse("greedy"))
    with mx.stream(mx.cpu):  # GPUs may multiply in fewer bits
        if engine.has_value:
            doubled = np.array(values(model.value, mx.array(extract_features_bytes(packed))))
            _check_difference("value", engine.values(packed) - (0.5 + 0.5 * doubled), allowed)
        if engine.has_policy:
            ours = engine.policies(packed, rolls)
            inputs = mx.array(extract_features_bytes(packed, rolls))
            logs = np.array(log_policies(model.policy, inputs, mx.array(ours > 0)))
            _check_difference("policy", ours - np.exp(logs), allowed)


def _check_difference(head: str, difference: np.ndarray, allowed: float) -> None:
    worst = float(np.abs(difference).max())
    if not worst <= allowed:
        raise ValueError(
            f"the {head} network differs by {worst:.2g} between engine and MLX, at most {allowed:g} may be"
        )


def _command_of(file: Path) -> str | None:
    """The command of the run folder that a file lies in."""
    try:
        return "python -m mlx_train " + shlex.join(json.loads((file.parent / "config.json").read_text())["command"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _stage(document: dict[str, Any], name: str, staging: Path) -> list[Path]:
    """Write a model's two files where nobody looks yet -> their paths."""
    from mlx_train.networks.weights import save_document

    paths = [staging / f"{name}.json", staging / f"{name}.json.gz"]
    for path in paths:
        save_document(path, document)
    if paths[0].stat().st_size >= MAX_BYTES:
        raise ValueError(
            f"its JSON has {paths[0].stat().st_size:,} bytes, a shipped model has fewer than {MAX_BYTES:,}"
        )
    return paths


def _check_better(card: Card, old: Card, by: str) -> None:
    """The network that plays has to be better by the measure than the one that played, and no other one worse, or gone.

    A difference within `TOLERANCES` is none: measured on another processor it could be the other way round.
    """
    group, key, sign = MEASURES[by]
    tolerance = TOLERANCES[group, key]
    for head in old.measures:
        if head not in card.measures:
            raise ValueError(f"{old.name} has a {head} network too, this file has none: join them with export --policy")
    others = ((head, head) for head in old.measures if head != card.head)
    for head, before in ((card.head, old.head), *others):
        plays = head == card.head
        now, then = card.measures[head][group], old.measures[before][group]
        if now is None or then is None:
            if plays:
                raise ValueError(f"{by} is not measured for the {head if now is None else before} network")
            continue
        gain = sign * (then[key] - now[key])
        if not (gain > tolerance if plays else gain >= -tolerance):
            what = "" if plays else f" in its {head} network"
            raise ValueError(
                f"not better than {old.name}{what}: {by} is {now[key]:.6g}, that of {old.name} is {then[key]:.6g}, and "
                f"{tolerance:g} are within rounding"
            )


# What a person sees


def table_of(cards: Sequence[Card], states: Sequence[str]) -> str:
    """The models as a Markdown table; `states` says of each whether its files are right."""
    header = (
        "model", "parameters", "mean error", "regret, points", "win % against perfect", "microseconds a move",
        "bytes", "files", "what",
    )  # fmt: skip
    return markdown_table(header, [_row(card, state) for card, state in zip(cards, states, strict=True)])


def _row(card: Card, state: str) -> tuple[object, ...]:
    measures = card.measures[card.head]
    error = measures["value_error"]
    return (
        card.name,
        f"{card.parameters[card.head]:,}",
        "" if error is None else f"{error['mean']:.6f}",
        f"{measures['regret']['mean']:.4f}",
        f"{measures['estimate']['rate']:.2f}",
        f"{measures['microseconds_per_move']:.1f}",
        f"{card.bytes:,}",
        state,
        card.what,
    )


def verify(cards: Sequence[Card], table: Tablebase, folder: Path = WEIGHTS) -> Iterator[str]:
    """Measure every model again; yields a line for each figure that is not the manifest's."""
    for card in cards:
        say(f"measuring {card.name} again")
        yield from differences(card, table, folder)
