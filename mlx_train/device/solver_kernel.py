"""The solved game on a GPU, as far as float32 goes: first values for the solver of the engine.

Layer by layer, as the engine's solver (engine/solved/solver.pyx), but all placements of a layer are backed up at once,
from the sweep before: the sweeps need no order, and there are some five times as many. The kernel is the engine's C
(engine/core/rules.h and engine/solved/backup.h). Its speed, and what else was tried: docs/experiments.md.
"""

from collections.abc import Callable

import numpy as np

from engine.solved.blocks import blocks_of
from engine.solved.order import index_tables, layers_of
from mlx_train.device.backend import mx
from mlx_train.device.kernels import kernel, rules_constant

HEADERS = ("core/rules.h", "solved/placements.h", "solved/backup.h")

#: A layer is finished when no win probability changes by more in a sweep: five steps of float32 below 1 ...
TOLERANCE = 3e-7
#: ... or when changes below this one stop shrinking: float32 goes no further.
_NOISE = 1e-5
#: Sweeps from one look at the changes to the next: fetching one number costs as much as a sweep of a small layer.
_SWEEPS = 8
#: Many times the 280 that a layer has needed at most.
_MOST_SWEEPS = 5000
#: Threads of a group, which updates a block: UR_ENTRY_MASKS rows of as many columns at most.
_GROUP = 256

INPUTS = ("leader_key", "follower_key", "block", "slab", "blocks", "sizes", "leader_off", "follower_off", "values")

# Metal puts inputs of fewer than eight numbers elsewhere, so `sizes` has eight.
_BODY = """
    ur_layer layer;
    layer.order.far_masks = 1 << ur_far_squares(&rules), layer.order.keys = sizes[5];
    layer.order.leader_key = leader_key, layer.order.follower_key = follower_key;
    layer.order.block = block, layer.order.slab = slab;
    layer.leader = sizes[0], layer.follower = sizes[1];
    layer.size = sizes[2], layer.leader_off_size = sizes[3], layer.follower_off_size = sizes[4];
    layer.values = values, layer.leader_off = leader_off, layer.follower_off = follower_off;
    int cell = (int)(thread_number % (UR_ENTRY_MASKS * UR_ENTRY_MASKS));
    unsigned int squares = blocks[thread_number / (UR_ENTRY_MASKS * UR_ENTRY_MASKS)];
    unsigned int leader_far = squares & 0xFFFF, follower_far = squares >> 16;
    int height = ur_masks(layer.leader - ur_popcount(leader_far));
    int width = ur_masks(layer.follower - ur_popcount(follower_far));
    int row = cell / width, column = cell % width;
    if (row < height) {
        int place = ur_block_start(&layer.order, layer.leader, layer.follower, leader_far, follower_far)
                    + row * width + column;
        float leader_turn, follower_turn;
        ur_backup(&rules, &layer, ur_squares(leader_far, ur_mask(row)), ur_squares(follower_far, ur_mask(column)),
                  &leader_turn, &follower_turn);
        swept[place] = leader_turn;
        swept[layer.size + place] = follower_turn;
    }
"""


def body(rules: str = "finkel") -> str:
    """The kernel's body for a rule set."""
    return rules_constant(rules) + _BODY


def first_values(
    pieces: int, progress: Callable[[int, int, str], None] = lambda positions, total, layer: None, rules: str = "finkel"
) -> np.ndarray:
    """The win probabilities of a rule set's game, to about 2e-6 -> float32, in the order of `Tablebase`.

    pieces: a side. progress: called after each layer with the number of positions solved, the number of all, and the
    layer's name. Needs a GPU (`kernels.available`). Raises RuntimeError if the values do not settle.
    """
    tables = index_tables(rules)
    index = [mx.array(tables[name]) for name in INPUTS[:4]]
    size = tables["size"].tolist()
    total = int(tables["start"][pieces, pieces]) + size[pieces][pieces]
    layers: dict[tuple[int, int], mx.array] = {}
    parts = []
    positions = 0
    for p, q in layers_of(pieces):
        values = mx.full(2 * size[p][q], 0.5)
        lower = [(p - 1, q), (p - 1, q) if p == q else (p, q - 1)]
        sizes = [p, q, size[p][q], *(size[a][b] for a, b in lower), tables["block"].shape[1], 0, 0]
        inputs = [*index, mx.array(blocks_of(tables["blocks"], p, q)), mx.array(sizes)]
        inputs += [layers.get(layer, values) for layer in lower]  # a layer that does not exist is not read
        values, sweeps = _settle(rules, inputs, values)
        layers[p, q] = values
        parts.append(values if p < q else values[: size[p][q]])
        positions += parts[-1].size
        progress(positions, total, f"{p} and {q} pieces left, {sweeps} sweeps")
    probabilities = np.array(mx.clip(mx.concatenate(parts), 0, 1))
    layers.clear()
    parts.clear()
    mx.clear_cache()
    return probabilities


def _settle(rules: str, inputs: list[mx.array], values: mx.array) -> tuple[mx.array, int]:
    """Sweep over a layer until its values settle -> (values, number of sweeps)."""
    sweep = kernel(f"ur_{rules}_sweep", INPUTS, ("swept",), body(rules), *HEADERS)
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
