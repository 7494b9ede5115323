# Players behind one C signature, so that games run without Python.

from engine.core.dice cimport Dice
from engine.network.layers cimport Net
from engine.core.position cimport Board


# Returns the square to move from in a position with at least one legal move. `dice` is the player's own stream of them.
ctypedef int (*ChooseFunction)(const void* state, const Board* board, int roll, Dice* dice) noexcept nogil


# A player as games call it.
ctypedef struct Chooser:
    ChooseFunction function
    const void* state           # that `function` reads


cdef inline int choose(const Chooser* chooser, const Board* board, int roll, Dice* dice) noexcept nogil:
    """The square that the player moves from; there must be a legal move."""
    return chooser.function(chooser.state, board, roll, dice)


# The state of a player with a network.
ctypedef struct NetPlayer:
    const Net* net
    int depth                   # turns of look-ahead over the value network
    double temperature          # of a level: the regret, as win probability, that makes a move e times less likely


cdef class Agent:
    cdef Chooser chooser        # its state is owned by this object or by `player`
    cdef NetPlayer net_player
    cdef readonly str name
    cdef readonly str rules     # the name of the rule set that it plays
    cdef int rules_number
    cdef str made_by            # the expression that makes it
    cdef readonly str unit      # of the values of `moves`: "win probability", "points", "policy", or "" if it has none
    cdef readonly object player     # the Search, Network or Tablebase that values the moves, or None
