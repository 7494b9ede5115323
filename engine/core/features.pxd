# A position, with or without a roll, as the 150 inputs of the networks.
#
# Every feature is a small integer times a constant of its own, so a row is 150 bytes and one table of scales; the
# float32 row is their product, exactly.

from libc.stdint cimport uint8_t

from engine.core.position cimport Board


cdef enum:
    FEATURES = 150              # inputs of a network
    BOARD_FEATURES = 84         # of them about squares; the rest is about the state of the game
    NO_ROLL = -1                # the position before its roll


cdef void feature_bytes(const Board* board, int roll, uint8_t* out) noexcept nogil
cdef void feature_floats(const Board* board, int roll, const float* scales, float* out) noexcept nogil

cdef const float[::1] feature_scales()
