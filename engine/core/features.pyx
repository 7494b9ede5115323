"""The features: the inputs of the networks, about the squares and about the state of the game.

`feature_groups` is the one table of them: name, one name for each feature of the group, and the scale. The kernel
(feature_bytes.h) writes them in the table's order. Each feature but the roll's own comes once for the side to move
("own") and once for the opponent, by the same definition with the sides exchanged. "Next roll" is the roll a side would
make were it its turn now; probabilities are over the sixteen outcomes of the dice. Squares count along the side's own
path. Finkel's rules have 150 features; the other rule sets have the same groups over their own squares.
"""

from engine.core.features cimport *
from engine.core.position cimport *
from libc.stdint cimport uint64_t
from dataclasses import dataclass
import numpy as np
from engine.core.rules import RULE_SETS
from engine.core.rules import rules as rule_set

_SIDES = ("own", "opponent")

cdef enum:
    BLOCK = 8                   # rows written before they are scaled: a byte just written is slow to read


def _side_state(side, rules, furthest):
    """The groups of one side's state. furthest: the last square where a piece can be captured."""
    return (
        # Probability that a roll above 0 has no legal move, that it has exactly one, and that it has one that
        # ends out of the opponent's reach; expected square of the foremost landing (borne off: the one after the last).
        (f"state.{side}.mobility", ["stuck", "forced", "safe"], 1.0 / 16),
        (f"state.{side}.tempo", ["advance"], 1.0 / (16 * rules.borne_off)),
        # Probability of a capture, of one on a square that no other opponent's piece covers, of landing on a
        # rosette, and of a move that is lost because the opponent holds a safe square.
        (f"state.{side}.chance", ["capture", "clean", "rosette", "blocked"], 1.0 / 16),
        # Expected square of the furthest piece it can capture; the largest product of square and probability
        # of being captured among its own pieces.
        (f"state.{side}.stake", ["capture", "loss"], 1.0 / (16 * furthest)),
        # Ways to capture (piece and roll) and own pieces within the opponent's reach.
        (f"state.{side}.contact", ["attacks", "exposed"], 1.0 / 8),
        # Foremost and rearmost piece on the path (0: none).
        (f"state.{side}.front", ["foremost", "rearmost"], 1.0 / rules.squares),
        # Squares ahead in the race, beyond the longest roll; squares short of 40 that are still to walk.
        (f"state.{side}.race", ["lead", "near"], 1.0 / 64),
        # Pieces on shared squares with no opponent behind them, in hand or on the path; pieces on the path, squared.
        (f"state.{side}.passed", ["pieces"], 1.0 / 4),
        (f"state.{side}.developed", ["squared"], 1.0 / 49),
    )


def feature_groups(rules="finkel"):
    """The groups of a rule set's features -> [(group, [feature names], scale)], in the order of the inputs."""
    rules = rule_set(rules)
    path = range(1, rules.borne_off)
    contested = [square for square in rules.shared if square not in rules.safe]     # where a piece can be captured
    return [
        # Pieces on the path squares.
        *((f"board.{side}.piece", [f"{s}" for s in path], 1.0) for side in _SIDES),
        # Probability that the side can land on the square with its next roll.
        *((f"board.{side}.reach", [f"{s}" for s in path], 1.0 / 16) for side in _SIDES),
        # Probability that the side can capture the piece on the square with its next roll.
        *((f"board.{side}.threat", [f"{s}" for s in contested], 1.0 / 16) for side in _SIDES),
        # Probability that it lands on the rosette 4, 8 or 12 and a second roll carries the piece to a capture here.
        *((f"board.{side}.followup", [f"{s}" for s in contested], 1.0 / 256) for side in _SIDES),
        # At least n pieces in hand; at least n borne off.
        *((f"state.{side}.hand", [f"{n}" for n in range(1, 6)], 1.0) for side in _SIDES),
        *((f"state.{side}.off", [f"{n}" for n in range(1, 6)], 1.0) for side in _SIDES),
        *(group for side in _SIDES for group in _side_state(side, rules, max(contested))),
        # The roll: which, how many legal moves, and whether one of them captures, lands on a rosette, bears off, enters
        # a piece, ends out of the opponent's reach. All zero before the roll.
        ("state.roll", ["1", "2", "3", "4"], 1.0),
        ("state.roll.moves", ["count"], 1.0 / 8),
        ("state.roll.allows", ["capture", "rosette", "bearing-off", "entering", "safety"], 1.0),
    ]


@dataclass(frozen=True, eq=False)
class FeatureSet:
    """The features of a rule set.

    Attributes:
        name: its version; networks trained on one feature set refuse to play on another.
        groups: of `feature_groups`.
        names: of the features, in order: group and name joined by a point.
        scales: (n,) float32; a feature is its byte times its scale.
    """

    name: str
    groups: list
    names: tuple
    scales: np.ndarray


def _feature_set(rules):
    """The feature set of a rule set."""
    groups = feature_groups(rules)
    names = tuple(f"{group}.{name}" for group, names, _ in groups for name in names)
    scales = np.array([scale for _, names, scale in groups for _ in names], dtype=np.float32)
    scales.flags.writeable = False
    rule = "" if rules == RULE_SETS[0] else f"{rules}-"
    return FeatureSet(f"ur-{rule}{len(names)}-v1", groups, names, scales)


_FEATURE_SETS = {rules: _feature_set(rules) for rules in RULE_SETS}
cdef list _SCALES = [_FEATURE_SETS[rules].scales for rules in RULE_SETS]


#: Inputs of the rule set that has the most.
MOST_FEATURES = MAX_FEATURES


def features_of(rules="finkel"):
    """The features of a rule set -> FeatureSet. ValueError for an unknown name."""
    return _FEATURE_SETS[rule_set(rules).name]


#: The features of Finkel's rules: the name of the set, the groups, the names of the features and their scales.
FEATURE_SET = features_of().name
GROUPS = features_of().groups
FEATURE_NAMES = features_of().names
FEATURE_SCALES = features_of().scales


cdef const float[::1] feature_scales(int rules):
    return _SCALES[rules]


cdef extern from "core/feature_bytes.h":
    void write_features "ur_write_features"(int rules, unsigned int own, unsigned int opp, int own_off, int opp_off,
                                            int roll, uint8_t* out) noexcept nogil


cdef void feature_bytes(const Board* board, int roll, uint8_t* out) noexcept nogil:
    """Writes the bytes of a position, with the roll's own features unless `roll` is NO_ROLL."""
    write_features(board.rules, board.own, board.opp, board.own_off, board.opp_off, roll, out)


cdef void feature_floats(const Board* board, int roll, const float* scales, float* out) noexcept nogil:
    """The features as float32: the bytes times `scales`."""
    cdef uint8_t row[MAX_FEATURES]
    cdef int i
    feature_bytes(board, roll, row)
    if board.rules == FINKEL:
        for i in range(feature_count(&RULES[FINKEL])):      # a constant number: a faster loop
            out[i] = row[i] * scales[i]
        return
    for i in range(feature_count(rules_of(board))):
        out[i] = row[i] * scales[i]


def check_rows(packed, rolls, str rules="finkel"):
    """-> contiguous (positions, rolls), checked for a rule set; rolls of length 0 stand for none."""
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
    """(n,) float32 features of a position, before its roll or with it; n is 150 in Finkel's game."""
    cdef int known = NO_ROLL if roll is None else check_roll(position.board.rules, roll) or roll
    cdef const float[::1] scales = feature_scales(position.board.rules)
    out = np.empty(scales.shape[0], dtype=np.float32)
    cdef float[::1] row = out
    feature_floats(&position.board, known, &scales[0], &row[0])
    return out


def extract_features_batch(packed, rolls=None, str rules="finkel", *, out=None):
    """(n, features) float32 features of n packed positions of a rule set; Finkel's has 150.

    packed: (n,) uint64. rolls: (n,) integers 0 to 4, or None for positions before their roll.
    out: an array to fill in place of a new one. ValueError for entries that are not positions or rolls.
    """
    cdef int number = rules_number(rules)
    cdef const float[::1] scales = feature_scales(number)
    packed, rolls = check_rows(packed, rolls, rules)
    out = _output(out, (len(packed), scales.shape[0]), np.float32)
    cdef const uint64_t[::1] positions = packed
    cdef const uint8_t[::1] known = rolls
    cdef float[:, ::1] rows = out
    cdef uint8_t[BLOCK][MAX_FEATURES] block
    cdef const float* scale = &scales[0]
    cdef float* row
    cdef Py_ssize_t first, i, end
    cdef int width = <int> scales.shape[0], k
    cdef bint has_rolls = known.shape[0] > 0
    cdef Board board
    with nogil:
        first = 0
        while first < positions.shape[0]:
            end = min(first + BLOCK, positions.shape[0])
            for i in range(first, end):
                board = unpack(number, positions[i])
                feature_bytes(&board, <int> known[i] if has_rolls else NO_ROLL, block[i - first])
            for i in range(first, end):
                row = &rows[i, 0]
                for k in range(width):
                    row[k] = block[i - first][k] * scale[k]
            first = end
    return out


def extract_features_bytes(packed, rolls=None, str rules="finkel", *, out=None):
    """(n, features) uint8: the features before scaling. Times `features_of(rules).scales` they are the float32 ones."""
    cdef int number = rules_number(rules)
    packed, rolls = check_rows(packed, rolls, rules)
    out = _output(out, (len(packed), feature_count(&RULES[number])), np.uint8)
    cdef const uint64_t[::1] positions = packed
    cdef const uint8_t[::1] known = rolls
    cdef uint8_t[:, ::1] rows = out
    cdef Py_ssize_t i
    cdef bint has_rolls = known.shape[0] > 0
    cdef Board board
    with nogil:
        for i in range(positions.shape[0]):
            board = unpack(number, positions[i])
            feature_bytes(&board, <int> known[i] if has_rolls else NO_ROLL, &rows[i, 0])
    return out
