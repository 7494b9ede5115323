# The packed position and the rules, as inline functions that every kernel shares.
#
#       1   2   3   4   |   5   6   7   8   9  10  11  12   |  13  14   | 15
#       private         |   shared with the opponent        |  private  | borne off
#                   R   |               R (safe)            |       R   |
#
# A side's squares are bits of a 16-bit mask: bit s is path square s. Bit 0 stands for the hand and bit 15 for
# borne off, so a move by roll r is one shift of the whole mask by r.

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t


cdef enum:
    NO_MOVE = -1                # in place of a square: the turn passes


# The rules; rules.h says what each constant and function is.
cdef extern from "core/rules.h":
    cpdef enum:
        PIECES "UR_PIECES"
        BORNE_OFF "UR_BORNE_OFF"
        MAX_ROLL "UR_MAX_ROLL"
    enum:
        PATH_MASK "UR_PATH_MASK"
        LANE_MASK "UR_LANE_MASK"
        TARGET_MASK "UR_TARGET_MASK"
        ROSETTE_MASK "UR_ROSETTE_MASK"
        SAFE_MASK "UR_SAFE_MASK"
        MAX_MOVES "UR_PIECES"                                        # legal moves of a roll: at most one a piece
    int popcount "ur_popcount"(unsigned int mask) noexcept nogil     # of 16 bits
    int lowest "ur_lowest"(unsigned int mask) noexcept nogil         # index of the lowest set bit; mask != 0
    int highest "ur_highest"(unsigned int mask) noexcept nogil       # index of the highest set bit; mask != 0
    unsigned int targets_of "ur_targets"(unsigned int own, unsigned int opp, int has_hand, int roll) noexcept nogil
    int entry_rank "ur_rank"(unsigned int mask) noexcept nogil
    unsigned int entry_mask "ur_mask"(int rank) noexcept nogil
    int entry_masks "ur_masks"(int count) noexcept nogil


# A position from the view of the side to move. The hands follow from the other fields; they are kept because the legal
# moves of every roll depend on them.
ctypedef struct Board:
    uint16_t own                # squares of the side to move, bit s = own path square s
    uint16_t opp                # squares of the opponent, bit s = the opponent's path square s
    uint8_t own_off             # pieces borne off by the side to move
    uint8_t opp_off             # pieces borne off by the opponent
    uint8_t own_hand            # pieces in hand of the side to move
    uint8_t opp_hand            # pieces in hand of the opponent


cdef inline Board opening(int pieces) noexcept nogil:
    """The opening of a game with so many pieces a side, all in hand; the other pieces count as borne off."""
    cdef Board board
    board.own = board.opp = 0
    board.own_off = board.opp_off = PIECES - pieces
    board.own_hand = board.opp_hand = pieces
    return board


cdef inline bint is_over(const Board* board) noexcept nogil:
    """Whether a side has borne off all its pieces."""
    return board.own_off == PIECES or board.opp_off == PIECES


cdef inline unsigned int legal_sources(const Board* board, int roll) noexcept nogil:
    """The squares a piece can be moved from, as a mask: bit 0 is the hand. Empty when the turn passes."""
    return targets_of(board.own, board.opp, board.own_hand, roll) >> roll


cdef inline Board swap_sides(Board board) noexcept nogil:
    """The same position seen by the other side: what a turn that passes leads to."""
    cdef Board other
    other.own = board.opp
    other.opp = board.own
    other.own_off = board.opp_off
    other.opp_off = board.own_off
    other.own_hand = board.opp_hand
    other.opp_hand = board.own_hand
    return other


cdef inline bint grants_roll(int square) noexcept nogil:
    """Whether a piece that lands on this path square gives its side another roll."""
    return (ROSETTE_MASK >> square) & 1


cdef inline Board after_move(Board board, int source, int roll) noexcept nogil:
    """The position after a legal move, still from the view of the side that moved."""
    cdef int target = source + roll
    cdef unsigned int landing = 1u << target
    cdef bint captured = (board.opp & landing & LANE_MASK) != 0
    board.own = <uint16_t> ((board.own & ~(1u << source)) | (landing & PATH_MASK))
    board.own_off += target == BORNE_OFF
    board.own_hand -= source == 0
    board.opp = <uint16_t> (board.opp & ~(landing & LANE_MASK))
    board.opp_hand += captured
    return board


cdef inline Board successor(Board board, int source, int roll) noexcept nogil:
    """The position after a legal move, from the view of whoever moves next."""
    board = after_move(board, source, roll)
    return board if grants_roll(source + roll) else swap_sides(board)


cdef inline int policy_slot(const Board* board, int source) noexcept nogil:
    """The policy head's output for the piece on this square: hand first, then the path ascending."""
    if source == 0:
        return 0
    return board.own_hand + popcount(board.own & ((1u << source) - 1))


cdef inline bint is_choice(unsigned int sources) noexcept nogil:
    """Whether there are two or more legal moves: the turn is a decision."""
    return (sources & (sources - 1)) != 0


cdef inline int nth_source(unsigned int sources, int n) noexcept nogil:
    """The n-th square of a mask, counted from 0 by ascending square; the mask has more than n."""
    while n:
        sources &= sources - 1
        n -= 1
    return lowest(sources)


cdef inline uint64_t pack(const Board* board) noexcept nogil:
    """One integer for a position: bits 0-15 own squares, 16-31 opponent's, 32-39 and 40-47 the borne-off counts."""
    return (board.own | (<uint64_t> board.opp << 16)
            | (<uint64_t> board.own_off << 32) | (<uint64_t> board.opp_off << 40))


cdef inline Board unpack(uint64_t packed) noexcept nogil:
    """The inverse of `pack`, for an integer that `is_packed` accepts."""
    cdef Board board
    board.own = packed & 0xFFFF
    board.opp = (packed >> 16) & 0xFFFF
    board.own_off = (packed >> 32) & 0xFF
    board.opp_off = (packed >> 40) & 0xFF
    board.own_hand = PIECES - board.own_off - popcount(board.own)
    board.opp_hand = PIECES - board.opp_off - popcount(board.opp)
    return board


cdef inline bint is_packed(uint64_t packed) noexcept nogil:
    """Whether the integer is a position that the rules allow."""
    cdef unsigned int own = packed & 0xFFFF
    cdef unsigned int opp = (packed >> 16) & 0xFFFF
    cdef unsigned int own_off = (packed >> 32) & 0xFF
    cdef unsigned int opp_off = (packed >> 40) & 0xFF
    return (packed >> 48 == 0
            and ((own | opp) & ~<unsigned int> PATH_MASK) == 0
            and (own & opp & LANE_MASK) == 0
            and own_off + popcount(own) <= PIECES
            and opp_off + popcount(opp) <= PIECES
            and not (own_off == PIECES and opp_off == PIECES))


cdef class Position:
    cdef Board board

    @staticmethod
    cdef Position wrap(Board board)


cdef int check_roll(int roll) except -1
cdef int check_packed(const uint64_t[::1] positions) except -1
