# A table of the solved game in memory, and the look-up that every kernel shares.

from libc.stdint cimport int64_t, uint16_t

from engine.core.position cimport (
    NO_MOVE,
    PIECES,
    Board,
    grants_roll,
    is_over,
    legal_sources,
    lowest,
    successor,
)
from engine.solved.order cimport Index, entry_of


cdef enum:
    FLOAT64 = 0                 # of 8 >> dtype bytes
    FLOAT32 = 1
    UINT16 = 2                  # round(65535 * probability)


ctypedef struct Table:
    const void* values
    int dtype                   # FLOAT64, FLOAT32 or UINT16
    int pieces                  # neither side may have more left than this
    const Index* index


cdef extern from *:
    """
    #define ur_prefetch(at) __builtin_prefetch(at)
    """
    void prefetch "ur_prefetch"(const void* at) noexcept nogil


cdef inline void fetch_entry(const Table* table, int64_t entry) noexcept nogil:
    """Asks memory for a value that `read_entry` will read."""
    prefetch(<const char*> table.values + (entry << (3 - table.dtype)))


cdef inline double read_entry(const Table* table, int64_t entry, bint flipped) noexcept nogil:
    cdef double value
    if table.dtype == FLOAT64:
        value = (<const double*> table.values)[entry]
    elif table.dtype == FLOAT32:
        value = (<const float*> table.values)[entry]
    else:
        value = (<const uint16_t*> table.values)[entry] / 65535.0
    return 1.0 - value if flipped else value


cdef inline double lookup(const Table* table, const Board* board) noexcept nogil:
    """The probability that the side to move wins, before it rolls. The table must hold the position."""
    cdef bint flipped
    cdef int64_t entry
    if board.own_off == PIECES:
        return 1.0
    if board.opp_off == PIECES:
        return 0.0
    entry = entry_of(table.index, board, &flipped)
    return read_entry(table, entry, flipped)


cdef inline bint holds(const Table* table, const Board* board) noexcept nogil:
    """Whether the table has the position: neither side has more pieces left than it knows."""
    return board.own_off + table.pieces >= PIECES and board.opp_off + table.pieces >= PIECES


cdef inline Board opening(int pieces) noexcept nogil:
    """The opening of the game with so many pieces a side."""
    cdef Board board
    board.own = board.opp = 0
    board.own_off = board.opp_off = PIECES - pieces
    board.own_hand = board.opp_hand = pieces
    return board


cdef inline unsigned int move_values(const Table* table, const Board* board, int roll, double* values,
                                     double* best) noexcept nogil:
    """The legal moves' squares as a mask, values[square] = the mover's win probability after the move."""
    cdef unsigned int sources = 0 if is_over(board) else legal_sources(board, roll)
    cdef unsigned int rest = sources
    cdef int square
    cdef Board next
    best[0] = -1.0
    while rest:
        square = lowest(rest)
        rest &= rest - 1
        next = successor(board[0], square, roll)
        values[square] = lookup(table, &next)
        if not grants_roll(square + roll):
            values[square] = 1.0 - values[square]
        if values[square] > best[0]:
            best[0] = values[square]
    return sources


cdef inline int best_source(const Table* table, const Board* board, int roll) noexcept nogil:
    """The square of the best move, the lowest among equals; NO_MOVE when the turn passes."""
    cdef double[16] values
    cdef double best
    cdef unsigned int sources = move_values(table, board, roll, values, &best)
    while sources:
        if values[lowest(sources)] == best:
            return lowest(sources)
        sources &= sources - 1
    return NO_MOVE


cdef class SolvedTable:
    cdef Table table
    cdef readonly object array              # the values in the table's order; `table` points into it
    cdef readonly double tolerance          # the tolerance of the solve; 0 for the floor of float64, NaN if unknown
    cdef readonly double residual           # the largest change of a win probability in a layer's last sweep

    cdef int check(self, const Board* board) except -1
