# The classic evaluation: mover minus opponent, a sum over the pieces of a value for the square each stands on.
#
# All values are doubled, so that the advancement weight of 1.5 becomes an integer, and additive, so that the value
# of a move is a difference: what the piece gains, and what a captured piece loses.

from libc.stdint cimport int32_t

from engine.core.position cimport Board, Rules, captured, lowest, rules_of, shared


ctypedef struct Weights:
    int32_t win                 # a won position, doubled
    int32_t square[18]          # a piece on each path square, doubled: 0 = hand (0), the last = borne off
    int borne_off               # the index of the last


# The weights of a preset as they are published, in evaluation units.
ctypedef struct Points:
    double win                  # a won position
    double borne_off            # each piece borne off
    double advancement          # each path square walked by a piece on the path
    double rosette              # each piece on a rosette
    double lane                 # each piece on a shared square
    double exit                 # each piece on a private square behind them: 13 and 14 in Finkel's game
    double started              # each piece that has left the hand, borne off included


cdef inline int32_t side_value(const Weights* weights, unsigned int mask, int off) noexcept nogil:
    """The doubled value of one side's pieces, `off` of them borne off."""
    cdef int32_t total = off * weights.square[weights.borne_off]
    while mask:
        total += weights.square[lowest(mask)]
        mask &= mask - 1
    return total


cdef inline int32_t evaluate(const Weights* weights, const Board* board) noexcept nogil:
    """The doubled evaluation of a position that is not over, from the view of the side to move."""
    return (side_value(weights, board.own, board.own_off)
            - side_value(weights, board.opp, board.opp_off))


cdef inline int32_t move_gain(const Weights* weights, const Board* board, int source, int roll) noexcept nogil:
    """What a legal move that does not win adds to the doubled evaluation, from the view of the side that moves."""
    cdef int target = source + roll
    cdef int32_t gain = weights.square[target] - weights.square[source]
    cdef unsigned int taken = captured(board, target)
    if taken:
        gain += weights.square[lowest(taken)]
    return gain


cdef void weigh(const Points* points, const Rules* rules, Weights* weights) noexcept nogil
cdef Weights load_weights(str preset, int rules) except *
