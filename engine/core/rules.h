/* The arithmetic of the rules that is too small for a kernel of its own: one source for C, CUDA and Metal.
 *
 * A side's squares are bits of a 16-bit mask: bit s is path square s, bit 0 stands for the hand, bit 15 for borne off
 * (the map is in position.pxd). On a GPU the file is the beginning of a kernel's source (mlx_train/device/kernels.py).
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

#define UR_PIECES 7                 /* a side */
#define UR_BORNE_OFF 15             /* the path square after the last */
#define UR_MAX_ROLL 4
#define UR_PATH_MASK 0x7FFE         /* path squares 1 to 14 */
#define UR_LANE_MASK 0x1FE0         /* path squares 5 to 12, shared with the opponent */
#define UR_TARGET_MASK 0xFFFE       /* where a move can end: the path or borne off */
#define UR_ROSETTE_MASK 0x4110      /* path squares 4, 8 and 14 */
#define UR_SAFE_MASK 0x0100         /* path square 8: no capture there */

/* How many of the sixteen outcomes of four binary dice sum to `roll`. */
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

#define UR_OUTCOMES 16              /* of the dice, equally likely: the sum of ur_ways over the rolls */
#define UR_LANE_START 5             /* the first square of the lane: the squares before it are entry squares */
#define UR_LANE_SQUARES 8

#if UR_LANE_MASK != ((1 << UR_LANE_SQUARES) - 1) << UR_LANE_START
#error "UR_LANE_MASK and the squares of the lane disagree"
#endif

#endif
