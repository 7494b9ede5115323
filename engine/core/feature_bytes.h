/* The bytes of the features of a rule set: one source for C, CUDA and Metal.
 *
 * Names, order and meaning are those of `feature_groups` in features.pyx. Everything is integer arithmetic, so that every
 * chip gives the same bytes. All functions are inline: where the rule set is a constant, the compiler folds its data.
 */
#ifndef UR_FEATURE_BYTES_H
#define UR_FEATURE_BYTES_H

#include "core/rules.h"

#if !defined(__METAL_VERSION__) && !defined(__CUDACC__)
#include <string.h>
#endif

#define UR_MAX_FEATURES 178     /* of all rule sets */
#define UR_U64(high, low) ((uint64_t)(high) << 32 | (uint64_t)(low))
#define UR_LOW_BYTES UR_U64(0x01010101u, 0x01010101u)
#define UR_NEAR_END(rules) ((rules)->pieces * (rules)->borne_off - 40)      /* squares walked with 40 still to go */

/* What the features of one side are made of. Byte i of a low word is square i + 1, of a high word square i + 9. */
typedef struct {
    unsigned int own, opp;          /* squares of this side, and of the other along the other's path */
    unsigned int met;               /* the other's pieces on shared squares, by this side's numbers of the squares */
    int own_hand, opp_hand;
    uint64_t low, high;             /* pieces on squares 1 to 8, and 9 on, one byte each */
    uint64_t reach_low, reach_high; /* sixteenths of probability to land there with the next roll */
    unsigned int targets[5];        /* for each roll, where its legal moves end */
    unsigned int reached;           /* where any roll's moves end */
    unsigned int covered;           /* where any roll carries a piece, its own side's pieces not heeded */
    int walked;                     /* path squares of all its pieces summed, with those borne off */
} ur_side;

/* Eight bits as eight bytes of 0 or 1, the lowest bit in the lowest byte. */
UR_INLINE uint64_t ur_spread(unsigned int bits)
{
    uint64_t picked = (bits * UR_LOW_BYTES) & UR_U64(0x80402010u, 0x08040201u);
    return ((picked + UR_U64(0x7F7F7F7Fu, 0x7F7F7F7Fu)) >> 7) & UR_LOW_BYTES;
}

/* The squares on which a piece can be captured. */
UR_INLINE unsigned int ur_contested(UR_LOCAL const ur_rules *rules)
{
    return (rules->straight | rules->turned) & ~rules->safe;
}

UR_INLINE ur_side ur_view(UR_LOCAL const ur_rules *rules, unsigned int own, unsigned int opp, int own_off, int own_hand,
                          int opp_hand)
{
    ur_side side;
    side.own = own;
    side.opp = opp;
    side.met = ur_theirs(rules, opp);
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
        side.reach_high += (unsigned int)ur_ways(rules, roll) * ur_spread((targets & rules->path) >> 9);
    }
    uint64_t near = (side.low * 0xFF) & UR_U64(0x08070605u, 0x04030201u);
    uint64_t far = (side.high * 0xFF) & UR_U64(0x100F0E0Du, 0x0C0B0A09u);
    side.walked = (int)(((near + far) * UR_LOW_BYTES) >> 56) + rules->borne_off * own_off;
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

UR_INLINE UR_LOCAL uint8_t *ur_write_squares(UR_LOCAL const ur_rules *rules, UR_LOCAL uint8_t *out, uint64_t low,
                                             uint64_t high)
{
    return ur_write(ur_write(out, low, 8), high, rules->borne_off - 9);
}

/* The bytes of the contested squares: in every rule set the first ones of the squares 5 to 8, 9 to 12 and 13 to 16. */
UR_INLINE UR_LOCAL uint8_t *ur_write_contested(UR_LOCAL const ur_rules *rules, UR_LOCAL uint8_t *out, uint64_t low,
                                               uint64_t high)
{
    unsigned int contested = ur_contested(rules);
    int first = ur_popcount(contested & 0x1E0), second = ur_popcount(contested & 0x1E00);
    uint64_t both = (low >> 32 & (((uint64_t)1 << (8 * first)) - 1)) | high << (8 * first);
    out = ur_write(out, both, first + second);
    return contested & 0x1E000 ? ur_write(out, high >> 32, ur_popcount(contested & 0x1E000)) : out;
}

UR_INLINE UR_LOCAL uint8_t *ur_write_threats(UR_LOCAL const ur_rules *rules, UR_LOCAL uint8_t *out,
                                             UR_LOCAL const ur_side *side)
{
    uint64_t low = side->reach_low & (ur_spread(side->met >> 1 & 0xFF) * 0xFF);
    uint64_t high = side->reach_high & (ur_spread(side->met >> 9) * 0xFF);
    return ur_write_contested(rules, out, low, high);
}

/* From the rosettes 4, 8 and, where there is one, 12 the rolls 1 to 4 lead to the four squares behind it. */
UR_INLINE UR_LOCAL uint8_t *ur_write_followups(UR_LOCAL const ur_rules *rules, UR_LOCAL uint8_t *out,
                                               UR_LOCAL const ur_side *side)
{
    uint64_t ways = 0;
    for (int roll = 1; roll <= UR_MAX_ROLL; roll++)
        ways |= (uint64_t)ur_ways(rules, roll) << (8 * (roll - 1));
    uint64_t low = (side->reach_low >> 24 & 0xFF) * ways << 32, high = (side->reach_low >> 56) * ways;
    if (rules->rosettes & 1u << 12)
        high |= (side->reach_high >> 24 & 0xFF) * ways << 32;
    low &= ur_spread(side->met >> 1 & 0xFF) * 0xFF;
    high &= ur_spread(side->met >> 9) * 0xFF;
    return ur_write_contested(rules, out, low, high);
}

/* Whether the count, 7 at most, is at least 1, 2, ... `levels`. */
UR_INLINE UR_LOCAL uint8_t *ur_write_count(UR_LOCAL uint8_t *out, int count, int levels)
{
    return ur_write(out, UR_LOW_BYTES & (((uint64_t)1 << (8 * count)) - 1), levels);
}

/* A number as a byte, 255 at most. */
UR_INLINE uint8_t ur_byte(int number)
{
    return (uint8_t)(number < 255 ? number : 255);
}

/* The state features of one side. */
UR_INLINE UR_LOCAL uint8_t *ur_write_state(UR_LOCAL const ur_rules *rules, UR_LOCAL uint8_t *out,
                                           UR_LOCAL const ur_side *side, UR_LOCAL const ur_side *other)
{
    unsigned int prey = side->met;
    unsigned int danger = ur_theirs(rules, other->reached) & ~rules->safe;
    int stuck = 0, forced = 0, safe = 0, advance = 0, capture = 0, clean = 0, rosette = 0, blocked = 0;
    int capture_stake = 0, loss_stake = 0, attacks = 0;
    for (int roll = 1; roll <= UR_MAX_ROLL; roll++) {
        int weight = ur_ways(rules, roll);
        unsigned int targets = side->targets[roll];
        blocked += weight * ((side->own << roll & side->opp & rules->safe) != 0);
        if (targets == 0) {
            stuck += weight;
            continue;
        }
        forced += weight * ((targets & (targets - 1)) == 0);
        safe += weight * ((targets & ~danger) != 0);
        advance += weight * ur_highest(targets);
        rosette += weight * ((targets & rules->rosettes) != 0);
        if (targets & prey) {
            capture += weight;
            clean += weight * ((targets & prey & ~ur_theirs(rules, other->covered)) != 0);
            capture_stake += weight * ur_highest(targets & prey);
            attacks += ur_popcount(targets & prey);
        }
    }
    unsigned int exposed = side->own & danger;
    int endangered = ur_popcount(exposed);
    while (exposed) {
        int square = ur_lowest(exposed);
        int from = rules->turned ? ur_lowest(ur_theirs(rules, 1u << square)) : square;     /* as the other side counts */
        uint64_t ways = from <= 8 ? other->reach_low >> (8 * (from - 1)) : other->reach_high >> (8 * (from - 9));
        int stake = square * (int)(ways & 0xFF);
        loss_stake = stake > loss_stake ? stake : loss_stake;
        exposed &= exposed - 1;
    }
    int lead = side->walked - other->walked - UR_MAX_ROLL;
    int near = side->walked - UR_NEAR_END(rules);
    /* Passed: on a shared square with every opponent's piece in front of it, as the opponent counts. */
    unsigned int behind = side->opp | 1u << rules->borne_off;
    int passed = ur_popcount(ur_theirs(rules, side->own) & ((1u << ur_lowest(behind)) - 1));
    int pieces = ur_popcount(side->own);
    out[0] = (uint8_t)stuck;
    out[1] = (uint8_t)forced;
    out[2] = (uint8_t)safe;
    out[3] = ur_byte(advance);
    out[4] = (uint8_t)capture;
    out[5] = (uint8_t)clean;
    out[6] = (uint8_t)rosette;
    out[7] = (uint8_t)blocked;
    out[8] = ur_byte(capture_stake);
    out[9] = ur_byte(loss_stake);
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

/* How many features a rule set has: pieces and chances to land by square, threats and follow-ups by contested square, of
 * both sides, and 66 of the state of the game.
 */
UR_INLINE int ur_feature_count(UR_LOCAL const ur_rules *rules)
{
    return 4 * (rules->borne_off - 1 + ur_popcount(ur_contested(rules))) + 66;
}

/* Writes the bytes of a position into a row, with the roll's own features if `roll` is above 0. Returns its end. */
UR_INLINE UR_LOCAL uint8_t *ur_feature_bytes(UR_LOCAL const ur_rules *rules, unsigned int own, unsigned int opp,
                                             int own_off, int opp_off, int roll, UR_LOCAL uint8_t *out)
{
    int own_hand = rules->pieces - own_off - ur_popcount(own);
    int opp_hand = rules->pieces - opp_off - ur_popcount(opp);
    ur_side a = ur_view(rules, own, opp, own_off, own_hand, opp_hand);
    ur_side b = ur_view(rules, opp, own, opp_off, opp_hand, own_hand);
    out = ur_write_squares(rules, out, a.low, a.high);
    out = ur_write_squares(rules, out, b.low, b.high);
    out = ur_write_squares(rules, out, a.reach_low, a.reach_high);
    out = ur_write_squares(rules, out, b.reach_low, b.reach_high);
    out = ur_write_threats(rules, out, &a);
    out = ur_write_threats(rules, out, &b);
    out = ur_write_followups(rules, out, &a);
    out = ur_write_followups(rules, out, &b);
    out = ur_write_count(out, own_hand, 5);
    out = ur_write_count(out, opp_hand, 5);
    out = ur_write_count(out, own_off, 5);
    out = ur_write_count(out, opp_off, 5);
    out = ur_write_state(rules, out, &a, &b);
    out = ur_write_state(rules, out, &b, &a);
    unsigned int targets = roll > 0 ? a.targets[roll] : 0;
    unsigned int safe = targets & ~(ur_theirs(rules, b.reached) & ~rules->safe);
    out[0] = roll == 1;
    out[1] = roll == 2;
    out[2] = roll == 3;
    out[3] = roll == 4;
    out[4] = (uint8_t)ur_popcount(targets);
    out[5] = (targets & a.met) != 0;
    out[6] = (targets & rules->rosettes) != 0;
    out[7] = (uint8_t)(targets >> rules->borne_off);
    out[8] = own_hand != 0 && roll > 0 && (targets >> roll & 1);
    out[9] = safe != 0;
    return out + 10;
}

#if !defined(__METAL_VERSION__) && !defined(__CUDACC__)
/* The same for the rule set of a number; the compiler makes a kernel of each set. */
static inline void ur_write_features(int set, unsigned int own, unsigned int opp, int own_off, int opp_off, int roll,
                                     uint8_t *out)
{
    switch (set) {
    case UR_FINKEL_SET:
        ur_feature_bytes(&UR_RULE_SETS[UR_FINKEL_SET], own, opp, own_off, opp_off, roll, out);
        break;
    case UR_BLITZ_SET:
        ur_feature_bytes(&UR_RULE_SETS[UR_BLITZ_SET], own, opp, own_off, opp_off, roll, out);
        break;
    case UR_MASTERS_SET:
        ur_feature_bytes(&UR_RULE_SETS[UR_MASTERS_SET], own, opp, own_off, opp_off, roll, out);
        break;
    default:
        ur_feature_bytes(&UR_RULE_SETS[set], own, opp, own_off, opp_off, roll, out);
    }
}
#endif

#endif
