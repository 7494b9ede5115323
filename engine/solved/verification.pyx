"""The Bellman equation, applied to every position of a solved game.

Independent of the solver and of its order: it enumerates the placements by itself, moves by the rules of position.pxd,
and reads a value by `lookup` alone.
"""

from libc.math cimport INFINITY, fabs
from libc.stdint cimport int64_t, uint64_t
from engine.core.position cimport *
from engine.machine.atomics cimport add, count, get
from engine.solved.sweeps cimport Tickets
from engine.solved.table cimport SolvedTable, Table, lookup
from typing import NamedTuple
from engine.machine.cores import run_parallel, worker_count


class Verification(NamedTuple):
    """The Bellman equation, applied to every position.

    Attributes:
        placements: every placement of both sides with every pair of borne-off counts, counted.
        positions: placements that are not over.
        residual: the largest difference between a win probability and what its successors make it.
        worst: the packed position where it is largest.
        limit: the residual up to which the table passes.
        passed: whether it does.
    """

    placements: int
    positions: int
    residual: float
    worst: int
    limit: float
    passed: bool


# What one worker has checked.
ctypedef struct Checked:
    int64_t placements
    int64_t positions
    double residual
    uint64_t worst


cdef double backup(const Table* table, const Board* board) noexcept nogil:
    """The win probability of the side to move, from its successors'."""
    cdef double total = 0
    cdef double best, value
    cdef unsigned int sources
    cdef int roll, square
    cdef Board next
    for roll in range(MAX_ROLL + 1):
        sources = legal_sources(board, roll)
        if sources == 0:
            next = swap_sides(board[0])
            total += ways(rules_of(board), roll) * (1.0 - lookup(table, &next))
            continue
        best = 0
        while sources:
            square = lowest(sources)
            sources &= sources - 1
            next = successor(board[0], square, roll)
            value = lookup(table, &next)
            if not grants_roll(board, square, roll):
                value = 1.0 - value
            best = max(best, value)
        total += ways(rules_of(board), roll) * best
    return total / OUTCOMES


cdef void verify_side(const Table* table, unsigned int own, int own_off, Checked* checked) noexcept nogil:
    """All placements of the opponent against one of the side to move."""
    cdef const Rules* rules = &RULES[table.rules]
    cdef unsigned int same = theirs_of(rules, own)      # the tiles that it occupies, as squares of the opponent's path
    cdef unsigned int opp
    cdef Board board
    cdef double residual
    cdef int least = rules.pieces - table.pieces
    board.rules = table.rules
    board.own = own
    board.own_off = own_off
    board.own_hand = rules.pieces - own_off - popcount(own)
    for opp in range(0, rules.path + 1, 2):
        if opp & same or popcount(opp) > table.pieces:
            continue
        board.opp = opp
        for board.opp_off in range(least, rules.pieces - popcount(opp) + 1):
            board.opp_hand = rules.pieces - board.opp_off - popcount(opp)
            checked.placements += 1
            if is_over(&board):
                continue
            checked.positions += 1
            residual = fabs(lookup(table, &board) - backup(table, &board))
            if residual != residual:                # a NaN is worse than anything
                residual = INFINITY
            if residual > checked.residual:
                checked.residual = residual
                checked.worst = pack(&board)


cdef void verify_share(const Table* table, int* next, const int* stop, int64_t* positions,
                       Checked* checked) noexcept nogil:
    """Takes placements of the side to move until there are none; `positions` counts those of all workers."""
    cdef const Rules* rules = &RULES[table.rules]
    cdef unsigned int own
    cdef int ticket, own_off
    cdef int64_t before
    while not get(stop):
        ticket = add(next, 1)
        if ticket > <int> (rules.path >> 1):
            break
        own = ticket << 1
        before = checked.positions
        for own_off in range(rules.pieces - table.pieces, rules.pieces - popcount(own) + 1):
            verify_side(table, own, own_off, checked)
        count(positions, checked.positions - before)


cdef class _Pass(Tickets):
    cdef int64_t positions      # checked, by all workers


def verify(SolvedTable table, workers=None, limit=None, progress=None):
    """See `Tablebase.verify`."""
    cdef _Pass shared = _Pass()
    if limit is None:
        limit = table.bellman_limit()

    def task(int worker):
        cdef Checked checked
        checked.placements = checked.positions = 0
        checked.residual = -1.0
        checked.worst = 0
        with nogil:
            verify_share(&table.table, &shared.next, &shared.stopped, &shared.positions, &checked)
        return checked.placements, checked.positions, checked.residual, checked.worst

    def report():
        progress(shared.positions, table.count)

    results = run_parallel(task, worker_count(workers), on_interrupt=shared.stop,
                           on_poll=None if progress is None else report)
    residual, worst = max(r[2:] for r in results)
    return Verification(sum(r[0] for r in results), sum(r[1] for r in results), residual, worst, limit,
                        residual <= limit)
