# The exact solution: where each position stands in the table, and the look-up that every kernel shares.
#
# A layer is (leader, follower): the pieces that each side has not yet borne off, leader <= follower. Its values
# are the leader's win probability, whoever is to move; where both have as many left, the leader is the side to
# move. Inside a layer the positions are ordered by
#
#     slab    the leader's squares 5 to 14, by descending progress (the sum of the squares),
#     block   the follower's squares 5 to 14, by descending progress, those that share no lane square,
#     row     the leader's squares 1 to 4, by number of pieces, then by value,
#     column  the follower's squares 1 to 4, likewise.
#
# With n pieces left for the hand and the squares 1 to 4, the possible rows or columns are the first 1, 5, 11, 15
# or 16: there are no holes, and an index is slab + height * block + row * width + column.

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from engine.core.position cimport (
    NO_MOVE,
    PIECES,
    Board,
    grants_roll,
    is_over,
    legal_sources,
    lowest,
    popcount,
    successor,
)


cdef enum:
    CONFIGURATIONS = 1024       # of squares 5 to 14 of one side: bit k is square k + 5
    BLOCKS = 26244              # 2**2 exits of the follower for each of 3**8 lanes
    FLOAT64 = 0                 # of 8 >> dtype bytes
    FLOAT32 = 1
    UINT16 = 2                  # round(65535 * probability)


# The same for every table; filled once, when the module is loaded.
ctypedef struct Index:
    uint8_t rank[16]                                # of an entry mask; bit s - 1 is square s
    uint8_t prefix[PIECES + 1]                      # rows (columns) for so many pieces for hand and entry squares
    uint16_t leader_key[256]                        # 4 * the lane's ternary number, by the leader's lane
    uint16_t follower_key[CONFIGURATIONS]           # the follower's part of it, and its exits
    uint16_t block[PIECES + 1][BLOCKS]              # by follower and key: columns of the slab before this block
    uint32_t slab[PIECES + 1][PIECES + 1][CONFIGURATIONS]   # by leader, follower and the leader's configuration
    uint32_t size[PIECES + 1][PIECES + 1]           # positions of a layer, for one side's turn
    int64_t start[PIECES + 1][PIECES + 1]           # of a layer in the table; the follower's turn comes after


ctypedef struct Table:
    const void* values
    int dtype                   # FLOAT64, FLOAT32 or UINT16
    int pieces                  # neither side may have more left than this
    const Index* index


cdef inline int64_t place(const Index* index, int leader, int follower, unsigned int leader_squares,
                          unsigned int follower_squares) noexcept nogil:
    """Where a placement stands in its layer, for one side's turn."""
    cdef unsigned int leader_far = (leader_squares >> 5) & 0x3FF
    cdef unsigned int follower_far = (follower_squares >> 5) & 0x3FF
    cdef int height = index.prefix[leader - popcount(leader_far)]
    cdef int width = index.prefix[follower - popcount(follower_far)]
    cdef unsigned int key = index.leader_key[leader_far & 0xFF] + index.follower_key[follower_far]
    return (<int64_t> index.slab[leader][follower][leader_far]
            + height * index.block[follower][key]
            + index.rank[(leader_squares >> 1) & 0xF] * width
            + index.rank[(follower_squares >> 1) & 0xF])


cdef inline int64_t entry_of(const Index* index, const Board* board, bint* flipped) noexcept nogil:
    """Where a position that is not over stands in the table; flipped if its value is the opponent's."""
    cdef int own = PIECES - board.own_off
    cdef int opp = PIECES - board.opp_off
    flipped[0] = own > opp
    if own <= opp:
        return index.start[own][opp] + place(index, own, opp, board.own, board.opp)
    return index.start[opp][own] + index.size[opp][own] + place(index, opp, own, board.opp, board.own)


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


cdef Index INDEX
cdef uint16_t[CONFIGURATIONS] SLABS
cdef uint16_t[BLOCKS] FOLLOWERS
cdef int[257] FOLLOWERS_START
cdef uint8_t[16] MASKS


# A place in the table, for walking through it.
ctypedef struct Cursor:
    int leader, follower        # the layer
    bint follows                # whether it is the follower's turn
    int slab                    # in SLABS
    int block                   # in FOLLOWERS
    int row, column
    int height, width


cdef void fill_index() noexcept nogil
cdef int64_t count_of(int pieces) noexcept nogil
cdef Cursor cursor_at(int64_t entry) noexcept nogil
cdef void advance(Cursor* at) noexcept nogil
cdef uint64_t packed_at(const Cursor* at) noexcept nogil


cdef class Tablebase:
    cdef Table table
    cdef readonly object array              # the values in the table's order; `table` points into it
    cdef readonly double tolerance          # that was asked for; 0 for the floor of float64
    cdef readonly double residual           # the largest change of a win probability in a layer's last sweep

    @staticmethod
    cdef Tablebase wrap(object array, int pieces, double tolerance, double residual)
    cdef int check(self, const Board* board) except -1
