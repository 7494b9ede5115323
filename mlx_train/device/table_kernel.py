"""The solved game on the GPU: places in its table become training rows there, four bytes a row instead of 154.

A kernel finds the position that stands at a place, and makes its features by the engine's own source.
"""

import numpy as np

from engine.core.features import FEATURE_NAMES
from engine.solved.solver import index_tables
from engine.solved.tablebase import CHUNK, Tablebase
from mlx_train.device.backend import mx
from mlx_train.device.kernels import kernel
from mlx_train.device.solver_kernel import PIECES_ON, blocks_of

HEADERS = ("core/rules.h", "solved/placements.h", "core/feature_bytes.h")
INPUTS = ("entries", "starts", "blocks", "labels")

_GROUP = 128

# `block_table` says what the bits of a block are.
BODY = """
    if (thread_number < (unsigned int)entries_shape[0]) {
        uint32_t entry = entries[thread_number];
        int found = ur_last_at_most(starts, (int)starts_shape[0], entry);
        unsigned int block = blocks[found], leader_far = block & 0x3FF, follower_far = block >> 10 & 0x3FF;
        int leader_off = UR_PIECES - (int)(block >> 20 & 7), follower = (int)(block >> 23 & 7);
        int follower_off = UR_PIECES - follower;
        int width = ur_masks(follower - ur_popcount(follower_far)), rest = (int)(entry - starts[found]);
        unsigned int leader_squares = leader_far << 5 | ur_mask(rest / width) << 1;
        unsigned int follower_squares = follower_far << 5 | ur_mask(rest % width) << 1;
        int follows = (int)(block >> 26);
        uint8_t bytes[UR_FEATURES];
        ur_feature_bytes(follows ? follower_squares : leader_squares, follows ? leader_squares : follower_squares,
                         follows ? follower_off : leader_off, follows ? leader_off : follower_off, 0, bytes);
        for (int i = 0; i < UR_FEATURES; i++)
            features[thread_number * UR_FEATURES + i] = bytes[i];
        targets[thread_number] = labels[entry];
    }
"""


class DeviceTable:
    """A table's labels, and where its blocks begin, in MLX's arrays."""

    def __init__(self, table: Tablebase):
        """Takes four bytes a position on the device: 0.55 GB for seven pieces."""
        index = index_tables()
        self._arrays = [mx.array(array) for array in (*block_table(index, table.pieces), _labels(index, table))]

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


def _turns(pieces: int) -> list[tuple[int, int, int]]:
    """(leader, follower, whether the follower is to move) of each part of a table, in its order."""
    return [(p, q, turn) for q in range(1, pieces + 1) for p in range(1, q + 1) for turn in range(1 + (p < q))]


def block_table(index: dict[str, np.ndarray], pieces: int) -> tuple[np.ndarray, np.ndarray]:
    """Where each block of a table begins, ascending; and what it is, in bits: squares 5 to 14 of the leader (10) and of
    the follower (10), pieces left of the leader (3) and of the follower (3), whether the follower is to move (1).
    """
    starts, blocks = [], []
    for p, q, turn in _turns(pieces):
        both = blocks_of(index["blocks"], p, q)
        leader, follower = both & 0xFFFF, both >> 16
        key = index["leader_key"][leader & 0xFF] + index["follower_key"][follower]
        first = index["start"][p, q] + turn * index["size"][p, q] + index["slab"][p, q][leader]
        starts.append(first + index["prefix"][p - PIECES_ON[leader]] * index["block"][q][key].astype(np.int64))
        blocks.append(leader | follower << 10 | (p << 20 | q << 23 | turn << 26))
    return np.concatenate(starts).astype(np.uint32), np.concatenate(blocks).astype(np.uint32)


def _labels(index: dict[str, np.ndarray], table: Tablebase) -> np.ndarray:
    """2 p - 1 for the side to move, float32, of every position of a table."""
    labels = np.empty(table.count, dtype=np.float32)
    for p, q, turn in _turns(table.pieces):
        begin = int(index["start"][p, q] + turn * index["size"][p, q])
        end = begin + int(index["size"][p, q])
        for first in range(begin, end, CHUNK):
            part = slice(first, min(first + CHUNK, end))
            values = table.array[part].astype(np.float64)
            if table.dtype == "uint16":
                values /= 65535.0
            labels[part] = 2 * (1 - values if turn else values) - 1
    return labels
