"""The order of the table: the index of all layers, and a cursor that walks through it. See order.pxd."""

from engine.core.rules cimport RULE_SET_COUNT, rules_number, shared, theirs_of
import numpy as np


cdef Index[RULE_SET_COUNT] INDEXES
cdef dict ARRAYS = {}       # by number of a rule set: what its index points to, by name


cdef int progress_of(int far) noexcept nogil:
    """The sum of the squares of a far mask."""
    cdef int square, progress = 0
    for square in range(ALL_FAR_SQUARES):
        if far >> square & 1:
            progress += square + LANE_START
    return progress


cdef void fill_slabs(Index* index, uint16_t[::1] slabs) noexcept nogil:
    """The far masks by descending progress."""
    cdef int progress, far
    cdef int k = 0
    for progress in range(progress_of(index.far_masks - 1), -1, -1):
        for far in range(index.far_masks):
            if progress_of(far) == progress:
                slabs[k] = far
                k += 1
    index.slabs = &slabs[0]


cdef unsigned int theirs_far(const Index* index, unsigned int far) noexcept nogil:
    """The shared squares of a far mask in the other side's numbering, as a far mask."""
    return far_of(theirs_of(&RULES[index.rules], squares_of(far, 0)))


cdef unsigned int ternary(unsigned int far) noexcept nogil:
    """The number whose ternary digits are the bits of a mask."""
    cdef unsigned int number = 0, power = 1
    while far:
        number += power * (far & 1)
        power *= 3
        far >>= 1
    return number


cdef void fill_keys(Index* index, uint32_t[::1] leader_key, uint32_t[::1] follower_key) noexcept nogil:
    """What each side's far mask contributes to the key of a block.

    A key is the follower's exit squares, those behind the lane, and the lane as a ternary number: 1 where the leader
    has a piece, 2 where the follower has.
    """
    cdef unsigned int far
    cdef unsigned int exits = index.far_masks // (index.lane + 1)
    for far in range(<unsigned int> index.far_masks):
        leader_key[far] = exits * ternary(far & index.lane)
        follower_key[far] = exits * 2 * ternary(theirs_far(index, far)) + far // (index.lane + 1)
    index.order.leader_key = &leader_key[0]
    index.order.follower_key = &follower_key[0]
    index.order.keys = exits * (2 * ternary(index.lane) + 1)


cdef void fill_blocks(Index* index, unsigned int lane, const uint16_t[::1] theirs, uint16_t[::1] followers,
                      uint32_t[::1] followers_start, uint16_t[:, ::1] block, uint32_t[:, ::1] columns) noexcept nogil:
    """The blocks of the slabs of a leader's lane.

    theirs: by slab number, its lane in the other side's numbering. columns: by lane and follower, the columns of such
    a slab together. A far mask with more pieces than there are takes no room: it starts where the next one does.
    """
    cdef int k, follower, free
    cdef unsigned int far, key
    cdef uint32_t at = followers_start[lane]
    for k in range(index.far_masks):
        if theirs[k] & lane:
            continue
        far = index.slabs[k]
        followers[at] = far
        at += 1
        key = index.order.leader_key[lane] + index.order.follower_key[far]
        for follower in range(1, index.pieces + 1):
            block[follower, key] = columns[lane, follower]
            free = follower - popcount(far)
            if free >= 0:
                columns[lane, follower] += masks_of(free)
    followers_start[lane + 1] = at


cdef void fill_layers(Index* index, uint32_t[:, :, ::1] slab, uint32_t[:, ::1] columns) noexcept nogil:
    """Where each slab begins in its layer, and each layer in the table."""
    cdef int leader, follower, k
    cdef unsigned int far, positions
    cdef int64_t start = 0
    for follower in range(1, index.pieces + 1):
        for leader in range(1, index.pieces + 1):
            positions = 0
            for k in range(index.far_masks):
                far = index.slabs[k]
                slab[leader, follower, far] = positions
                if popcount(far) <= leader:
                    positions += masks_of(leader - popcount(far)) * columns[far & index.lane, follower]
            index.size[leader][follower] = positions
        for leader in range(1, follower + 1):
            index.start[leader][follower] = start
            start = end_of_layer(index, leader, follower)


cdef const Index* index_of(int rules) except NULL:
    """The index of a rule set, from its definition in order.pxd."""
    cdef Index* index = &INDEXES[rules]
    cdef unsigned int lane
    if rules in ARRAYS:
        return index
    if RULES[rules].rosettes & ((1 << LANE_START) - 1) != 1 << ENTRY_SQUARES:
        raise NotImplementedError("the solver is written for a rosette on square 4 and none before it")
    index.rules = rules
    index.pieces = RULES[rules].pieces
    index.far_masks = index.order.far_masks = 1 << far_squares(&RULES[rules])
    index.lane = far_of(shared(&RULES[rules]))
    keys = np.zeros((2, index.far_masks), dtype=np.uint32)
    fill_keys(index, keys[0], keys[1])
    slabs = np.zeros(index.far_masks, dtype=np.uint16)
    fill_slabs(index, slabs)
    followers = np.zeros(index.order.keys, dtype=np.uint16)
    followers_start = np.zeros(index.lane + 2, dtype=np.uint32)
    block = np.zeros((SIDE_COUNTS, index.order.keys), dtype=np.uint16)
    slab = np.zeros((SIDE_COUNTS, SIDE_COUNTS, index.far_masks), dtype=np.uint32)
    columns = np.zeros((index.lane + 1, SIDE_COUNTS), dtype=np.uint32)
    theirs = np.array([theirs_far(index, far) for far in slabs], dtype=np.uint16)
    for lane in range(index.lane + 1):
        fill_blocks(index, lane, theirs, followers, followers_start, block, columns)
    fill_layers(index, slab, columns)
    index.followers = first_short(followers)
    index.followers_start = first_word(followers_start)
    index.order.block = first_short(block.ravel())
    index.order.slab = first_word(slab.ravel())
    ARRAYS[rules] = {"keys": keys, "slabs": slabs, "followers": followers, "followers_start": followers_start,
                     "block": block, "slab": slab}
    return index


cdef const uint16_t* first_short(const uint16_t[::1] array):
    return &array[0]


cdef const uint32_t* first_word(const uint32_t[::1] array):
    return &array[0]


cdef int64_t end_of_layer(const Index* index, int leader, int follower) noexcept nogil:
    """Where the next layer begins: positions of a layer of unequal scores stand for both sides' turns."""
    return index.start[leader][follower] + index.size[leader][follower] * <int64_t> (2 if leader < follower else 1)


cdef int64_t count_of(const Index* index, int pieces) noexcept nogil:
    """Positions that are not over, with at most so many pieces left a side."""
    return end_of_layer(index, pieces, pieces)


cdef int last_slab(const Index* index, int leader, int follower, int64_t at) noexcept nogil:
    """The number of the last slab of a layer that starts at or before a place."""
    cdef const uint32_t* starts = index.order.slab + (SIDE_COUNTS * leader + follower) * index.far_masks
    cdef int middle
    cdef int low = 0
    cdef int high = index.far_masks
    while high - low > 1:
        middle = (low + high) // 2
        if starts[index.slabs[middle]] <= at:
            low = middle
        else:
            high = middle
    return low


cdef int last_block(const Index* index, int follower, unsigned int far, int64_t column) noexcept nogil:
    """The number of the last block of a slab, the leader's far mask, that starts at or before a column."""
    cdef const uint16_t* starts = index.order.block + follower * index.order.keys + index.order.leader_key[far]
    cdef int middle
    cdef int low = first_follower(index, far)
    cdef int high = last_follower(index, far)
    while high - low > 1:
        middle = (low + high) // 2
        if starts[index.order.follower_key[index.followers[middle]]] <= column:
            low = middle
        else:
            high = middle
    return low


cdef Cursor cursor_at(const Index* index, int64_t entry) noexcept nogil:
    """The cursor at an index of the table."""
    cdef Cursor at
    cdef int64_t rest
    cdef unsigned int far
    at.index = index
    at.leader = at.follower = 1
    while entry >= end_of_layer(index, at.leader, at.follower):
        at.leader += 1
        if at.leader > at.follower:
            at.leader = 1
            at.follower += 1
    rest = entry - index.start[at.leader][at.follower]
    at.follows = rest >= index.size[at.leader][at.follower]
    if at.follows:
        rest -= index.size[at.leader][at.follower]
    at.slab = last_slab(index, at.leader, at.follower, rest)
    far = index.slabs[at.slab]
    rest -= index.order.slab[(SIDE_COUNTS * at.leader + at.follower) * index.far_masks + far]
    at.height = masks_of(at.leader - popcount(far))
    at.block = last_block(index, at.follower, far, rest // at.height)
    rest -= block_start(&index.order, at.leader, at.follower, far, index.followers[at.block]) - block_start(
        &index.order, at.leader, at.follower, far, index.followers[first_follower(index, far)])
    at.width = masks_of(at.follower - popcount(index.followers[at.block]))
    at.row = rest // at.width
    at.column = rest % at.width
    return at


cdef void enter_slab(Cursor* at) noexcept nogil:
    """To the first block of a slab, from the cursor's own on, that the leader's pieces can make."""
    cdef const Index* index = at.index
    while popcount(index.slabs[at.slab]) > at.leader:
        at.slab += 1
    at.height = masks_of(at.leader - popcount(index.slabs[at.slab]))
    at.block = first_follower(index, index.slabs[at.slab])
    while popcount(index.followers[at.block]) > at.follower:
        at.block += 1
    at.width = masks_of(at.follower - popcount(index.followers[at.block]))


cdef void advance(Cursor* at) noexcept nogil:
    """To the next position; behind the last one the cursor is of no use."""
    cdef const Index* index = at.index
    at.column += 1
    if at.column < at.width:
        return
    at.column = 0
    at.row += 1
    if at.row < at.height:
        return
    at.row = 0
    at.block += 1
    while at.block < last_follower(index, index.slabs[at.slab]):
        if popcount(index.followers[at.block]) <= at.follower:
            at.width = masks_of(at.follower - popcount(index.followers[at.block]))
            return
        at.block += 1
    at.slab += 1
    while at.slab < index.far_masks and popcount(index.slabs[at.slab]) > at.leader:
        at.slab += 1
    if at.slab == index.far_masks:          # the next turn, the next layer
        at.slab = 0
        if at.leader < at.follower and not at.follows:
            at.follows = True
        else:
            at.follows = False
            at.leader += 1
            if at.leader > at.follower:
                at.leader = 1
                at.follower += 1
    enter_slab(at)


cdef Board board_at(const Cursor* at) noexcept nogil:
    """The position at the cursor."""
    cdef const Index* index = at.index
    cdef unsigned int leader = squares_of(index.slabs[at.slab], mask_of(at.row))
    cdef unsigned int follower = squares_of(index.followers[at.block], mask_of(at.column))
    cdef int leader_hand = at.leader - popcount(leader)
    cdef int follower_hand = at.follower - popcount(follower)
    cdef Board board
    board.rules = index.rules
    board.own = follower if at.follows else leader
    board.opp = leader if at.follows else follower
    board.own_off = index.pieces - (at.follower if at.follows else at.leader)
    board.opp_off = index.pieces - (at.leader if at.follows else at.follower)
    board.own_hand = follower_hand if at.follows else leader_hand
    board.opp_hand = leader_hand if at.follows else follower_hand
    return board


# For Python: the layers, and copies of the index.

#: The most far squares, those behind the entry squares, that a rule set's path has.
MOST_FAR_SQUARES = ALL_FAR_SQUARES


def far_bits(rules="finkel"):
    """How many far squares, those behind the entry squares, a path has."""
    return far_squares(&RULES[rules_number(rules)])


def layers_of(int pieces):
    """(leader, follower) of each layer of the game with so many pieces a side, in the table's order."""
    return [(leader, follower) for follower in range(1, pieces + 1) for leader in range(1, follower + 1)]


def layer_end(int leader, int follower, rules="finkel"):
    """How many positions this layer and those before it have together."""
    return end_of_layer(index_of(rules_number(rules)), leader, follower)


def layer_size(int leader, int follower, rules="finkel"):
    """How many positions a layer has with one side to move."""
    return index_of(rules_number(rules)).size[leader][follower]


def index_tables(rules="finkel"):
    """The index of all layers of a rule set -> a dict of arrays, which must not be changed.

    slab (8, 8, far masks) uint32 and block (8, keys) uint16: where slabs and blocks begin, as ur_order in placements.h
    has them; leader_key and follower_key (far masks,) uint32; size (8, 8) and start (8, 8) int64, of a layer; blocks
    (keys,) uint32: far masks of both sides that can stand at once, the follower's from bit 16 on, slab by slab; prefix
    (8,) uint8: rows, or columns, by pieces for the hand and the entry squares; slabs, followers (uint16) and
    followers_start (uint32) as in `Index` of order.pxd.
    """
    cdef Index* index = <Index*> index_of(rules_number(rules))  # not const: a view of it could not be made
    cdef uint32_t[:, ::1] size = <uint32_t[:SIDE_COUNTS, :SIDE_COUNTS]> &index.size[0][0]
    cdef int64_t[:, ::1] start = <int64_t[:SIDE_COUNTS, :SIDE_COUNTS]> &index.start[0][0]
    arrays = ARRAYS[rules_number(rules)]
    lanes = arrays["slabs"] & index.lane
    starts = arrays["followers_start"].astype(np.int64)
    counts = starts[lanes + 1] - starts[lanes]
    slabs = np.repeat(arrays["slabs"].astype(np.uint32), counts)
    within = np.arange(len(slabs)) - np.repeat(np.cumsum(counts) - counts, counts)
    followers = arrays["followers"][np.repeat(starts[lanes], counts) + within].astype(np.uint32)
    return {
        "slab": arrays["slab"],
        "block": arrays["block"],
        "leader_key": arrays["keys"][0],
        "follower_key": arrays["keys"][1],
        "size": np.array(size, dtype=np.int64),
        "start": np.array(start),
        "blocks": slabs | followers << np.uint32(16),
        "prefix": np.array([masks_of(free) for free in range(SIDE_COUNTS)], dtype=np.uint8),
        **{name: arrays[name] for name in ("slabs", "followers", "followers_start")},
    }
