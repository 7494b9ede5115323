"""The weights of the classic evaluation, and their presets."""

from engine.classic.evaluation cimport *

#: Presets of the classic evaluation, in evaluation units (not doubled). `advancement` counts for each path square
#: walked by a piece on the path; `rosette` for each piece on a rosette (the sum of two weights: for standing there and
#: for holding it); `lane` for each piece on squares 5 to 12; `exit` for each on 13 and 14; `started` for each piece
#: that has left the hand, borne off included. `evolved` comes from the genetic search of this program's predecessor.
PRESETS = {
    "default": {"win": 10000, "borne_off": 1000, "advancement": 1.5, "rosette": 25 + 40, "lane": 5 + 2,
                "exit": 2 * 5, "started": 35},
    "evolved": {"win": 8354, "borne_off": 638, "advancement": 3.0, "rosette": -13 + 61, "lane": 11 + 4,
                "exit": 2 * 11, "started": 49},
}


cdef void weigh(const Points* points, Weights* weights) noexcept nogil:
    """Fills the doubled weights by square from the published ones."""
    cdef double value
    cdef int square
    weights.win = <int32_t> (2 * points.win)
    weights.square[0] = 0
    for square in range(1, BORNE_OFF):
        value = points.advancement * square + points.started
        if ROSETTE_MASK >> square & 1:
            value += points.rosette
        if LANE_MASK >> square & 1:
            value += points.lane
        elif square > highest(LANE_MASK):
            value += points.exit
        weights.square[square] = <int32_t> (2 * value)
    weights.square[BORNE_OFF] = <int32_t> (2 * (points.borne_off + points.started))


cdef Weights load_weights(str preset) except *:
    """The doubled weights by square of a preset. ValueError for an unknown name."""
    cdef Points points
    cdef Weights weights
    if preset not in PRESETS:
        raise ValueError(f"unknown weights {preset!r}; known: {', '.join(PRESETS)}")
    points = PRESETS[preset]
    weigh(&points, &weights)
    return weights
