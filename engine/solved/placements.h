/* Where positions stand in the table, for a GPU: one source for C, CUDA and Metal. tablebase.pxd has the order. */
#ifndef UR_PLACEMENTS_H
#define UR_PLACEMENTS_H

#include "core/rules.h"

#if defined(__METAL_VERSION__)
#define UR_READ const device        /* where a kernel reads */
#else
#define UR_READ const
#endif

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
