"""MLX as this project uses it: with a fast BLAS, and on a chosen device.

Import MLX from here, never directly: on Linux the faster BLAS has to be in place before `mlx.core` is loaded, and the
settings of its CUDA build, the choice of a GPU among them.
"""

import os
import sys

from mlx_train.device import blas, gpus

blas.prefer_openblas()
if sys.platform == "linux":
    # Kernels go to the GPU one by one, and in long queues: about half the time of a step of the standard network as
    # CUDA graphs (docs/experiments.md, also for the numbers). Without CUDA these mean nothing.
    for name, value in (("USE_CUDA_GRAPHS", "0"), ("MAX_OPS_PER_BUFFER", "1000"), ("MAX_MB_PER_BUFFER", "100000")):
        os.environ.setdefault(f"MLX_{name}", value)
    gpus.choose()

import mlx.core as mx  # noqa: E402
import mlx.nn as nn  # noqa: E402
import mlx.optimizers as optim  # noqa: E402

__all__ = ["available_devices", "mx", "nn", "optim", "peak_memory", "use_device"]


def available_devices() -> list[str]:
    """The names that `use_device` takes here: "cpu", and "gpu" where MLX finds one (Metal or CUDA)."""
    return ["cpu", "gpu"] if mx.is_available(mx.gpu) else ["cpu"]


def use_device(name: str = "auto") -> str:
    """Make a device MLX's default: "cpu", "gpu", or "auto" for the GPU where there is one. Returns its name.

    Raises ValueError for an unknown name or a device that is not there.
    """
    if name == "auto":
        name = available_devices()[-1]
    if name not in ("cpu", "gpu"):
        raise ValueError(f"unknown device {name!r} (known: auto, cpu, gpu)")
    if name not in available_devices():
        raise ValueError("no GPU found: MLX sees neither Metal nor CUDA here (try --device cpu)")
    mx.set_default_device(mx.gpu if name == "gpu" else mx.cpu)
    return name


def peak_memory() -> int:
    """The most bytes that MLX has held at one time in this process."""
    return mx.get_peak_memory()
