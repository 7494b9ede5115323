"""What a learner sees of a game before a move: the networks' features, or planes over the path, as bytes.

Both are from the view of the side to move. "features" are those of `engine.core.features`, before their scaling.
"planes" have one byte for each path square 1, 2, ... of the side to move:

    0       1 for a piece of the side to move
    1       1 for a piece of the opponent that stands on this square of the board; private squares have none
    2       1 for a piece of the opponent on this square of its own path
    3, 4    pieces in hand of the side to move and of the opponent, on every square
    5, 6    pieces borne off by the side to move and by the opponent, on every square
    7 - 10  1 on every square if the roll is 1, 2, 3, 4
"""

from engine.core.observations cimport *
from engine.core.features cimport NO_ROLL, feature_bytes, feature_count
from engine.core.position cimport MAX_ROLL, RULES, Position, check_roll, rules_of, theirs_of
from engine.core.rules cimport rules_number
from libc.string cimport memset
import numpy as np

#: The kinds of observations, by their names.
OBSERVATIONS = ("features", "planes")

#: Planes of an observation.
PLANES = 7 + MAX_ROLL


cdef int observation_kind(object name) except -1:
    """The number of a kind of observations; None stands for none. ValueError for an unknown name."""
    if name is None:
        return NOTHING
    if name not in OBSERVATIONS:
        raise ValueError(f"unknown observation {name!r} (known: {', '.join(OBSERVATIONS)})")
    return AS_FEATURES + OBSERVATIONS.index(name)


cdef inline void write_squares(unsigned int mask, int squares, uint8_t* out) noexcept nogil:
    """Writes a byte for each path square: whether it is in the mask."""
    cdef int i
    for i in range(squares):
        out[i] = mask >> (i + 1) & 1


cdef void write_planes(const Board* board, int roll, uint8_t* out) noexcept nogil:
    cdef int squares = rules_of(board).borne_off - 1
    cdef int i
    write_squares(board.own, squares, out)
    write_squares(theirs_of(rules_of(board), board.opp), squares, out + squares)
    write_squares(board.opp, squares, out + 2 * squares)
    out += 3 * squares
    memset(out, board.own_hand, squares)
    memset(out + squares, board.opp_hand, squares)
    memset(out + 2 * squares, board.own_off, squares)
    memset(out + 3 * squares, board.opp_off, squares)
    out += 4 * squares
    for i in range(MAX_ROLL):
        memset(out + i * squares, roll == i + 1, squares)


cdef void write_observation(int kind, const Board* board, int roll, uint8_t* out) noexcept nogil:
    """Writes as many bytes as `observation_shape` says; `roll` is NO_ROLL before the roll."""
    if kind == AS_FEATURES:
        feature_bytes(board, roll, out)
    elif kind == AS_PLANES:
        write_planes(board, roll, out)


def observation_shape(kind, str rules="finkel"):
    """The shape of an observation of a rule set: (features,), or (planes, squares); (0,) for None.

    ValueError for an unknown kind or rule set.
    """
    cdef int number = observation_kind(kind)
    cdef int rule_set = rules_number(rules)
    if number == NOTHING:
        return (0,)
    if number == AS_FEATURES:
        return (feature_count(&RULES[rule_set]),)
    return (PLANES, RULES[rule_set].borne_off - 1)


def observe(Position position not None, roll=None, kind="features"):
    """The observation of a position and its roll: a new uint8 array of `observation_shape`.

    roll: None for a position before its roll, of which the roll's own bytes are 0. ValueError for an unknown kind, or a
    roll that the dice of the rule set can't give.
    """
    if roll is not None:
        check_roll(position.board.rules, roll)
    out = np.zeros(observation_shape(kind, position.rules), dtype=np.uint8)
    cdef uint8_t[::1] row = out.reshape(-1)
    cdef int number = observation_kind(kind)
    if number != NOTHING:
        write_observation(number, &position.board, NO_ROLL if roll is None else roll, &row[0])
    return out
