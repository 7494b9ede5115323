"""Passes over all positions of a solved game: verification and statistics."""

from typing import NamedTuple

import numpy as np

from libc.math cimport INFINITY, fabs
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from engine.core.dice cimport ways
from engine.core.position cimport *
from engine.solved.solver cimport SlabSweeps, add, get, schedule_slabs
from engine.solved.tablebase cimport *

from engine.machine.cores import run_parallel, worker_count


cdef extern from *:
    """
    #define ur_raise(at, from, to) __extension__({                                                          \
        uint8_t expected = (from);                                                                          \
        __atomic_compare_exchange_n(at, &expected, (to), 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED); })
    #define ur_count(at, n) ((void) __atomic_fetch_add(at, n, __ATOMIC_RELAXED))
    """
    bint raise_mark "ur_raise"(uint8_t* at, uint8_t before, uint8_t after) noexcept nogil
    void count "ur_count"(int64_t* at, int64_t n) noexcept nogil


# Verification: nothing below knows the solver's order of positions; a value is asked for by `lookup` alone.

class Verification(NamedTuple):
    """The Bellman equation, applied to every position.

    Attributes:
        placements: every placement of both sides with every pair of borne-off counts.
        positions: those that are not over.
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


# One worker's findings.
ctypedef struct Findings:
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
            total += ways(roll) * (1.0 - lookup(table, &next))
            continue
        best = 0
        while sources:
            square = lowest(sources)
            sources &= sources - 1
            next = successor(board[0], square, roll)
            value = lookup(table, &next)
            if not grants_roll(square + roll):
                value = 1.0 - value
            best = max(best, value)
        total += ways(roll) * best
    return total / 16


cdef void verify_side(const Table* table, unsigned int own, int own_off, Findings* found) noexcept nogil:
    """All placements of the opponent against one of the side to move."""
    cdef Board board
    cdef unsigned int opp
    cdef double residual
    cdef int least = PIECES - table.pieces
    board.own = own
    board.own_off = own_off
    board.own_hand = PIECES - own_off - popcount(own)
    for opp in range(0, PATH_MASK + 1, 2):
        if opp & own & LANE_MASK or popcount(opp) > table.pieces:
            continue
        board.opp = opp
        for board.opp_off in range(least, PIECES - popcount(opp) + 1):
            board.opp_hand = PIECES - board.opp_off - popcount(opp)
            found.placements += 1
            if is_over(&board):
                continue
            found.positions += 1
            residual = fabs(lookup(table, &board) - backup(table, &board))
            if residual != residual:                # a NaN is worse than anything
                residual = INFINITY
            if residual > found.residual:
                found.residual = residual
                found.worst = pack(&board)


cdef int verify_share(const Table* table, int* next, const int* stop, int64_t* done, Findings* found) noexcept nogil:
    """Takes placements of the side to move until there are none; `done` counts all workers' positions."""
    cdef unsigned int own
    cdef int ticket, own_off
    cdef int64_t before
    while not get(stop):
        ticket = add(next, 1)
        if ticket > PATH_MASK >> 1:
            break
        own = ticket << 1
        before = found.positions
        for own_off in range(PIECES - table.pieces, PIECES - popcount(own) + 1):
            verify_side(table, own, own_off, found)
        count(done, found.positions - before)
    return 0


cdef class _Shared:
    """What the workers of a pass share; alive as long as they are."""

    cdef int next
    cdef int stop
    cdef int64_t first, end
    cdef int64_t done           # positions

    def halt(self):
        add(&self.stop, 1)


def verify(Tablebase base, workers=None, limit=None, progress=None):
    """See `Tablebase.verify`."""
    cdef _Shared shared = _Shared()
    if limit is None:
        limit = base.bellman_limit()

    def task(int worker):
        cdef Findings found
        found.placements = found.positions = 0
        found.residual = -1.0
        found.worst = 0
        with nogil:
            verify_share(&base.table, &shared.next, &shared.stop, &shared.done, &found)
        return found.placements, found.positions, found.residual, found.worst

    def report():
        progress(shared.done, base.count)

    results = run_parallel(task, worker_count(workers), on_interrupt=shared.halt,
                           on_poll=None if progress is None else report)
    residual, worst = max(r[2:] for r in results)
    return Verification(sum(r[0] for r in results), sum(r[1] for r in results), residual, worst, limit,
                        residual <= limit)


# Positions that occur under optimal play

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
    if raise_mark(&marks[entry], UNSEEN, SEEN) and first <= entry < end and height[0] < STACK:
        stack[height[0]] = pack(&board)
        height[0] += 1


cdef void expand_all(const Table* table, uint8_t* marks, uint64_t* stack, int height, int64_t first,
                     int64_t end) noexcept nogil:
    cdef Board board
    cdef bint flipped
    cdef int roll, square
    while height:
        height -= 1
        board = unpack(stack[height])
        if not raise_mark(&marks[entry_of(table.index, &board, &flipped)], SEEN, EXPANDED):
            continue
        for roll in range(MAX_ROLL + 1):
            square = best_source(table, &board, roll)
            visit(table, marks, swap_sides(board) if square < 0 else successor(board, square, roll), stack,
                  &height, first, end)


cdef bint reach_share(const Table* table, uint8_t* marks, uint64_t* stack, int* next, const int* stop,
                      int64_t first, int64_t end) noexcept nogil:
    """Expands what is seen in a layer; returns whether there was anything."""
    cdef Cursor at
    cdef int64_t entry
    cdef bint any = False
    while not get(stop):
        entry = first + <int64_t> add(next, 1) * SCAN
        if entry >= end:
            break
        for entry in range(entry, min(entry + SCAN, end)):
            if marks[entry] == SEEN:
                any = True
                at = cursor_at(entry)
                stack[0] = packed_at(&at)
                expand_all(table, marks, stack, 1, first, end)
    return any


def count_reached(Tablebase base, int workers, on_layer):
    """How many positions that are not over occur when both sides play `best_move` from the opening.

    on_layer: called after each layer with the number of its positions.
    """
    cdef uint8_t[::1] marks = np.zeros(base.count, dtype=np.uint8)
    cdef bint flipped
    cdef Board start = opening(base.table.pieces)
    cdef int p, q
    cdef _Shared shared

    def task(int worker):
        cdef uint64_t[::1] stack = np.empty(STACK + MAX_ROLL + 1, dtype=np.uint64)
        cdef bint any
        with nogil:
            any = reach_share(&base.table, &marks[0], &stack[0], &shared.next, &shared.stop, shared.first, shared.end)
        return any

    marks[entry_of(&INDEX, &start, &flipped)] = SEEN
    for q in range(base.table.pieces, 0, -1):
        for p in range(q, 0, -1):
            again = True
            while again:
                shared = _Shared()
                shared.first = INDEX.start[p][q]
                shared.end = shared.first + INDEX.size[p][q] * (2 if p < q else 1)
                again = any(run_parallel(task, workers, on_interrupt=shared.halt))
            on_layer(shared.end - shared.first)
    return int(np.count_nonzero(marks))


# The expected number of turns, and sums by score
#
# A turn is a roll. Here every layer has both turns, also where the leader's mirrors the follower's: the sweeps
# then have the solver's order.

cdef extern from *:
    """
    #define UR_TURNS_OMEGA 1.07     /* over-relaxation; at four pieces 1.0 and 1.15 need a third as many sweeps again */
    """
    const double OMEGA "UR_TURNS_OMEGA"


# Sums over the positions of a slab with one side to move.
ctypedef struct Sums:
    double positions
    double value                # win probabilities
    double decisions            # rolls with two or more legal moves, by their probability
    double regret               # of the second-best move at each


ctypedef struct Turns:
    const Table* table
    int leader, follower        # the layer
    int64_t size                # of the layer, for one turn
    double* expected            # expected turns of the layer: the leader's turn, then the follower's
    const double* lower[2]      # of the layers after bearing off by the leader, by the follower; NULL: over
    bint swapped                # lower[1] has leader and follower exchanged
    int64_t lower_size[2]
    uint32_t* successors        # of the layer's positions, in the order of `expected`, for the rolls 1 to 4
    Sums* sums                  # by slab number and turn


cdef enum:
    NEXT_LAYER = 1 << 30        # successors in lower layers: which of the two, and the place there
    OVER = 0xFFFFFFFF


cdef uint32_t successor_code(const Turns* turns, const Board* board, bint leads) noexcept nogil:
    """Where a position's expected turns stand; `leads`: the leader is to move."""
    cdef int p = PIECES - (board.own_off if leads else board.opp_off)
    cdef int q = PIECES - (board.opp_off if leads else board.own_off)
    cdef unsigned int a = board.own if leads else board.opp
    cdef unsigned int b = board.opp if leads else board.own
    cdef int64_t at
    if p == 0 or q == 0:
        return OVER
    if p == turns.leader and q == turns.follower:
        return place(turns.table.index, p, q, a, b) + (0 if leads else turns.size)
    if p < turns.leader:
        at = place(turns.table.index, p, q, a, b) + (0 if leads else turns.lower_size[0])
        return NEXT_LAYER + at
    if turns.swapped:
        at = place(turns.table.index, q, p, b, a) + (turns.lower_size[1] if leads else 0)
    else:
        at = place(turns.table.index, p, q, a, b) + (0 if leads else turns.lower_size[1])
    return 2 * <uint32_t> NEXT_LAYER + at


cdef void find_successors(const Turns* turns, int64_t at, Board board, bint leads, Sums* sums) noexcept nogil:
    """The positions after the best move of each roll, and the position's part of the sums."""
    cdef double[16] values
    cdef double best, second
    cdef unsigned int sources
    cdef int roll, square, chosen
    cdef bint same
    cdef Board next
    cdef uint32_t* out = turns.successors + at * MAX_ROLL
    sums.positions += 1
    sums.value += lookup(turns.table, &board)
    for roll in range(1, MAX_ROLL + 1):
        sources = move_values(turns.table, &board, roll, values, &best)
        if sources == 0:
            next = swap_sides(board)
            out[roll - 1] = successor_code(turns, &next, not leads)
            continue
        chosen = NO_MOVE
        second = -1.0
        while sources:
            square = lowest(sources)
            sources &= sources - 1
            if chosen < 0 and values[square] == best:
                chosen = square
            else:
                second = max(second, values[square])
        if second >= 0:
            sums.decisions += ways(roll) / 16.0
            sums.regret += ways(roll) / 16.0 * (best - second)
        same = grants_roll(chosen + roll)
        next = successor(board, chosen, roll)
        out[roll - 1] = successor_code(turns, &next, leads == same)


cdef inline double relax_turns(const Turns* turns, int64_t at) noexcept nogil:
    """Expected turns of a position from its successors'; returns the change."""
    cdef const uint32_t* successors = turns.successors + at * MAX_ROLL
    cdef double before = turns.expected[at]
    cdef uint32_t code
    cdef int roll
    # This turn, and a roll of 0: the other side's turn at the same placement.
    cdef double total = 16.0 + ways(0) * turns.expected[at + turns.size if at < turns.size else at - turns.size]
    for roll in range(1, MAX_ROLL + 1):
        code = successors[roll - 1]
        if code < NEXT_LAYER:
            total += ways(roll) * turns.expected[code]
        elif code < 2 * <uint32_t> NEXT_LAYER:
            total += ways(roll) * turns.lower[0][code - NEXT_LAYER]
        elif code != OVER:
            total += ways(roll) * turns.lower[1][code - 2 * <uint32_t> NEXT_LAYER]
    turns.expected[at] = before + OMEGA * (total / 16 - before)
    return fabs(turns.expected[at] - before)


cdef double turns_slab(void* context, int slab, int sweep) noexcept nogil:
    cdef const Turns* turns = <const Turns*> context
    cdef const Index* index = turns.table.index
    cdef int64_t first = index.slab[turns.leader][turns.follower][SLABS[slab]]
    cdef unsigned int lane = SLABS[slab] & 0xFF
    cdef int height = index.prefix[turns.leader - popcount(SLABS[slab])]
    cdef int64_t at, start
    cdef double change = 0
    cdef int k, i, width
    cdef Board board, other
    for k in range(FOLLOWERS_START[lane], FOLLOWERS_START[lane + 1]):
        if popcount(FOLLOWERS[k]) > turns.follower:
            continue
        width = index.prefix[turns.follower - popcount(FOLLOWERS[k])]
        start = first
        first += height * width
        if sweep:
            at = first
            while at > start:           # from the highest row and column down
                at -= 1
                change = max(change, relax_turns(turns, at))
                change = max(change, relax_turns(turns, at + turns.size))
            continue
        board.own_off = PIECES - turns.leader
        board.opp_off = PIECES - turns.follower
        for i in range(height * width):
            board.own = (SLABS[slab] << 5) | (MASKS[i // width] << 1)
            board.opp = (FOLLOWERS[k] << 5) | (MASKS[i % width] << 1)
            board.own_hand = turns.leader - popcount(board.own)
            board.opp_hand = turns.follower - popcount(board.opp)
            other = swap_sides(board)
            find_successors(turns, start + i, board, True, &turns.sums[2 * slab])
            find_successors(turns, start + i + turns.size, other, False, &turns.sums[2 * slab + 1])
            turns.expected[start + i] = turns.expected[start + i + turns.size] = 10.0 * (turns.leader + turns.follower)
    return change


cdef class _TurnSweeps(SlabSweeps):
    cdef Turns turns


def expected_turns(Tablebase base, int workers, on_layer, double tolerance=1e-9):
    """The expected number of turns from the opening, and sums by score.

    on_layer: called after each layer with the number of its positions.

    Returns:
        The turns of a game between two players of `best_move`, and {(own off, opponent off): (positions, mean
        win probability, mean regret of the second-best move over the rolls that leave a choice)}.
    """
    cdef _TurnSweeps sweeps
    cdef Turns* turns
    cdef int p, q
    cdef int pieces = base.table.pieces
    cdef Board start = opening(pieces)
    cdef int64_t largest = max(2 * INDEX.size[p][q] for q in range(1, pieces + 1) for p in range(1, q + 1))
    cdef uint32_t[::1] successors = np.empty(largest * MAX_ROLL, dtype=np.uint32)
    cdef double[:, :, ::1] sums
    cdef double[::1] expected
    layers = {}
    scores = {}
    for q in range(1, pieces + 1):
        for p in range(1, q + 1):
            expected = np.empty(2 * INDEX.size[p][q])
            sums = np.zeros((CONFIGURATIONS, 2, 4))
            layers[p, q] = expected
            sweeps = _TurnSweeps()
            sweeps.buffers = base, dict(layers), successors, sums
            turns = &sweeps.turns
            turns.table = &base.table
            turns.leader = p
            turns.follower = q
            turns.size = INDEX.size[p][q]
            turns.expected = &expected[0]
            turns.successors = &successors[0]
            turns.sums = <Sums*> &sums[0, 0, 0]
            if p > 1:
                turns.lower[0] = address(layers[p - 1, q])
                turns.lower_size[0] = INDEX.size[p - 1][q]
            if q > 1:
                turns.swapped = p == q
                lower = layers[min(p, q - 1), max(p, q - 1)]
                turns.lower[1] = address(lower)
                turns.lower_size[1] = len(lower) // 2
            schedule_slabs(&sweeps.schedule, p, turns_slab, turns, tolerance, 1.0)
            sweeps.schedule.noise = 1e-10
            sweeps.run(workers)
            totals = np.asarray(sums).sum(axis=0)
            for leader_off, follower_off, total in ((PIECES - p, PIECES - q, totals[0]),
                                                    (PIECES - q, PIECES - p, totals[1])):
                scores[leader_off, follower_off] = (int(total[0]), total[1] / total[0],
                                                    total[3] / total[2] if total[2] else 0.0)
            on_layer(INDEX.size[p][q] * (2 if p < q else 1))
            layers.pop((p - 1, q - 1), None)        # what no later layer reads
            if q == pieces:
                layers.pop((p - 1, q), None)
    return expected[place(&INDEX, pieces, pieces, start.own, start.opp)], scores


cdef const double* address(const double[::1] array):
    return &array[0]


def statistics(Tablebase base, workers=None, progress=None):
    """See `Tablebase.statistics`."""
    cdef Board start = opening(base.table.pieces)
    threads = worker_count(workers)
    wins = base.value(Position.wrap(start))
    done = 0

    def on_layer(positions):
        nonlocal done
        done += positions
        if progress is not None:
            progress(done, 2 * base.count)

    reached = count_reached(base, threads, on_layer)
    turns, scores = expected_turns(base, threads, on_layer)
    return {
        "pieces": base.pieces,
        "positions": base.count,
        "first_player_wins": wins,
        "first_player_advantage": 2 * wins - 1,
        "expected_turns": turns,
        "never_occur": base.count - reached,
        "best_replies": _best_replies(base),
        "scores": [
            {"own_off": own, "opponent_off": opp, "positions": positions, "win_probability": value,
             "sharpness": sharpness}
            for (own, opp), (positions, value, sharpness) in sorted(scores.items())
        ],
    }


def _best_replies(base):
    """After each first roll and the best move: the other side's best move for each of its rolls, or its pass."""
    replies = []
    for roll in range(MAX_ROLL + 1):
        position = Position.wrap(opening((<Tablebase> base).table.pieces))
        square = base.best_move(position, roll)
        again = False
        if square is None:
            position = position.swapped
        else:
            position, again = position.play(roll, square)
        replies.append({
            "roll": roll,
            "move": square,
            "position": str(position),
            "same_player": again,
            "win_probability": base.value(position),
            "replies": [base.best_move(position, reply) for reply in range(MAX_ROLL + 1)],
        })
    return replies
