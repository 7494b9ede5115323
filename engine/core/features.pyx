"""The 150 features: 84 about the squares, 66 about the state of the game.

`GROUPS` is the one table of them: name, one name for each feature of the group, and the scale. The kernel
(feature_bytes.h) writes them in the table's order. Each feature but the roll's own comes once for the side to move
("own") and once for the opponent, by the same definition with the sides exchanged. "Next roll" is the roll a side would
make were it its turn now; probabilities are over the sixteen outcomes of the dice.
"""

from engine.core.features cimport *
from engine.core.position cimport *
from libc.stdint cimport uint64_t
import numpy as np
from engine.core.position import SAFE, SHARED

#: Version of the table below: networks trained on one feature set refuse to play on another.
FEATURE_SET = "ur-150-v1"

_PATH = range(1, BORNE_OFF)
_CONTESTED = [square for square in SHARED if square not in SAFE]    # where a piece can be captured
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


cdef extern from "core/feature_bytes.h":
    void write_features "ur_feature_bytes"(unsigned int own, unsigned int opp, int own_off, int opp_off, int roll,
                                           uint8_t* out) noexcept nogil


cdef void feature_bytes(const Board* board, int roll, uint8_t* out) noexcept nogil:
    """Writes the 150 bytes of a position, with the roll's own features unless `roll` is NO_ROLL."""
    write_features(board.own, board.opp, board.own_off, board.opp_off, roll, out)


cdef void feature_floats(const Board* board, int roll, const float* scales, float* out) noexcept nogil:
    """The features as float32: the bytes times `scales`."""
    cdef uint8_t row[FEATURES]
    cdef int i
    feature_bytes(board, roll, row)
    for i in range(FEATURES):
        out[i] = row[i] * scales[i]


def check_rows(packed, rolls, str rules="finkel"):
    """-> contiguous (positions, rolls), checked; rolls of length 0 stand for none."""
    packed = np.ascontiguousarray(packed, dtype=np.uint64)
    if packed.ndim != 1:
        raise ValueError(f"packed positions must have one dimension, got shape {packed.shape}")
    cdef int number = rules_number(rules)
    check_packed(number, packed)
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
    cdef int known = NO_ROLL if roll is None else check_roll(position.board.rules, roll) or roll
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
            board = unpack(FINKEL, positions[i])
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
            board = unpack(FINKEL, positions[i])
            feature_bytes(&board, <int> known[i] if has_rolls else NO_ROLL, &rows[i, 0])
    return out
