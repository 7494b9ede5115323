# Expectiminimax over the classic evaluation.
#
# Depth counts turns. Values are integers: the doubled evaluation times 16 for every chance node between the root
# and the leaf, so that sums over the sixteen outcomes of the dice are exact and comparisons bit-exact.

from libc.stdint cimport int16_t, int32_t, int64_t, uint16_t

from engine.classic.evaluation cimport Weights
from engine.core.position cimport Board, MAX_MOVES


cdef enum:
    MAX_DEPTH = 12              # 20,000 times 16**11 is still below 2**63
    LAST_TABLE_SIZE = 6561 * 128


ctypedef struct Searcher:
    Weights weights
    int depth                   # turns, at least 1
    const int16_t* last         # gain of the last chance node by `last_index`, or NULL for the plain search
    uint16_t ternary[256]       # a lane mask read as digits of base three


# The legal moves of a decision with their values, ascending squares.
ctypedef struct Moves:
    int count
    int square[MAX_MOVES]       # moved from, 0 = the hand
    int64_t value[MAX_MOVES]    # from the view of the side to move, scaled by 16**(depth - 1)


cdef void search_moves(const Searcher* searcher, const Board* board, int roll, Moves* moves) noexcept nogil
cdef int best_index(const Moves* moves) noexcept nogil
cdef void fill_ternary(uint16_t* ternary) noexcept nogil
cdef bint fill_last_table(const Searcher* searcher, int16_t* table) noexcept nogil


cdef class Search:
    cdef Searcher searcher
    cdef readonly str preset
    cdef readonly str rules
    cdef const int16_t[::1] table
