# A network's value of moves, some turns ahead.

from libc.stdint cimport uint64_t

from engine.core.position cimport MAX_ROLL, Board
from engine.network.layers cimport Net


cdef enum:
    MAX_LOOKAHEAD = 4           # turns; each multiplies the time by about ten
    MAX_LEAVES = 35             # successors of a position: seven for each of five rolls
    MEMO_BITS = 10
    MEMO = 1 << MEMO_BITS       # values that a search remembers


# What a search has valued: a packed position, the depth plus one above it; 0 for nothing.
ctypedef struct Memo:
    uint64_t key
    double value


# The successors of a position, roll by roll from 0 to MAX_ROLL; a roll without a move leads to one, by the pass.
ctypedef struct Leaves:
    int start[MAX_ROLL + 2]     # of each roll's successors; none of a roll that the dice can't show
    bint choice                 # whether a roll has several moves
    int squares[MAX_LEAVES]     # the moves, ascending; NO_MOVE for a pass
    Board next[MAX_LEAVES]
    bint same[MAX_LEAVES]       # whether the mover is to roll again
    double values[MAX_LEAVES]   # the network's, for the side that moved


cdef void find_leaves(const Board* board, Leaves* leaves) noexcept nogil
cdef void value_leaves(const Net* net, Leaves* leaves) noexcept nogil
cdef double best_leaf(const Leaves* leaves, int roll) noexcept nogil
cdef double chance_value(const Net* net, const Board* board, int depth) noexcept nogil
cdef int network_moves(
    const Net* net, const Board* board, int roll, int depth, int* squares, double* values
) noexcept nogil
