# Every player behind one C signature, so that games run without Python.

from engine.core.dice cimport Dice
from engine.network.layers cimport Net
from engine.core.position cimport Board


# Chooses the square to move from in a position with at least one legal move. `dice` is the agent's own stream.
ctypedef int (*Chooser)(const void* state, const Board* board, int roll, Dice* dice) noexcept nogil


ctypedef struct NetPlayer:
    const Net* net
    int depth                   # turns of look-ahead over the value network


cdef class Agent:
    cdef Chooser chooser
    cdef const void* state      # what `chooser` reads; owned by this object or by `player`
    cdef NetPlayer net_player
    cdef readonly str name
    cdef readonly str unit      # what `moves` gives: "win probability", "points", "policy" or "" for nothing
    cdef readonly object player     # the Search, Network or Tablebase behind it, or None


cdef int choose_random(const void* state, const Board* board, int roll, Dice* dice) noexcept nogil
