"""`models promote`: the checks that a weights file has to pass before it is shipped."""

import dataclasses
import hashlib
import json
import re
import shlex
from contextlib import nullcontext
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np

from engine.core.features import extract_features_bytes
from engine.core.rules import check_same
from engine.core.rules import rules as rule_set
from engine.games.agents import Agent, open_table
from engine.games.sampling import sample_decisions
from engine.games.turns import PIECES
from engine.machine.files import atomic_file
from engine.network.document import read_document
from engine.network.network import Network
from engine.solved.tablebase import Tablebase
from mlx_train.config import WEIGHTS, check_choice
from mlx_train.device.backend import mx
from mlx_train.measuring.matches import GAMES
from mlx_train.measuring.regret import DECISIONS
from mlx_train.measuring.value_error import POSITIONS
from mlx_train.networks.manifest import (
    MeasureSettings,
    ModelEntry,
    architecture_of,
    parameters_of,
    read_manifest,
    write_manifest,
)
from mlx_train.networks.mlp import log_policies, values
from mlx_train.networks.weights import document_content, from_document
from mlx_train.runs.shipped import TOLERANCES, measure, model_table
from mlx_train.system.files import make_folder, own_folder

#: The settings with which a new model is measured.
SETTINGS = MeasureSettings(positions=POSITIONS, decisions=DECISIONS, games=GAMES, seed=0, pieces=PIECES)


def settings_of(rules: str) -> MeasureSettings:
    """`SETTINGS` with the pieces of a rule set's game."""
    return dataclasses.replace(SETTINGS, pieces=rule_set(rules).pieces)


#: A shipped JSON file is smaller than this.
MAX_BYTES = 15_000_000

#: Largest difference of a probability between the engine's forward pass and MLX's.
PARITY = 1e-5

#: The largest difference for a quantised network: the engine rounds its layers' inputs to 16 bits and MLX does not.
QUANTIZED_PARITY = 1e-3
_PARITY_DECISIONS = 5000

#: The measures that a replacement can be required to improve: the place of each in an entry's `measures`, and 1 where
#: less is better, -1 where more is.
MEASURES = {
    "regret": ("regret", "mean", 1),
    "value_error": ("value_error", "mean", 1),
    "win_rate": ("estimate", "rate", -1),
}

# The metadata of the weights that an entry's `how` takes over.
_HOW = (
    "training_date", "teacher", "num_games", "num_training_samples", "epochs", "best_epoch", "batch_size",
    "learning_rate", "training_time_seconds", "training_cpu_seconds", "device", "source_revision",
)  # fmt: skip


def promote(
    file: Path,
    name: str,
    table: Tablebase,
    *,
    what: str | None = None,
    command: str | None = None,
    by: str = "regret",
    folder: Path = WEIGHTS,
    settings: MeasureSettings | None = None,
) -> ModelEntry:
    """Add a weights file to the models of a folder under a name, or replace the model of that name -> its entry.

    what: the entry's description; by default the replaced model's. command: the command that trained the model; by
    default the command of the file's run folder. by: the name of the measure, in `MEASURES`, by which the new model's
    playing network has to be better than the replaced model's, by more than the tolerance in `TOLERANCES`. The new
    model must have all networks of the replaced model, and none may be worse. settings: by default the replaced
    model's. Raises ValueError, in one line, at the first check that fails; then nothing was written. The manifest is
    written last. After a kill between the two writes `file_problem` reports the file, until the same call is repeated.
    """
    check_choice("measure", by, MEASURES)
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", name):
        raise ValueError(f"a model's name is small letters, digits and dashes, got {name!r}")
    document = read_document(file)
    network = Network.load(file)
    check_parity(document, network)
    entries = read_manifest(folder) if (folder / "manifest.json").exists() else []
    old = next((entry for entry in entries if entry.name == name), None)
    settings = _checked_settings(settings or (old.settings if old else settings_of(network.rules)), network, table)
    what = what or (old.what if old else None)
    command = command or _command_of(file)
    if not what:
        raise ValueError("the entry lacks what the model is: give --what")
    if not command:
        raise ValueError("the entry lacks the command that trained the model: give --command")
    content = document_content(document)
    check_content(content)
    parameters = parameters_of(network)
    entry = ModelEntry(
        name=name,
        what=what,
        rules=network.rules,
        how={key: document["metadata"][key] for key in _HOW if key in document["metadata"]},
        command=command,
        seed=document["metadata"].get("seed"),
        architecture=architecture_of(network),
        parameters=parameters,
        bytes=len(content),
        sha256={f"{name}.json": hashlib.sha256(content).hexdigest()},
        settings=settings,
        measures=measure(file, list(parameters), table, settings),
    )
    if old is not None:
        check_better(entry, old, by)
    make_folder(folder)
    with atomic_file(folder / entry.file) as target:
        target.write(content)
    others = [entry if other.name == name else other for other in entries]
    write_manifest(folder, others if old else [*others, entry])
    return entry


def promote_file(
    file: Path, name: str, table_file: Path | None, *, folder: Path = WEIGHTS, **more: Any
) -> dict[str, Path]:
    """`promote` with the table of a file, and print the new entry -> the files written."""
    table = open_table(table_file, read_document(file)["rules"])
    # The manifest is read now, and written after the measuring; a new folder has none that could be lost.
    with own_folder(folder) if folder.is_dir() else nullcontext():
        entry = promote(file, name, table, folder=folder, **more)
    print(model_table([entry], ["ok"]))
    return {"model": folder / entry.file, "manifest": folder / "manifest.json"}


def _command_of(file: Path) -> str | None:
    """The command of the run folder that a file lies in; None if the file lies in none."""
    try:
        return "python -m mlx_train " + shlex.join(json.loads((file.parent / "config.json").read_text())["command"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _checked_settings(settings: MeasureSettings, network: Network, table: Tablebase) -> MeasureSettings:
    """The settings. Raises ValueError for a table of another game than the network and its measures need."""
    check_same(network.rules, table.rules, network.path, "the table")
    settings.check(table)
    return settings


def check_content(content: bytes) -> None:
    """Raises ValueError for a JSON text that is too large to ship, or that the schema of the format refuses."""
    if len(content) >= MAX_BYTES:
        raise ValueError(f"its JSON has {len(content):,} bytes, a shipped model has fewer than {MAX_BYTES:,}")
    schema = json.loads((files("mlx_train.networks") / "weights.schema.json").read_text())
    error = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(schema).iter_errors(json.loads(content)))
    if error is not None:
        raise ValueError(f"not of the format's schema: {error.json_path} {error.message[:200]}")


def check_parity(document: dict[str, Any], network: Network) -> None:
    """Compare the engine's probabilities with MLX's on decisions of greedy play. Raises ValueError."""
    model = from_document(document)
    allowed = QUANTIZED_PARITY if network.quantized else PARITY
    packed, rolls = sample_decisions(_PARITY_DECISIONS, 0, Agent.parse("greedy", network.rules))
    with mx.stream(mx.cpu):  # GPUs may multiply in fewer bits
        if network.has_value:
            doubled = np.array(values(model.value, mx.array(extract_features_bytes(packed, rules=network.rules))))
            _check_difference("value", network.values(packed) - (0.5 + 0.5 * doubled), allowed)
        if network.has_policy:
            policies = network.policies(packed, rolls)
            inputs = mx.array(extract_features_bytes(packed, rolls, network.rules))
            logs = np.array(log_policies(model.policy, inputs, mx.array(policies > 0)))
            _check_difference("policy", policies - np.exp(logs), allowed)


def _check_difference(head: str, difference: np.ndarray, allowed: float) -> None:
    largest = float(np.abs(difference).max())
    if not largest <= allowed:
        raise ValueError(
            f"the {head} network differs by {largest:.2g} between engine and MLX, at most {allowed:g} may be"
        )


def check_better(entry: ModelEntry, old: ModelEntry, by: str) -> None:
    """Compare a model with the one it replaces. Raises ValueError unless its playing network is better by the measure,
    and no other network is worse or missing.

    A difference within `TOLERANCES` counts as none: measured on another processor it could have the other sign.
    """
    for head in old.measures:
        if head not in entry.measures:
            raise ValueError(f"{old.name} has a {head} network too, this file has none: join them with export --policy")
    _check_measure(entry, old, by, entry.head, old.head)
    for head in old.measures:
        if head != entry.head:
            _check_measure(entry, old, by, head, head)


def _check_measure(entry: ModelEntry, old: ModelEntry, by: str, head: str, old_head: str) -> None:
    """Compare one network with one of the replaced model: the playing network has to be better, another not worse."""
    group, key, sign = MEASURES[by]
    tolerance = TOLERANCES[group, key]
    plays = head == entry.head
    new, before = entry.measures[head][group], old.measures[old_head][group]
    if new is None or before is None:
        if plays:
            raise ValueError(f"{by} is not measured for the {head if new is None else old_head} network")
        return
    gain = sign * (before[key] - new[key])
    if not (gain > tolerance if plays else gain >= -tolerance):
        where = "" if plays else f" in its {head} network"
        raise ValueError(
            f"not better than {old.name}{where}: {by} is {new[key]:.6g}, that of {old.name} is {before[key]:.6g}, and "
            f"{tolerance:g} are within rounding"
        )
