"""The solved game on the GPU: places in its table become training rows there, four bytes a row instead of 154 or more.

A kernel finds the position at a place, and computes its features by the engine's own source.
"""

from engine.core.features import features_of
from engine.solved.blocks import block_table, labels
from engine.solved.table import SolvedTable
from mlx_train.device.backend import mx
from mlx_train.device.kernels import kernel, rules_constant

HEADERS = ("core/rules.h", "solved/placements.h", "core/feature_bytes.h")
INPUTS = ("entries", "starts", "blocks", "labels")

_GROUP = 128

# `engine.solved.blocks.block_table` says what the bits of a block are.
_BODY = """
    if (thread_number < (unsigned int)entries_shape[0]) {
        uint32_t entry = entries[thread_number];
        int number = ur_last_at_most(starts, (int)starts_shape[0], entry), bits = ur_far_squares(&rules);
        unsigned int block = blocks[number], sides = block >> 2 * bits, far = (1u << bits) - 1;
        unsigned int leader_far = block & far, follower_far = block >> bits & far;
        int follower = (int)(sides >> 3 & 7), follows = (int)(sides >> 6);
        int leader_off = rules.pieces - (int)(sides & 7), follower_off = rules.pieces - follower;
        int width = ur_masks(follower - ur_popcount(follower_far)), rest = (int)(entry - starts[number]);
        unsigned int leader_squares = ur_squares(leader_far, ur_mask(rest / width));
        unsigned int follower_squares = ur_squares(follower_far, ur_mask(rest % width));
        int count = ur_feature_count(&rules);
        uint8_t bytes[UR_MAX_FEATURES];
        ur_feature_bytes(&rules, follows ? follower_squares : leader_squares,
                         follows ? leader_squares : follower_squares, follows ? follower_off : leader_off,
                         follows ? leader_off : follower_off, 0, bytes);
        for (int i = 0; i < count; i += 2)
            pairs[(thread_number * count + i) / 2] = (uint16_t)(bytes[i] | bytes[i + 1] << 8);
        targets[thread_number] = labels[entry];
    }
"""


def body(rules: str = "finkel") -> str:
    """The kernel's body for a rule set."""
    return rules_constant(rules) + _BODY


class DeviceTable:
    """A table's labels, and where its blocks begin, in MLX's arrays."""

    def __init__(self, table: SolvedTable):
        """Takes four bytes a position on the device: 0.55 GB for seven pieces of Finkel's game."""
        self.rules = table.rules
        self._arrays = [mx.array(array) for array in (*block_table(table.pieces, table.rules), labels(table))]

    def rows(self, entries: mx.array, stream: mx.Stream | None = None) -> list[mx.array]:
        """(n,) uint32 of `entry_batch` -> features (n, features) uint8 and targets (n,) float32, as of `value_batch`,
        both of engine.games.exact_rows. Needs a GPU (`kernels.available`).
        """
        count = entries.shape[0]
        pairs, targets = kernel(f"ur_{self.rules}_rows", INPUTS, ("pairs", "targets"), body(self.rules), *HEADERS)(
            inputs=[entries, *self._arrays],
            grid=(count, 1, 1),
            threadgroup=(_GROUP, 1, 1),
            output_shapes=[(count, len(features_of(self.rules).names) // 2), (count,)],
            output_dtypes=[mx.uint16, mx.float32],
            stream=stream,
        )
        return [mx.view(pairs, mx.uint8, stream=stream), targets]
