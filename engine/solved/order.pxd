# The order of the table: where each position stands in it.
#
# A layer is (leader, follower): the pieces that each side has not yet borne off, leader <= follower. Its values
# are the leader's win probability, whoever is to move; where both have as many left, the leader is the side to
# move. Inside a layer the positions are ordered by
#
#     slab    the leader's far squares (5 to 14), by descending progress (the sum of the squares),
#     block   the follower's far squares, by descending progress, those that share no lane square,
#     row     the leader's entry squares (1 to 4), by number of pieces, then by value,
#     column  the follower's entry squares, likewise.
#
# With n pieces left for the hand and the entry squares, the possible rows or columns are the first 1, 5, 11, 15
# or 16: there are no holes, and an index is slab + height * block + row * width + column.

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from engine.core.position cimport PIECES, Board, popcount


cdef extern from "solved/placements.h":
    enum:
        FAR_SQUARES "UR_FAR_SQUARES"
        FAR_MASKS "UR_FAR_MASKS"
        LANE_SQUARES "UR_LANE_SQUARES"
        LANE_MASKS "UR_LANE_MASKS"
        EXIT_MASKS "UR_EXIT_MASKS"
        ENTRY_SQUARES "UR_ENTRY_SQUARES"
        ENTRY_MASKS "UR_ENTRY_MASKS"
        LANE_START "UR_LANE_START"
        BLOCKS "UR_BLOCKS"
    unsigned int far_of "ur_far"(unsigned int squares) noexcept nogil
    unsigned int lane_of "ur_lane"(unsigned int far) noexcept nogil
    unsigned int entry_mask_of "ur_entry"(unsigned int squares) noexcept nogil
    unsigned int squares_of "ur_squares"(unsigned int far, unsigned int entry) noexcept nogil
    int rank_of "ur_rank"(unsigned int mask) noexcept nogil
    unsigned int mask_of "ur_mask"(int rank) noexcept nogil
    int masks_of "ur_masks"(int free) noexcept nogil


# The same for every table; filled once, when the module is loaded.
ctypedef struct Index:
    uint8_t rank[ENTRY_MASKS]                       # of an entry mask
    uint8_t prefix[PIECES + 1]                      # rows (columns) for so many pieces for hand and entry squares
    uint16_t leader_key[LANE_MASKS]                 # 4 * the lane's ternary number, by the leader's lane
    uint16_t follower_key[FAR_MASKS]                # the follower's part of it, and its exits
    uint16_t block[PIECES + 1][BLOCKS]              # by follower and key: columns of the slab before this block
    uint32_t slab[PIECES + 1][PIECES + 1][FAR_MASKS]    # by leader, follower and the leader's far mask
    uint32_t size[PIECES + 1][PIECES + 1]           # positions of a layer, for one side's turn
    int64_t start[PIECES + 1][PIECES + 1]           # of a layer in the table; the follower's turn comes after


cdef Index INDEX
cdef uint16_t[FAR_MASKS] SLABS                      # the far masks of one side, by descending progress
cdef uint16_t[BLOCKS] FOLLOWERS                     # the far masks that share no lane square with a leader's lane
cdef int[LANE_MASKS + 1] FOLLOWERS_START            # where the list of a leader's lane begins in FOLLOWERS


cdef inline int64_t place(const Index* index, int leader, int follower, unsigned int leader_squares,
                          unsigned int follower_squares) noexcept nogil:
    """Where a placement stands in its layer, for one side's turn."""
    cdef unsigned int leader_far = far_of(leader_squares)
    cdef unsigned int follower_far = far_of(follower_squares)
    cdef int height = index.prefix[leader - popcount(leader_far)]
    cdef int width = index.prefix[follower - popcount(follower_far)]
    cdef unsigned int key = index.leader_key[lane_of(leader_far)] + index.follower_key[follower_far]
    return (<int64_t> index.slab[leader][follower][leader_far]
            + height * index.block[follower][key]
            + index.rank[entry_mask_of(leader_squares)] * width
            + index.rank[entry_mask_of(follower_squares)])


cdef inline int64_t entry_of(const Index* index, const Board* board, bint* flipped) noexcept nogil:
    """Where a position that is not over stands in the table; flipped if its value is the opponent's."""
    cdef int own = PIECES - board.own_off
    cdef int opp = PIECES - board.opp_off
    flipped[0] = own > opp
    if own <= opp:
        return index.start[own][opp] + place(index, own, opp, board.own, board.opp)
    return index.start[opp][own] + index.size[opp][own] + place(index, opp, own, board.opp, board.own)


# A place in the table, for walking through it.
ctypedef struct Cursor:
    int leader, follower        # the layer
    bint follows                # whether it is the follower's turn
    int slab                    # in SLABS
    int block                   # in FOLLOWERS
    int row, column
    int height, width


cdef void fill_index() noexcept nogil
cdef int progress_of(int far) noexcept nogil
cdef int64_t end_of_layer(int leader, int follower) noexcept nogil
cdef int64_t count_of(int pieces) noexcept nogil
cdef Cursor cursor_at(int64_t entry) noexcept nogil
cdef void advance(Cursor* at) noexcept nogil
cdef uint64_t packed_at(const Cursor* at) noexcept nogil
