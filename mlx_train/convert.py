"""Between checkpoints, safetensors and JSON."""

from pathlib import Path

from mlx.utils import tree_flatten

from mlx_train.backend import mx
from mlx_train.checkpoint import load_model
from mlx_train.files import atomic_file
from mlx_train.weights import load_networks, save_document, to_document


def convert(source: Path, target: Path) -> str:
    """Write `target` from `source`; returns one line that says what was done.

    A checkpoint folder or a JSON file becomes JSON (.json, .json.gz) or safetensors (.safetensors, the names of
    `Networks.parameters()`). Files of other feature sets convert too. Raises ValueError, OSError.
    """
    if source.is_dir():
        model, _, position = load_model(source)
        document = to_document(model, position.get("metadata", {}))
    else:
        model, document = load_networks(source)
    if target.name.endswith((".json", ".json.gz")):
        save_document(target, document)
    elif target.suffix == ".safetensors":
        arrays = dict(tree_flatten(model.parameters()))
        with atomic_file(target) as file:
            mx.save_safetensors(file, arrays)
    else:
        raise ValueError(f"{target}: the name must end in .json, .json.gz or .safetensors")
    return f"{source} -> {target}"
