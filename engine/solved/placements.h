/* Where positions stand in the table, for a GPU: one source for C, CUDA and Metal. tablebase.pxd has the order. */
#ifndef UR_PLACEMENTS_H
#define UR_PLACEMENTS_H

#include "core/rules.h"

#if defined(__METAL_VERSION__)
#define UR_READ const device        /* where a kernel reads */
#else
#define UR_READ const
#endif

#define UR_ROW 16                   /* masks of squares 1 to 4 */

/* How many masks of squares 1 to 4 there are for so many pieces in hand and there. */
UR_INLINE int ur_masks(int free)
{
    return free == 0 ? 1 : free == 1 ? 5 : free == 2 ? 11 : free == 3 ? 15 : UR_ROW;
}

/* The place of a mask of squares 1 to 4 (bit 0 is square 1) among all, by (pieces, mask), and the mask at a place. */
UR_INLINE int ur_rank(unsigned int mask)
{
    return (int)((mask & 8 ? 0xFEDAC984u : 0xB7635210u) >> (4 * (mask & 7)) & 15);
}

UR_INLINE unsigned int ur_mask(int rank)
{
    return (rank & 8 ? 0xFEDB7CA9u : 0x65384210u) >> (4 * (rank & 7)) & 15;
}

/* The last of `count` ascending numbers that is at most `value`; the first one is. */
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
