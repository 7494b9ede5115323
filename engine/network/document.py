"""Weights files: JSON documents, read and checked (the format: docs/weights.md).

A file holds a value network, a policy network or both, of the same hidden sizes. The reader checks all of it; a file of
another feature set is readable data but refuses to play.
"""

import itertools
import json
import zlib
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.core.rules import rules
from engine.network import quantized
from engine.network.layers import LARGEST_WIDTH, MOST_LAYERS

#: Layout of the flat lists: layer by layer, the matrix input by output row-major, then the biases.
LAYOUT = "input-output-row-major-v1"

#: What the value output says: v = 2 p - 1 for the win probability p of the side to move, before its roll.
VALUE_SCALE = "2p-1"

ACTIVATIONS = ("relu", "silu")

POLICY_OUTPUTS = 7

#: Far above any trained network's weight, and small enough that sums stay finite.
MAX_WEIGHT = 1e4

_MAX_FILE_BYTES = 256 << 20

_GZIP_MAGIC = b"\x1f\x8b"

#: Older files spell their keys in camel case.
OLD_KEYS = {
    "valueWeights": "value_weights",
    "policyWeights": "policy_weights",
    "valueNetworkConfig": "network_config",
    "policyNetworkConfig": "network_config",
    "inputSize": "input_size",
    "hiddenSizes": "hidden_sizes",
    "outputSize": "output_size",
    "valueOutputSize": "value_output_size",
    "policyOutputSize": "policy_output_size",
    "featureSet": "feature_set",
    "valueScale": "value_scale",
}


def parameter_count(input_size: int, hidden_sizes: Sequence[int], output_size: int) -> int:
    """Weights and biases of a multilayer perceptron of these layer sizes."""
    sizes = [input_size, *hidden_sizes, output_size]
    return sum(a * b + b for a, b in itertools.pairwise(sizes))


def read_document(path: str | PathLike[str]) -> dict[str, Any]:
    """A weights file as a dictionary of checked parts.

    Reads JSON in UTF-8 and its gzip, whatever the file's name, with the present keys or the older camel-case ones: the
    same files as the page. Returns the document with
    `value_weights` and `policy_weights` as float32 arrays (or None), `rules` (Finkel's in older files, which do not say
    it), and `network_config` spelt in full. Of a quantised
    file it also has `value_layers` and `policy_layers`, lists of `engine.network.quantized.Layer` (or None). Raises
    ValueError, in one line that names the file, for anything that is wrong; OSError where it cannot be read.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            content = _plain(file.read(_MAX_FILE_BYTES + 1))
        try:
            document = json.loads(content.decode("utf-8-sig"), parse_constant=_refuse_constant)
        except RecursionError:
            raise ValueError("nested too deeply") from None
        if not isinstance(document, dict):
            raise ValueError("not a JSON object")
        return _checked(_modern(document))
    except (ValueError, zlib.error) as error:
        raise ValueError(f"{path}: not a usable weights file: {error}") from None


def _plain(content: bytes) -> bytes:
    """The bytes of a file as they are, or what its gzip holds. Raises ValueError, zlib.error."""
    if content.startswith(_GZIP_MAGIC):
        unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
        content = unpacker.decompress(content, _MAX_FILE_BYTES + 1)
        if len(content) <= _MAX_FILE_BYTES and not unpacker.eof:
            raise ValueError("the gzip is cut off")
        if unpacker.unused_data:  # a second member, which no browser reads
            raise ValueError("something follows the gzip")
    if len(content) > _MAX_FILE_BYTES:
        raise ValueError(f"larger than {_MAX_FILE_BYTES >> 20} MiB")
    return content


def _refuse_constant(name: str) -> None:
    """Python alone reads NaN and Infinity in JSON."""
    raise ValueError(f"{name} is not JSON")


def _modern(document: dict[str, Any]) -> dict[str, Any]:
    """The document with the older spelling of its keys replaced."""
    return {OLD_KEYS.get(key, key): value for key, value in document.items()}


def _checked(document: dict[str, Any]) -> dict[str, Any]:
    """The document with its parts checked and spelt in full, as `read_document` describes it."""
    layout = document.get("layout", LAYOUT)
    if layout not in (LAYOUT, quantized.LAYOUT):
        raise ValueError(f"layout {layout!r} is unknown, expected {LAYOUT!r} or {quantized.LAYOUT!r}")
    input_size, hidden, value_outputs, policy_outputs = _sizes(document.get("network_config"))
    architecture = document.get("architecture", {})
    if not isinstance(architecture, dict):
        raise ValueError("architecture must be an object")
    activation = architecture.get("activation", "relu")
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation {activation!r} is unknown, expected one of {', '.join(ACTIVATIONS)}")
    for head, outputs in (("value", value_outputs), ("policy", policy_outputs)):
        if layout == LAYOUT:
            expected = parameter_count(input_size, hidden, outputs)
            document[f"{head}_weights"] = _weights(document, f"{head}_weights", expected)
        else:
            _take_layers(document, head, (input_size, *hidden, outputs))
    if document["value_weights"] is None and document["policy_weights"] is None:
        kind = "weights" if layout == LAYOUT else "layers"
        raise ValueError(f"neither value_{kind} nor policy_{kind} is there")
    metadata = document.get("metadata", {})
    if not isinstance(metadata, dict):
        raise ValueError("metadata must be an object")
    document["metadata"] = metadata
    document["layout"] = layout
    rule_set = document.get("rules", "finkel")
    if not isinstance(rule_set, str):
        raise ValueError("rules must be the name of a rule set")
    document["rules"] = rules(rule_set).name
    document.setdefault("value_scale", VALUE_SCALE)
    document["architecture"] = {"activation": activation, **architecture}
    document["network_config"] = {
        "input_size": input_size,
        "hidden_sizes": list(hidden),
        "value_output_size": value_outputs,
        "policy_output_size": policy_outputs,
    }
    return document


def _sizes(config: Any) -> tuple[int, tuple[int, ...], int, int]:
    """The sizes in `network_config`, checked -> (inputs, hidden sizes, value outputs, policy outputs)."""
    if not isinstance(config, dict):
        raise ValueError("network_config is missing")
    config = _modern(config)
    hidden = config.get("hidden_sizes")
    if not isinstance(hidden, list) or not 1 <= len(hidden) < MOST_LAYERS:
        raise ValueError(f"network_config.hidden_sizes must list 1 to {MOST_LAYERS - 1} sizes")
    inputs = config.get("input_size")
    value_outputs = config.get("value_output_size", 1)
    policy_outputs = config.get("policy_output_size", POLICY_OUTPUTS)
    for size in (inputs, *hidden, value_outputs, policy_outputs):
        if not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= LARGEST_WIDTH:
            raise ValueError(f"network_config: a size must be an integer from 1 to {LARGEST_WIDTH}, got {size!r}")
    return inputs, tuple(hidden), value_outputs, policy_outputs


def _weights(document: dict[str, Any], key: str, expected: int) -> NDArray[np.float32] | None:
    """A flat list of the document as float32, checked; None if it is missing or empty."""
    values = document.get(key)
    if values is None or values == []:
        return None
    if not isinstance(values, list):
        raise ValueError(f"{key} must be a list of numbers")
    if len(values) != expected:
        raise ValueError(f"{key} has {len(values)} numbers, its network_config needs {expected}")
    if not set(map(type, values)) <= {int, float}:  # True is no number
        raise ValueError(f"{key} must hold numbers only")
    try:
        array = np.array(values, dtype=np.float64)
    except OverflowError:
        array = np.array([np.inf])
    with np.errstate(over="ignore"):
        weights = array.astype(np.float32)
    if not np.isfinite(weights).all():
        raise ValueError(f"{key} holds a number that is not finite in float32")
    if weights.size and np.abs(weights).max() > MAX_WEIGHT:
        raise ValueError(f"{key} holds a number above {MAX_WEIGHT:g} in size")
    return weights


def _take_layers(document: dict[str, Any], head: str, sizes: Sequence[int]) -> None:
    """Replace the text of a quantised network by its checked layers, and add its flat list of float32."""
    key = f"{head}_layers"
    layers = quantized.decode(document, head, sizes)
    document[key] = layers
    document[f"{head}_weights"] = None
    if layers is not None:
        flat = quantized.flat(layers)
        if not (np.isfinite(flat).all() and np.abs(flat).max() <= MAX_WEIGHT):
            raise ValueError(f"{key} holds a weight above {MAX_WEIGHT:g} in size")
        document[f"{head}_weights"] = flat
