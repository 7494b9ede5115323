"""Kernels for a GPU from the engine's own C source, compiled by MLX for Metal or CUDA."""

from functools import cache
from importlib.resources import files
from typing import Any

from mlx_train.device.backend import mx

#: Before a kernel's body: which of the grid's threads it runs in.
_THREAD = {
    "metal": "uint thread_number = thread_position_in_grid.x;",
    "cuda": "unsigned int thread_number = blockIdx.x * blockDim.x + threadIdx.x;",
}


def available() -> bool:
    """Whether MLX's default device can run kernels: a GPU, by Metal or CUDA."""
    return mx.default_device() == mx.Device(mx.gpu) and (mx.metal.is_available() or mx.cuda.is_available())


def source(*headers: str) -> str:
    """The engine's headers as one text, without their `#include`s."""
    text = "\n".join((files("engine") / name).read_text() for name in headers)
    return "".join(f"{line}\n" for line in text.splitlines() if not line.startswith("#include"))


def rules_constant(rules: str) -> str:
    """The line that makes a rule set a constant of a kernel's body, `rules`, whose data the compiler folds."""
    return f"const ur_rules rules = UR_{rules.upper()};"


@cache
def kernel(name: str, inputs: tuple[str, ...], outputs: tuple[str, ...], body: str, *headers: str) -> Any:
    """MLX's kernel of this name. In its body `thread_number` is the thread's place in a grid of one dimension."""
    parts: dict[str, Any] = {
        "name": name,
        "input_names": list(inputs),
        "output_names": list(outputs),
        "header": source(*headers),
    }
    if mx.metal.is_available():
        return mx.fast.metal_kernel(source=_THREAD["metal"] + body, **parts)
    return mx.fast.cuda_kernel(source=_THREAD["cuda"] + body, **parts)
