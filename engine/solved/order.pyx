"""The order of the table: the index of all layers, and a cursor that walks through it. See order.pxd."""

import numpy as np


cdef Index INDEX
cdef uint16_t[FAR_MASKS] SLABS
cdef uint16_t[BLOCKS] FOLLOWERS
cdef int[LANE_MASKS + 1] FOLLOWERS_START


cdef int progress_of(int far) noexcept nogil:
    """The sum of the squares of a far mask."""
    cdef int square, progress = 0
    for square in range(FAR_SQUARES):
        if far >> square & 1:
            progress += square + LANE_START
    return progress


cdef void fill_masks() noexcept nogil:
    """The ranks of the entry masks, and the far masks by descending progress."""
    cdef int free, mask, progress, far
    cdef int k = 0
    for mask in range(ENTRY_MASKS):
        INDEX.rank[mask] = rank_of(mask)
    for free in range(PIECES + 1):
        INDEX.prefix[free] = masks_of(free)
    for progress in range(progress_of(FAR_MASKS - 1), -1, -1):
        for far in range(FAR_MASKS):
            if progress_of(far) == progress:
                SLABS[k] = far
                k += 1


cdef void fill_keys() noexcept nogil:
    """What each side's far mask contributes to the key of a block."""
    cdef int far, square, ternary, power
    for far in range(FAR_MASKS):
        ternary = 0
        power = 1
        for square in range(LANE_SQUARES):
            if far >> square & 1:
                ternary += power
            power *= 3
        if far < LANE_MASKS:
            INDEX.leader_key[far] = EXIT_MASKS * ternary
        INDEX.follower_key[far] = EXIT_MASKS * 2 * ternary + far // LANE_MASKS


cdef void fill_blocks(int lane, unsigned int* columns) noexcept nogil:
    """The blocks of the slabs of a leader's lane. columns: by follower, the columns of such a slab together.

    A far mask with more pieces than there are takes no room: it starts where the next one does.
    """
    cdef int k, far, follower
    cdef int at = FOLLOWERS_START[lane]
    for follower in range(PIECES + 1):
        columns[follower] = 0
    for k in range(FAR_MASKS):
        far = SLABS[k]
        if lane_of(far) & lane:
            continue
        FOLLOWERS[at] = far
        at += 1
        for follower in range(1, PIECES + 1):
            INDEX.block[follower][INDEX.leader_key[lane] + INDEX.follower_key[far]] = columns[follower]
            if popcount(far) <= follower:
                columns[follower] += INDEX.prefix[follower - popcount(far)]
    FOLLOWERS_START[lane + 1] = at


cdef void fill_index() noexcept nogil:
    """The index of all layers, from its definition in order.pxd."""
    cdef int leader, follower, k, far, lane
    cdef int64_t start = 0
    cdef unsigned int positions
    cdef unsigned int[LANE_MASKS][PIECES + 1] columns
    fill_masks()
    fill_keys()
    FOLLOWERS_START[0] = 0
    for lane in range(LANE_MASKS):
        fill_blocks(lane, columns[lane])
    for follower in range(1, PIECES + 1):
        for leader in range(1, PIECES + 1):
            positions = 0
            for k in range(FAR_MASKS):
                far = SLABS[k]
                INDEX.slab[leader][follower][far] = positions
                if popcount(far) <= leader:
                    positions += INDEX.prefix[leader - popcount(far)] * columns[lane_of(far)][follower]
            INDEX.size[leader][follower] = positions
        for leader in range(1, follower + 1):
            INDEX.start[leader][follower] = start
            start = end_of_layer(leader, follower)


cdef int64_t end_of_layer(int leader, int follower) noexcept nogil:
    """Where the next layer begins: positions of a layer of unequal scores stand for both sides' turns."""
    return INDEX.start[leader][follower] + INDEX.size[leader][follower] * (2 if leader < follower else 1)


cdef int64_t count_of(int pieces) noexcept nogil:
    """Positions that are not over, with at most so many pieces left a side."""
    return end_of_layer(pieces, pieces)


fill_index()


cdef Cursor cursor_at(int64_t entry) noexcept nogil:
    """The cursor at an index of the table."""
    cdef Cursor at
    cdef int p, q, low, high, middle, first
    cdef int64_t rest
    cdef unsigned int lane
    p = q = 1
    while entry >= end_of_layer(p, q):
        p += 1
        if p > q:
            p = 1
            q += 1
    rest = entry - INDEX.start[p][q]
    at.leader = p
    at.follower = q
    at.follows = rest >= INDEX.size[p][q]
    if at.follows:
        rest -= INDEX.size[p][q]
    low = 0
    high = FAR_MASKS
    while high - low > 1:                   # the last slab that starts at or before `rest`
        middle = (low + high) // 2
        if INDEX.slab[p][q][SLABS[middle]] <= rest:
            low = middle
        else:
            high = middle
    at.slab = low
    rest -= INDEX.slab[p][q][SLABS[low]]
    at.height = INDEX.prefix[p - popcount(SLABS[low])]
    lane = lane_of(SLABS[low])
    first = rest // at.height               # columns before the place: its block starts at or before
    low = FOLLOWERS_START[lane]
    high = FOLLOWERS_START[lane + 1]
    while high - low > 1:
        middle = (low + high) // 2
        if INDEX.block[q][INDEX.leader_key[lane] + INDEX.follower_key[FOLLOWERS[middle]]] <= first:
            low = middle
        else:
            high = middle
    at.block = low
    at.width = INDEX.prefix[q - popcount(FOLLOWERS[low])]
    rest -= at.height * <int64_t> INDEX.block[q][INDEX.leader_key[lane] + INDEX.follower_key[FOLLOWERS[low]]]
    at.row = rest // at.width
    at.column = rest % at.width
    return at


cdef void advance(Cursor* at) noexcept nogil:
    """To the next position; behind the last one the cursor is of no use."""
    at.column += 1
    if at.column < at.width:
        return
    at.column = 0
    at.row += 1
    if at.row < at.height:
        return
    at.row = 0
    at.block += 1
    while at.block < FOLLOWERS_START[lane_of(SLABS[at.slab]) + 1]:
        if popcount(FOLLOWERS[at.block]) <= at.follower:
            at.width = INDEX.prefix[at.follower - popcount(FOLLOWERS[at.block])]
            return
        at.block += 1
    at.slab += 1
    while at.slab < FAR_MASKS and popcount(SLABS[at.slab]) > at.leader:
        at.slab += 1
    if at.slab == FAR_MASKS:                # the next turn, the next layer
        at.slab = 0
        if at.leader < at.follower and not at.follows:
            at.follows = True
        else:
            at.follows = False
            at.leader += 1
            if at.leader > at.follower:
                at.leader = 1
                at.follower += 1
        while popcount(SLABS[at.slab]) > at.leader:
            at.slab += 1
    at.height = INDEX.prefix[at.leader - popcount(SLABS[at.slab])]
    at.block = FOLLOWERS_START[lane_of(SLABS[at.slab])]
    while popcount(FOLLOWERS[at.block]) > at.follower:
        at.block += 1
    at.width = INDEX.prefix[at.follower - popcount(FOLLOWERS[at.block])]


cdef uint64_t packed_at(const Cursor* at) noexcept nogil:
    """The position at the cursor, packed."""
    cdef uint64_t leader = squares_of(SLABS[at.slab], mask_of(at.row))
    cdef uint64_t follower = squares_of(FOLLOWERS[at.block], mask_of(at.column))
    cdef uint64_t leader_off = PIECES - at.leader
    cdef uint64_t follower_off = PIECES - at.follower
    if at.follows:
        return follower | leader << 16 | follower_off << 32 | leader_off << 40
    return leader | follower << 16 | leader_off << 32 | follower_off << 40


# For Python: the layers, and copies of the index.

#: Pieces a side.
MOST_PIECES = PIECES

#: Bits of a far mask.
FAR_BITS = FAR_SQUARES


def layers_of(int pieces):
    """(leader, follower) of each layer of the game with so many pieces a side, in the table's order."""
    return [(leader, follower) for follower in range(1, pieces + 1) for leader in range(1, follower + 1)]


def layer_end(int leader, int follower):
    """How many positions this layer and those before it have together."""
    return end_of_layer(leader, follower)


def index_tables():
    """The index of all layers -> a dict of copies.

    slab (8, 8, 1024) uint32 and block (8, 26244) uint16: where slabs and blocks begin, as Index in order.pxd has
    them; leader_key (256,) and follower_key (1024,) uint16; size (8, 8) and start (8, 8) int64, of a layer;
    blocks (104976,) uint32: far masks of both sides that can stand at once, the follower's from bit 16 on; prefix
    (8,) uint8: rows, or columns, by pieces for the hand and the entry squares.
    """
    cdef uint32_t[:, :, ::1] slab = <uint32_t[:PIECES + 1, :PIECES + 1, :FAR_MASKS]> &INDEX.slab[0][0][0]
    cdef uint16_t[:, ::1] block = <uint16_t[:PIECES + 1, :BLOCKS]> &INDEX.block[0][0]
    cdef uint16_t[::1] leader_key = <uint16_t[:LANE_MASKS]> &INDEX.leader_key[0]
    cdef uint16_t[::1] follower_key = <uint16_t[:FAR_MASKS]> &INDEX.follower_key[0]
    cdef uint32_t[:, ::1] size = <uint32_t[:PIECES + 1, :PIECES + 1]> &INDEX.size[0][0]
    cdef int64_t[:, ::1] start = <int64_t[:PIECES + 1, :PIECES + 1]> &INDEX.start[0][0]
    cdef uint8_t[::1] prefix = <uint8_t[:PIECES + 1]> &INDEX.prefix[0]
    blocks = [SLABS[k] | <unsigned int> FOLLOWERS[i] << 16 for k in range(FAR_MASKS)
              for i in range(FOLLOWERS_START[lane_of(SLABS[k])], FOLLOWERS_START[lane_of(SLABS[k]) + 1])]
    return {
        "slab": np.array(slab),
        "block": np.array(block),
        "leader_key": np.array(leader_key),
        "follower_key": np.array(follower_key),
        "size": np.array(size, dtype=np.int64),
        "start": np.array(start),
        "blocks": np.array(blocks, dtype=np.uint32),
        "prefix": np.array(prefix),
    }
