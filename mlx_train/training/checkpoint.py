"""What a run needs to go on: the networks, the optimizers, the best weights so far, and the position of the loop.

A checkpoint is one safetensors file, `<number>-<CRC-32 of its bytes>.safetensors` in a folder of checkpoints: it
appears by one rename, and what it holds can be checked against its name. The two newest are kept, so that there is one
left when the disk has lost a part of the other.

    model.*  optimizer.value.*  optimizer.policy.*  best.value.*  best.policy.*     arrays
    metadata: version, config, position, run                                        JSON texts
"""

import io
import json
import re
import zlib
from pathlib import Path
from typing import Any, NamedTuple

from mlx.utils import tree_flatten, tree_unflatten

from engine.machine.files import atomic_file
from mlx_train.config import CHANGEABLE, Config
from mlx_train.device.backend import mx
from mlx_train.networks.mlp import Networks
from mlx_train.system.kill_points import moment
from mlx_train.system.progress import say
from mlx_train.training.trainer import Position, Trainer

#: Version of the file's layout; checkpoints of another are refused.
CHECKPOINT_VERSION = 2

#: How many checkpoints are kept.
KEPT = 2

_SUFFIX = ".safetensors"
_NAME = re.compile(r"\d+-([0-9a-f]{8})" + re.escape(_SUFFIX))


class Damaged(ValueError):
    """A checkpoint whose bytes are not those that were written."""


class Checkpoint(NamedTuple):
    """What a file holds."""

    arrays: dict[str, Any]  # nested by the dots of the names
    config: Config
    position: dict[str, Any]
    run: dict[str, Any]  # the metadata of the weights, once the training is over


def save_checkpoint(folder: str | Path, trainer: Trainer, run: dict[str, Any] | None = None) -> Path:
    """Write a checkpoint of a trainer and delete all but the newest; returns its path. `run` is plain JSON.

    Raises OSError, with the former checkpoints left as they were.
    """
    trainer.settle()
    arrays = {
        "model": trainer.model.parameters(),
        "optimizer": {"value": trainer.value_optimizer.state, "policy": trainer.policy_optimizer.state},
        "best": trainer.best,
    }
    metadata = {
        "version": str(CHECKPOINT_VERSION),
        "config": json.dumps(trainer.config.to_dict()),
        "position": json.dumps(trainer.position.to_dict()),
        "run": json.dumps(run or {}),
    }
    buffer = io.BytesIO()
    mx.save_safetensors(buffer, dict(tree_flatten(arrays)), metadata)
    data = buffer.getbuffer()
    folder = Path(folder)
    folder.mkdir(exist_ok=True)
    former = checkpoints(folder)
    number = 1 + int(former[-1].name.partition("-")[0]) if former else 1
    path = folder / f"{number:06}-{zlib.crc32(data):08x}{_SUFFIX}"
    with atomic_file(path) as file:
        file.write(data[: len(data) // 2])
        file.flush()
        moment("checkpoint half written")
        file.write(data[len(data) // 2 :])
        file.flush()
        moment("checkpoint written")
    moment("checkpoint named")
    for old in former[: 1 - KEPT]:
        old.unlink()
    moment("checkpoint done")
    return path


def checkpoints(folder: str | Path) -> list[Path]:
    """The checkpoints in a folder, the newest last."""
    return sorted(path for path in Path(folder).glob(f"*{_SUFFIX}") if _NAME.fullmatch(path.name))


def read_bytes(path: Path) -> bytes:
    """A checkpoint's bytes. Raises Damaged if they are not those that its name speaks of, ValueError, OSError."""
    name = _NAME.fullmatch(path.name)
    if name is None:
        raise ValueError(f"{path}: not a checkpoint: its name has no checksum")
    data = path.read_bytes()
    if f"{zlib.crc32(data):08x}" != name[1]:
        raise Damaged(f"{path}: damaged checkpoint: its checksum is not the one in its name")
    return data


def newest(folder: str | Path) -> tuple[Path, bytes] | None:
    """The newest checkpoint of a folder that is whole, and its bytes; None where there is none.

    Damaged ones are passed over, which is said.
    """
    for path in reversed(checkpoints(folder)):
        try:
            return path, read_bytes(path)
        except Damaged as error:
            say(f"{error}; it is passed over")
    return None


def resume_from(folder: str | Path) -> tuple[Path, bytes] | None:
    """The same for a training that goes on there: damaged ones after it are deleted, and it is said if none is left."""
    found, there = newest(folder), checkpoints(folder)
    if found is None:
        if there:
            say(f"{folder}: no whole checkpoint is left: the training begins again")
        return None
    for damaged in there[there.index(found[0]) + 1 :]:
        damaged.unlink()  # it would be kept in a whole one's place
    return found


def parse(data: bytes, name: object) -> Checkpoint:
    """What a checkpoint's bytes hold. Raises ValueError, which names it, for another version or no checkpoint."""
    flat: Any
    metadata: Any
    try:
        flat, metadata = mx.load(io.BytesIO(data), format="safetensors", return_metadata=True)
        version = metadata["version"]
        arrays: Any = tree_unflatten(list(flat.items()))
    except (RuntimeError, ValueError, KeyError, AttributeError) as error:
        raise ValueError(f"{name}: not a checkpoint: {error}") from None
    if version != str(CHECKPOINT_VERSION):
        raise ValueError(f"{name}: checkpoint of version {version}, this is version {CHECKPOINT_VERSION}")
    config, position, run = (json.loads(metadata[key]) for key in ("config", "position", "run"))
    return Checkpoint(arrays, Config.from_dict(config), position, run)


def load_model(source: str | Path) -> tuple[Networks, Config, dict[str, Any]]:
    """-> (networks, configuration, the weights' metadata) of a checkpoint, or of the newest whole one in a folder.

    Each network has the weights of its best epoch so far. Raises ValueError for a damaged checkpoint or none.
    """
    path = Path(source)
    if path.is_dir():
        found = newest(path)
        if found is None:
            raise ValueError(f"{source}: no whole checkpoint in this folder")
        path, data = found
    else:
        data = read_bytes(path)
    checkpoint = parse(data, path)
    config = checkpoint.config
    model = Networks(config.hidden_sizes, config.activation, config.dropout)
    _load(model, checkpoint.arrays["model"] | checkpoint.arrays.get("best", {}), path)
    return model, config, checkpoint.run


def restore(trainer: Trainer, data: bytes, name: object = "checkpoint") -> dict[str, Any]:
    """Put a checkpoint into a trainer that has not made a step; returns what was saved beside it as `run`.

    Raises ValueError for a checkpoint of another version, architecture or configuration.
    """
    checkpoint = parse(data, name)
    own, other = trainer.config.to_dict(), checkpoint.config.to_dict()
    for setting in own.keys() - set(CHANGEABLE):
        if own[setting] != other[setting]:
            raise ValueError(f"{name}: a checkpoint with {setting} {other[setting]}, not {own[setting]}")
    _load(trainer.model, checkpoint.arrays["model"], name)
    trainer.value_optimizer.state.update(checkpoint.arrays["optimizer"]["value"])
    trainer.policy_optimizer.state.update(checkpoint.arrays["optimizer"]["policy"])
    trainer.best = checkpoint.arrays.get("best", {})
    trainer.position = Position.from_dict(checkpoint.position)
    mx.eval(trainer.state, trainer.best)
    return checkpoint.run


def _load(model: Networks, arrays: dict[str, Any], name: object) -> None:
    try:
        model.load_weights(tree_flatten(arrays), strict=True)  # type: ignore[arg-type]
        mx.eval(model.parameters())
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"{name}: a checkpoint of another architecture: {error}") from None
