"""Checkpoints: networks, optimizers, best and averaged weights, the training's state, the state of its source.

A checkpoint is one safetensors file in a folder of checkpoints, `<number>-<CRC-32 of its bytes>.safetensors`. The file
is written under another name and renamed when it is complete. The CRC-32 in the name shows whether the bytes have
changed. The two newest checkpoints are kept: if one is damaged, the other is left.

    model.*  optimizer.NETWORK.*  best.NETWORK.*  average.NETWORK.*  player.NETWORK.*  source.*     arrays
    metadata: version, kind, config, position, source, run                                          JSON texts

`kind` is the name of the configuration's class; a file without `kind` has a Config. `position` is the training's state
and `source` the JSON values of the source's state. `run` is the metadata of the weights, empty until the training is
over. The arrays of `model` are in every file; the other five groups are present if the training uses them.
"""

import io
import json
import math
import re
import zlib
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from mlx.utils import tree_flatten, tree_map, tree_unflatten

from engine.machine.files import atomic_file
from mlx_train.config import CHANGEABLE, Config, SelfplayConfig
from mlx_train.data.source import Source
from mlx_train.device.backend import mx
from mlx_train.networks.mlp import Networks
from mlx_train.system.kill_points import moment
from mlx_train.system.progress import say
from mlx_train.training.state import TrainingState
from mlx_train.training.trainer import Trainer

#: Version of the file's layout; checkpoints of another version are refused.
CHECKPOINT_VERSION = 2

#: How many checkpoints are kept.
KEPT = 2

# Of the numbers in an array's name: networks have some layers, a source some rounds.
_MOST_DIGITS = 4

# The numpy types of safetensors' names, of what MLX's arrays can have. numpy has none for BF16.
_DTYPES = {"BOOL": "?", "F16": "f2", "F32": "f4"} | {
    f"{kind}{8 * size}": f"{kind.lower()}{size}" for kind in "IU" for size in (1, 2, 4, 8)
}

_SUFFIX = ".safetensors"
_NAME = re.compile(r"[0-9]{1,15}-([0-9a-f]{8})" + re.escape(_SUFFIX))

_KINDS: dict[str, type[Config] | type[SelfplayConfig]] = {kind.__name__: kind for kind in (Config, SelfplayConfig)}


class Damaged(ValueError):
    """A checkpoint whose bytes have changed since it was written."""


class Checkpoint(NamedTuple):
    """What a file holds."""

    arrays: dict[str, Any]  # nested by the dots of the names
    config: Config | SelfplayConfig
    position: dict[str, Any]
    source: dict[str, Any]
    run: dict[str, Any]


def save_checkpoint(
    folder: str | Path, trainer: Trainer, run: dict[str, Any] | None = None, source: Source | None = None
) -> Path:
    """Write a checkpoint of a trainer and delete all but the newest; returns its path.

    run: the weights' metadata, plain JSON. source: the source of the trainer's batches; required if the source has a
    state. Raises OSError; the earlier checkpoints then stay as they were.
    """
    trainer.settle()
    source_arrays, source_values = ({}, {}) if source is None else source.state()
    arrays = {
        "model": trainer.model.parameters(),
        "optimizer": {
            name: optimizer.saved(trainer.model[name].parameters()) for name, optimizer in trainer.optimizers.items()
        },
        "best": trainer.best,
        "average": trainer.average,
        "player": trainer.player,
        "source": tree_map(mx.array, source_arrays),
    }
    metadata = {
        "version": str(CHECKPOINT_VERSION),
        "kind": type(trainer.config).__name__,
        "config": json.dumps(trainer.config.to_dict()),
        "position": json.dumps(trainer.state.to_dict()),
        "source": json.dumps(source_values),
        "run": json.dumps(run or {}),
    }
    buffer = io.BytesIO()
    mx.save_safetensors(buffer, dict(tree_flatten(arrays)), metadata)
    path = _write(Path(folder), buffer.getbuffer())
    moment("checkpoint done")
    return path


def _write(folder: Path, data: memoryview) -> Path:
    """Add a checkpoint to a folder, and delete all but the newest."""
    folder.mkdir(exist_ok=True)
    former = checkpoints(folder)
    number = 1 + _number(former[-1]) if former else 1
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
    return path


def checkpoints(folder: str | Path) -> list[Path]:
    """The checkpoints in a folder, the newest last."""
    return sorted((path for path in Path(folder).glob(f"*{_SUFFIX}") if _NAME.fullmatch(path.name)), key=_number)


def _number(path: Path) -> int:
    """The number in a checkpoint's name: names sort as texts only up to 999,999."""
    return int(path.name.partition("-")[0])


def read_bytes(path: Path) -> bytes:
    """A checkpoint's bytes. Raises Damaged if they do not have the checksum in the file's name, ValueError, OSError."""
    name = _NAME.fullmatch(path.name)
    if name is None:
        raise ValueError(f"{path}: not a checkpoint: its name has no checksum")
    data = path.read_bytes()
    if f"{zlib.crc32(data):08x}" != name[1]:
        raise Damaged(f"{path}: damaged checkpoint: its checksum is not the one in its name")
    return data


def newest(folder: str | Path) -> tuple[Path, bytes] | None:
    """The newest whole checkpoint of a folder, and its bytes; None where there is none.

    Skips each damaged checkpoint and prints a message.
    """
    for path in reversed(checkpoints(folder)):
        try:
            return path, read_bytes(path)
        except Damaged as error:
            say(f"{error}; it is passed over")
    return None


def resume_from(folder: str | Path) -> tuple[Path, bytes] | None:
    """The checkpoint from which a training is resumed, as `newest` returns it.

    Deletes the damaged checkpoints that are newer. Prints a message if all checkpoints are damaged.
    """
    whole, paths = newest(folder), checkpoints(folder)
    if whole is None:
        if paths:
            say(f"{folder}: no whole checkpoint is left: the training begins again")
        return None
    for damaged in paths[paths.index(whole[0]) + 1 :]:
        damaged.unlink()  # otherwise it would count as one of the two that are kept
    return whole


def parse(data: bytes, name: object) -> Checkpoint:
    """The contents of a checkpoint's bytes. Raises ValueError for another version and for bytes of another format."""
    try:
        flat, metadata = _read_safetensors(data)
        version = metadata["version"]
        if version == str(CHECKPOINT_VERSION):
            kind = _KINDS[metadata.get("kind", Config.__name__)]
            texts = {key: json.loads(metadata[key]) for key in ("config", "position", "run")}
            texts["source"] = json.loads(metadata.get("source", "{}"))
            if not all(isinstance(values, dict) for values in texts.values()):
                raise ValueError("its metadata are no JSON objects")
            config = kind.from_dict(texts.pop("config"))
            return Checkpoint(cast(Any, tree_unflatten(flat)), config, **texts)
    except (RuntimeError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError(f"{name}: not a checkpoint: {error}") from None
    raise ValueError(f"{name}: checkpoint of version {version}, this is version {CHECKPOINT_VERSION}")


def _read_safetensors(data: bytes) -> tuple[list[tuple[str, mx.array]], dict[str, str]]:
    """-> (arrays by their names, metadata) of a safetensors file. Raises ValueError, KeyError or TypeError for another.

    MLX's own reader lets go of a Python object in a thread of its own. If the interpreter ends meanwhile, the process
    aborts. Beside that, an array's name lists its places in a tree: a large number in it would make a list of so many
    entries.
    """
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length].decode())
    content = memoryview(data)[8 + length :]
    metadata, arrays, left = header.pop("__metadata__"), [], len(content)
    for name, entry in header.items():
        start, end = entry["data_offsets"]
        if not 0 <= start <= end <= len(content) or not all(type(size) is int and size >= 0 for size in entry["shape"]):
            raise ValueError(f"the array {name[:80]} is not in the file")
        dtype = np.dtype(_DTYPES[entry["dtype"]])
        if math.prod(entry["shape"]) * dtype.itemsize != end - start:
            raise ValueError(f"the array {name[:80]} has another size than its bytes")
        if any(part.isdecimal() and len(part) > _MOST_DIGITS for part in name.split(".")):
            raise ValueError(f"the array {name[:80]} has no place")
        left -= end - start
        if left < 0:
            raise ValueError("its arrays are larger than the file")
        arrays.append((name, mx.array(np.frombuffer(content[start:end], dtype).reshape(entry["shape"]))))
    return arrays, metadata


def load_model(source: str | Path) -> tuple[Networks, Config | SelfplayConfig, dict[str, Any]]:
    """-> (networks, configuration, the weights' metadata) of a checkpoint, or of the newest whole one in a folder.

    Each network has the weights of its best epoch so far, or their running average. Raises ValueError for a damaged
    checkpoint or none.
    """
    path = Path(source)
    if path.is_dir():
        whole = newest(path)
        if whole is None:
            raise ValueError(f"{source}: no whole checkpoint in this folder")
        path, data = whole
    else:
        data = read_bytes(path)
    checkpoint = parse(data, path)
    config, arrays = checkpoint.config, checkpoint.arrays
    model = Networks(config.hidden_sizes, config.activation, config.dropout, rules=config.rules)
    try:
        weights = arrays["model"] | arrays.get("average", {}) | arrays.get("best", {})
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path}: not a checkpoint: {error!r}") from None
    _load(model, weights, path)
    return model, config, checkpoint.run


def restore(trainer: Trainer, data: bytes, name: object = "checkpoint", source: Source | None = None) -> dict[str, Any]:
    """Restore a trainer that has not made a step, and its source, from a checkpoint -> the checkpoint's `run`.

    Raises ValueError for a checkpoint of another version, architecture or configuration.
    """
    checkpoint = parse(data, name)
    if type(checkpoint.config) is not type(trainer.config):
        raise ValueError(f"{name}: a checkpoint of another kind of training")
    settings, other = trainer.config.to_dict(), checkpoint.config.to_dict()
    for setting in settings.keys() - set(CHANGEABLE):
        if settings[setting] != other[setting]:
            raise ValueError(f"{name}: a checkpoint with {setting} {other[setting]}, not {settings[setting]}")
    arrays = checkpoint.arrays
    try:
        _load(trainer.model, arrays["model"], name)
        for network, optimizer in trainer.optimizers.items():
            saved, parameters = arrays["optimizer"][network], trainer.model[network].parameters()
            _check_like(saved, optimizer.saved(parameters), f"optimizer.{network}")
            optimizer.restore(saved, parameters)
        for group in ("average", "best", "player"):
            for network, weights in arrays.get(group, {}).items():
                _check_like(weights, trainer.model[network].parameters(), f"{group}.{network}")
        trainer.average.update(arrays.get("average", {}))
        trainer.best, trainer.player = arrays.get("best", {}), arrays.get("player", {})
        trainer.state = TrainingState.from_dict(checkpoint.position)
        mx.eval(trainer.arrays, trainer.best, trainer.player)
        if source is not None:
            source.restore(tree_map(np.array, arrays.get("source", {})), checkpoint.source)
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise ValueError(f"{name}: not a checkpoint of this training: {error!r}") from None
    return checkpoint.run


def _check_like(arrays: Any, wanted: Any, what: str) -> None:
    """Raise ValueError unless two trees have arrays of the same names, shapes and dtypes."""
    found, expected = (
        {name: (array.shape, array.dtype) for name, array in cast(Any, tree_flatten(tree))} for tree in (arrays, wanted)
    )
    if found != expected:
        raise ValueError(f"{what} has other arrays than this training")


def _load(model: Networks, arrays: dict[str, Any], name: object) -> None:
    try:
        model.load_weights(tree_flatten(arrays), strict=True)  # type: ignore[arg-type]
        mx.eval(model.parameters())
    except (RuntimeError, ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{name}: a checkpoint of another architecture: {' '.join(str(error).split())}") from None
