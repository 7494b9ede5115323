"""The 150 features: 84 about the squares, 66 about the state of the game.

`GROUPS` is the one table of them: name, one name for each feature of the group, and the scale. The kernel writes
them in the table's order. Each feature but the roll's own comes once for the side to move ("own") and once for the
opponent, by the same definition with the sides exchanged. "Next roll" is the roll a side would make were it its
turn now; probabilities are over the sixteen outcomes of the dice.
"""

import numpy as np

from engine.dice cimport ways
from engine.features cimport *
from engine.position cimport *

from libc.stdint cimport uint64_t
from libc.string cimport memcpy

#: Version of the table below: networks trained on one feature set refuse to play on another.
FEATURE_SET = "ur-150-v1"

_PATH = range(1, 15)
_CONTESTED = (5, 6, 7, 9, 10, 11, 12)       # lane squares on which a piece can be captured
_SIDES = ("own", "opponent")

#: (group, [feature names], scale), in the order of the inputs.
GROUPS = [
    # Pieces on the path squares.
    *((f"board.{side}.piece", [f"{s}" for s in _PATH], 1.0) for side in _SIDES),
    # Probability that the side can land on the square with its next roll.
    *((f"board.{side}.reach", [f"{s}" for s in _PATH], 1.0 / 16) for side in _SIDES),
    # Probability that the side can capture the piece on the square with its next roll.
    *((f"board.{side}.threat", [f"{s}" for s in _CONTESTED], 1.0 / 16) for side in _SIDES),
    # Probability that it lands on the rosette 4 or 8 and that a second roll carries that piece to a capture here.
    *((f"board.{side}.followup", [f"{s}" for s in _CONTESTED], 1.0 / 256) for side in _SIDES),
    # At least n pieces in hand; at least n borne off.
    *((f"state.{side}.hand", [f"{n}" for n in range(1, 6)], 1.0) for side in _SIDES),
    *((f"state.{side}.off", [f"{n}" for n in range(1, 6)], 1.0) for side in _SIDES),
    *(
        group
        for side in _SIDES
        for group in (
            # Probability that a roll above 0 has no legal move, that it has exactly one, and that it has one that
            # ends out of the opponent's reach; expected square of the foremost landing (15: borne off).
            (f"state.{side}.mobility", ["stuck", "forced", "safe"], 1.0 / 16),
            (f"state.{side}.tempo", ["advance"], 1.0 / 240),
            # Probability of a capture, of one on a square that no other opponent's piece covers, of landing on a
            # rosette, and of a move that is lost because the opponent holds square 8.
            (f"state.{side}.chance", ["capture", "clean", "rosette", "blocked"], 1.0 / 16),
            # Expected square of the furthest piece it can capture; the largest product of square and probability
            # of being captured among its own pieces.
            (f"state.{side}.stake", ["capture", "loss"], 1.0 / 192),
            # Ways to capture (piece and roll) and own pieces within the opponent's reach.
            (f"state.{side}.contact", ["attacks", "exposed"], 1.0 / 8),
            # Foremost and rearmost piece on the path (0: none).
            (f"state.{side}.front", ["foremost", "rearmost"], 1.0 / 14),
            # Squares ahead in the race, beyond the longest roll; squares short of 40 that are still to walk.
            (f"state.{side}.race", ["lead", "near"], 1.0 / 64),
            # Lane pieces with no opponent behind them, in hand or on the path; pieces on the path, squared.
            (f"state.{side}.passed", ["pieces"], 1.0 / 4),
            (f"state.{side}.developed", ["squared"], 1.0 / 49),
        )
    ),
    # The roll: which, how many legal moves, and whether one of them captures, lands on a rosette, bears off, enters
    # a piece, ends out of the opponent's reach. All zero before the roll.
    ("state.roll", ["1", "2", "3", "4"], 1.0),
    ("state.roll.moves", ["count"], 1.0 / 8),
    ("state.roll.allows", ["capture", "rosette", "bearing-off", "entering", "safety"], 1.0),
]

#: Names of the features, in order: group and name joined by a point.
FEATURE_NAMES = tuple(f"{group}.{name}" for group, names, _ in GROUPS for name in names)

#: (150,) float32: a feature is its byte times its scale.
FEATURE_SCALES = np.array([scale for _, names, scale in GROUPS for _ in names], dtype=np.float32)
FEATURE_SCALES.flags.writeable = False

cdef const float[::1] _scales = FEATURE_SCALES


cdef const float[::1] feature_scales():
    return _scales


cdef extern from *:
    """
    #define UR_LOW_BYTES 0x0101010101010101ULL
    """
    const uint64_t LOW_BYTES "UR_LOW_BYTES"         # eight bytes of 1


# What the features of one side are made of. Byte i of a low word is square i + 1, of a high word square i + 9.
ctypedef struct Side:
    uint64_t low                # pieces on squares 1 to 8, one byte each
    uint64_t high               # pieces on squares 9 to 14
    uint64_t reach_low          # sixteenths of probability to land on 1 to 8
    uint64_t reach_high         # and on 9 to 14
    unsigned int targets[5]     # for each roll, where its legal moves end
    unsigned int reached        # where any roll's moves end
    unsigned int covered        # where any roll carries a piece, its own side's pieces not heeded


cdef inline uint64_t spread(unsigned int bits) noexcept nogil:
    """Eight bits as eight bytes of 0 or 1, the lowest bit in the lowest byte."""
    cdef uint64_t picked = (bits * LOW_BYTES) & <uint64_t> 0x8040201008040201
    return ((picked + <uint64_t> 0x7F7F7F7F7F7F7F7F) >> 7) & LOW_BYTES


cdef inline uint64_t contested(uint64_t low, uint64_t high) noexcept nogil:
    """The bytes of squares 5, 6, 7 and 9 to 12, side by side."""
    return (low >> 32 & 0xFFFFFF) | (high & <uint64_t> 0xFFFFFFFF) << 24


cdef inline int squares_walked(const Side* side) noexcept nogil:
    """The sum of the path squares of the pieces on the path."""
    cdef uint64_t low = (side.low * 0xFF) & <uint64_t> 0x0807060504030201
    cdef uint64_t high = (side.high * 0xFF) & <uint64_t> 0x00000E0D0C0B0A09
    return <int> (((low + high) * LOW_BYTES) >> 56)


cdef inline Side view_side(const Board* board) noexcept nogil:
    """The parts for the side to move of `board`."""
    cdef Side side
    cdef int roll
    side.low = spread(board.own >> 1 & 0xFF)
    side.high = spread(board.own >> 9)
    side.reach_low = side.reach_high = 0
    side.reached = side.covered = 0
    side.targets[0] = 0
    for roll in range(1, MAX_ROLL + 1):
        side.targets[roll] = legal_sources(board, roll) << roll
        side.reached |= side.targets[roll]
        side.covered |= (board.own | (board.own_hand != 0)) << roll
        side.reach_low += ways(roll) * spread(side.targets[roll] >> 1 & 0xFF)
        side.reach_high += ways(roll) * spread(side.targets[roll] >> 9 & 0x3F)
    return side


cdef inline uint8_t* write(uint8_t* out, uint64_t word, int count) noexcept nogil:
    """Writes the lowest `count` bytes and returns the place behind them; up to eight are overwritten."""
    memcpy(out, &word, 8)
    return out + count


cdef inline uint8_t* write_squares(uint8_t* out, uint64_t low, uint64_t high) noexcept nogil:
    return write(write(out, low, 8), high, 6)


cdef inline uint8_t* write_threats(uint8_t* out, const Side* side, const Side* other) noexcept nogil:
    return write(out, contested(side.reach_low & (other.low * 0xFF), side.reach_high & (other.high * 0xFF)), 7)


cdef inline uint8_t* write_followups(uint8_t* out, const Side* side, const Side* other) noexcept nogil:
    """From rosette 4 the rolls 1, 2, 3 lead to 5, 6, 7; from rosette 8 the rolls 1 to 4 lead to 9 to 12."""
    cdef uint64_t first = (side.reach_low >> 24 & 0xFF) * 0x040604
    cdef uint64_t second = (side.reach_low >> 56) * 0x01040604
    return write(out, (first | second << 24) & (contested(other.low, other.high) * 0xFF), 7)


cdef inline uint8_t* write_count(uint8_t* out, int count, int levels) noexcept nogil:
    """Whether the count, 7 at most, is at least 1, 2, ... `levels`."""
    return write(out, LOW_BYTES & (((<uint64_t> 1) << (8 * count)) - 1), levels)


cdef inline uint8_t* write_state(
    uint8_t* out, const Side* side, const Side* other, const Board* board, int walked, int other_walked
) noexcept nogil:
    """The state features of the side to move of `board`, given the squares that each side has walked."""
    cdef unsigned int prey = board.opp & LANE_MASK
    cdef unsigned int danger = other.reached & LANE_MASK & ~<unsigned int> SAFE_MASK
    cdef unsigned int targets, exposed, behind
    cdef int stuck = 0, forced = 0, safe = 0, advance = 0, capture = 0, clean = 0, rosette = 0, blocked = 0
    cdef int capture_stake = 0, loss_stake = 0, attacks = 0, stake
    cdef int roll, weight, square, pieces
    for roll in range(1, MAX_ROLL + 1):
        weight = ways(roll)
        targets = side.targets[roll]
        blocked += weight * ((board.opp & SAFE_MASK) >> 8 & (board.own >> (8 - roll)))
        if targets == 0:
            stuck += weight
            continue
        forced += weight * (targets & (targets - 1) == 0)
        safe += weight * (targets & ~danger != 0)
        advance += weight * highest(targets)
        rosette += weight * (targets & ROSETTE_MASK != 0)
        if targets & prey:
            capture += weight
            clean += weight * (targets & prey & ~other.covered != 0)
            capture_stake += weight * highest(targets & prey)
            attacks += popcount(targets & prey)
    exposed = board.own & danger
    pieces = popcount(exposed)
    while exposed:
        square = lowest(exposed)
        if square <= 8:
            stake = square * <int> (other.reach_low >> (8 * (square - 1)) & 0xFF)
        else:
            stake = square * <int> (other.reach_high >> (8 * (square - 9)) & 0xFF)
        loss_stake = max(loss_stake, stake)
        exposed &= exposed - 1
    out[0] = stuck
    out[1] = forced
    out[2] = safe
    out[3] = advance
    out[4] = capture
    out[5] = clean
    out[6] = rosette
    out[7] = blocked
    out[8] = capture_stake
    out[9] = loss_stake
    out[10] = attacks
    out[11] = pieces
    out[12] = highest(board.own) if board.own else 0
    out[13] = lowest(board.own) if board.own else 0
    out[14] = max(0, walked - other_walked - MAX_ROLL)
    out[15] = max(0, walked - (PIECES * BORNE_OFF - 40))
    # Passed: on the lane with every opponent's piece in front of it.
    behind = board.opp | 1u << BORNE_OFF
    out[16] = 0 if board.opp_hand else popcount(board.own & LANE_MASK & ((1u << lowest(behind)) - 1))
    pieces = PIECES - board.own_off - board.own_hand
    out[17] = pieces * pieces
    return out + 18


cdef void feature_bytes(const Board* board, int roll, uint8_t* out) noexcept nogil:
    """Writes the 150 bytes of a position, with the roll's own features unless `roll` is NO_ROLL."""
    cdef Board turned = swap_sides(board[0])
    cdef Side own = view_side(board)
    cdef Side opp = view_side(&turned)
    cdef unsigned int targets
    cdef int own_walked = squares_walked(&own) + BORNE_OFF * board.own_off
    cdef int opp_walked = squares_walked(&opp) + BORNE_OFF * board.opp_off
    out = write_squares(out, own.low, own.high)
    out = write_squares(out, opp.low, opp.high)
    out = write_squares(out, own.reach_low, own.reach_high)
    out = write_squares(out, opp.reach_low, opp.reach_high)
    out = write_threats(out, &own, &opp)
    out = write_threats(out, &opp, &own)
    out = write_followups(out, &own, &opp)
    out = write_followups(out, &opp, &own)
    out = write_count(out, board.own_hand, 5)
    out = write_count(out, board.opp_hand, 5)
    out = write_count(out, board.own_off, 5)
    out = write_count(out, board.opp_off, 5)
    out = write_state(out, &own, &opp, board, own_walked, opp_walked)
    out = write_state(out, &opp, &own, &turned, opp_walked, own_walked)
    targets = own.targets[roll] if roll > 0 else 0
    out[0] = roll == 1
    out[1] = roll == 2
    out[2] = roll == 3
    out[3] = roll == 4
    out[4] = popcount(targets & PATH_MASK) + (targets >> BORNE_OFF)
    out[5] = targets & board.opp & LANE_MASK != 0
    out[6] = targets & ROSETTE_MASK != 0
    out[7] = targets >> BORNE_OFF
    out[8] = board.own_hand != 0 and targets >> roll & 1 if roll > 0 else 0
    out[9] = targets & ~(opp.reached & LANE_MASK & ~<unsigned int> SAFE_MASK) != 0


cdef void feature_floats(const Board* board, int roll, const float* scales, float* out) noexcept nogil:
    """The features as float32: the bytes times `scales`."""
    cdef uint8_t row[FEATURES]
    cdef int i
    feature_bytes(board, roll, row)
    for i in range(FEATURES):
        out[i] = row[i] * scales[i]


def check_rows(packed, rolls):
    """-> contiguous (positions, rolls), checked; rolls of length 0 stand for none."""
    packed = np.ascontiguousarray(packed, dtype=np.uint64)
    if packed.ndim != 1:
        raise ValueError(f"packed positions must have one dimension, got shape {packed.shape}")
    check_packed(packed)
    if rolls is None:
        return packed, np.empty(0, dtype=np.uint8)
    rolls = np.asarray(rolls)
    if rolls.shape != packed.shape:
        raise ValueError(f"{len(packed)} positions but rolls of shape {rolls.shape}")
    if rolls.size and not 0 <= rolls.min() <= rolls.max() <= MAX_ROLL:
        raise ValueError(f"rolls must be 0 to {MAX_ROLL}, got {rolls.min()} to {rolls.max()}")
    return packed, np.ascontiguousarray(rolls, dtype=np.uint8)


def _output(out, shape, dtype):
    if out is None:
        return np.empty(shape, dtype=dtype)
    if out.shape != shape or out.dtype != dtype or not out.flags.c_contiguous:
        raise ValueError(f"out must be a contiguous {np.dtype(dtype).name} array of shape {shape}")
    return out


def extract_features(Position position not None, roll=None):
    """(150,) float32 features of a position, before its roll or with it."""
    cdef int known = NO_ROLL if roll is None else check_roll(roll) or roll
    out = np.empty(FEATURES, dtype=np.float32)
    cdef float[::1] row = out
    feature_floats(&position.board, known, &_scales[0], &row[0])
    return out


def extract_features_batch(packed, rolls=None, *, out=None):
    """(n, 150) float32 features of n packed positions.

    packed: (n,) uint64. rolls: (n,) integers 0 to 4, or None for positions before their roll.
    out: an array to fill in place of a new one. ValueError for entries that are not positions or rolls.
    """
    packed, rolls = check_rows(packed, rolls)
    out = _output(out, (len(packed), FEATURES), np.float32)
    cdef const uint64_t[::1] positions = packed
    cdef const uint8_t[::1] known = rolls
    cdef float[:, ::1] rows = out
    cdef Py_ssize_t i
    cdef bint has_rolls = known.shape[0] > 0
    cdef Board board
    with nogil:
        for i in range(positions.shape[0]):
            board = unpack(positions[i])
            feature_floats(&board, <int> known[i] if has_rolls else NO_ROLL, &_scales[0], &rows[i, 0])
    return out


def extract_features_bytes(packed, rolls=None, *, out=None):
    """(n, 150) uint8: the features before scaling. Times `FEATURE_SCALES` they are the float32 features, exactly."""
    packed, rolls = check_rows(packed, rolls)
    out = _output(out, (len(packed), FEATURES), np.uint8)
    cdef const uint64_t[::1] positions = packed
    cdef const uint8_t[::1] known = rolls
    cdef uint8_t[:, ::1] rows = out
    cdef Py_ssize_t i
    cdef bint has_rolls = known.shape[0] > 0
    cdef Board board
    with nogil:
        for i in range(positions.shape[0]):
            board = unpack(positions[i])
            feature_bytes(&board, <int> known[i] if has_rolls else NO_ROLL, &rows[i, 0])
    return out
