"""Legal moves of many positions at once: their successors and policy slots."""

from libc.stdint cimport uint8_t, uint64_t
from engine.core.position cimport *
import numpy as np
from engine.core.features import check_rows


def successors(packed, rolls, nth, str rules="finkel"):
    """The position after a legal move, for each of n positions.

    packed: (n,) uint64. rolls: (n,). nth: (n,) which of the legal moves, counted from 0 by ascending square.
    rules: the rule set of all of them.
    -> (packed successors (n,) uint64, seen by whoever moves next; (n,) bool whether that is the same player).
    ValueError where there is no such move.
    """
    cdef int number = rules_number(rules)
    packed, rolls = check_rows(packed, rolls, rules)
    nth = np.asarray(nth)
    if nth.shape != packed.shape or (nth.size and not 0 <= nth.min() <= nth.max() < MAX_MOVES):
        raise ValueError(f"there must be a move from 0 to {MAX_MOVES - 1} for each of {len(packed)} positions")
    cdef const uint64_t[::1] positions = packed
    cdef const uint8_t[::1] known = rolls
    cdef const uint8_t[::1] chosen = np.ascontiguousarray(nth, dtype=np.uint8)
    after = np.empty(positions.shape[0], dtype=np.uint64)
    same = np.empty(positions.shape[0], dtype=np.bool_)
    cdef uint64_t[::1] out = after
    cdef uint8_t[::1] out_same = same.view(np.uint8)
    cdef Py_ssize_t i, bad = -1
    cdef unsigned int sources
    cdef Board board
    cdef int source
    with nogil:
        for i in range(positions.shape[0]):
            board = unpack(number, positions[i])
            sources = 0 if is_over(&board) else legal_sources(&board, known[i])
            if popcount(sources) <= chosen[i]:
                bad = i
                break
            source = nth_source(sources, chosen[i])
            out_same[i] = grants_roll(&board, source, known[i])
            board = successor(board, source, known[i])
            out[i] = pack(&board)
    if bad >= 0:
        raise ValueError(f"entry {bad}: no legal move number {chosen[bad]} with a roll of {known[bad]}")
    return after, same


def policy_slots(packed, rolls, str rules="finkel"):
    """(n, 7) uint8: the policy slot of each legal move by ascending square, for n positions; 255 beyond the last."""
    cdef int number = rules_number(rules)
    packed, rolls = check_rows(packed, rolls, rules)
    cdef const uint64_t[::1] positions = packed
    cdef const uint8_t[::1] known = rolls
    slots = np.full((positions.shape[0], MAX_MOVES), 255, dtype=np.uint8)
    cdef uint8_t[:, ::1] out = slots
    cdef Py_ssize_t i
    cdef unsigned int sources
    cdef Board board
    cdef int k
    with nogil:
        for i in range(positions.shape[0]):
            board = unpack(number, positions[i])
            sources = 0 if is_over(&board) else legal_sources(&board, known[i])
            k = 0
            while sources:
                out[i, k] = policy_slot(&board, lowest(sources))
                sources &= sources - 1
                k += 1
    return slots


def move_counts(packed, rolls, str rules="finkel"):
    """(n,) uint8: how many moves are legal, for n positions; 0 where the turn passes or the game is over."""
    cdef int number = rules_number(rules)
    packed, rolls = check_rows(packed, rolls, rules)
    cdef const uint64_t[::1] positions = packed
    cdef const uint8_t[::1] known = rolls
    counts = np.empty(positions.shape[0], dtype=np.uint8)
    cdef uint8_t[::1] out = counts
    cdef Py_ssize_t i
    cdef Board board
    with nogil:
        for i in range(positions.shape[0]):
            board = unpack(number, positions[i])
            out[i] = 0 if is_over(&board) else popcount(legal_sources(&board, known[i]))
    return counts
