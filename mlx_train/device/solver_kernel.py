"""The solved game on a GPU, as far as float32 goes: first values for the solver of the engine.

Layer by layer as there (engine/solved/solver.pyx), but all placements of a layer are backed up at once, from the sweep before:
that takes some five times as many sweeps and no order. The kernel is C of the engine (engine/core/rules.h and
engine/solved/backup.h). How fast that is, and what else was tried: docs/experiments.md.
"""

from collections.abc import Callable

import numpy as np

from engine.solved.solver import index_tables
from mlx_train.device.backend import mx
from mlx_train.device.kernels import kernel

HEADERS = ("core/rules.h", "solved/placements.h", "solved/backup.h")

#: A layer is done when no win probability changes by more in a sweep: five steps of float32 below 1 ...
TOLERANCE = 3e-7
#: ... or when changes below this one stop shrinking: float32 goes no further.
_NOISE = 1e-5
#: Sweeps from one look at the changes to the next: fetching one number costs as much as a sweep of a small layer.
_SWEEPS = 8
#: Many times the 280 that a layer has needed at most.
_MOST_SWEEPS = 5000
#: Threads of a group, which updates a block: 16 rows of 16 columns at most.
_GROUP = 256

#: Pieces on squares 5 to 14, by the mask of those squares.
PIECES_ON = np.array([squares.bit_count() for squares in range(1024)])

INPUTS = ("leader_key", "follower_key", "block", "slab", "blocks", "sizes", "leader_off", "follower_off", "values")

# Metal puts inputs of fewer than eight numbers elsewhere, so `sizes` has eight.
BODY = """
    ur_layer layer;
    layer.leader_key = leader_key, layer.follower_key = follower_key, layer.block = block, layer.slab = slab;
    layer.leader = sizes[0], layer.follower = sizes[1];
    layer.size = sizes[2], layer.leader_off_size = sizes[3], layer.follower_off_size = sizes[4];
    layer.values = values, layer.leader_off = leader_off, layer.follower_off = follower_off;
    unsigned int squares = blocks[thread_number / 256], leader_far = squares & 0xFFFF, follower_far = squares >> 16;
    int height = ur_masks(layer.leader - ur_popcount(leader_far));
    int width = ur_masks(layer.follower - ur_popcount(follower_far));
    int row = (int)(thread_number % 256) / width, column = (int)(thread_number % 256) % width;
    if (row < height) {
        int place = ur_block_start(&layer, layer.leader, layer.follower, leader_far, follower_far)
                    + row * width + column;
        float leader_turn, follower_turn;
        ur_backup(&layer, leader_far << 5 | ur_mask(row) << 1, follower_far << 5 | ur_mask(column) << 1,
                  &leader_turn, &follower_turn);
        swept[place] = leader_turn;
        swept[layer.size + place] = follower_turn;
    }
"""


def first_values(
    pieces: int, progress: Callable[[int, int, str], None] = lambda done, total, layer: None
) -> np.ndarray:
    """The win probabilities of the game with so many pieces, to about 2e-6 -> float32, in the order of `Tablebase`.

    progress: called after each layer with the number of positions done, how many there are, and which layer it was.
    Needs a GPU (`kernels.available`). Raises RuntimeError if the sweeps lead nowhere.
    """
    tables = index_tables()
    index = [mx.array(tables[name]) for name in INPUTS[:4]]
    size = tables["size"].tolist()
    total = int(tables["start"][pieces, pieces]) + size[pieces][pieces]
    layers: dict[tuple[int, int], mx.array] = {}
    parts = []
    done = 0
    for q in range(1, pieces + 1):
        for p in range(1, q + 1):
            values = mx.full(2 * size[p][q], 0.5)
            lower = [(p - 1, q), (p - 1, q) if p == q else (p, q - 1)]
            sizes = [p, q, size[p][q], *(size[a][b] for a, b in lower), 0, 0, 0]
            inputs = [*index, mx.array(blocks_of(tables["blocks"], p, q)), mx.array(sizes)]
            inputs += [layers.get(layer, values) for layer in lower]  # where there is none, nothing is read
            values, sweeps = _settle(inputs, values)
            layers[p, q] = values
            parts.append(values if p < q else values[: size[p][q]])
            done += parts[-1].size
            progress(done, total, f"{p} and {q} pieces left, {sweeps} sweeps")
    found = np.array(mx.clip(mx.concatenate(parts), 0, 1))
    layers.clear()
    parts.clear()
    mx.clear_cache()
    return found


def blocks_of(blocks: np.ndarray, leader: int, follower: int) -> np.ndarray:
    """Those of all blocks that so many pieces can stand in."""
    return blocks[(PIECES_ON[blocks & 0xFFFF] <= leader) & (PIECES_ON[blocks >> 16] <= follower)]


def _settle(inputs: list[mx.array], values: mx.array) -> tuple[mx.array, int]:
    """Sweeps over a layer until it is done -> its values, and how many sweeps there were."""
    sweep = kernel("ur_sweep", INPUTS, ("swept",), BODY, *HEADERS)
    sweeps = 0
    best = float("inf")
    while True:
        for _ in range(_SWEEPS):
            before = values
            (values,) = sweep(
                inputs=[*inputs, values],
                grid=(_GROUP * inputs[4].size, 1, 1),
                threadgroup=(_GROUP, 1, 1),
                output_shapes=[values.shape],
                output_dtypes=[mx.float32],
            )
        sweeps += _SWEEPS
        change = float(np.array(mx.max(mx.abs(values - before))))
        if change <= TOLERANCE or best <= change < _NOISE:
            return values, sweeps
        if not change <= 1 or sweeps > _MOST_SWEEPS:  # a NaN, or a kernel that is not what it should be
            raise RuntimeError(f"the GPU does not solve the game: a change of {change} after {sweeps} sweeps")
        best = min(best, change)
