"""Weights between MLX and JSON, in both directions (the format: docs/weights.md)."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from engine.core.features import features_of
from engine.core.rules import check_same
from engine.machine.files import atomic_file
from engine.network import quantized
from engine.network.document import LAYOUT, POLICY_OUTPUTS, VALUE_SCALE, read_document
from mlx_train.device.backend import mx
from mlx_train.networks.mlp import MLP, Networks
from mlx_train.system.files import compressed

#: Version of the weights' metadata.
METADATA_VERSION = "1"


def flatten(network: MLP) -> np.ndarray:
    """A network's weights as one float32 list: each layer's matrix input by output, then its biases."""
    parts = []
    for layer in network.layers:
        parts += [np.array(layer.weight).T.ravel(), np.array(layer.bias)]
    return np.concatenate(parts)


def restore(network: MLP, flat: np.ndarray) -> None:
    """The inverse of `flatten`, into a network of the same sizes. Raises ValueError for another number of weights."""
    taken = 0
    layers = []
    expected = sum(layer.weight.size + layer.bias.size for layer in network.layers)
    if expected != len(flat):
        raise ValueError(f"{len(flat)} weights for a network of {expected}")
    for layer in network.layers:
        outputs, inputs = layer.weight.shape
        end = taken + inputs * outputs
        matrix = flat[taken:end].reshape(inputs, outputs).T
        layers.append({"weight": mx.array(matrix), "bias": mx.array(flat[end : end + outputs])})
        taken = end + outputs
    network.update({"layers": layers})
    mx.eval(network.parameters())


def to_document(model: Networks, metadata: dict[str, Any], networks: str = "both") -> dict[str, Any]:
    """The JSON document of both networks, or of the "value" or "policy" network alone."""
    sizes = [layer.weight.shape[0] for layer in model.value.layers[:-1]]
    return {
        "metadata": metadata,
        "rules": model.value.rules,
        "feature_set": features_of(model.value.rules).name,
        "value_scale": VALUE_SCALE,
        "layout": LAYOUT,
        "architecture": {"activation": model.value.activation},
        "network_config": {
            "input_size": model.value.layers[0].weight.shape[1],
            "hidden_sizes": sizes,
            "value_output_size": 1,
            "policy_output_size": POLICY_OUTPUTS,
        },
        "value_weights": flatten(model.value) if networks != "policy" else None,
        "policy_weights": flatten(model.policy) if networks != "value" else None,
    }


def from_document(document: dict[str, Any]) -> Networks:
    """The networks of a document of `read_document`; a network that is missing keeps fresh weights."""
    config = document["network_config"]
    activation, rules = document["architecture"]["activation"], document["rules"]
    model = Networks(config["hidden_sizes"], activation, inputs=config["input_size"], rules=rules)
    _restore_all(model, document)
    return model


def load_into(model: Networks, path: str | Path) -> None:
    """Put the weights of a file into networks of the same rule set and sizes; one that the file lacks stays as it is.

    Raises ValueError, OSError.
    """
    document = read_document(path)
    check_same(document["rules"], model.value.rules, str(path), "the network")
    _restore_all(model, document)


def _restore_all(model: Networks, document: dict[str, Any]) -> None:
    for network, key in ((model.value, "value_weights"), (model.policy, "policy_weights")):
        if document[key] is not None:
            restore(network, document[key])


def _numbers(flat: np.ndarray) -> str:
    """A JSON list of the shortest decimals that round-trip float32."""
    return "[" + ",".join(flat.astype(np.float32).astype(str).tolist()) + "]"


def _document_text(document: dict[str, Any]) -> Iterator[str]:
    yield "{\n"
    separators = (",", ":") if document["layout"] == quantized.LAYOUT else None  # each byte counts in a small file
    for i, (key, value) in enumerate(document.items()):
        flat = isinstance(value, np.ndarray)
        text = _numbers(value) if flat else json.dumps(value, allow_nan=False, separators=separators)
        yield f"{',' if i else ' '} {json.dumps(key)}: {text}\n"
    yield "}\n"


def flattened(document: dict[str, Any]) -> dict[str, Any]:
    """A document with flat lists alone, where it has quantised layers too."""
    left_out = {f"{head}_{part}" for head in ("value", "policy") for part in ("layers", "levels", "low")}
    return {key: value for key, value in document.items() if key not in left_out} | {"layout": LAYOUT}


def _as_written(document: dict[str, Any]) -> dict[str, Any]:
    """A document with quantised layers as the keys of its file, in place of the flat lists."""
    if document.get("layout") != quantized.LAYOUT:
        return document
    written = flattened(document) | {"layout": quantized.LAYOUT, "value_weights": None, "policy_weights": None}
    for head in ("value", "policy"):
        if document.get(f"{head}_layers") is not None:
            written |= quantized.encode(document[f"{head}_layers"], head)
    return written


def document_content(document: dict[str, Any]) -> bytes:
    """A document as the JSON text that `save_document` writes: quantised if its layout is, else flat.

    Raises ValueError for weights that are not finite.
    """
    document = {key: value for key, value in _as_written(document).items() if value is not None}
    for key, value in document.items():
        if isinstance(value, np.ndarray) and not np.isfinite(value).all():
            raise ValueError(f"{key} holds a number that is not finite")
    return "".join(_document_text(document)).encode()


def save_document(path: str | Path, document: dict[str, Any]) -> None:
    """Write a document as JSON, atomically; as a deterministic gzip where the name ends in .gz.

    Weights that are None are left out. Raises ValueError for weights that are not finite, OSError.
    """
    content = document_content(document)
    with atomic_file(path) as file:
        file.write(compressed(content) if str(path).lower().endswith(".gz") else content)


def load_networks(path: str | Path) -> tuple[Networks, dict[str, Any]]:
    """-> (networks, document) of a JSON weights file. Raises ValueError, OSError."""
    document = read_document(path)
    return from_document(document), document
