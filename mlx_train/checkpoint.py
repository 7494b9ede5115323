"""What a run needs to go on: model, optimizers and the position of the loop."""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from mlx.utils import tree_flatten, tree_unflatten

from mlx_train.backend import mx
from mlx_train.config import Config
from mlx_train.networks import Networks
from mlx_train.trainer import Trainer

#: Version of the folder's layout; checkpoints of another are refused.
CHECKPOINT_VERSION = 1

_MODEL = "model.safetensors"
_OPTIMIZER = "optimizer.safetensors"
_META = "meta.json"


def save_checkpoint(folder: str | Path, trainer: Trainer, position: dict[str, Any]) -> None:
    """Write a checkpoint folder: a temporary one beside it, then a rename. `position` is plain JSON."""
    folder = Path(folder)
    fresh = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        mx.save_safetensors(str(fresh / _MODEL), dict(tree_flatten(trainer.model.parameters())))
        state = {"value": trainer.value_optimizer.state, "policy": trainer.policy_optimizer.state}
        mx.save_safetensors(str(fresh / _OPTIMIZER), dict(tree_flatten(state)))
        meta = {"version": CHECKPOINT_VERSION, "config": trainer.config.to_dict(), "position": position}
        (fresh / _META).write_text(json.dumps(meta, indent=2) + "\n")
        retired = folder.with_name(f".{folder.name}.old")
        shutil.rmtree(retired, ignore_errors=True)
        if folder.exists():
            folder.rename(retired)
        fresh.rename(folder)
        shutil.rmtree(retired, ignore_errors=True)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def read_meta(folder: str | Path) -> tuple[Config, dict[str, Any]]:
    """-> (configuration, position of the loop) of a checkpoint. Raises ValueError for a folder that is none."""
    path = Path(folder) / _META
    try:
        meta = json.loads(path.read_text())
        version, config, position = meta["version"], meta["config"], meta["position"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{folder}: not a checkpoint: {error}") from None
    if version != CHECKPOINT_VERSION:
        raise ValueError(f"{folder}: checkpoint of version {version}, this is version {CHECKPOINT_VERSION}")
    return Config.from_dict(config), position


def load_model(folder: str | Path) -> tuple[Networks, Config, dict[str, Any]]:
    """-> (networks, configuration, position). Raises ValueError for a damaged checkpoint."""
    config, position = read_meta(folder)
    model = Networks(config.hidden_sizes, config.activation, config.dropout)
    try:
        model.load_weights(str(Path(folder) / _MODEL), strict=True)
        mx.eval(model.parameters())
    except (RuntimeError, ValueError, OSError) as error:
        raise ValueError(f"{folder}: damaged checkpoint: {error}") from None
    return model, config, position


def restore(trainer: Trainer, folder: str | Path) -> dict[str, Any]:
    """Put a checkpoint into a trainer that has not made a step; returns the position of the loop.

    Raises ValueError for a damaged checkpoint.
    """
    _, position = read_meta(folder)
    try:
        trainer.model.load_weights(str(Path(folder) / _MODEL), strict=True)
        arrays: dict[str, mx.array] = mx.load(str(Path(folder) / _OPTIMIZER))  # type: ignore[assignment]
        state = tree_unflatten(list(arrays.items()))
    except (RuntimeError, ValueError, OSError) as error:
        raise ValueError(f"{folder}: damaged checkpoint: {error}") from None
    trainer.value_optimizer.state.update(state["value"])
    trainer.policy_optimizer.state.update(state["policy"])
    mx.eval(trainer.state)
    return position
