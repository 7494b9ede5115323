# What a learner sees of a game before a move: the networks' features, or planes over the path, as bytes.

from libc.stdint cimport uint8_t

from engine.core.position cimport Board


cdef enum:
    NOTHING = 0
    AS_FEATURES = 1
    AS_PLANES = 2


cdef int observation_kind(object name) except -1
cdef void write_observation(int kind, const Board* board, int roll, uint8_t* out) noexcept nogil
