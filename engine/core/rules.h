/* The rules of the game, of every rule set: data and small functions. One source for C, CUDA and Metal.
 *
 * Every other file takes the rules from here: the kernels in Cython through rules.pxd and position.pxd, Python through
 * rules.pyx and position.pyx. On a GPU this file is the beginning of a kernel's source (mlx_train/device/kernels.py).
 * A further rule set is one more initialiser below, its line in UR_RULE_SETS and UR_LABELS, and its tests.
 *
 * A side's squares are bits of a mask: bit s is path square s along the side's own path, bit 0 stands for the hand, and
 * the bit after the last path square for borne off (the map is in position.pxd).
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
#define UR_INLINE static inline __attribute__((always_inline))     /* so that a constant rule set is folded */
#define UR_LOCAL
#define ur_lowest(mask) __builtin_ctz(mask)                 /* index of the lowest set bit; the mask is not empty */
#define ur_highest(mask) (31 - __builtin_clz(mask))
#endif

#define UR_MAX_PIECES 7             /* a side, in any rule set */
#define UR_MAX_ROLL 4
#define UR_OUTCOMES 16              /* of the dice, all equally likely; three dice have each of their eight twice */

/* A rule set. The squares that both sides walk, from 5 on, are `straight` where mine i is theirs i, and `turned` where
 * the sides walk the same squares in opposite order: then mine i is theirs (first + last - i).
 */
typedef struct {
    int pieces;                     /* a side */
    int borne_off;                  /* the path square after the last */
    int capture_grants;             /* whether a capture gives its side another roll, as a rosette does */
    int pack_shift;                 /* a packed position has path square s in bit s - pack_shift of its side's 16 bits */
    unsigned int path;              /* the path squares */
    unsigned int straight;          /* shared squares of the same number on both paths */
    unsigned int turned;            /* shared squares that the sides number in opposite order: at most 8, side by side */
    unsigned int rosettes;          /* a piece that lands there gives its side another roll */
    unsigned int safe;              /* shared squares on which no piece can be captured; all of them are straight */
    unsigned int ways;              /* four bits for each roll: how many outcomes of the dice give it */
    unsigned int rolls_low;         /* four bits for each outcome of the dice, 0 to 7: its roll */
    unsigned int rolls_high;        /* the same of the outcomes 8 to 15 */
} ur_rules;

/* Four binary dice: the roll is the number of ones in four bits, 0 to 4. */
#define UR_FOUR_DICE 0x14641, 0x32212110, 0x43323221
/* Three binary dice, and no ones count 4: the roll of the low three bits, 1 to 4. */
#define UR_THREE_DICE 0x22660, 0x32212114, 0x32212114

/* Irving Finkel's rules, which RoyalUr calls "Finkel", are the default everywhere. */
#define UR_FINKEL {7, 15, 0, 0, 0x7FFE, 0x1FE0, 0, 0x4110, 0x0100, UR_FOUR_DICE}
#define UR_BLITZ {5, 17, 1, 1, 0x1FFFE, 0x00FE0, 0x1F000, 0x11110, 0, UR_FOUR_DICE}
#define UR_MASTERS {7, 17, 0, 1, 0x1FFFE, 0x00FE0, 0x1F000, 0x11110, 0, UR_THREE_DICE}
#define UR_ASEB {5, 17, 0, 1, 0x1FFFE, 0x1FFE0, 0, 0x11110, 0x11100, UR_FOUR_DICE}

#if !defined(__METAL_VERSION__) && !defined(__CUDACC__)
/* A kernel on a GPU makes the one set it needs: `const ur_rules rules = UR_FINKEL;`. */
enum { UR_FINKEL_SET, UR_BLITZ_SET, UR_MASTERS_SET, UR_ASEB_SET, UR_RULE_SET_COUNT };
static const ur_rules UR_RULE_SETS[UR_RULE_SET_COUNT] = {UR_FINKEL, UR_BLITZ, UR_MASTERS, UR_ASEB};

/* The name of each set, and the tiles of light's path on the board: columns A to C, rows 1 to 8 or 12. Dark's path is
 * light's with A and C exchanged.
 */
#define UR_BELL_PATH "A4 A3 A2 A1 B1 B2 B3 B4 B5 B6 B7 B8 A8 A7"
#define UR_MASTERS_PATH "A4 A3 A2 A1 B1 B2 B3 B4 B5 B6 B7 C7 C8 B8 A8 A7"
#define UR_ASEB_PATH "A4 A3 A2 A1 B1 B2 B3 B4 B5 B6 B7 B8 B9 B10 B11 B12"
static const struct { const char *name, *path; } UR_LABELS[UR_RULE_SET_COUNT] = {
    {"finkel", UR_BELL_PATH}, {"blitz", UR_MASTERS_PATH}, {"masters", UR_MASTERS_PATH}, {"aseb", UR_ASEB_PATH}};
#endif

/* Finkel's rules as constants, for what is laid out for them alone. */
#define UR_PIECES 7
#define UR_BORNE_OFF 15
#define UR_PATH_MASK 0x7FFE
#define UR_LANE_MASK 0x1FE0         /* path squares 5 to 12, shared with the opponent */
#define UR_ROSETTE_MASK 0x4110
#define UR_SAFE_MASK 0x0100

/* How many outcomes of the dice give `roll`. */
#define ur_ways(rules, roll) ((int)((rules)->ways >> (4 * (roll)) & 15))

/* Set bits of 18. */
UR_INLINE int ur_popcount(unsigned int x)
{
    x = x - ((x >> 1) & 0x15555u);
    x = (x & 0x33333u) + ((x >> 2) & 0x3333u);
    x = (x + (x >> 4)) & 0xF0F0Fu;
    return (int)((x + (x >> 8) + (x >> 16)) & 0x1Fu);
}

/* The roll of an outcome of the dice: the low four of random bits. */
UR_INLINE int ur_roll_of(UR_LOCAL const ur_rules *rules, unsigned int bits)
{
    return (int)((bits & 8 ? rules->rolls_high : rules->rolls_low) >> (4 * (bits & 7)) & 15);
}

/* The squares of the opponent's path that are these squares of mine; private squares have none. Its own inverse. */
UR_INLINE unsigned int ur_theirs(UR_LOCAL const ur_rules *rules, unsigned int mask)
{
    unsigned int same = mask & rules->straight, turned = mask & rules->turned;
    if (turned == 0)
        return same;
    int first = ur_lowest(rules->turned);
    unsigned int bits = turned >> first;
    /* Eight bits in opposite order, by two products (Sean Anderson, Bit Twiddling Hacks). */
    bits = (((bits * 0x0802u & 0x22110u) | (bits * 0x8020u & 0x88440u)) * 0x10101u >> 16) & 0xFFu;
    return same | bits >> (7 - (ur_highest(rules->turned) - first)) << first;
}

/* Where the legal moves of a roll end, for a side with or without pieces in hand. Empty when the turn passes. */
UR_INLINE unsigned int ur_targets(UR_LOCAL const ur_rules *rules, unsigned int own, unsigned int opp, int has_hand, int roll)
{
    unsigned int pieces = own | (unsigned int)(has_hand != 0);
    return (pieces << roll) & ~(own | (opp & rules->safe)) & (rules->path | rules->path << 1);
}

/* Whether a move that ends on a square gives its side another roll; `captured`: the opponent's pieces taken, a mask. */
UR_INLINE int ur_grants_roll(UR_LOCAL const ur_rules *rules, int target, unsigned int captured)
{
    return (int)(rules->rosettes >> target & 1) | (rules->capture_grants & (captured != 0));
}

/* The squares 1 to 4, before the lane, as masks of four bits: bit 0 is square 1. The masks are ordered by their number of
 * pieces, then by value. Those of at most `count` pieces are the first ones of this order; here is how many they are.
 */
UR_INLINE int ur_masks(int count)
{
    return (int)(0xFFFFEA40u >> 4 * count & 15) + 1;       /* 1, 5, 11, 15, and 16 from four on */
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
