"""The solved game on the GPU: places in its table become training rows there, four bytes a row instead of 154.

A kernel finds the position at a place, and computes its features by the engine's own source.
"""

from engine.core.features import FEATURE_NAMES
from engine.solved.blocks import block_table, labels
from engine.solved.table import SolvedTable
from mlx_train.device.backend import mx
from mlx_train.device.kernels import kernel

HEADERS = ("core/rules.h", "solved/placements.h", "core/feature_bytes.h")
INPUTS = ("entries", "starts", "blocks", "labels")

_GROUP = 128

# `engine.solved.blocks.block_table` says what the bits of a block are.
BODY = """
    if (thread_number < (unsigned int)entries_shape[0]) {
        uint32_t entry = entries[thread_number];
        int number = ur_last_at_most(starts, (int)starts_shape[0], entry);
        unsigned int block = blocks[number], sides = block >> 2 * UR_FAR_SQUARES;
        unsigned int leader_far = block % UR_FAR_MASKS, follower_far = block >> UR_FAR_SQUARES & (UR_FAR_MASKS - 1);
        int follower = (int)(sides >> 3 & 7), follows = (int)(sides >> 6);
        int leader_off = UR_PIECES - (int)(sides & 7), follower_off = UR_PIECES - follower;
        int width = ur_masks(follower - ur_popcount(follower_far)), rest = (int)(entry - starts[number]);
        unsigned int leader_squares = ur_squares(leader_far, ur_mask(rest / width));
        unsigned int follower_squares = ur_squares(follower_far, ur_mask(rest % width));
        const ur_rules rules = UR_FINKEL;
        int width_of_row = ur_feature_count(&rules);
        uint8_t bytes[UR_MAX_FEATURES];
        ur_feature_bytes(&rules, follows ? follower_squares : leader_squares,
                         follows ? leader_squares : follower_squares, follows ? follower_off : leader_off,
                         follows ? leader_off : follower_off, 0, bytes);
        for (int i = 0; i < width_of_row; i++)
            features[thread_number * width_of_row + i] = bytes[i];
        targets[thread_number] = labels[entry];
    }
"""


class DeviceTable:
    """A table's labels, and where its blocks begin, in MLX's arrays."""

    def __init__(self, table: SolvedTable):
        """Takes four bytes a position on the device: 0.55 GB for seven pieces."""
        self._arrays = [mx.array(array) for array in (*block_table(table.pieces), labels(table))]

    def rows(self, entries: mx.array, stream: mx.Stream | None = None) -> list[mx.array]:
        """(n,) uint32 of `entry_batch` -> features (n, 150) uint8 and targets (n,) float32, as of `value_batch`, both
        of engine.games.exact_rows. Needs a GPU (`kernels.available`).
        """
        count = entries.shape[0]
        return kernel("ur_rows", INPUTS, ("features", "targets"), BODY, *HEADERS)(
            inputs=[entries, *self._arrays],
            grid=(count, 1, 1),
            threadgroup=(_GROUP, 1, 1),
            output_shapes=[(count, len(FEATURE_NAMES)), (count,)],
            output_dtypes=[mx.uint8, mx.float32],
            stream=stream,
        )
