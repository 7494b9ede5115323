"""The 150 features computed on the GPU, from eight bytes a position.

The kernel is the engine's own source (engine/rules.h and engine/feature_bytes.h), compiled by MLX for Metal or CUDA:
the same integer arithmetic, so the same bytes. Rows cross to the device as packed positions, a nineteenth of their
features.
"""

from functools import cache
from importlib.resources import files
from typing import Any

from engine.features import FEATURE_NAMES
from mlx_train.backend import mx

#: Threads of a group; each makes the row of one position.
_GROUP = 128

_BODY = """
    if (row < (unsigned int)rows_shape[0]) {
        unsigned int squares = rows[2 * row], rest = rows[2 * row + 1];
        uint8_t bytes[UR_FEATURES];
        ur_feature_bytes(squares & 0xFFFF, squares >> 16, rest & 0xFF, rest >> 8 & 0xFF, rest >> 16 & 7, bytes);
        for (int i = 0; i < UR_FEATURES; i++)
            features[row * UR_FEATURES + i] = bytes[i];
    }
"""


def available() -> bool:
    """Whether MLX's default device can run the kernel: a GPU, by Metal or CUDA."""
    return mx.default_device() == mx.Device(mx.gpu) and (mx.metal.is_available() or mx.cuda.is_available())


def source() -> str:
    """The engine's headers as one text, without their `#include`s."""
    text = "\n".join((files("engine") / name).read_text() for name in ("rules.h", "feature_bytes.h"))
    return "".join(f"{line}\n" for line in text.splitlines() if not line.startswith("#include"))


@cache
def _kernel() -> Any:
    parts: dict[str, Any] = {
        "name": "ur_features",
        "input_names": ["rows"],
        "output_names": ["features"],
        "header": source(),
    }
    if mx.metal.is_available():
        return mx.fast.metal_kernel(source="uint row = thread_position_in_grid.x;" + _BODY, **parts)
    thread = "unsigned int row = blockIdx.x * blockDim.x + threadIdx.x;"
    return mx.fast.cuda_kernel(source=thread + _BODY, **parts)


def feature_bytes(rows: mx.array, stream: mx.Stream | None = None) -> mx.array:
    """(n, 2) uint32 -> (n, 150) uint8, as `engine.extract_features_bytes` gives them.

    A row is a packed position (`Position.packed`) as its low and its high word, the roll in bits 48 to 50 of the whole,
    0 for a position before its roll. Needs a GPU (`available`).
    """
    count = rows.shape[0]
    (features,) = _kernel()(
        inputs=[rows],
        grid=(count, 1, 1),
        threadgroup=(_GROUP, 1, 1),
        output_shapes=[(count, len(FEATURE_NAMES))],
        output_dtypes=[mx.uint8],
        stream=stream,
    )
    return features
