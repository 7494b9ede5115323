/* The rules of the game as constants and small functions: one source for C, CUDA and Metal.
 *
 * Every other file takes the rules from here: the kernels in Cython through position.pxd and dice.pxd, Python through
 * position.pyx. On a GPU this file is the beginning of a kernel's source (mlx_train/device/kernels.py).
 *
 * A side's squares are bits of a 16-bit mask: bit s is path square s, bit 0 stands for the hand, bit 15 for borne off
 * (the map is in position.pxd).
 */
#ifndef UR_RULES_H
#define UR_RULES_H

#if defined(__METAL_VERSION__)
#define UR_INLINE inline
#define UR_LOCAL thread                                     /* where a function's own variables are */
#define ur_lowest(mask) ((int)metal::ctz((uint)(mask)))
#define ur_highest(mask) (31 - (int)metal::clz((uint)(mask)))
#elif defined(__CUDACC__)
#define UR_INLINE __device__ inline
#define UR_LOCAL
#define ur_lowest(mask) (__ffs((int)(mask)) - 1)
#define ur_highest(mask) (31 - __clz((int)(mask)))
#else
#include <stdint.h>
#define UR_INLINE static inline
#define UR_LOCAL
#define ur_lowest(mask) __builtin_ctz(mask)                 /* index of the lowest set bit; the mask is not empty */
#define ur_highest(mask) (31 - __builtin_clz(mask))
#endif

/* The rule set: Irving Finkel's, which RoyalUr calls "Finkel". */
#define UR_PIECES 7                 /* a side */
#define UR_BORNE_OFF 15             /* the path square after the last */
#define UR_MAX_ROLL 4
#define UR_OUTCOMES 16              /* of the dice, all equally likely */
#define UR_PATH_MASK 0x7FFE         /* path squares 1 to 14 */
#define UR_LANE_MASK 0x1FE0         /* path squares 5 to 12, shared with the opponent */
#define UR_ROSETTE_MASK 0x4110      /* path squares 4, 8 and 14: a piece that lands there gives its side another roll */
#define UR_SAFE_MASK 0x0100         /* path square 8: no capture there */
#define UR_TARGET_MASK (UR_PATH_MASK | 1 << UR_BORNE_OFF)   /* where a move can end */

/* How many outcomes of the dice sum to `roll`: 1, 4, 6, 4, 1 for four binary dice. */
#define ur_ways(roll) ((0x14641 >> (4 * (roll))) & 15)

/* Set bits of 16. */
UR_INLINE int ur_popcount(unsigned int x)
{
    x = x - ((x >> 1) & 0x5555u);
    x = (x & 0x3333u) + ((x >> 2) & 0x3333u);
    x = (x + (x >> 4)) & 0x0F0Fu;
    return (int)((x + (x >> 8)) & 0x1Fu);
}

/* Where the legal moves of a roll end, for a side with or without pieces in hand. Empty when the turn passes. */
UR_INLINE unsigned int ur_targets(unsigned int own, unsigned int opp, int has_hand, int roll)
{
    return ((own | (unsigned int)(has_hand != 0)) << roll) & ~(own | (opp & UR_SAFE_MASK)) & UR_TARGET_MASK;
}

/* The squares 1 to 4, before the lane, as masks of four bits: bit 0 is square 1. The masks are ordered by their number of
 * pieces, then by value. Those of at most `count` pieces are the first ones of this order; here is how many they are.
 */
UR_INLINE int ur_masks(int count)
{
    return count == 0 ? 1 : count == 1 ? 5 : count == 2 ? 11 : count == 3 ? 15 : 16;
}

/* The number of a mask of squares 1 to 4 in that order. */
UR_INLINE int ur_rank(unsigned int mask)
{
    return (int)((mask & 8 ? 0xFEDAC984u : 0xB7635210u) >> (4 * (mask & 7)) & 15);
}

/* The mask of squares 1 to 4 with that number: the inverse of ur_rank. */
UR_INLINE unsigned int ur_mask(int rank)
{
    return (rank & 8 ? 0xFEDB7CA9u : 0x65384210u) >> (4 * (rank & 7)) & 15;
}

#define UR_LANE_START 5             /* the first square of the lane: the squares before it are entry squares */
#define UR_LANE_SQUARES 8

#if UR_LANE_MASK != ((1 << UR_LANE_SQUARES) - 1) << UR_LANE_START
#error "UR_LANE_MASK and the squares of the lane disagree"
#endif

#endif
