"""The expected number of turns of optimal play, and sums over the positions of each score.

A turn is a roll. Here every layer has both turns, also where the leader's mirrors the follower's: the sweeps
then have the solver's order.
"""

from libc.math cimport fabs
from libc.stdint cimport int64_t, uint32_t
from engine.core.position cimport *
from engine.solved.order cimport (
    SIDE_COUNTS,
    Index,
    end_of_layer,
    first_follower,
    last_follower,
    mask_of,
    masks_of,
    place_in,
    squares_of,
)
from engine.solved.sweeps cimport SlabSweeps, schedule_slabs
from engine.solved.table cimport ExactMoves, SolvedTable, Table, exact_moves, lookup
import numpy as np
from engine.solved.order import layers_of


cdef extern from *:
    """
    #define UR_TURNS_OMEGA 1.07     /* over-relaxation; at four pieces 1.0 and 1.15 need a third as many sweeps again */
    """
    const double OMEGA "UR_TURNS_OMEGA"
    const double ALL_OUTCOMES "(double) UR_OUTCOMES"


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
    cdef const Index* index = turns.table.index
    cdef int p = index.pieces - (board.own_off if leads else board.opp_off)
    cdef int q = index.pieces - (board.opp_off if leads else board.own_off)
    cdef unsigned int a = board.own if leads else board.opp
    cdef unsigned int b = board.opp if leads else board.own
    cdef int64_t at
    if p == 0 or q == 0:
        return OVER
    if p == turns.leader and q == turns.follower:
        return place_in(&index.order, p, q, a, b) + (0 if leads else turns.size)
    if p < turns.leader:
        at = place_in(&index.order, p, q, a, b) + (0 if leads else turns.lower_size[0])
        return NEXT_LAYER + at
    if turns.swapped:
        at = place_in(&index.order, q, p, b, a) + (turns.lower_size[1] if leads else 0)
    else:
        at = place_in(&index.order, p, q, a, b) + (0 if leads else turns.lower_size[1])
    return 2 * <uint32_t> NEXT_LAYER + at


cdef void find_successors(const Turns* turns, int64_t at, Board board, bint leads, Sums* sums) noexcept nogil:
    """The positions after the best move of each roll, and the position's part of the sums."""
    cdef ExactMoves moves
    cdef double second
    cdef unsigned int sources
    cdef int roll, square, chosen
    cdef bint same
    cdef Board next
    cdef uint32_t* out = turns.successors + at * MAX_ROLL
    sums.positions += 1
    sums.value += lookup(turns.table, &board)
    for roll in range(1, MAX_ROLL + 1):
        exact_moves(turns.table, &board, roll, &moves)
        sources = moves.sources
        if sources == 0:
            next = swap_sides(board)
            out[roll - 1] = successor_code(turns, &next, not leads)
            continue
        chosen = NO_MOVE
        second = -1.0
        while sources:
            square = lowest(sources)
            sources &= sources - 1
            if chosen < 0 and moves.values[square] == moves.best:
                chosen = square
            else:
                second = max(second, moves.values[square])
        if second >= 0:
            sums.decisions += ways(rules_of(&board), roll) / ALL_OUTCOMES
            sums.regret += ways(rules_of(&board), roll) / ALL_OUTCOMES * (moves.best - second)
        same = grants_roll(&board, chosen, roll)
        next = successor(board, chosen, roll)
        out[roll - 1] = successor_code(turns, &next, leads == same)


cdef inline double relax_turns(const Turns* turns, int64_t at) noexcept nogil:
    """Expected turns of a position from its successors'; returns the change."""
    cdef const uint32_t* successors = turns.successors + at * MAX_ROLL
    cdef const Rules* rules = &RULES[turns.table.rules]
    cdef double before = turns.expected[at]
    cdef uint32_t code
    cdef int roll
    # This turn, and a roll of 0: the other side's turn at the same placement.
    cdef int64_t passed = at + turns.size if at < turns.size else at - turns.size
    cdef double total = ALL_OUTCOMES + ways(rules, 0) * turns.expected[passed]
    for roll in range(1, MAX_ROLL + 1):
        code = successors[roll - 1]
        if code < NEXT_LAYER:
            total += ways(rules, roll) * turns.expected[code]
        elif code < 2 * <uint32_t> NEXT_LAYER:
            total += ways(rules, roll) * turns.lower[0][code - NEXT_LAYER]
        elif code != OVER:
            total += ways(rules, roll) * turns.lower[1][code - 2 * <uint32_t> NEXT_LAYER]
    turns.expected[at] = before + OMEGA * (total / ALL_OUTCOMES - before)
    return fabs(turns.expected[at] - before)


cdef double turns_slab(void* context, int slab, int sweep) noexcept nogil:
    """Sweep 0 lists the successors of a slab's positions; the others update their expected turns."""
    cdef const Turns* turns = <const Turns*> context
    cdef const Index* index = turns.table.index
    cdef unsigned int far = index.slabs[slab]
    cdef int64_t first = index.order.slab[(SIDE_COUNTS * turns.leader + turns.follower) * index.far_masks + far]
    cdef int height = masks_of(turns.leader - popcount(far))
    cdef int64_t at, start
    cdef double change = 0
    cdef int k, i, width
    cdef Board board, other
    for k in range(first_follower(index, far), last_follower(index, far)):
        if popcount(index.followers[k]) > turns.follower:
            continue
        width = masks_of(turns.follower - popcount(index.followers[k]))
        start = first
        first += height * width
        if sweep:
            at = first
            while at > start:           # from the highest row and column down
                at -= 1
                change = max(change, relax_turns(turns, at))
                change = max(change, relax_turns(turns, at + turns.size))
            continue
        board.rules = turns.table.rules
        board.own_off = index.pieces - turns.leader
        board.opp_off = index.pieces - turns.follower
        for i in range(height * width):
            board.own = squares_of(far, mask_of(i // width))
            board.opp = squares_of(index.followers[k], mask_of(i % width))
            board.own_hand = turns.leader - popcount(board.own)
            board.opp_hand = turns.follower - popcount(board.opp)
            other = swap_sides(board)
            find_successors(turns, start + i, board, True, &turns.sums[2 * slab])
            find_successors(turns, start + i + turns.size, other, False, &turns.sums[2 * slab + 1])
            turns.expected[start + i] = turns.expected[start + i + turns.size] = 10.0 * (turns.leader + turns.follower)
    return change


cdef class _TurnSweeps(SlabSweeps):
    cdef Turns turns

    def prepare(self, SolvedTable table, layers, uint32_t[::1] successors, double[:, :, ::1] sums, double tolerance):
        """Points at the last of `layers`, which is to be solved, and at those that its positions lead to.

        layers: {(leader, follower): expected turns}. successors, sums: room for what a layer needs.
        """
        cdef Turns* turns = &self.turns
        cdef const Index* index = table.table.index
        cdef int p, q
        p, q = next(reversed(layers))
        self.buffers = table, dict(layers), successors, sums
        turns.table = &table.table
        turns.leader = p
        turns.follower = q
        turns.size = index.size[p][q]
        turns.expected = first_of(layers[p, q])
        turns.successors = &successors[0]
        turns.sums = <Sums*> &sums[0, 0, 0]
        if p > 1:
            turns.lower[0] = first_of(layers[p - 1, q])
            turns.lower_size[0] = index.size[p - 1][q]
        if q > 1:
            turns.swapped = p == q
            lower = layers[min(p, q - 1), max(p, q - 1)]
            turns.lower[1] = first_of(lower)
            turns.lower_size[1] = len(lower) // 2
        schedule_slabs(&self.schedule, index, p, turns_slab, turns, tolerance, 1.0)
        self.schedule.noise = 1e-10


cdef double* first_of(double[::1] array):
    return &array[0]


def expected_turns(SolvedTable table, int workers, on_layer, double tolerance=1e-9):
    """The expected number of turns from the opening, and sums by score.

    on_layer: called after each layer with the number of its positions.

    Returns:
        The turns of a game between two players of `best_move`, and {(own off, opponent off): (positions, mean
        win probability, mean regret of the second-best move over the rolls that leave a choice)}.
    """
    cdef const Index* index = table.table.index
    cdef _TurnSweeps sweeps
    cdef int p, q
    cdef int pieces = table.table.pieces
    cdef Board start = opening(table.table.rules, pieces)
    order = layers_of(pieces)
    successors = np.empty(max(2 * index.size[p][q] for p, q in order) * MAX_ROLL, dtype=np.uint32)
    layers = {}
    scores = {}
    for p, q in order:
        layers[p, q] = np.empty(2 * index.size[p][q])
        sums = np.zeros((index.far_masks, 2, 4))
        sweeps = _TurnSweeps()
        sweeps.prepare(table, layers, successors, sums, tolerance)
        sweeps.run(workers)
        for turn, total in enumerate(sums.sum(axis=0)):
            score = (index.pieces - q, index.pieces - p) if turn else (index.pieces - p, index.pieces - q)
            scores[score] = int(total[0]), total[1] / total[0], total[3] / total[2] if total[2] else 0.0
        on_layer(end_of_layer(index, p, q) - index.start[p][q])
        layers.pop((p - 1, q - 1), None)        # a layer that no later layer reads
        if q == pieces:
            layers.pop((p - 1, q), None)
    return layers[pieces, pieces][place_in(&index.order, pieces, pieces, start.own, start.opp)], scores
