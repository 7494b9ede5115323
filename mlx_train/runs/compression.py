"""`compress`: smaller files of trained networks, with weights of few bits (the format: engine/network/quantized.py)."""

import itertools
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.core.features import features_of
from engine.games.agents import open_table
from engine.games.exact_rows import policy_batch, value_batch
from engine.machine.installation import command
from engine.network.document import LAYOUT as FLAT_LAYOUT
from engine.network.document import read_document
from engine.network.quantized import LAYOUT, MAX_BITS, MIN_BITS, Layer
from engine.solved.tablebase import Tablebase
from mlx_train.config import NETWORKS, Config, check_choice
from mlx_train.data.exact import ExactSource
from mlx_train.device.memory import explained, peak_line, set_limits
from mlx_train.measuring.regret import DECISIONS
from mlx_train.measuring.value_error import POSITIONS
from mlx_train.networks.weights import document_content, from_document, save_document
from mlx_train.runs.compression_results import CompressedNetwork, measure_networks, reference_curve, write_results
from mlx_train.runs.quantization import BATCH_SIZE, finetune, quantize
from mlx_train.system.files import make_folder, own_folder
from mlx_train.system.progress import say

#: Share of the positions of the rounding and the training that are met in optimal play; the others are uniform.
PLAY_SHARE = 0.5

#: The largest share of the weights that can be set to zero.
MAX_PRUNED = 0.95

#: The fewest positions for the rounding.
MIN_CALIBRATION = 1000

#: The most positions for the rounding: their features take 1.5 GB.
MAX_CALIBRATION = 10_000_000

#: The most steps of training, as of a run.
MAX_STEPS = 100_000_000

# The keys that a quantised document takes from its source, beside the metadata.
_SHARED = ("rules", "feature_set", "value_scale")

# The metadata that a quantised document keeps: all settings of its source would be a tenth of a small file.
_KEPT = ("teacher", "seed")


def check_request(
    bits: Sequence[int], prune: Sequence[float], networks: str, calibration: int, steps: int
) -> dict[str, Any]:
    """These settings of `compress`, by name. Raises ValueError for one that is out of its range."""
    check_choice("networks", networks, NETWORKS)
    if not all(MIN_BITS <= count <= MAX_BITS for count in bits):
        raise ValueError(f"bits must be from {MIN_BITS} to {MAX_BITS}, got {bits}")
    if not all(0 <= share <= MAX_PRUNED for share in prune):
        raise ValueError(f"prune must be a share from 0 to {MAX_PRUNED}, got {prune}")
    if not MIN_CALIBRATION <= calibration <= MAX_CALIBRATION:
        raise ValueError(f"calibration must be {MIN_CALIBRATION} to {MAX_CALIBRATION} positions, got {calibration}")
    if not 0 <= steps <= MAX_STEPS:
        raise ValueError(f"steps must be 0 to {MAX_STEPS}, got {steps}")
    return {"bits": bits, "prune": prune, "networks": networks, "calibration": calibration, "steps": steps}


def compress_into(
    folder: Path, model: Path, table_file: Path | None, as_json: bool, **settings: Any
) -> dict[str, Path]:
    """`compress` into a folder, with its tables and its picture; print the measures -> the files by what they are."""
    table = open_table(table_file, read_document(model)["rules"])
    try:
        with own_folder(folder):
            results = compress(model, folder, table, **settings)
            text = write_results(folder, results, reference_curve(table))
    except KeyboardInterrupt:
        again = command(*sys.argv[1:])
        finished = f"the finished files are in {folder}, not measured together; " if any(folder.glob("*")) else ""
        say(f"interrupted: {finished}begin again with `{again}`")
        raise
    print(json.dumps([asdict(result) for result in results], indent=2) if as_json else text)
    say(peak_line())
    return {"files": folder, "picture": folder / "compress.png"}


def compress(
    model: Path,
    output: Path,
    table: Tablebase,
    *,
    bits: Sequence[int],
    calibration: int,
    prune: Sequence[float] = (0.0,),
    networks: str = "both",
    steps: int = 0,
    seed: int = 0,
    positions: int = POSITIONS,
    decisions: int = DECISIONS,
    workers: int | None = None,
) -> list[CompressedNetwork]:
    """Write a model's networks at each number of bits and share of pruned weights, as JSON and as its gzip.

    calibration: positions for the rounding. networks: both, value or policy. steps: the number of training steps
    with exact labels after the rounding. Returns the measures of the model itself, then those of every file; the value
    network comes before the policy network. Raises ValueError, OSError.
    """
    document = read_document(model)
    heads = _heads(model, document, networks)
    make_folder(output)
    device, _ = set_limits("auto")
    name = model.name.removesuffix(".gz").removesuffix(".json")
    source = from_document(document)
    inputs = {head: calibration_inputs(table, head, calibration, seed) for head in heads}
    measured = partial(measure_networks, table=table, positions=positions, decisions=decisions, workers=workers)
    batches = {head: _batches(table, head, steps, seed, workers) for head in heads} if steps else {}
    results = measured(model, heads, _float_content(document, heads), 32, 0.0)
    for share, count in itertools.product(prune, bits):
        file = output / f"{name}-int{count}{f'-pruned{100 * share:.0f}' if share else ''}.json"
        say(f"{file.name}: rounding")
        origin = {"bits": count, "steps": steps, "source": model.name} | ({"pruned": share} if share else {})
        layers = {head: quantize(source[head], inputs[head], count, share) for head in heads}
        if steps:
            say(f"{file.name}: {steps:,} steps of {BATCH_SIZE:,} positions")
            with explained(device, "use --steps 0 to leave the training out"):
                for head in heads:
                    layers[head] = finetune(source[head], layers[head], batches[head], head, share > 0)
        quantized = _document(document, layers, origin)
        for path in (file, file.with_name(f"{file.name}.gz")):
            save_document(path, quantized)
        results += measured(file, heads, document_content(quantized), count, share)
    return results


def _heads(model: Path, document: dict[str, Any], networks: str) -> list[str]:
    """The networks to compress, "value" before "policy". Raises ValueError where the model has none of them."""
    heads = [head for head in ("value", "policy") if networks in ("both", head)]
    heads = [head for head in heads if document[f"{head}_weights"] is not None]
    if not heads:
        raise ValueError(f"{model} has no {networks} network")
    feature_set = features_of(document["rules"]).name
    if document.get("feature_set") != feature_set:
        raise ValueError(f"{model} was made for the feature set {document.get('feature_set')!r}, not {feature_set!r}")
    return heads


def calibration_inputs(table: Tablebase, head: str, n: int, seed: int) -> NDArray[np.uint8]:
    """(n, features) features before scaling of positions for the "value" or "policy" network."""
    if head == "value":
        return value_batch(table, n, seed, 0, play_share=PLAY_SHARE)[0]
    rows = policy_batch(table, n, seed, 0, temperature=Config().temperature, play_share=PLAY_SHARE)[0]
    return rows.astype(np.uint8, copy=False)


def _batches(table: Tablebase, head: str, steps: int, seed: int, workers: int | None) -> ExactSource:
    """Batches of exact labels for one network."""
    config = Config(
        teacher="exact", networks=head, steps=steps, epochs=1, batch_size=BATCH_SIZE, play_share=PLAY_SHARE, seed=seed,
        workers=workers,
    )  # fmt: skip
    return ExactSource(config, table)


def _document(document: dict[str, Any], layers: dict[str, list[Layer]], origin: dict[str, Any]) -> dict[str, Any]:
    """The quantised document of a model's networks. origin: its `compression` metadata."""
    return {
        "metadata": {key: document["metadata"][key] for key in _KEPT if key in document["metadata"]}
        | {"compression": origin},
        **{key: document[key] for key in _SHARED},
        "layout": LAYOUT,
        "architecture": {"activation": document["architecture"]["activation"]},
        "network_config": document["network_config"],
        **{f"{head}_layers": rows for head, rows in layers.items()},
    }


def _float_content(document: dict[str, Any], heads: Sequence[str]) -> bytes:
    """The flat JSON text of these networks alone."""
    keys = ("metadata", *_SHARED, "architecture", "network_config", *(f"{head}_weights" for head in heads))
    return document_content({"layout": FLAT_LAYOUT} | {key: document[key] for key in keys})
