"""How much memory there is, how much a training step takes, and what to say where the step takes more."""

import dataclasses
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from engine.core.features import features_of
from engine.machine.memory import gibibytes
from engine.solved.blocks import device_bytes
from mlx_train.config import AUTO, Config, SelfplayConfig
from mlx_train.device.backend import mx, peak_memory, use_device
from mlx_train.system.peak_memory import peak_text, peaks

#: The settings of a training.
Training = Config | SelfplayConfig

T = TypeVar("T", Config, SelfplayConfig)

#: Rows a step of `batch_size` "auto": what was fastest on two CPU cores and on an H200. Metal's lies between them and
#: was not measured.
AUTO_BATCH = {"cpu": 512, "metal": 4096, "cuda": 16_384}

#: Bytes of a row in a training step for each feature and hidden unit of a network: the least and the most that MLX's
#: peak showed on the CPU (batches of 4,096 and 16,384, hidden layers of 64 to 1,024 units in all).
_LEAST, _MOST = 7, 23

#: Share of the memory limit that MLX may keep of freed memory on a GPU, instead of giving it back.
_CACHE_SHARE = 0.25

_EXHAUSTED = re.compile(
    r"out of memory|insufficient memory|unable to allocate|attempting to allocate|resource limit|bad_alloc"
    r"|(cuda)?malloc\w* ?(\(.*\))? failed",
    re.IGNORECASE,
)


def peak_line() -> str:
    """The peak of this process so far as a person reads it."""
    return peak_text({"mlx": peak_memory(), **peaks()})


def kind_of(device: str) -> str:
    """Whose memory a device has: "cpu", "metal" or "cuda"."""
    if device == "cpu":
        return "cpu"
    return "metal" if mx.metal.is_available() else "cuda"


def limits(kind: str, device_info: dict[str, Any], gib: float, default: int) -> dict[str, int]:
    """The limits to set, in bytes: "memory", and on a GPU "cache", on Metal "wired" too.

    gib: the setting `memory_limit`, 0 for none; default: MLX's own memory limit, bytes. Metal recommends a working
    set, beyond which the system pages: MLX's default lies above it.
    """
    recommended = device_info.get("max_recommended_working_set_size") if kind == "metal" else None
    memory = round(gib * 2**30) if gib else min(default, recommended or default)
    bounds = {"memory": memory}
    if kind != "cpu":
        bounds["cache"] = round(_CACHE_SHARE * memory)
    if recommended:
        bounds["wired"] = min(memory, recommended)
    return bounds


def step_bytes(config: Training, each: int) -> int:
    """Bytes of a training step of a configuration; each: bytes for each row, feature and hidden unit."""
    networks = 2 if config.networks == "both" else 1
    return config.batch_size * networks * each * (len(features_of(config.rules).names) + sum(config.hidden_sizes))


def table_bytes(config: Training, kind: str) -> int:
    """Bytes of the solved game on a kind of device, for the exact teacher; 0 where it is not needed there."""
    needed = config.teacher == "exact" and config.networks != "policy" and kind != "cpu"
    return device_bytes(config.rules) if needed else 0


def set_limits(device: str, gib: float = 0.0) -> tuple[str, int]:
    """Choose a device and set MLX's limits -> (whose memory it has, the limit in bytes). gib: as for `limits`.

    Raises ValueError for a device that is not there.
    """
    kind = kind_of(use_device(device))
    info = mx.device_info() if kind == "metal" else {}
    bounds = limits(kind, info, gib, mx.get_memory_limit())
    mx.set_memory_limit(bounds["memory"])
    if "cache" in bounds:
        mx.set_cache_limit(bounds["cache"])
    if "wired" in bounds:
        mx.set_wired_limit(bounds["wired"])
    return kind, bounds["memory"]


def prepare(config: T) -> T:
    """`set_limits` -> the configuration with its batch size, if that was "auto".

    Raises ValueError for a device that is not there, or for a batch that can't fit into its memory.
    """
    kind, memory = set_limits(config.device, config.memory_limit)
    if config.batch_size == AUTO:
        config = dataclasses.replace(config, batch_size=fitting_batch(config, kind, memory))
    table = table_bytes(config, kind)
    if table > memory:
        raise ValueError(f"the solved game takes {gibibytes(table)} on a GPU, and there are {gibibytes(memory)}")
    needed = step_bytes(config, _LEAST) + table
    if needed > memory:
        raise ValueError(
            f"a batch of {config.batch_size:,} takes {gibibytes(needed)} or more, and there are "
            f"{gibibytes(memory)}: lower --batch-size"
        )
    return config


def fitting_batch(config: Training, kind: str, memory: int) -> int:
    """The batch size "auto": what suits the kind of device, halved until a step surely fits into half of the memory."""
    rows = AUTO_BATCH[kind]
    room = memory / 2 - table_bytes(config, kind)
    while rows > 1 and step_bytes(dataclasses.replace(config, batch_size=rows), _MOST) > room:
        rows //= 2
    return rows


def smaller_batch(config: Training) -> str:
    """What to do where a training takes too much memory."""
    return f"lower --batch-size (now {config.batch_size:,})"


def check(config: Training, peak: int) -> None:
    """Raises RuntimeError if MLX has held more than `memory_limit` lets it: to MLX itself that is only a guideline."""
    if config.memory_limit and peak > config.memory_limit * 2**30:
        raise RuntimeError(
            f"training takes {gibibytes(peak)}, more than --memory-limit {config.memory_limit:g}: "
            f"{smaller_batch(config)}"
        )


@contextmanager
def explained(device: str, remedy: str) -> Iterator[None]:
    """Turn the many ways in which MLX says that memory has run out into one line that says what to do."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not isinstance(error, MemoryError) and not _EXHAUSTED.search(str(error)):
            raise
        raise RuntimeError(
            f"out of memory on the {device}: {remedy}; MLX says: "
            f"{str(error).splitlines()[0] if str(error) else 'no memory'}"
        ) from None
