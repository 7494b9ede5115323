# Kernels that are compiled twice: for Finkel's rules, whose constants the compiler folds, and for the board's rules.

from engine.core.position cimport FINKEL, Board


ctypedef char Finkels
ctypedef short Boards
ctypedef fused Known:
    Finkels
    Boards


cdef inline Board known(Known which, Board board) noexcept nogil:
    """The board, of whose rule set the compiler knows what `which` says."""
    if Known is Finkels:
        board.rules = FINKEL
    return board
