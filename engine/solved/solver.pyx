"""Solves the game, layer by layer: what a sweep does in a slab."""

from libc.stdint cimport int64_t
from engine.core.rules cimport (
    MAX_PIECES, MAX_ROLL, OUTCOMES, RULES, popcount, rules_number, targets_of, theirs_of, ways,
)
from engine.solved.order cimport (
    ENTRY_MASKS,
    ENTRY_SQUARES,
    LANE_START,
    SIDE_COUNTS,
    Index,
    Order,
    block_start,
    far_of,
    first_follower,
    index_of,
    last_follower,
    mask_of,
    masks_of,
    rank_of,
    squares_of,
)
from engine.solved.sweeps cimport SlabSweeps, schedule_slabs
import numpy as np


cdef extern from "solved/sweep.h" nogil:
    enum:
        UR_SLACK
    ctypedef struct ur_moves:
        int count[MAX_ROLL + 1]
        const double* to[MAX_ROLL + 1][MAX_PIECES + 1]
        ptrdiff_t stride[MAX_ROLL + 1][MAX_PIECES + 1]
        const double* lane[ENTRY_SQUARES]
        ptrdiff_t lane_stride[ENTRY_SQUARES]
    ctypedef struct ur_block:
        double* leader_turn
        double* follower_turn
        int height
        int width
        int leader_free
        int follower_free
        const double* chance
        ur_moves leader
        ur_moves follower
    void ur_fill_tables() noexcept
    void ur_fetch_block(const ur_block* block) noexcept
    double ur_relax_block(const ur_block* block, double omega) noexcept


cdef extern from *:
    """
    #define UR_OMEGA 1.045  /* over-relaxation; at five pieces 1.0 needs half as many sweeps again, 1.1 too */
    """
    const double OMEGA "UR_OMEGA"


SLACK = UR_SLACK


cdef double[ENTRY_MASKS] WON
cdef double[ENTRY_MASKS] LOST


cdef void fill_constants() noexcept nogil:
    """What the kernels read and nobody writes; once, before the first layer."""
    cdef int k
    ur_fill_tables()
    for k in range(ENTRY_MASKS):
        WON[k] = 1.0
        LOST[k] = 0.0


fill_constants()


cdef inline int width_of(int pieces, unsigned int far) noexcept nogil:
    return masks_of(pieces - popcount(far))


# Places of a layer's blocks. The local copies of pointers and numbers save loads: the lists that are written in between
# could change them, as far as the compiler knows.
ctypedef struct Places:
    const uint32_t* slabs
    const uint16_t* blocks
    const uint32_t* leader_key
    const uint32_t* follower_key
    const double* turn[2]       # of the follower, of the leader


cdef inline Places places_of(const Layer* layer) noexcept nogil:
    cdef Places places
    places.slabs = layer.slabs
    places.blocks = layer.blocks
    places.leader_key = layer.index.order.leader_key
    places.follower_key = layer.index.order.follower_key
    places.turn[0] = layer.follower_turn
    places.turn[1] = layer.leader_turn
    return places


cdef inline const double* block_after(
    const Places* places, bint leads, unsigned int own, unsigned int opp, int leader_free, bint again
) noexcept nogil:
    """Where a move inside the layer leads.

    own, opp: the far masks of the mover and of the other side after it. leader_free: the leader's pieces for hand and
    entry squares after it. again: whether the mover rolls again.
    """
    cdef unsigned int a = own if leads else opp
    cdef unsigned int b = opp if leads else own
    cdef unsigned int key = places.leader_key[a] + places.follower_key[b]
    return places.turn[leads == again] + places.slabs[a] + masks_of(leader_free) * <int> places.blocks[key]


cdef inline const double* block_off(
    const Layer* layer, const ur_block* block, bint leads, unsigned int own, unsigned int opp, ptrdiff_t* stride
) noexcept nogil:
    """Where a move that bears a piece off leads: to a layer with one piece less, or to the end of the game."""
    cdef const Order* order = &layer.index.order
    stride[0] = block.width
    if leads:
        if layer.leader_off != NULL:
            return layer.leader_off + block_start(order, layer.leader - 1, layer.follower, own, opp)
    elif layer.follower_off != NULL:
        return layer.follower_off + block_start(order, layer.leader, layer.follower - 1, opp, own)
    stride[0] = 0
    if leads:
        return WON
    return LOST


cdef inline void list_moves(const Layer* layer, const Places* places, unsigned int a, unsigned int b, ur_block* block,
                            bint leads) noexcept nogil:
    """The successors of a block by one side's moves to the far squares and on them; `leads`: the leader's."""
    cdef const Rules* rules = layer.rules
    cdef ur_moves* moves = (&block.leader) if leads else (&block.follower)
    cdef unsigned int own = squares_of(a if leads else b, 0)
    cdef unsigned int opp = squares_of(b if leads else a, 0)
    cdef unsigned int met = theirs_of(rules, opp)           # the opponent's pieces, along the mover's path
    cdef unsigned int rosettes = rules.rosettes
    cdef unsigned int off = 1u << rules.borne_off
    cdef bint grants = rules.capture_grants
    cdef int leader_free = block.leader_free
    cdef int follower_free = block.follower_free
    cdef ptrdiff_t width = block.width
    cdef unsigned int landings, after, bit
    cdef int roll, n
    for roll in range(1, MAX_ROLL + 1):
        n = 0
        landings = targets_of(rules, own, opp, False, roll)
        while landings:
            bit = landings & -landings
            landings ^= bit
            after = own ^ (bit >> roll)
            if bit & met:
                moves.to[roll][n] = block_after(
                    places, leads, far_of(after | bit), far_of(opp ^ theirs_of(rules, bit)),
                    leader_free + (not leads), (bit & rosettes) != 0 or grants)
                moves.stride[roll][n] = masks_of(follower_free + leads)
            elif bit != off:
                moves.to[roll][n] = block_after(places, leads, far_of(after | bit), far_of(opp), leader_free,
                                                (bit & rosettes) != 0)
                moves.stride[roll][n] = width
            else:
                moves.to[roll][n] = block_off(layer, block, leads, far_of(after), far_of(opp), &moves.stride[roll][n])
            n += 1
        moves.count[roll] = n
    list_entries(rules, places, own, opp, block, leads)


cdef inline void list_entries(const Rules* rules, const Places* places, unsigned int own, unsigned int opp,
                              ur_block* block, bint leads) noexcept nogil:
    """The successors of a block by one side's moves from its entry squares to the far squares."""
    cdef ur_moves* moves = (&block.leader) if leads else (&block.follower)
    cdef unsigned int met = theirs_of(rules, opp)
    cdef unsigned int blocked = own | (opp & rules.safe)
    cdef int leader_free = block.leader_free - leads
    cdef int follower_free = block.follower_free - (not leads)
    cdef bint captured
    cdef unsigned int bit
    cdef int n
    if (leader_free if leads else follower_free) < 0:
        blocked = ~0u
    for n in range(ENTRY_SQUARES):
        bit = 1u << (n + LANE_START)
        if blocked & bit:
            moves.lane[n] = NULL
            continue
        captured = (met & bit) != 0
        moves.lane[n] = block_after(
            places, leads, far_of(own | bit), far_of(opp ^ theirs_of(rules, bit) if captured else opp),
            leader_free + (captured and not leads), (bit & rules.rosettes) != 0 or (captured and rules.capture_grants))
        moves.lane_stride[n] = masks_of(follower_free + (captured and leads))


cdef double relax_slab(const Layer* layer, unsigned int a, double omega) noexcept nogil:
    """Updates all blocks of a slab; returns the largest change."""
    cdef ur_block[2] blocks     # the one at work, and the next, whose successors are on their way to the cache
    cdef ur_block* block
    cdef double largest = 0
    cdef unsigned int b
    cdef int k
    cdef int n = 0
    cdef const Index* index = layer.index
    cdef Places places = places_of(layer)
    cdef int64_t at = layer.slabs[a]
    for k in range(first_follower(index, a), last_follower(index, a)):
        b = index.followers[k]
        if popcount(b) > layer.follower:
            continue
        block = &blocks[n & 1]
        block.chance = &layer.chance[0]
        block.leader_free = layer.leader - popcount(a)
        block.follower_free = layer.follower - popcount(b)
        block.height = masks_of(block.leader_free)
        block.width = masks_of(block.follower_free)
        block.leader_turn = layer.leader_turn + at
        block.follower_turn = layer.follower_turn + at
        at += block.height * block.width
        list_moves(layer, &places, a, b, block, True)
        list_moves(layer, &places, a, b, block, False)
        ur_fetch_block(block)
        if n:
            largest = max(largest, ur_relax_block(&blocks[(n + 1) & 1], omega))
        n += 1
    return max(largest, ur_relax_block(&blocks[(n + 1) & 1], omega))


# One block's values in a layer that may be stored for the other side: value(i, j) is
# offset + sign * at[i * row + j * column].
ctypedef struct View:
    const double* at
    ptrdiff_t row, column
    double offset, sign


cdef View view_of(const Layer* layer, int leader, int follower, bint follows, unsigned int a,
                  unsigned int b) noexcept nogil:
    """The leader's win probabilities of a block in a finished layer; constant where a side has borne off all."""
    cdef const Index* index = layer.index
    cdef View view
    cdef int height, width
    view.at = WON
    view.row = view.column = 0
    view.sign = 0.0
    view.offset = 0.5 if leader + follower == 0 else 1.0 if leader == 0 else 0.0
    if leader == 0 or follower == 0:
        return view
    height = width_of(leader, a)
    width = width_of(follower, b)
    if leader < follower or (leader == follower and not follows):
        view.at = layer.values + (index.start[leader][follower] + follows * index.size[leader][follower]
                                  + block_start(&index.order, leader, follower, a, b))
        view.row = width
        view.column = 1
        view.sign = 1.0
    else:
        view.at = layer.values + (index.start[follower][leader]
                                  + (index.size[follower][leader] if leader > follower and not follows else 0)
                                  + block_start(&index.order, follower, leader, b, a))
        view.row = 1
        view.column = height
        view.offset = 1.0
        view.sign = -1.0
    return view


cdef inline double view_at(const View* view, int i, int j) noexcept nogil:
    return view.offset + view.sign * view.at[i * view.row + j * view.column]


cdef inline int without_one(int rank, int free) noexcept nogil:
    """An entry mask with one piece less on the board or in hand: the hand's, or else the rearmost."""
    cdef unsigned int mask = mask_of(rank)
    return rank_of(mask & (mask - 1)) if popcount(mask) == free and mask else rank


cdef void guess_slab(const Layer* layer, unsigned int a) noexcept nogil:
    """First values, from the finished layers where a side, or both, have a piece less: W1 + W2 - W12."""
    cdef const Index* index = layer.index
    cdef int64_t at = layer.slabs[a]
    cdef int p = layer.leader
    cdef int q = layer.follower
    cdef int i, j, k, row, column, height, width
    cdef unsigned int b, a_less, b_less
    cdef bint follows
    cdef double* out
    cdef View one, other, both
    height = width_of(p, a)
    a_less = a & (a - 1) if popcount(a) == p else a
    for k in range(first_follower(index, a), last_follower(index, a)):
        b = index.followers[k]
        if popcount(b) > q:
            continue
        width = width_of(q, b)
        b_less = b & (b - 1) if popcount(b) == q else b
        for follows in range(2):
            out = (layer.follower_turn if follows else layer.leader_turn) + at
            one = view_of(layer, p - 1, q, follows, a_less, b)
            other = view_of(layer, p, q - 1, follows, a, b_less)
            both = view_of(layer, p - 1, q - 1, follows, a_less, b_less)
            for i in range(height):
                row = without_one(i, p - popcount(a))
                for j in range(width):
                    column = without_one(j, q - popcount(b))
                    out[i * width + j] = min(1.0, max(0.0, view_at(&one, row, j) + view_at(&other, i, column)
                                                      - view_at(&both, row, column)))
        at += height * width


cdef double solve_slab(void* context, int slab, int sweep) noexcept nogil:
    cdef const Layer* layer = <const Layer*> context
    if sweep == 0:
        if not layer.guessed:
            guess_slab(layer, layer.index.slabs[slab])
        return 0.0
    return relax_slab(layer, layer.index.slabs[slab], layer.schedule.omega)


cdef void mirror(const Index* index, const double* source, double* out, int leader, int follower) noexcept nogil:
    """out, in the order of (leader, follower), from the other turn of the layer (follower, leader)."""
    cdef unsigned int a, b
    cdef int i, j, height, width
    cdef int64_t here, there
    cdef int k
    for a in range(<unsigned int> index.far_masks):
        if popcount(a) > leader:
            continue
        height = width_of(leader, a)
        for k in range(first_follower(index, a), last_follower(index, a)):
            b = index.followers[k]
            if popcount(b) > follower:
                continue
            width = width_of(follower, b)
            here = block_start(&index.order, leader, follower, a, b)
            there = block_start(&index.order, follower, leader, b, a)
            for i in range(height):
                for j in range(width):
                    out[here + i * width + j] = 1.0 - source[there + j * height + i]


cdef class LayerSweeps(SlabSweeps):
    cdef Layer layer


cdef void prepare_layer(
    Layer* layer, const Index* index, int leader, int follower, double* values, double* diagonal, double* mirrored,
    Schedule* schedule, double tolerance, bint guessed
) noexcept nogil:
    """Points a layer at its values and at those of the layers solved before it, and schedules its slabs.

    guessed: whether its values are near the solution; where scores are equal, the other turn's follow from them.
    values: of all layers, in the table's order. diagonal, mirrored: room for one side's turn of the layers
    (leader, leader) and (leader, leader - 1). Each of the three is followed by UR_SLACK doubles.
    """
    cdef int p = leader
    cdef int q = follower
    cdef int roll
    layer.index = index
    layer.slabs = index.order.slab + (SIDE_COUNTS * p + q) * index.far_masks
    layer.blocks = index.order.block + q * index.order.keys
    layer.rules = &RULES[index.rules]
    for roll in range(MAX_ROLL + 1):
        layer.chance[roll] = ways(layer.rules, roll) / <double> OUTCOMES
    layer.leader = p
    layer.follower = q
    layer.values = values
    layer.leader_turn = values + index.start[p][q]
    layer.follower_turn = values + index.start[p][q] + index.size[p][q] if p < q else diagonal
    layer.leader_off = NULL
    layer.follower_off = NULL
    if p > 1:
        layer.leader_off = values + index.start[p - 1][q] + index.size[p - 1][q]
    if p < q:
        layer.follower_off = values + index.start[p][q - 1]
    elif p > 1:
        mirror(index, values + index.start[p - 1][p] + index.size[p - 1][p], mirrored, p, p - 1)
        layer.follower_off = mirrored
    layer.guessed = guessed
    if guessed and p == q:
        mirror(index, layer.leader_turn, diagonal, p, p)
    layer.schedule = schedule
    schedule_slabs(schedule, index, p, solve_slab, layer, tolerance, OMEGA)


def solve_layers(double[::1] values, order, int first, double tolerance, int workers, bint guessed=False,
                 rules="finkel"):
    """Solves the layers order[first:] of a rule set's game in turn, in `values`; yields (sweeps, residual) after each.

    guessed: whether `values` are near the solution already.
    """
    cdef const Index* index = index_of(rules_number(rules))
    cdef LayerSweeps sweeps
    cdef int p, q
    cdef int pieces = max(q for _, q in order)
    cdef double[::1] diagonal = np.empty(index.size[pieces][pieces] + SLACK)
    cdef double[::1] mirrored = np.empty(index.size[pieces][pieces - 1] + SLACK)
    for p, q in order[first:]:
        sweeps = LayerSweeps()
        sweeps.buffers = values, diagonal, mirrored
        prepare_layer(&sweeps.layer, index, p, q, &values[0], &diagonal[0], &mirrored[0], &sweeps.schedule,
                      tolerance, guessed)
        sweeps.run(workers)
        yield sweeps.schedule.sweep - 1, sweeps.schedule.residual
