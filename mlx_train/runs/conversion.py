"""Between checkpoints, safetensors and JSON."""

from pathlib import Path
from typing import Any

from mlx.utils import tree_flatten

from engine.machine.files import atomic_file
from engine.network.shipped import is_weights_path
from mlx_train.device.backend import mx
from mlx_train.networks.runtimes import save_core_ml, save_onnx
from mlx_train.networks.weights import flattened, load_networks, save_document, to_document
from mlx_train.training.checkpoint import load_model

#: What writes a file for another runtime, by the ending of its name.
RUNTIMES = {".onnx": save_onnx, ".mlpackage": save_core_ml}


def convert(source: Path, target: Path, policy: Path | None = None) -> str:
    """Convert weights between files -> one line that names both files.

    source: a checkpoint, a folder of checkpoints (the newest is taken) or a JSON file; of any feature set. target: JSON
    (.json, .json.gz), safetensors (.safetensors, with the names of `Networks.parameters()`), ONNX (.onnx) or Core ML
    (.mlpackage), with the networks that the source has. policy: a JSON file whose policy network replaces the source's;
    it has the same hidden layers, activation and features. Raises ValueError, OSError, ModuleNotFoundError.
    """
    if source.is_dir() or source.suffix.lower() == ".safetensors":
        model, config, metadata = load_model(source)
        document = to_document(model, metadata, config.networks)
    else:
        model, document = load_networks(source)
        document = flattened(document)
    if policy is not None:
        other, other_document = load_networks(policy)
        if _shape(other_document) != _shape(document) or other_document["policy_weights"] is None:
            raise ValueError(
                f"{policy} has no policy network of the same sizes, activation and features as those of {source}"
            )
        model.policy = other.policy
        document["policy_weights"] = other_document["policy_weights"]
    kind = target.suffix.lower()
    if is_weights_path(target.name):
        save_document(target, document)
    elif kind == ".safetensors":
        heads = [head for head in ("value", "policy") if document[f"{head}_weights"] is not None]
        arrays = dict(tree_flatten({head: model[head].parameters() for head in heads}))
        with atomic_file(target) as file:
            mx.save_safetensors(file, arrays)
    elif kind in RUNTIMES:
        RUNTIMES[kind](target, document)
    else:
        raise ValueError(f"{target}: the name must end in .json, .json.gz, .safetensors, {' or '.join(RUNTIMES)}")
    return f"{source} -> {target}"


def _shape(document: dict[str, Any]) -> tuple[Any, ...]:
    """What two networks must share to stand in one document."""
    return document["network_config"], document["architecture"]["activation"], document.get("feature_set")
