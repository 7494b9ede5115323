/* The bytes of the 150 features: one source for C, CUDA and Metal.
 *
 * Names, order and meaning are those of GROUPS in features.pyx. Everything is integer arithmetic, so that every chip
 * gives the same bytes.
 */
#ifndef UR_FEATURE_BYTES_H
#define UR_FEATURE_BYTES_H

#include "core/rules.h"

#if !defined(__METAL_VERSION__) && !defined(__CUDACC__)
#include <string.h>
#endif

#define UR_FEATURES 150
#define UR_U64(high, low) ((uint64_t)(high) << 32 | (uint64_t)(low))
#define UR_LOW_BYTES UR_U64(0x01010101u, 0x01010101u)
#define UR_NEAR_END (UR_PIECES * UR_BORNE_OFF - 40) /* squares walked with 40 still to go */

/* What the features of one side are made of. Byte i of a low word is square i + 1, of a high word square i + 9. */
typedef struct {
    unsigned int own, opp;          /* squares of this side and of the other */
    int own_hand, opp_hand;
    uint64_t low, high;             /* pieces on squares 1 to 8, and 9 to 14, one byte each */
    uint64_t reach_low, reach_high; /* sixteenths of probability to land there with the next roll */
    unsigned int targets[5];        /* for each roll, where its legal moves end */
    unsigned int reached;           /* where any roll's moves end */
    unsigned int covered;           /* where any roll carries a piece, its own side's pieces not heeded */
    int walked;                     /* path squares of all its pieces summed, 15 for each borne off */
} ur_side;

/* Eight bits as eight bytes of 0 or 1, the lowest bit in the lowest byte. */
UR_INLINE uint64_t ur_spread(unsigned int bits)
{
    uint64_t picked = (bits * UR_LOW_BYTES) & UR_U64(0x80402010u, 0x08040201u);
    return ((picked + UR_U64(0x7F7F7F7Fu, 0x7F7F7F7Fu)) >> 7) & UR_LOW_BYTES;
}

/* The bytes of squares 5, 6, 7 and 9 to 12, side by side: where a piece can be captured. */
UR_INLINE uint64_t ur_contested(uint64_t low, uint64_t high)
{
    return (low >> 32 & 0xFFFFFFu) | (high & 0xFFFFFFFFu) << 24;
}

UR_INLINE ur_side ur_view(UR_LOCAL const ur_rules *rules, unsigned int own, unsigned int opp, int own_off, int own_hand, int opp_hand)
{
    ur_side side;
    side.own = own;
    side.opp = opp;
    side.own_hand = own_hand;
    side.opp_hand = opp_hand;
    side.low = ur_spread(own >> 1 & 0xFF);
    side.high = ur_spread(own >> 9);
    side.reach_low = side.reach_high = 0;
    side.reached = side.covered = 0;
    side.targets[0] = 0;
    for (int roll = 1; roll <= UR_MAX_ROLL; roll++) {
        unsigned int targets = ur_targets(rules, own, opp, own_hand, roll);
        side.targets[roll] = targets;
        side.reached |= targets;
        side.covered |= (own | (unsigned int)(own_hand != 0)) << roll;
        side.reach_low += (unsigned int)ur_ways(rules, roll) * ur_spread(targets >> 1 & 0xFF);
        side.reach_high += (unsigned int)ur_ways(rules, roll) * ur_spread(targets >> 9 & 0x3F);
    }
    uint64_t near = (side.low * 0xFF) & UR_U64(0x08070605u, 0x04030201u);
    uint64_t far = (side.high * 0xFF) & UR_U64(0x00000E0Du, 0x0C0B0A09u);
    side.walked = (int)(((near + far) * UR_LOW_BYTES) >> 56) + UR_BORNE_OFF * own_off;
    return side;
}

/* Writes eight bytes and returns the place behind the `count` that are wanted: the next write covers the others. */
UR_INLINE UR_LOCAL uint8_t *ur_write(UR_LOCAL uint8_t *out, uint64_t word, int count)
{
#if defined(__METAL_VERSION__) || defined(__CUDACC__)
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)(word >> (8 * i));
#else
    memcpy(out, &word, 8);
#endif
    return out + count;
}

UR_INLINE UR_LOCAL uint8_t *ur_write_squares(UR_LOCAL uint8_t *out, uint64_t low, uint64_t high)
{
    return ur_write(ur_write(out, low, 8), high, 6);
}

UR_INLINE UR_LOCAL uint8_t *ur_write_threats(UR_LOCAL uint8_t *out, UR_LOCAL const ur_side *side, UR_LOCAL const ur_side *other)
{
    return ur_write(out, ur_contested(side->reach_low & (other->low * 0xFF), side->reach_high & (other->high * 0xFF)), 7);
}

/* From rosette 4 the rolls 1, 2, 3 lead to 5, 6, 7; from rosette 8 the rolls 1 to 4 lead to 9 to 12. */
UR_INLINE UR_LOCAL uint8_t *ur_write_followups(UR_LOCAL uint8_t *out, UR_LOCAL const ur_side *side, UR_LOCAL const ur_side *other)
{
    uint64_t first = (side->reach_low >> 24 & 0xFF) * 0x040604u;
    uint64_t second = (side->reach_low >> 56) * 0x01040604u;
    return ur_write(out, (first | second << 24) & (ur_contested(other->low, other->high) * 0xFF), 7);
}

/* Whether the count, 7 at most, is at least 1, 2, ... `levels`. */
UR_INLINE UR_LOCAL uint8_t *ur_write_count(UR_LOCAL uint8_t *out, int count, int levels)
{
    return ur_write(out, UR_LOW_BYTES & (((uint64_t)1 << (8 * count)) - 1), levels);
}

/* The state features of one side. */
UR_INLINE UR_LOCAL uint8_t *ur_write_state(UR_LOCAL const ur_rules *rules, UR_LOCAL uint8_t *out, UR_LOCAL const ur_side *side, UR_LOCAL const ur_side *other)
{
    unsigned int prey = side->opp & UR_LANE_MASK;
    unsigned int danger = other->reached & UR_LANE_MASK & ~(unsigned int)UR_SAFE_MASK;
    int stuck = 0, forced = 0, safe = 0, advance = 0, capture = 0, clean = 0, rosette = 0, blocked = 0;
    int capture_stake = 0, loss_stake = 0, attacks = 0;
    for (int roll = 1; roll <= UR_MAX_ROLL; roll++) {
        int weight = ur_ways(rules, roll);
        unsigned int targets = side->targets[roll];
        blocked += weight * (int)((side->opp & UR_SAFE_MASK) >> 8 & (side->own >> (8 - roll)));
        if (targets == 0) {
            stuck += weight;
            continue;
        }
        forced += weight * ((targets & (targets - 1)) == 0);
        safe += weight * ((targets & ~danger) != 0);
        advance += weight * ur_highest(targets);
        rosette += weight * ((targets & UR_ROSETTE_MASK) != 0);
        if (targets & prey) {
            capture += weight;
            clean += weight * ((targets & prey & ~other->covered) != 0);
            capture_stake += weight * ur_highest(targets & prey);
            attacks += ur_popcount(targets & prey);
        }
    }
    unsigned int exposed = side->own & danger;
    int endangered = ur_popcount(exposed);
    while (exposed) {
        int square = ur_lowest(exposed);
        uint64_t ways = square <= 8 ? other->reach_low >> (8 * (square - 1)) : other->reach_high >> (8 * (square - 9));
        int stake = square * (int)(ways & 0xFF);
        loss_stake = stake > loss_stake ? stake : loss_stake;
        exposed &= exposed - 1;
    }
    int lead = side->walked - other->walked - UR_MAX_ROLL;
    int near = side->walked - UR_NEAR_END;
    /* Passed: on the lane with every opponent's piece in front of it. */
    unsigned int behind = side->opp | 1u << UR_BORNE_OFF;
    int passed = ur_popcount(side->own & UR_LANE_MASK & ((1u << ur_lowest(behind)) - 1));
    int pieces = ur_popcount(side->own);
    out[0] = (uint8_t)stuck;
    out[1] = (uint8_t)forced;
    out[2] = (uint8_t)safe;
    out[3] = (uint8_t)advance;
    out[4] = (uint8_t)capture;
    out[5] = (uint8_t)clean;
    out[6] = (uint8_t)rosette;
    out[7] = (uint8_t)blocked;
    out[8] = (uint8_t)capture_stake;
    out[9] = (uint8_t)loss_stake;
    out[10] = (uint8_t)attacks;
    out[11] = (uint8_t)endangered;
    out[12] = (uint8_t)(side->own ? ur_highest(side->own) : 0);
    out[13] = (uint8_t)(side->own ? ur_lowest(side->own) : 0);
    out[14] = (uint8_t)(lead > 0 ? lead : 0);
    out[15] = (uint8_t)(near > 0 ? near : 0);
    out[16] = (uint8_t)(side->opp_hand ? 0 : passed);
    out[17] = (uint8_t)(pieces * pieces);
    return out + 18;
}

/* Writes the bytes of a position into a row of UR_FEATURES bytes, with the roll's own features if `roll` is above 0. */
UR_INLINE void ur_feature_bytes(unsigned int own, unsigned int opp, int own_off, int opp_off, int roll,
                                UR_LOCAL uint8_t *out)
{
    const ur_rules rules = UR_FINKEL;
    int own_hand = UR_PIECES - own_off - ur_popcount(own);
    int opp_hand = UR_PIECES - opp_off - ur_popcount(opp);
    ur_side a = ur_view(&rules, own, opp, own_off, own_hand, opp_hand);
    ur_side b = ur_view(&rules, opp, own, opp_off, opp_hand, own_hand);
    out = ur_write_squares(out, a.low, a.high);
    out = ur_write_squares(out, b.low, b.high);
    out = ur_write_squares(out, a.reach_low, a.reach_high);
    out = ur_write_squares(out, b.reach_low, b.reach_high);
    out = ur_write_threats(out, &a, &b);
    out = ur_write_threats(out, &b, &a);
    out = ur_write_followups(out, &a, &b);
    out = ur_write_followups(out, &b, &a);
    out = ur_write_count(out, own_hand, 5);
    out = ur_write_count(out, opp_hand, 5);
    out = ur_write_count(out, own_off, 5);
    out = ur_write_count(out, opp_off, 5);
    out = ur_write_state(&rules, out, &a, &b);
    out = ur_write_state(&rules, out, &b, &a);
    unsigned int targets = roll > 0 ? a.targets[roll] : 0;
    unsigned int safe = targets & ~(b.reached & UR_LANE_MASK & ~(unsigned int)UR_SAFE_MASK);
    out[0] = roll == 1;
    out[1] = roll == 2;
    out[2] = roll == 3;
    out[3] = roll == 4;
    out[4] = (uint8_t)ur_popcount(targets);
    out[5] = (targets & opp & UR_LANE_MASK) != 0;
    out[6] = (targets & UR_ROSETTE_MASK) != 0;
    out[7] = (uint8_t)(targets >> UR_BORNE_OFF);
    out[8] = own_hand != 0 && roll > 0 && (targets >> roll & 1);
    out[9] = safe != 0;
}

#endif
