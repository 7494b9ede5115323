# A network's value of moves, some turns ahead.

from libc.stdint cimport uint64_t

from engine.core.position cimport Board
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


cdef double chance_value(const Net* net, const Board* board, int depth) noexcept nogil
cdef int network_moves(
    const Net* net, const Board* board, int roll, int depth, int* squares, double* values
) noexcept nogil
