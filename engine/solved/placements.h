/* The parts of a side's squares that order the table (order.pxd): one source for C, CUDA and Metal. */
#ifndef UR_PLACEMENTS_H
#define UR_PLACEMENTS_H

#include "core/rules.h"

#if defined(__METAL_VERSION__)
#define UR_READ const device        /* where a kernel reads */
#else
#define UR_READ const
#endif

/* The far squares: the lane and the exit squares behind it, squares 5 to 14. Bit k of a far mask is square k + 5. */
#define UR_FAR_SQUARES (UR_BORNE_OFF - UR_LANE_START)
#define UR_FAR_MASKS (1 << UR_FAR_SQUARES)
#define UR_LANE_MASKS (1 << UR_LANE_SQUARES)            /* far masks without an exit square */
#define UR_EXIT_MASKS (UR_FAR_MASKS / UR_LANE_MASKS)

/* The keys of a block, 4 * (the lane as a ternary number) + the follower's exit squares: 2**2 for each of 3**8. */
#define UR_BLOCKS 26244

/* The entry squares: squares 1 to 4. Bit s - 1 of an entry mask is square s. */
#define UR_ENTRY_SQUARES (UR_LANE_START - 1)
#define UR_ENTRY_MASKS (1 << UR_ENTRY_SQUARES)

/* The parts of a side's squares, and the squares of two parts. */
#define ur_far(squares) ((squares) >> UR_LANE_START & (UR_FAR_MASKS - 1))
#define ur_lane(far) ((far) & (UR_LANE_MASKS - 1))
#define ur_entry(squares) ((squares) >> 1 & (UR_ENTRY_MASKS - 1))
#define ur_squares(far, entry) ((unsigned int)(far) << UR_LANE_START | (unsigned int)(entry) << 1)

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
