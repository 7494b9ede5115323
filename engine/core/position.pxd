# The packed position and the rules, as inline functions that every kernel shares. Finkel's path:
#
#       1   2   3   4   |   5   6   7   8   9  10  11  12   |  13  14   | 15
#       private         |   shared with the opponent        |  private  | borne off
#                   R   |               R (safe)            |       R   |
#
# The other rule sets have paths of 16 squares (rules.h), of which 1 to 4 are private:
#
#       1   2   3   4   |   5   6   7   8   9  10  11  12  13  14  15  16   | 17
#                   R   |               R               R               R   | borne off
#
# A side's squares are bits of a mask: bit s is path square s. Bit 0 stands for the hand and the bit after the last
# square for borne off, so a move by roll r is one shift of the whole mask by r.

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from engine.core.rules cimport *


cdef enum:
    NO_MOVE = -1                # in place of a square: the turn passes


# Finkel's rules, for what is laid out for them alone; rules.h says what each constant and function is.
cdef extern from "core/rules.h":
    cpdef enum:
        PIECES "UR_PIECES"
        BORNE_OFF "UR_BORNE_OFF"
    enum:
        PATH_MASK "UR_PATH_MASK"
        LANE_MASK "UR_LANE_MASK"
        ROSETTE_MASK "UR_ROSETTE_MASK"
        SAFE_MASK "UR_SAFE_MASK"
    int entry_rank "ur_rank"(unsigned int mask) noexcept nogil
    unsigned int entry_mask "ur_mask"(int rank) noexcept nogil
    int entry_masks "ur_masks"(int count) noexcept nogil


# A position from the view of the side to move. The hands follow from the other fields; they are kept because the legal
# moves of every roll depend on them.
ctypedef struct Board:
    uint32_t own                # squares of the side to move, bit s = own path square s
    uint32_t opp                # squares of the opponent, bit s = the opponent's path square s
    uint8_t own_off             # pieces borne off by the side to move
    uint8_t opp_off             # pieces borne off by the opponent
    uint8_t own_hand            # pieces in hand of the side to move
    uint8_t opp_hand            # pieces in hand of the opponent
    uint32_t rules              # the number of its rule set


cdef inline const Rules* rules_of(const Board* board) noexcept nogil:
    """The rule set of a position."""
    return &RULES[board.rules]


cdef inline Board opening(int rules, int pieces) noexcept nogil:
    """The opening of a game with so many pieces a side, all in hand; the other pieces count as borne off."""
    cdef Board board
    board.own = board.opp = 0
    board.own_off = board.opp_off = RULES[rules].pieces - pieces
    board.own_hand = board.opp_hand = pieces
    board.rules = rules
    return board


cdef inline Board whole_opening(int rules) noexcept nogil:
    """The opening of the game with all pieces."""
    return opening(rules, RULES[rules].pieces)


cdef inline bint has_won(const Board* board) noexcept nogil:
    """Whether the side to move has borne off all its pieces."""
    return board.own_off == rules_of(board).pieces


cdef inline bint is_over(const Board* board) noexcept nogil:
    """Whether a side has borne off all its pieces."""
    return has_won(board) or board.opp_off == rules_of(board).pieces


cdef inline unsigned int legal_sources(const Board* board, int roll) noexcept nogil:
    """The squares a piece can be moved from, as a mask: bit 0 is the hand. Empty when the turn passes."""
    return targets_of(rules_of(board), board.own, board.opp, board.own_hand, roll) >> roll


cdef inline Board swap_sides(Board board) noexcept nogil:
    """The same position seen by the other side: what a turn that passes leads to."""
    cdef Board other
    other.own = board.opp
    other.opp = board.own
    other.own_off = board.opp_off
    other.opp_off = board.own_off
    other.own_hand = board.opp_hand
    other.opp_hand = board.own_hand
    other.rules = board.rules
    return other


cdef inline unsigned int captured(const Board* board, int target) noexcept nogil:
    """The opponent's piece that a legal move to a square captures, as a mask along the opponent's path; 0 for none."""
    return board.opp & theirs_of(rules_of(board), 1u << target)


cdef inline bint grants_roll(const Board* board, int source, int roll) noexcept nogil:
    """Whether a legal move gives its side another roll; `board` is the position before the move."""
    return grants(rules_of(board), source + roll, captured(board, source + roll))


cdef inline Board after_move(Board board, int source, int roll) noexcept nogil:
    """The position after a legal move, still from the view of the side that moved."""
    cdef const Rules* rules = rules_of(&board)
    cdef int target = source + roll
    cdef unsigned int taken = captured(&board, target)
    board.own = (board.own & ~(1u << source)) | (1u << target & rules.path)
    board.own_off += target == rules.borne_off
    board.own_hand -= source == 0
    board.opp &= ~taken
    board.opp_hand += taken != 0
    return board


cdef inline Board successor(Board board, int source, int roll) noexcept nogil:
    """The position after a legal move, from the view of whoever moves next."""
    cdef Board after = after_move(board, source, roll)
    return after if grants_roll(&board, source, roll) else swap_sides(after)


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
    """One integer for a position: bits 0-15 own squares, 16-31 opponent's, 32-39 and 40-47 the borne-off counts.

    Bit s is path square s where a path has 14 squares, path square s + 1 where it has 16. The rule set is not in it.
    """
    cdef int shift = rules_of(board).pack_shift
    return (board.own >> shift | (<uint64_t> (board.opp >> shift) << 16)
            | (<uint64_t> board.own_off << 32) | (<uint64_t> board.opp_off << 40))


cdef inline Board unpack(int rules, uint64_t packed) noexcept nogil:
    """The inverse of `pack`, for an integer that `is_packed` accepts."""
    cdef int shift = RULES[rules].pack_shift
    cdef int pieces = RULES[rules].pieces
    cdef Board board
    board.own = <uint32_t> (packed & 0xFFFF) << shift
    board.opp = <uint32_t> (packed >> 16 & 0xFFFF) << shift
    board.own_off = (packed >> 32) & 0xFF
    board.opp_off = (packed >> 40) & 0xFF
    board.own_hand = pieces - board.own_off - popcount(board.own)
    board.opp_hand = pieces - board.opp_off - popcount(board.opp)
    board.rules = rules
    return board


cdef inline bint is_packed(int number, uint64_t packed) noexcept nogil:
    """Whether the integer is a position that the rule set allows."""
    cdef const Rules* rules = &RULES[number]
    cdef unsigned int own = <unsigned int> (packed & 0xFFFF) << rules.pack_shift
    cdef unsigned int opp = <unsigned int> (packed >> 16 & 0xFFFF) << rules.pack_shift
    cdef int own_off = packed >> 32 & 0xFF
    cdef int opp_off = packed >> 40 & 0xFF
    return (packed >> 48 == 0
            and ((own | opp) & ~rules.path) == 0
            and (theirs_of(rules, own) & opp) == 0
            and own_off + popcount(own) <= rules.pieces
            and opp_off + popcount(opp) <= rules.pieces
            and not (own_off == rules.pieces and opp_off == rules.pieces))


cdef class Position:
    cdef Board board

    @staticmethod
    cdef Position wrap(Board board)


cdef int check_roll(int rules, int roll) except -1
cdef int check_packed(int rules, const uint64_t[::1] positions) except -1
