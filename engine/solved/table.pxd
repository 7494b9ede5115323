# A table of the solved game in memory, and the look-up that every kernel shares.

from libc.stdint cimport int64_t, uint16_t, uint32_t

from engine.core.known cimport Boards, Finkels, Known, known
from engine.core.position cimport (
    FINKEL,
    NO_MOVE,
    Board,
    after_move,
    grants_roll,
    has_won,
    is_over,
    legal_sources,
    lowest,
    rules_of,
    swap_sides,
)
from engine.core.rules cimport RULES
from engine.solved.order cimport Index, entry_of


cdef enum:
    FLOAT64 = 0                 # of 8 >> dtype bytes
    FLOAT32 = 1
    UINT16 = 2                  # round(65535 * probability)


ctypedef struct Table:
    const void* values
    int dtype                   # FLOAT64, FLOAT32 or UINT16
    int rules                   # the number of the rule set
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
    if has_won(board):
        return 1.0
    if board.opp_off == table.index.pieces:
        return 0.0
    entry = entry_of(table.index, board, &flipped)
    return read_entry(table, entry, flipped)


cdef inline bint holds(const Table* table, const Board* board) noexcept nogil:
    """Whether the table has the position: of its rule set, with no more pieces left on a side than it knows."""
    cdef int least = table.index.pieces - table.pieces
    return board.rules == <uint32_t> table.rules and board.own_off >= least and board.opp_off >= least


# The legal moves of a roll with their values, both by square moved from.
ctypedef struct ExactMoves:
    unsigned int sources        # of the legal moves, as a mask
    int roll
    unsigned int again          # the moves that grant another roll, as `sources`
    int64_t[17] entries         # of the position after the move
    bint[17] flipped            # whether its value there is the opponent's
    double[17] values           # the mover's win probability after the move
    double best                 # the highest of them


cdef inline void find_known_moves(Known which, const Table* table, Board before, ExactMoves* moves) noexcept nogil:
    """`find_moves` for what the compiler knows of the rule set."""
    cdef unsigned int rest = moves.sources
    cdef int roll = moves.roll
    cdef unsigned int again = 0
    cdef int square
    cdef bint same
    cdef Board after
    before = known(which, before)
    while rest:
        square = lowest(rest)
        rest &= rest - 1
        same = grants_roll(&before, square, roll)
        again |= <unsigned int> same << square
        after = after_move(before, square, roll)
        if not same:
            after = swap_sides(after)
        moves.entries[square] = entry_of(table.index, &after, &moves.flipped[square])
        fetch_entry(table, moves.entries[square])
    moves.again = again


cdef inline void find_moves(const Table* table, const Board* board, ExactMoves* moves) noexcept nogil:
    """Finds the entries of the moves, none of which may end the game, and asks memory for their values."""
    if board.rules == FINKEL:
        find_known_moves(<Finkels> 0, table, board[0], moves)
    else:
        find_known_moves(<Boards> 0, table, board[0], moves)


cdef inline void value_moves(const Table* table, ExactMoves* moves) noexcept nogil:
    """Reads the values of the moves that `find_moves` found."""
    cdef unsigned int rest = moves.sources
    cdef int square
    cdef double value
    moves.best = -1.0
    while rest:
        square = lowest(rest)
        rest &= rest - 1
        value = read_entry(table, moves.entries[square], moves.flipped[square])
        if not moves.again >> square & 1:
            value = 1.0 - value
        moves.values[square] = value
        if value > moves.best:
            moves.best = value


cdef inline int best_move(const ExactMoves* moves) noexcept nogil:
    """The square of the best move, the lowest among equals; there must be a legal move."""
    cdef unsigned int sources = moves.sources
    while moves.values[lowest(sources)] != moves.best:
        sources &= sources - 1
    return lowest(sources)


cdef inline void exact_moves(const Table* table, const Board* board, int roll, ExactMoves* moves) noexcept nogil:
    """The legal moves of a roll, none if the game is over, with their values; `best` is -1 if there is none."""
    cdef int last = rules_of(board).borne_off - roll        # the square from which the roll bears off
    moves.roll = roll
    moves.sources = 0 if is_over(board) else legal_sources(board, roll)
    if board.own_off == table.index.pieces - 1 and moves.sources >> last & 1:       # the last piece, so no other move
        moves.values[last] = moves.best = 1.0
        return
    find_moves(table, board, moves)
    value_moves(table, moves)


cdef inline int best_source(const Table* table, const Board* board, int roll) noexcept nogil:
    """The square of the best move, the lowest among equals; NO_MOVE when the turn passes."""
    cdef ExactMoves moves
    exact_moves(table, board, roll, &moves)
    return best_move(&moves) if moves.sources else NO_MOVE


cdef class SolvedTable:
    cdef Table table
    cdef readonly object array              # the values in the table's order; `table` points into it
    cdef readonly double tolerance          # the tolerance of the solve; 0 for the floor of float64, NaN if unknown
    cdef readonly double residual           # the largest change of a win probability in a layer's last sweep

    cdef int check(self, const Board* board) except -1
