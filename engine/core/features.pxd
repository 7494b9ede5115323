# A position, with or without a roll, as the inputs of the networks of its rule set: 150 of them for Finkel's rules.
#
# Every feature is a small integer times a constant of its own, so a row is some bytes and one table of scales; the
# float32 row is their product, exactly.

from libc.stdint cimport uint8_t

from engine.core.position cimport Board, Rules


cdef extern from "core/feature_bytes.h":
    enum:
        MAX_FEATURES "UR_MAX_FEATURES"
    int feature_count "ur_feature_count"(const Rules* rules) noexcept nogil    # inputs of a network of a rule set


cdef enum:
    NO_ROLL = -1                # the position before its roll


cdef void feature_bytes(const Board* board, int roll, uint8_t* out) noexcept nogil
cdef void feature_floats(const Board* board, int roll, const float* scales, float* out) noexcept nogil

cdef const float[::1] feature_scales(int rules)
