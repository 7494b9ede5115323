/* Where a placement stands in the table (order.pxd says in which order): one source for C, CUDA and Metal. */
#ifndef UR_PLACEMENTS_H
#define UR_PLACEMENTS_H

#include "core/rules.h"

#if defined(__METAL_VERSION__)
#define UR_READ const device        /* where a kernel reads */
#else
#define UR_READ const
#endif

/* The entry squares: squares 1 to 4. Bit s - 1 of an entry mask is square s. */
#define UR_ENTRY_SQUARES (UR_LANE_START - 1)
#define UR_ENTRY_MASKS (1 << UR_ENTRY_SQUARES)

/* The far squares: all path squares behind the entry squares. Bit k of a far mask is square k + 5. */
#define UR_MOST_FAR_SQUARES 12
#define ur_far_squares(rules) ((rules)->borne_off - UR_LANE_START)

/* Counts of a side's pieces: 0 to UR_MAX_PIECES. */
#define UR_SIDE_COUNTS (UR_MAX_PIECES + 1)

/* The parts of a side's squares, and the squares of two parts. */
#define ur_far(squares) ((unsigned int)(squares) >> UR_LANE_START)
#define ur_entry(squares) ((squares) >> 1 & (UR_ENTRY_MASKS - 1))
#define ur_squares(far, entry) ((unsigned int)(far) << UR_LANE_START | (unsigned int)(entry) << 1)

/* How many pieces an entry mask has. */
#define ur_entry_count(entry) ((int)((((entry) & 8 ? 0x43323221u : 0x32212110u) >> 4 * ((entry) & 7)) & 15))

/* The tables of a rule set by which a place is found; order.pyx makes them. */
typedef struct {
    int far_masks, keys;
    UR_READ uint32_t *leader_key, *follower_key;    /* by far mask: what each side adds to the key of a block */
    UR_READ uint16_t *block;    /* by follower (pieces left) and key: columns of the slab before this block */
    UR_READ uint32_t *slab;     /* by leader, follower and the leader's far mask: where the slab begins */
} ur_order;

/* Where a block of so many rows begins in the layer (leader, follower), for one side's turn; the far masks say which. */
UR_INLINE int ur_block_with(UR_LOCAL const ur_order *order, int leader, int follower, unsigned int leader_far,
                            unsigned int follower_far, int height)
{
    unsigned int key = order->leader_key[leader_far] + order->follower_key[follower_far];
    return (int)order->slab[(UR_SIDE_COUNTS * leader + follower) * order->far_masks + (int)leader_far]
           + height * order->block[follower * order->keys + (int)key];
}

/* The same, with the rows counted. */
UR_INLINE int ur_block_start(UR_LOCAL const ur_order *order, int leader, int follower, unsigned int leader_far,
                             unsigned int follower_far)
{
    return ur_block_with(order, leader, follower, leader_far, follower_far, ur_masks(leader - ur_popcount(leader_far)));
}

/* Where a placement stands in the layer (leader, follower), for one side's turn; free: pieces for hand and entry squares. */
UR_INLINE int ur_place_with(UR_LOCAL const ur_order *order, int leader, int follower, unsigned int leader_squares,
                            unsigned int follower_squares, int leader_free, int follower_free)
{
    return ur_block_with(order, leader, follower, ur_far(leader_squares), ur_far(follower_squares), ur_masks(leader_free))
           + ur_rank(ur_entry(leader_squares)) * ur_masks(follower_free) + ur_rank(ur_entry(follower_squares));
}

/* The same, with the free pieces counted. */
UR_INLINE int ur_place(UR_LOCAL const ur_order *order, int leader, int follower, unsigned int leader_squares,
                       unsigned int follower_squares)
{
    return ur_place_with(order, leader, follower, leader_squares, follower_squares,
                         leader - ur_popcount(ur_far(leader_squares)), follower - ur_popcount(ur_far(follower_squares)));
}

/* The index of the last of `count` ascending numbers that is at most `value`; the first number must be. */
UR_INLINE int ur_last_at_most(UR_READ uint32_t *numbers, int count, uint32_t value)
{
    int low = 0, high = count;
    while (high - low > 1) {
        int middle = (low + high) / 2;
        if (numbers[middle] <= value)
            low = middle;
        else
            high = middle;
    }
    return low;
}

#endif
