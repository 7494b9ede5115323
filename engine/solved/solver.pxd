# The solver's kernels, layer by layer.

from libc.stdint cimport uint16_t, uint32_t

from engine.core.rules cimport MAX_ROLL, Rules
from engine.solved.order cimport Index
from engine.solved.sweeps cimport Schedule


# What the update of a layer's slabs needs.
ctypedef struct Layer:
    int leader, follower        # pieces left
    double* leader_turn         # the layer's values: the leader's win probability
    double* follower_turn
    const double* leader_off    # the follower's turn of the layer (leader - 1, follower); NULL: won
    const double* follower_off  # the leader's turn of the layer (leader, follower - 1); NULL: lost
    const double* values        # of all layers, in the table's order
    bint guessed                # whether the values are near the solution before the first sweep
    const Index* index
    const uint32_t* slabs       # the index's rows of this layer
    const uint16_t* blocks
    const Rules* rules
    double[MAX_ROLL + 1] chance         # of each roll
    Schedule* schedule


cdef void fill_constants() noexcept nogil
cdef void prepare_layer(
    Layer* layer, const Index* index, int leader, int follower, double* values, double* diagonal, double* mirrored,
    Schedule* schedule, double tolerance, bint guessed
) noexcept nogil
