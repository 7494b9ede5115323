"""The features computed on the GPU, from eight bytes a position.

The kernel is the engine's own source (engine/core/rules.h and engine/core/feature_bytes.h): the same integer
arithmetic, so the same bytes. Rows cross to the device as packed positions: eight bytes instead of 150 or more.
"""

from engine.core.features import features_of
from mlx_train.device.backend import mx
from mlx_train.device.kernels import kernel, rules_constant

HEADERS = ("core/rules.h", "core/feature_bytes.h")

#: Threads of a group; each computes the row of one position.
_GROUP = 128

_BODY = """
    if (thread_number < (unsigned int)rows_shape[0]) {
        unsigned int squares = rows[2 * thread_number], rest = rows[2 * thread_number + 1];
        int width = ur_feature_count(&rules), shift = rules.pack_shift;
        uint8_t bytes[UR_MAX_FEATURES];
        ur_feature_bytes(&rules, (squares & 0xFFFF) << shift, (squares >> 16) << shift, rest & 0xFF, rest >> 8 & 0xFF,
                         rest >> 16 & 7, bytes);
        for (int i = 0; i < width; i += 2)
            pairs[(thread_number * width + i) / 2] = (uint16_t)(bytes[i] | bytes[i + 1] << 8);
    }
"""


def body(rules: str = "finkel") -> str:
    """The kernel's body for a rule set."""
    return rules_constant(rules) + _BODY


def feature_bytes(rows: mx.array, rules: str = "finkel", stream: mx.Stream | None = None) -> mx.array:
    """(n, 2) uint32 -> (n, features) uint8, as `engine.extract_features_bytes` gives them for a rule set.

    A row is a packed position (`Position.packed`) as its low and its high word, the roll in bits 48 to 50 of the whole,
    0 for a position before its roll. Needs a GPU (`kernels.available`).
    """
    count = rows.shape[0]
    (pairs,) = kernel(f"ur_{rules}_features", ("rows",), ("pairs",), body(rules), *HEADERS)(
        inputs=[rows],
        grid=(count, 1, 1),
        threadgroup=(_GROUP, 1, 1),
        output_shapes=[(count, len(features_of(rules).names) // 2)],
        output_dtypes=[mx.uint16],
        stream=stream,
    )
    return mx.view(pairs, mx.uint8, stream=stream)
