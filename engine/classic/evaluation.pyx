"""The weights of the classic evaluation, and their presets."""

from engine.classic.evaluation cimport *
from engine.core.position cimport RULES, highest

#: Presets of the classic evaluation, in evaluation units (not doubled). `advancement` counts for each path square
#: walked by a piece on the path; `rosette` for each piece on a rosette (the sum of two weights: for standing there and
#: for holding it); `lane` for each piece on a shared square; `exit` for each on a private square behind them;
#: `started` for each piece that has left the hand, borne off included. `evolved` comes from the genetic search of this
#: program's predecessor.
PRESETS = {
    "default": {"win": 10000, "borne_off": 1000, "advancement": 1.5, "rosette": 25 + 40, "lane": 5 + 2,
                "exit": 2 * 5, "started": 35},
    "evolved": {"win": 8354, "borne_off": 638, "advancement": 3.0, "rosette": -13 + 61, "lane": 11 + 4,
                "exit": 2 * 11, "started": 49},
}


cdef void weigh(const Points* points, const Rules* rules, Weights* weights) noexcept nogil:
    """Fills the doubled weights by square of a rule set from the published ones."""
    cdef double value
    cdef int square
    weights.win = <int32_t> (2 * points.win)
    weights.square[0] = 0
    weights.borne_off = rules.borne_off
    for square in range(1, rules.borne_off):
        value = points.advancement * square + points.started
        if rules.rosettes >> square & 1:
            value += points.rosette
        if shared(rules) >> square & 1:
            value += points.lane
        elif square > highest(shared(rules)):
            value += points.exit
        weights.square[square] = <int32_t> (2 * value)
    weights.square[rules.borne_off] = <int32_t> (2 * (points.borne_off + points.started))


cdef Weights load_weights(str preset, int rules) except *:
    """The doubled weights by square of a preset, for a rule set. ValueError for an unknown name."""
    cdef Points points
    cdef Weights weights
    if preset not in PRESETS:
        raise ValueError(f"unknown weights {preset!r}; known: {', '.join(PRESETS)}")
    points = PRESETS[preset]
    weigh(&points, &RULES[rules], &weights)
    return weights
