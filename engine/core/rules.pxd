# The rule sets; rules.h says what each field and function is.

from libc.stdint cimport uint32_t


cdef extern from "core/rules.h":
    ctypedef struct Rules "ur_rules":
        int pieces
        int borne_off
        int capture_grants
        int pack_shift
        unsigned int path
        unsigned int straight
        unsigned int turned
        unsigned int rosettes
        unsigned int safe
    ctypedef struct Label "__typeof__(UR_LABELS[0])":
        const char* name
        const char* path
    enum:
        FINKEL "UR_FINKEL_SET"
        RULE_SET_COUNT "UR_RULE_SET_COUNT"
        MAX_PIECES "UR_MAX_PIECES"
        MAX_MOVES "UR_MAX_PIECES"                                   # legal moves of a roll: at most one a piece
        OUTCOMES "UR_OUTCOMES"
    cpdef enum:
        MAX_ROLL "UR_MAX_ROLL"
    const Rules* RULES "UR_RULE_SETS"                               # by number
    const Label* LABELS "UR_LABELS"
    int ways "ur_ways"(const Rules* rules, int roll) noexcept nogil
    int roll_of "ur_roll_of"(const Rules* rules, uint32_t bits) noexcept nogil
    unsigned int theirs_of "ur_theirs"(const Rules* rules, unsigned int mask) noexcept nogil
    unsigned int targets_of "ur_targets"(const Rules* rules, unsigned int own, unsigned int opp, int has_hand,
                                         int roll) noexcept nogil
    bint grants "ur_grants_roll"(const Rules* rules, int target, unsigned int captured) noexcept nogil
    int popcount "ur_popcount"(unsigned int mask) noexcept nogil    # of a side's squares
    int lowest "ur_lowest"(unsigned int mask) noexcept nogil        # index of the lowest set bit; mask != 0
    int highest "ur_highest"(unsigned int mask) noexcept nogil      # index of the highest set bit; mask != 0


cdef inline unsigned int shared(const Rules* rules) noexcept nogil:
    """The path squares that both sides walk, as a mask."""
    return rules.straight | rules.turned


cdef int rules_number(str name) except -1
cdef list squares_of_mask(unsigned int mask)
