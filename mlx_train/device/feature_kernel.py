"""The 150 features computed on the GPU, from eight bytes a position.

The kernel is the engine's own source (engine/core/rules.h and engine/core/feature_bytes.h): the same integer
arithmetic, so the same bytes. Rows cross to the device as packed positions: eight bytes instead of 150.
"""

from engine.core.features import FEATURE_NAMES
from mlx_train.device.backend import mx
from mlx_train.device.kernels import kernel

HEADERS = ("core/rules.h", "core/feature_bytes.h")

#: Threads of a group; each computes the row of one position.
_GROUP = 128

BODY = """
    if (thread_number < (unsigned int)rows_shape[0]) {
        unsigned int squares = rows[2 * thread_number], rest = rows[2 * thread_number + 1];
        uint8_t bytes[UR_FEATURES];
        ur_feature_bytes(squares & 0xFFFF, squares >> 16, rest & 0xFF, rest >> 8 & 0xFF, rest >> 16 & 7, bytes);
        for (int i = 0; i < UR_FEATURES; i++)
            features[thread_number * UR_FEATURES + i] = bytes[i];
    }
"""


def feature_bytes(rows: mx.array, stream: mx.Stream | None = None) -> mx.array:
    """(n, 2) uint32 -> (n, 150) uint8, as `engine.extract_features_bytes` gives them.

    A row is a packed position (`Position.packed`) as its low and its high word, the roll in bits 48 to 50 of the whole,
    0 for a position before its roll. Needs a GPU (`kernels.available`).
    """
    count = rows.shape[0]
    (features,) = kernel("ur_features", ("rows",), ("features",), BODY, *HEADERS)(
        inputs=[rows],
        grid=(count, 1, 1),
        threadgroup=(_GROUP, 1, 1),
        output_shapes=[(count, len(FEATURE_NAMES))],
        output_dtypes=[mx.uint8],
        stream=stream,
    )
    return features
