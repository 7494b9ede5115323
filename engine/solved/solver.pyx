"""Solves the game: layer by layer, sweep by sweep, slab by slab."""

import numpy as np

from libc.math cimport INFINITY
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memset

from engine.core.position cimport BORNE_OFF, LANE_MASK, MAX_ROLL, PIECES, ROSETTE_MASK, SAFE_MASK, lowest, popcount
from engine.solved.tablebase cimport BLOCKS, CONFIGURATIONS, FOLLOWERS, FOLLOWERS_START, INDEX, MASKS, SLABS

from engine.machine.cores import run_parallel


cdef extern from "solved/tablebase_sweep.h" nogil:
    enum:
        UR_SLACK
    ctypedef struct ur_moves:
        int count[5]
        const double* to[5][8]
        ptrdiff_t stride[5][8]
        const double* lane[4]
        ptrdiff_t lane_stride[4]
    ctypedef struct ur_block:
        double* leader_turn
        double* follower_turn
        int height
        int width
        int leader_free
        int follower_free
        ur_moves leader
        ur_moves follower
    void ur_fill_steps() noexcept
    void ur_fetch_block(const ur_block* block) noexcept
    double ur_relax_block(const ur_block* block, double omega) noexcept


cdef extern from *:
    """
    #include <sched.h>
    #define UR_OMEGA 1.045  /* over-relaxation; at five pieces 1.0 needs half as many sweeps again, 1.1 too */
    #define ur_add(at, n) __atomic_fetch_add(at, n, __ATOMIC_ACQ_REL)
    #define ur_get(at) __atomic_load_n(at, __ATOMIC_ACQUIRE)
    #define ur_set(at, n) __atomic_store_n(at, n, __ATOMIC_RELEASE)
    """
    int atomic_add "ur_add"(int* at, int n) noexcept nogil
    int atomic_get "ur_get"(const int* at) noexcept nogil
    void put "ur_set"(int* at, int n) noexcept nogil
    int sched_yield() noexcept nogil
    const double OMEGA "UR_OMEGA"


SLACK = UR_SLACK


cdef int add(int* at, int n) noexcept nogil:
    return atomic_add(at, n)


cdef int get(const int* at) noexcept nogil:
    return atomic_get(at)


cdef double[16] WON
cdef double[16] LOST


cdef void fill_constants() noexcept nogil:
    """What the kernels read and nobody writes; once, before the first layer."""
    cdef int k
    ur_fill_steps()
    for k in range(16):
        WON[k] = 1.0
        LOST[k] = 0.0


fill_constants()


cdef inline int64_t block_start(const uint32_t* slabs, const uint16_t* blocks, int height, unsigned int a,
                                unsigned int b) noexcept nogil:
    """Where a block stands in its layer: the leader's squares 5 to 14 are a, the follower's b."""
    return slabs[a] + height * <int64_t> blocks[INDEX.leader_key[a & 0xFF] + INDEX.follower_key[b]]


cdef inline int width_of(int pieces, unsigned int far) noexcept nogil:
    return INDEX.prefix[pieces - popcount(far)]


cdef inline const double* block_after(
    const Layer* layer, const ur_block* block, bint leads, unsigned int own, unsigned int opp, int entered,
    int captured, bint again, ptrdiff_t* stride
) noexcept nogil:
    """Where a move inside the layer leads, and how wide the rows are there.

    own, opp: the mover's squares 5 to 14 after it, and the other side's, from bit 5 on. entered: pieces that have left
    the mover's hand and entry squares. captured: those that come back to the other side's.
    """
    cdef int leader_free = block.leader_free + (-entered if leads else captured)
    cdef int follower_free = block.follower_free + (captured if leads else -entered)
    cdef const double* turn = layer.leader_turn if leads == again else layer.follower_turn
    stride[0] = INDEX.prefix[follower_free]
    return turn + block_start(layer.slabs, layer.blocks, INDEX.prefix[leader_free], (own if leads else opp) >> 5,
                              (opp if leads else own) >> 5)


cdef inline const double* block_off(
    const Layer* layer, const ur_block* block, bint leads, unsigned int own, unsigned int opp, ptrdiff_t* stride
) noexcept nogil:
    """The same where a piece is borne off: in a layer with one piece less, or over."""
    stride[0] = block.width
    if leads:
        if layer.leader_off != NULL:
            return layer.leader_off + block_start(INDEX.slab[layer.leader - 1][layer.follower], layer.blocks,
                                                  block.height, own >> 5, opp >> 5)
    elif layer.follower_off != NULL:
        return layer.follower_off + block_start(INDEX.slab[layer.leader][layer.follower - 1],
                                                INDEX.block[layer.follower - 1], block.height, opp >> 5, own >> 5)
    stride[0] = 0
    if leads:
        return WON
    return LOST


cdef inline void list_moves(const Layer* layer, unsigned int a, unsigned int b, ur_block* block,
                            bint leads) noexcept nogil:
    """The successors of a block by one side's moves to, and on, squares 5 to 14; `leads`: the leader's."""
    cdef ur_moves* moves = (&block.leader) if leads else (&block.follower)
    cdef unsigned int own = (a if leads else b) << 5
    cdef unsigned int opp = (b if leads else a) << 5
    cdef unsigned int landings, after, bit, captured
    cdef int free = block.leader_free if leads else block.follower_free
    cdef int roll, target, n
    for roll in range(1, MAX_ROLL + 1):
        n = 0
        landings = (own << roll) & ~(own | (opp & SAFE_MASK)) & 0xFFC0
        while landings:
            target = lowest(landings)
            bit = landings & -landings
            landings ^= bit
            after = own ^ (bit >> roll)
            if target == BORNE_OFF:
                moves.to[roll][n] = block_off(layer, block, leads, after, opp, &moves.stride[roll][n])
            else:
                captured = opp & bit & LANE_MASK
                moves.to[roll][n] = block_after(layer, block, leads, after | bit, opp ^ captured, 0, popcount(captured),
                                                (ROSETTE_MASK >> target) & 1, &moves.stride[roll][n])
            n += 1
        moves.count[roll] = n
    for target in range(5, 9):
        bit = 1 << target
        if free == 0 or own & bit or opp & bit & SAFE_MASK:
            moves.lane[target - 5] = NULL
            continue
        captured = opp & bit
        moves.lane[target - 5] = block_after(layer, block, leads, own | bit, opp ^ captured, 1, popcount(captured),
                                             target == 8, &moves.lane_stride[target - 5])


cdef double relax_slab(const Layer* layer, unsigned int a, double omega) noexcept nogil:
    """Updates all blocks of a slab; returns the largest change."""
    cdef ur_block[2] blocks     # the one at work, and the next, whose successors are on their way to the cache
    cdef ur_block* block
    cdef double largest = 0
    cdef unsigned int b
    cdef int k
    cdef int n = 0
    cdef int64_t at = INDEX.slab[layer.leader][layer.follower][a]
    for k in range(FOLLOWERS_START[a & 0xFF], FOLLOWERS_START[(a & 0xFF) + 1]):
        b = FOLLOWERS[k]
        if popcount(b) > layer.follower:
            continue
        block = &blocks[n & 1]
        block.leader_free = layer.leader - popcount(a)
        block.follower_free = layer.follower - popcount(b)
        block.height = INDEX.prefix[block.leader_free]
        block.width = INDEX.prefix[block.follower_free]
        block.leader_turn = layer.leader_turn + at
        block.follower_turn = layer.follower_turn + at
        at += block.height * block.width
        list_moves(layer, a, b, block, True)
        list_moves(layer, a, b, block, False)
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
        view.at = layer.values + (INDEX.start[leader][follower] + follows * INDEX.size[leader][follower]
                                  + block_start(INDEX.slab[leader][follower], INDEX.block[follower], height, a, b))
        view.row = width
        view.column = 1
        view.sign = 1.0
    else:
        view.at = layer.values + (INDEX.start[follower][leader]
                                  + (INDEX.size[follower][leader] if leader > follower and not follows else 0)
                                  + block_start(INDEX.slab[follower][leader], INDEX.block[leader], width, b, a))
        view.row = 1
        view.column = height
        view.offset = 1.0
        view.sign = -1.0
    return view


cdef inline double view_at(const View* view, int i, int j) noexcept nogil:
    return view.offset + view.sign * view.at[i * view.row + j * view.column]


cdef inline int without_one(int rank, int free) noexcept nogil:
    """An entry mask with one piece less on the board or in hand: the hand's, or else the rearmost."""
    cdef unsigned int mask = MASKS[rank]
    return INDEX.rank[mask & (mask - 1)] if popcount(mask) == free and mask else rank


cdef void guess_slab(const Layer* layer, unsigned int a) noexcept nogil:
    """First values, from the finished layers where a side, or both, have a piece less: W1 + W2 - W12."""
    cdef int64_t at = INDEX.slab[layer.leader][layer.follower][a]
    cdef int p = layer.leader
    cdef int q = layer.follower
    cdef int i, j, k, row, column, height, width
    cdef unsigned int b, a_less, b_less
    cdef bint follows
    cdef double* out
    cdef View one, other, both
    height = width_of(p, a)
    a_less = a & (a - 1) if popcount(a) == p else a
    for k in range(FOLLOWERS_START[a & 0xFF], FOLLOWERS_START[(a & 0xFF) + 1]):
        b = FOLLOWERS[k]
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
            guess_slab(layer, SLABS[slab])
        return 0.0
    return relax_slab(layer, SLABS[slab], layer.schedule.omega)


cdef void end_sweep(Schedule* schedule) noexcept nogil:
    """Decides, after all slabs of a sweep, whether another one follows and how."""
    cdef int k
    cdef double change = 0
    for k in range(schedule.workers):
        change = max(change, schedule.change[k * CACHE_LINE])
        schedule.change[k * CACHE_LINE] = 0
    if schedule.sweep > 0:
        schedule.residual = change
        if change <= schedule.tolerance:
            put(&schedule.finished, 1)
        elif change >= schedule.best and change < schedule.noise:
            if schedule.omega == 1.0:
                schedule.stalled += 1
                put(&schedule.finished, schedule.stalled == 2)
            schedule.omega = 1.0
        schedule.best = min(schedule.best, change)
    put(&schedule.sweep, schedule.sweep + 1)


cdef void work(Schedule* schedule, int worker) noexcept nogil:
    """One worker's share: takes slabs in order, each as soon as all of higher progress are done."""
    cdef int ticket, sweep, slab, before, spins
    cdef double change
    while True:
        ticket = add(&schedule.next, 1)
        sweep = ticket // schedule.slabs
        slab = ticket % schedule.slabs
        before = sweep * schedule.slabs + (schedule.before[slab] if sweep else 0)
        spins = 0
        while get(&schedule.done) < before or (slab and get(&schedule.sweep) < sweep):
            if get(&schedule.stop) or get(&schedule.finished):
                return
            spins += 1
            if spins > 200:
                sched_yield()
        if slab == 0 and sweep:
            end_sweep(schedule)
        if get(&schedule.stop) or get(&schedule.finished):
            return
        change = schedule.run(schedule.context, schedule.slab[slab], sweep)
        schedule.change[worker * CACHE_LINE] = max(schedule.change[worker * CACHE_LINE], change)
        add(&schedule.done, 1)


cdef void schedule_slabs(
    Schedule* schedule, int leader, SlabPass run, void* context, double tolerance, double omega
) noexcept nogil:
    """Lists the slabs of a layer whose leader has so many pieces left; for one worker unless told otherwise."""
    cdef int k, square, progress
    cdef int last = -1
    cdef int level = 0
    memset(schedule, 0, sizeof(Schedule))
    schedule.run = run
    schedule.context = context
    schedule.tolerance = tolerance
    schedule.noise = 1e-13
    schedule.omega = omega
    schedule.best = INFINITY
    schedule.workers = 1
    for k in range(CONFIGURATIONS):
        if popcount(SLABS[k]) > leader:
            continue
        progress = 0
        for square in range(10):
            if SLABS[k] >> square & 1:
                progress += square + 5
        if progress != last:
            last = progress
            level = schedule.slabs
        schedule.slab[schedule.slabs] = k
        schedule.before[schedule.slabs] = level
        schedule.slabs += 1


cdef class SlabSweeps:
    """The sweeps over one layer. The threads hold it, so that what they use lives as long as they do."""

    def run(self, int workers):
        """Sweeps until done, or until Ctrl-C."""
        def task(int worker):
            with nogil:
                work(&self.schedule, worker)

        self.schedule.workers = workers
        run_parallel(task, workers, on_interrupt=self.stop)

    def stop(self):
        put(&self.schedule.stop, 1)


cdef void mirror(const double* source, double* out, int leader, int follower) noexcept nogil:
    """out, in the order of (leader, follower), from the other turn of the layer (follower, leader)."""
    cdef unsigned int a, b
    cdef int i, j, height, width
    cdef int64_t here, there
    cdef int k
    for a in range(<unsigned int> CONFIGURATIONS):
        if popcount(a) > leader:
            continue
        height = width_of(leader, a)
        for k in range(FOLLOWERS_START[a & 0xFF], FOLLOWERS_START[(a & 0xFF) + 1]):
            b = FOLLOWERS[k]
            if popcount(b) > follower:
                continue
            width = width_of(follower, b)
            here = block_start(INDEX.slab[leader][follower], INDEX.block[follower], height, a, b)
            there = block_start(INDEX.slab[follower][leader], INDEX.block[leader], width, b, a)
            for i in range(height):
                for j in range(width):
                    out[here + i * width + j] = 1.0 - source[there + j * height + i]


cdef class LayerSweeps(SlabSweeps):
    cdef Layer layer


cdef void prepare_layer(
    Layer* layer, int leader, int follower, double* values, double* diagonal, double* mirrored, Schedule* schedule,
    double tolerance, bint guessed
) noexcept nogil:
    """Points a layer at its values and at those of the layers solved before it, and schedules its slabs.

    guessed: whether its values are near the solution; where scores are equal, the other turn's follow from them.
    values: of all layers, in the table's order. diagonal, mirrored: room for one side's turn of the layers
    (leader, leader) and (leader, leader - 1). Each of the three is followed by UR_SLACK doubles.
    """
    cdef int p = leader
    cdef int q = follower
    layer.leader = p
    layer.follower = q
    layer.values = values
    layer.slabs = INDEX.slab[p][q]
    layer.blocks = INDEX.block[q]
    layer.leader_turn = values + INDEX.start[p][q]
    layer.follower_turn = values + INDEX.start[p][q] + INDEX.size[p][q] if p < q else diagonal
    layer.leader_off = NULL
    layer.follower_off = NULL
    if p > 1:
        layer.leader_off = values + INDEX.start[p - 1][q] + INDEX.size[p - 1][q]
    if p < q:
        layer.follower_off = values + INDEX.start[p][q - 1]
    elif p > 1:
        mirror(values + INDEX.start[p - 1][p] + INDEX.size[p - 1][p], mirrored, p, p - 1)
        layer.follower_off = mirrored
    layer.guessed = guessed
    if guessed and p == q:
        mirror(layer.leader_turn, diagonal, p, p)
    layer.schedule = schedule
    schedule_slabs(schedule, p, solve_slab, layer, tolerance, OMEGA)


def index_tables():
    """The index of all layers, for a solver that is not in C -> a dict of copies.

    slab (8, 8, 1024) uint32 and block (8, 26244) uint16: where slabs and blocks begin, as Index in tablebase.pxd has
    them; leader_key (256,) and follower_key (1024,) uint16; size (8, 8) and start (8, 8) int64, of a layer;
    blocks (104976,) uint32: squares 5 to 14 of both sides that can stand at once, the follower's from bit 16 on; prefix
    (8,) uint8: rows, or columns, by pieces for the hand and the squares 1 to 4.
    """
    cdef uint32_t[:, :, ::1] slab = <uint32_t[:PIECES + 1, :PIECES + 1, :CONFIGURATIONS]> &INDEX.slab[0][0][0]
    cdef uint16_t[:, ::1] block = <uint16_t[:PIECES + 1, :BLOCKS]> &INDEX.block[0][0]
    cdef uint16_t[::1] leader_key = <uint16_t[:256]> &INDEX.leader_key[0]
    cdef uint16_t[::1] follower_key = <uint16_t[:CONFIGURATIONS]> &INDEX.follower_key[0]
    cdef uint32_t[:, ::1] size = <uint32_t[:PIECES + 1, :PIECES + 1]> &INDEX.size[0][0]
    cdef int64_t[:, ::1] start = <int64_t[:PIECES + 1, :PIECES + 1]> &INDEX.start[0][0]
    cdef uint8_t[::1] prefix = <uint8_t[:PIECES + 1]> &INDEX.prefix[0]
    blocks = [SLABS[k] | <unsigned int> FOLLOWERS[i] << 16 for k in range(CONFIGURATIONS)
              for i in range(FOLLOWERS_START[SLABS[k] & 0xFF], FOLLOWERS_START[(SLABS[k] & 0xFF) + 1])]
    return {
        "slab": np.array(slab), "block": np.array(block), "leader_key": np.array(leader_key),
        "follower_key": np.array(follower_key), "size": np.array(size, dtype=np.int64), "start": np.array(start),
        "blocks": np.array(blocks, dtype=np.uint32),
        "prefix": np.array(prefix),
    }


def solve_layers(double[::1] values, order, int first, double tolerance, int workers, bint guessed=False):
    """Solves the layers order[first:] in turn, in `values`; yields (sweeps, residual) after each.

    guessed: whether `values` are near the solution already.
    """
    cdef LayerSweeps sweeps
    cdef int p, q
    cdef int pieces = max(q for _, q in order)
    cdef double[::1] diagonal = np.empty(INDEX.size[pieces][pieces] + SLACK)
    cdef double[::1] mirrored = np.empty(INDEX.size[pieces][pieces - 1] + SLACK)
    for p, q in order[first:]:
        sweeps = LayerSweeps()
        sweeps.buffers = values, diagonal, mirrored
        prepare_layer(&sweeps.layer, p, q, &values[0], &diagonal[0], &mirrored[0], &sweeps.schedule, tolerance,
                      guessed)
        sweeps.run(workers)
        yield sweeps.schedule.sweep - 1, sweeps.schedule.residual
