# The order of the table: where each position stands in it.
#
# A layer is (leader, follower): the pieces that each side has not yet borne off, leader <= follower. Its values
# are the leader's win probability, whoever is to move; where both have as many left, the leader is the side to
# move. Inside a layer the positions are ordered by
#
#     slab    the leader's far squares (5 and on), by descending progress (the sum of the squares),
#     block   the follower's far squares, by descending progress, those that share no tile with the leader's,
#     row     the leader's entry squares (1 to 4), by number of pieces, then by value,
#     column  the follower's entry squares, likewise.
#
# Squares are those of each side's own path, in every rule set; which of them are the same tile enters only into the
# list of a slab's blocks. With n pieces left for the hand and the entry squares, the possible rows or columns are the
# first 1, 5, 11, 15 or 16: there are no holes, and an index is slab + height * block + row * width + column.

from libc.stdint cimport int64_t, uint16_t, uint32_t

from engine.core.position cimport MAX_ROLL, Board
from engine.core.rules cimport RULES, Rules, popcount


cdef extern from "solved/placements.h":
    enum:
        SIDE_COUNTS "UR_SIDE_COUNTS"
        ALL_FAR_SQUARES "UR_MOST_FAR_SQUARES"
        MOST_FAR_MASKS "(1 << UR_MOST_FAR_SQUARES)"
        ENTRY_SQUARES "UR_ENTRY_SQUARES"
        ENTRY_MASKS "UR_ENTRY_MASKS"
        LANE_START "UR_LANE_START"
    ctypedef struct Order "ur_order":
        int far_masks, keys
        const uint32_t* leader_key
        const uint32_t* follower_key
        const uint16_t* block
        const uint32_t* slab
    int far_squares "ur_far_squares"(const Rules* rules) noexcept nogil
    unsigned int far_of "ur_far"(unsigned int squares) noexcept nogil
    unsigned int entry_mask_of "ur_entry"(unsigned int squares) noexcept nogil
    unsigned int squares_of "ur_squares"(unsigned int far, unsigned int entry) noexcept nogil
    int rank_of "ur_rank"(unsigned int mask) noexcept nogil
    unsigned int mask_of "ur_mask"(int rank) noexcept nogil
    int masks_of "ur_masks"(int free) noexcept nogil        # rows (columns), by pieces for hand and entry squares
    int block_start "ur_block_start"(const Order* order, int leader, int follower, unsigned int leader_far,
                                     unsigned int follower_far) noexcept nogil
    int entry_count "ur_entry_count"(unsigned int entry) noexcept nogil
    int place_with "ur_place_with"(const Order* order, int leader, int follower, unsigned int leader_squares,
                                   unsigned int follower_squares, int leader_free, int follower_free) noexcept nogil
    int place_in "ur_place"(const Order* order, int leader, int follower, unsigned int leader_squares,
                            unsigned int follower_squares) noexcept nogil


# The same for every table of a rule set; filled when the rule set is first needed.
ctypedef struct Index:
    int rules                                           # the number of the rule set
    int pieces                                          # a side
    int far_masks
    unsigned int lane                                   # the shared squares, as a far mask
    Order order
    const uint16_t* slabs                               # the far masks of one side, by descending progress
    const uint16_t* followers                           # those that share no tile with a leader's lane, lane by lane
    const uint32_t* followers_start                     # where the list of a leader's lane begins
    uint32_t[SIDE_COUNTS][SIDE_COUNTS] size             # by leader and follower: positions of a layer, for one turn
    int64_t[SIDE_COUNTS][SIDE_COUNTS] start             # of a layer in the table; the follower's turn comes after


cdef inline int first_follower(const Index* index, unsigned int far) noexcept nogil:
    """Where the followers begin that share no tile with a leader's far squares."""
    return index.followers_start[far & index.lane]


cdef inline int last_follower(const Index* index, unsigned int far) noexcept nogil:
    """Behind the last of them."""
    return index.followers_start[(far & index.lane) + 1]


cdef inline int64_t entry_of(const Index* index, const Board* board, bint* flipped) noexcept nogil:
    """Where a position that is not over stands in the table; flipped if its value is the opponent's."""
    cdef int own = index.pieces - board.own_off
    cdef int opp = index.pieces - board.opp_off
    cdef int own_free = board.own_hand + entry_count(entry_mask_of(board.own))
    cdef int opp_free = board.opp_hand + entry_count(entry_mask_of(board.opp))
    flipped[0] = own > opp
    if own <= opp:
        return index.start[own][opp] + place_with(&index.order, own, opp, board.own, board.opp, own_free, opp_free)
    return index.start[opp][own] + index.size[opp][own] + place_with(&index.order, opp, own, board.opp, board.own,
                                                                     opp_free, own_free)


# A place in the table, for walking through it.
ctypedef struct Cursor:
    const Index* index
    int leader, follower        # the layer
    bint follows                # whether it is the follower's turn
    int slab                    # in the index's slabs
    int block                   # in its followers
    int row, column
    int height, width


cdef const Index* index_of(int rules) except NULL
cdef int progress_of(int far) noexcept nogil
cdef int64_t end_of_layer(const Index* index, int leader, int follower) noexcept nogil
cdef int64_t count_of(const Index* index, int pieces) noexcept nogil
cdef Cursor cursor_at(const Index* index, int64_t entry) noexcept nogil
cdef void advance(Cursor* at) noexcept nogil
cdef Board board_at(const Cursor* at) noexcept nogil
