"""The positions that occur when both sides play the best moves."""

from libc.stdint cimport int64_t, uint8_t, uint64_t
from engine.core.position cimport *
from engine.machine.atomics cimport add, get, replace
from engine.solved.order cimport Cursor, Index, board_at, cursor_at, end_of_layer, entry_of
from engine.solved.sweeps cimport Tickets
from engine.solved.table cimport SolvedTable, Table, best_source
import numpy as np
from engine.machine.cores import run_parallel


cdef enum:
    UNSEEN = 0
    SEEN = 1
    EXPANDED = 2
    STACK = 1 << 16
    SCAN = 1 << 14              # entries taken at a time


cdef void visit(const Table* table, uint8_t* marks, Board board, uint64_t* stack, int* height,
                int64_t first, int64_t end) noexcept nogil:
    """Marks a position as seen; puts it on the stack if it is new, of the layer at hand, and there is room."""
    cdef bint flipped
    cdef int64_t entry
    if is_over(&board):
        return
    entry = entry_of(table.index, &board, &flipped)
    if replace(&marks[entry], UNSEEN, SEEN) and first <= entry < end and height[0] < STACK:
        stack[height[0]] = pack(&board)
        height[0] += 1


cdef void expand_all(const Table* table, uint8_t* marks, uint64_t* stack, int height, int64_t first,
                     int64_t end) noexcept nogil:
    """Follows optimal play from the positions on the stack, and from those that it puts there."""
    cdef Board board
    cdef bint flipped
    cdef int roll, square
    while height:
        height -= 1
        board = unpack(table.rules, stack[height])
        if not replace(&marks[entry_of(table.index, &board, &flipped)], SEEN, EXPANDED):
            continue
        for roll in range(MAX_ROLL + 1):
            square = best_source(table, &board, roll)
            visit(table, marks, swap_sides(board) if square < 0 else successor(board, square, roll), stack,
                  &height, first, end)


cdef bint reach_share(const Table* table, uint8_t* marks, uint64_t* stack, int* next, const int* stop,
                      int64_t first, int64_t end) noexcept nogil:
    """Expands what is seen in a layer; returns whether there was anything."""
    cdef Cursor at
    cdef Board board
    cdef int64_t entry
    cdef bint any = False
    while not get(stop):
        entry = first + <int64_t> add(next, 1) * SCAN
        if entry >= end:
            break
        for entry in range(entry, min(entry + SCAN, end)):
            if marks[entry] == SEEN:
                any = True
                at = cursor_at(table.index, entry)
                board = board_at(&at)
                stack[0] = pack(&board)
                expand_all(table, marks, stack, 1, first, end)
    return any


def count_reached(SolvedTable table, int workers, on_layer):
    """How many positions that are not over occur when both sides play `best_move` from the opening.

    on_layer: called after each layer with the number of its positions.
    """
    cdef uint8_t[::1] marks = np.zeros(table.count, dtype=np.uint8)
    cdef const Index* index = table.table.index
    cdef bint flipped
    cdef Board start = opening(table.table.rules, table.table.pieces)
    cdef int64_t first, end
    cdef int p, q
    cdef Tickets shared

    def task(int worker):
        cdef uint64_t[::1] stack = np.empty(STACK + MAX_ROLL + 1, dtype=np.uint64)
        cdef bint any
        with nogil:
            any = reach_share(&table.table, &marks[0], &stack[0], &shared.next, &shared.stopped, first, end)
        return any

    marks[entry_of(index, &start, &flipped)] = SEEN
    for q in range(table.table.pieces, 0, -1):
        for p in range(q, 0, -1):
            first = index.start[p][q]
            end = end_of_layer(index, p, q)
            again = True
            while again:
                shared = Tickets()
                again = any(run_parallel(task, workers, on_interrupt=shared.stop))
            on_layer(end - first)
    return int(np.count_nonzero(marks))
