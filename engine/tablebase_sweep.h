/* The inner loop of the solver: one update of one block of positions (see tablebase.pxd for what a block is).

   Rows are the leader's entry masks, columns the follower's, both by rank. A move of one side never touches the
   other's entry mask, so that every successor of a row is a row again: the leader's backup is a maximum over
   contiguous rows. The follower's moves inside its entry squares change the column; they are done one by one. */

#ifndef UR_TABLEBASE_SWEEP_H
#define UR_TABLEBASE_SWEEP_H

#include <stddef.h>
#include <stdint.h>

/* Wide vectors where the machine has them, chosen when the module is loaded (glibc's ifunc). */
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#define UR_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define UR_CLONES
#endif

#define UR_INLINE static inline __attribute__((always_inline))

enum {
    UR_ROW = 16,    /* entry masks: the length of the longest row */
    UR_SLACK = 16   /* rows are read in whole vectors: so many doubles past the end of an array are touched */
};

/* What one side can reach from a block, by roll: rows of successors, all read at the same row number. */
typedef struct {
    int count[5];
    const double *to[5][8];
    ptrdiff_t stride[5][8];
    const double *lane[4];          /* the block after an entry piece has landed on square 5 to 8; NULL if it can't */
    ptrdiff_t lane_stride[4];
} ur_moves;

typedef struct {
    double *leader_turn, *follower_turn;    /* the leader's win probability, by whose turn it is */
    int height, width;
    int leader_free, follower_free;         /* pieces for hand and entry squares */
    ur_moves leader, follower;
} ur_block;

/* Entry masks (bit s - 1 is square s) by (number of pieces, value), and back. */
static const uint8_t UR_MASK[16] = {0, 1, 2, 4, 8, 3, 5, 6, 9, 10, 12, 7, 11, 13, 14, 15};
static const uint8_t UR_RANK[16] = {0, 1, 2, 5, 3, 6, 7, 11, 4, 8, 9, 12, 10, 13, 14, 15};
static const uint8_t UR_COUNT[16] = {0, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 4};  /* pieces by rank */
/* How many masks there are with at most so many pieces. */
static const uint8_t UR_PREFIX[8] = {1, 5, 11, 15, 16, 16, 16, 16};

/* By square s: the ranks of the masks with a piece on s, and their ranks without it. */
static const uint8_t UR_WITH[5][8] = {
    {0}, {1, 5, 6, 8, 11, 12, 13, 15}, {2, 5, 7, 9, 11, 12, 14, 15},
    {3, 6, 7, 10, 11, 13, 14, 15}, {4, 8, 9, 10, 12, 13, 14, 15}};
static const uint8_t UR_WITHOUT[5][8] = {
    {0}, {0, 2, 3, 4, 7, 9, 10, 14}, {0, 1, 3, 4, 6, 8, 10, 13},
    {0, 1, 2, 4, 5, 8, 9, 12}, {0, 1, 2, 3, 5, 6, 7, 11}};
/* How many of them have at most so many pieces, and the same as bits by rank. */
static const uint8_t UR_WITH_COUNT[8] = {0, 1, 4, 7, 8, 8, 8, 8};
static const uint16_t UR_WITH_BITS[5] = {0, 0xB962, 0xDAA4, 0xECC8, 0xF710};

/* The moves from a row to another of the same block, without and with pieces in hand, by rank. */
typedef struct {
    uint8_t count, roll[10], to[10], again[10];
} ur_steps;
static ur_steps UR_STEPS[2][16];

static void ur_fill_steps(void) {
    for (int hand = 0; hand < 2; hand++)
        for (int i = 0; i < 16; i++) {
            ur_steps *steps = &UR_STEPS[hand][i];
            for (int s = 0; s < 4; s++)
                for (int t = s + 1; t <= 4; t++) {
                    unsigned from = 1u << s >> 1, on = 1u << (t - 1);
                    if ((s ? !(UR_MASK[i] & from) : !hand) || UR_MASK[i] & on) continue;
                    steps->roll[steps->count] = (uint8_t)(t - s);
                    steps->to[steps->count] = UR_RANK[UR_MASK[i] ^ from ^ on];
                    steps->again[steps->count++] = t == 4;
                }
        }
}

static const double UR_CHANCE[5] = {1 / 16., 4 / 16., 6 / 16., 4 / 16., 1 / 16.};

#define UR_NONE 2.0   /* above every probability: no move of the follower */

/* Columns from which a side with so many free pieces (5 stands for more) has a move inside the entry squares, as
   bits by rank, by roll. */
static const uint16_t UR_INSIDE[6][5] = {
    {0, 0, 0, 0, 0},
    {0, 0x000F, 0x0007, 0x0003, 0x0001},
    {0, 0x03FF, 0x01BF, 0x0077, 0x000F},
    {0, 0x3FFF, 0x1DFF, 0x0B77, 0x00EF},
    {0, 0x7FFF, 0x3DFF, 0x1B77, 0x08EF},
    {0, 0x7FFF, 0x3DFF, 0x1B77, 0x08EF}};

/* One candidate of the follower's column j, which is a constant wherever this is used. */
#define UR_TRY(best, possible, value)                \
    if (possible) {                                  \
        double candidate = (value);                  \
        best = candidate < best ? candidate : best;  \
    }
#define UR_ENTER(best, s, turn) UR_TRY(best, hand && !(mask & (1 << (s - 1))), turn[UR_RANK[mask | (1 << (s - 1))]])
#define UR_STEP(best, s, t, turn)                                                            \
    UR_TRY(best, (mask & (1 << (s - 1))) && !(mask & (1 << (t - 1))),                        \
           turn[UR_RANK[mask ^ (1 << (s - 1)) ^ (1 << (t - 1))]])

/* The pair of positions of column j: the follower's backup, and both turns in closed form. */
UR_INLINE void ur_relax_pair(const int j, const int hand, double *restrict leader_turn,
                             double *restrict follower_turn, double *const *best, double chance[5][UR_ROW],
                             const double *backup, double leader_pass, const double *follower_pass,
                             const double *inverse, double omega) {
    const unsigned mask = UR_MASK[j];
    double b1 = best[1][j], b2 = best[2][j], b3 = best[3][j], b4 = best[4][j];
    UR_ENTER(b1, 1, leader_turn)
    UR_ENTER(b2, 2, leader_turn)
    UR_ENTER(b3, 3, leader_turn)
    UR_ENTER(b4, 4, follower_turn)
    UR_STEP(b1, 1, 2, leader_turn)
    UR_STEP(b1, 2, 3, leader_turn)
    UR_STEP(b1, 3, 4, follower_turn)
    UR_STEP(b2, 1, 3, leader_turn)
    UR_STEP(b2, 2, 4, follower_turn)
    UR_STEP(b3, 1, 4, follower_turn)
    double follower_backup = (chance[1][j] * b1 + chance[2][j] * b2) + (chance[3][j] * b3 + chance[4][j] * b4);
    double leader = (backup[j] + leader_pass * follower_backup) * inverse[j];
    double follower = follower_backup + follower_pass[j] * leader;
    leader_turn[j] += omega * (leader - leader_turn[j]);
    follower_turn[j] += omega * (follower - follower_turn[j]);
}

/* A loop over a row's lanes that is left to the vectoriser: unrolled first, GCC makes scalars of it. */
#if defined(__GNUC__) && !defined(__clang__)
#define UR_EACH(k, lanes) _Pragma("GCC unroll 1") for (int k = 0; k < (lanes); k++)
#else
#define UR_EACH(k, lanes) for (int k = 0; k < (lanes); k++)
#endif

#define UR_MAX(a, b) ((a) > (b) ? (a) : (b))
#define UR_MIN(a, b) ((a) < (b) ? (a) : (b))

/* out[i][k] = the best over the moves to other blocks, by one roll; `none` without any. */
#define UR_FAR(name, BEST, none)                                                                              \
    UR_INLINE void name(double *restrict out, const ur_moves *moves, int roll, int height, const int lanes) { \
        const int count = moves->count[roll];                                                                 \
        const double *const *to = moves->to[roll];                                                            \
        const ptrdiff_t *stride = moves->stride[roll];                                                        \
        int m = 2;                                                                                            \
        if (count == 0) {                                                                                     \
            for (int i = 0; i < height; i++) UR_EACH(k, lanes) out[i * lanes + k] = none;                     \
            return;                                                                                           \
        }                                                                                                     \
        if (count & 1) {                                                                                      \
            const double *a = to[0];                                                                          \
            for (int i = 0; i < height; i++, a += stride[0])                                                  \
                UR_EACH(k, lanes) out[i * lanes + k] = BEST(a[k], none);                                      \
            m = 1;                                                                                            \
        } else {                                                                                              \
            const double *a = to[0], *b = to[1];                                                              \
            for (int i = 0; i < height; i++, a += stride[0], b += stride[1])                                  \
                UR_EACH(k, lanes) out[i * lanes + k] = BEST(a[k], b[k]);                                      \
        }                                                                                                     \
        for (; m < count; m += 2) {                                                                           \
            const double *a = to[m], *b = to[m + 1];                                                          \
            for (int i = 0; i < height; i++, a += stride[m], b += stride[m + 1])                              \
                UR_EACH(k, lanes) {                                                                           \
                    double c = BEST(a[k], b[k]);                                                              \
                    out[i * lanes + k] = BEST(c, out[i * lanes + k]);                                         \
                }                                                                                             \
        }                                                                                                     \
    }
UR_FAR(ur_far_max, UR_MAX, 0.0)
UR_FAR(ur_far_min, UR_MIN, UR_NONE)

/* The rows (columns), as bits by rank, from which a side has a move by a roll. */
UR_INLINE unsigned ur_movable(const ur_moves *moves, int free, int roll) {
    unsigned masks = moves->count[roll] ? 0xFFFF : UR_INSIDE[free < 5 ? free : 5][roll];
    for (int t = 5; t <= 4 + roll; t++)
        if (moves->lane[t - 5]) masks |= UR_WITH_BITS[t - roll];
    return masks;
}

UR_INLINE double ur_relax_rows(const ur_block *block, double omega, const int lanes) {
    const int width = block->width, height = block->height, free = block->follower_free;
    double most[5][UR_ROW * UR_ROW], least[5][UR_ROW * UR_ROW];     /* best successors by roll */
    double chance[5][UR_ROW], leader_pass[UR_ROW], follower_pass[UR_ROW], inverse[UR_ROW];
    double backup[UR_ROW], before[2][UR_ROW], change[UR_ROW];
    double inverse_of = -1.0;

    UR_EACH(k, UR_ROW) leader_pass[k] = UR_CHANCE[0];
    UR_EACH(k, UR_ROW) follower_pass[k] = UR_CHANCE[0];
    UR_EACH(k, UR_ROW) change[k] = 0.0;
    for (int roll = 1; roll <= 4; roll++) {
        unsigned rows = ur_movable(&block->leader, block->leader_free, roll);
        unsigned columns = ur_movable(&block->follower, free, roll);
        UR_EACH(k, UR_ROW) {
            leader_pass[k] += (rows >> k) & 1 ? 0.0 : UR_CHANCE[roll];
            chance[roll][k] = (columns >> k) & 1 ? UR_CHANCE[roll] : 0.0;
            follower_pass[k] += UR_CHANCE[roll] - chance[roll][k];
        }
        ur_far_max(most[roll], &block->leader, roll, height, lanes);
        ur_far_min(least[roll], &block->follower, roll, height, lanes);
    }

    /* From the entry squares to the lane: from square s to t. */
    for (int t = 5; t <= 8; t++) {
        const double *lane = block->leader.lane[t - 5];
        if (!lane) continue;
        for (int s = t - 4; s <= 4; s++)
            for (int n = 0; n < UR_WITH_COUNT[block->leader_free]; n++) {
                const double *row = lane + UR_WITHOUT[s][n] * block->leader.lane_stride[t - 5];
                double *out = most[t - s] + UR_WITH[s][n] * lanes;
                UR_EACH(k, lanes) out[k] = UR_MAX(row[k], out[k]);
            }
    }
    for (int t = 5; t <= 8; t++) {
        const double *lane = block->follower.lane[t - 5];
        if (!lane) continue;
        for (int s = t - 4; s <= 4; s++)
            for (int i = 0; i < height; i++) {
                const double *row = lane + i * block->follower.lane_stride[t - 5];
                double *out = least[t - s] + i * lanes;
                for (int n = 0; n < UR_WITH_COUNT[free]; n++) {
                    double value = row[UR_WITHOUT[s][n]];
                    int j = UR_WITH[s][n];
                    out[j] = UR_MIN(value, out[j]);
                }
            }
    }

    for (int i = height - 1; i >= 0; i--) {
        double *leader_turn = block->leader_turn + i * width;
        double *follower_turn = block->follower_turn + i * width;

        /* The leader's moves inside the block, and its backup of the whole row. */
        const ur_steps *steps = &UR_STEPS[UR_COUNT[i] < block->leader_free][i];
        for (int n = 0; n < steps->count; n++) {
            const double *row = (steps->again[n] ? block->leader_turn : block->follower_turn) + steps->to[n] * width;
            double *out = most[steps->roll[n]] + i * lanes;
            UR_EACH(k, lanes) out[k] = UR_MAX(row[k], out[k]);
        }
        UR_EACH(k, lanes)
            backup[k] = (UR_CHANCE[1] * most[1][i * lanes + k] + UR_CHANCE[2] * most[2][i * lanes + k])
                        + (UR_CHANCE[3] * most[3][i * lanes + k] + UR_CHANCE[4] * most[4][i * lanes + k]);

        /* The follower's inside the row, and the update: from the highest column down. */
        if (leader_pass[i] != inverse_of) {
            inverse_of = leader_pass[i];
            UR_EACH(k, lanes) inverse[k] = 1.0 / (1.0 - inverse_of * follower_pass[k]);
        }
        UR_EACH(k, lanes) before[0][k] = leader_turn[k];
        UR_EACH(k, lanes) before[1][k] = follower_turn[k];
        double *best[5] = {0, least[1] + i * lanes, least[2] + i * lanes, least[3] + i * lanes, least[4] + i * lanes};
#define UR_PAIR(j, hand)                                                                                 \
    ur_relax_pair(j, hand, leader_turn, follower_turn, best, chance, backup, inverse_of, follower_pass,  \
                  inverse, omega);
        switch (free) {
        default: UR_PAIR(15, 1) goto three;
        case 4: UR_PAIR(15, 0)
        three: UR_PAIR(14, 1) UR_PAIR(13, 1) UR_PAIR(12, 1) UR_PAIR(11, 1) goto two;
        case 3: UR_PAIR(14, 0) UR_PAIR(13, 0) UR_PAIR(12, 0) UR_PAIR(11, 0)
        two: UR_PAIR(10, 1) UR_PAIR(9, 1) UR_PAIR(8, 1) UR_PAIR(7, 1) UR_PAIR(6, 1) UR_PAIR(5, 1) goto one;
        case 2: UR_PAIR(10, 0) UR_PAIR(9, 0) UR_PAIR(8, 0) UR_PAIR(7, 0) UR_PAIR(6, 0) UR_PAIR(5, 0)
        one: UR_PAIR(4, 1) UR_PAIR(3, 1) UR_PAIR(2, 1) UR_PAIR(1, 1) UR_PAIR(0, 1) break;
        case 1: UR_PAIR(4, 0) UR_PAIR(3, 0) UR_PAIR(2, 0) UR_PAIR(1, 0) UR_PAIR(0, 1) break;
        case 0: UR_PAIR(0, 0)
        }
#undef UR_PAIR
        UR_EACH(k, lanes) {
            double a = leader_turn[k] - before[0][k], b = follower_turn[k] - before[1][k];
            a = a < 0 ? -a : a;
            b = b < 0 ? -b : b;
            a = a > b ? a : b;
            change[k] = a > change[k] ? a : change[k];
        }
    }
    double largest = 0.0;
    for (int k = 0; k < width; k++) largest = change[k] > largest ? change[k] : largest;
    return largest;
}

/* Updates a block in place, over-relaxed by omega; returns the largest change of a value. */
UR_CLONES static double ur_relax_block(const ur_block *block, double omega) {
    return block->width <= 8 ? ur_relax_rows(block, omega, 8) : ur_relax_rows(block, omega, 16);
}

#endif
