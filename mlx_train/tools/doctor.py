"""What works on this machine: versions, devices, cores, BLAS."""

import dataclasses
import os
import shutil
import sys
import time
from typing import Any

import numpy as np

from engine.machine.detection import detect
from mlx_train.config import Config
from mlx_train.data.batches import Batch, FeatureRows
from mlx_train.device import blas
from mlx_train.device.backend import available_devices, mx, use_device
from mlx_train.device.gpus import VARIABLE, GpuChoice, choose
from mlx_train.system.provenance import provenance
from mlx_train.system.text import markdown_table
from mlx_train.training.trainer import Trainer

_STEPS = 30


def examine() -> dict[str, Any]:
    """What works here, as plain JSON values: provenance, compiler, BLAS, cores, training speed on every device."""
    status = blas.prefer_openblas()
    cores = detect()
    speeds = {device: training_speed(device) for device in available_devices()}
    return {
        **provenance(),
        "compiler": shutil.which(os.environ.get("CC", "cc")),
        "mlx_compiler": shutil.which("g++") if sys.platform == "linux" else "",
        "blas": {"fast": status.active, "library": status.library, "reason": status.reason},
        "cuda_gpus": dataclasses.asdict(choose()),
        "cores": {"performance": cores.count, "total": cores.total, "reason": cores.reason},
        "training_samples_per_second": {device: round(speed) for device, speed in speeds.items()},
        "gpu_over_cpu": round(speeds["gpu"] / speeds["cpu"], 2) if "gpu" in speeds else None,
    }


def training_speed(device: str, batch_size: int = Config.batch_size) -> float:
    """Decisions a second through the training step of the standard networks, random inputs, data at hand."""
    former = mx.default_device()
    use_device(device)
    try:
        rng = np.random.default_rng(0)
        rows = (rng.random((batch_size, 150)) < 0.4).astype(np.uint8)
        policy = rng.random((batch_size, 7)).astype(np.float32)
        batch = Batch(
            FeatureRows(rows, (rng.uniform(-1, 1, batch_size).astype(np.float32),)),
            FeatureRows(rows, (policy / policy.sum(axis=1, keepdims=True), np.ones((batch_size, 7), dtype=np.bool_))),
        )
        trainer = Trainer(Config(batch_size=batch_size), steps=10 * _STEPS)
        for _ in range(3):  # the first call compiles
            mx.eval(trainer.step(batch))
        times = []
        for _ in range(5):
            start = time.perf_counter()
            losses = trainer.step(batch)
            for _ in range(_STEPS - 1):  # one step ahead of the device, as the training loop is
                before, losses = losses, trainer.step(batch)
                mx.eval(before)
            mx.eval(losses)
            times.append(time.perf_counter() - start)
        return _STEPS * batch_size / float(np.median(times))
    finally:
        mx.set_default_device(former)


def table(result: dict[str, Any]) -> str:
    """The result of `examine` as a Markdown table, with the reasons for what is missing."""
    fast_blas, cores = result["blas"], result["cores"]
    rows = [(name, version or "not installed") for name, version in result["versions"].items()]
    rows += [
        ("system", f"{result['system']} ({result['machine']})"),
        ("feature set", result["feature_set"]),
        ("source", result["source_revision"] or "no git checkout"),
        ("C compiler", result["compiler"] or "none: the engine can't be built"),
        ("fast BLAS", f"{'yes' if fast_blas['fast'] else 'no'}: {fast_blas['reason']}"),
        ("cores", f"{cores['performance']} of {cores['total']} used ({cores['reason']})"),
    ]
    if result["mlx_compiler"] != "":  # elsewhere MLX has a compiler of its own
        without = "none: MLX's CPU kernels stay unfused, at about half the speed"
        rows.append(("g++, for MLX", result["mlx_compiler"] or without))
    choice = GpuChoice(**result["cuda_gpus"])
    if choice.describe():
        rows.append(("CUDA", choice.describe() + (f"; set {VARIABLE} to use another" if choice.automatic else "")))
    for device, speed in result["training_samples_per_second"].items():
        rows.append((f"training on {device}", f"{speed:,} samples/s, both networks, batch {Config.batch_size}"))
    if result["gpu_over_cpu"] is None:
        rows.append(("GPU", "none found by MLX (neither Metal nor CUDA)"))
    else:
        rows.append(("GPU over CPU", f"{result['gpu_over_cpu']} times"))
    return markdown_table(("what", "found"), rows)
