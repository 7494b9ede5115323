/* The inner loop of the solver: one update of one block of positions (see tablebase.pxd for what a block is).

   Rows are the leader's entry masks, columns the follower's, both by rank. A move of one side never touches the
   other's entry mask, so that every successor of a row is a row again: the leader's backup is a maximum over
   contiguous rows. The follower's moves inside its entry squares change the column; they are done one by one. */

#ifndef UR_TABLEBASE_SWEEP_H
#define UR_TABLEBASE_SWEEP_H

#include <stddef.h>
#include <stdint.h>

#include "machine/clones.h"

#define UR_ALWAYS static inline __attribute__((always_inline))

enum {
    UR_ROW = 16,    /* entry masks: the length of the longest row */
    UR_SLACK = 16,  /* rows are read in whole vectors: so many doubles past the end of an array are touched */
    UR_FETCH = 2    /* cache lines asked for ahead at each run of successors; 4, 8 and 16 are no better */
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

/* Four lanes of a row. Explicit vectors: left to itself, GCC makes scalars of such short loops. */
typedef double ur_lanes __attribute__((vector_size(32), aligned(8), may_alias));
typedef int64_t ur_bits __attribute__((vector_size(32)));
enum { UR_LANES = 4 };
#define UR_AT(row, v) (*(const ur_lanes *)((row) + UR_LANES * (v)))
#define UR_PUT(row, v) (*(ur_lanes *)((row) + UR_LANES * (v)))
#define UR_BETTER(a, than, b)                                                       \
    __extension__({                                                                 \
        const ur_lanes a_ = (a), b_ = (b);                                          \
        const ur_bits mask_ = (ur_bits)(a_ than b_);                                \
        (ur_lanes)((mask_ & (ur_bits)a_) | (~mask_ & (ur_bits)b_));                 \
    })
#define UR_MAX(a, b) UR_BETTER(a, >, b)
#define UR_MIN(a, b) UR_BETTER(a, <, b)
#define UR_ALL(x) {x, x, x, x}

static const double UR_SPREAD[16][UR_LANES] = {
    {0, 0, 0, 0}, {1, 0, 0, 0}, {0, 1, 0, 0}, {1, 1, 0, 0}, {0, 0, 1, 0}, {1, 0, 1, 0}, {0, 1, 1, 0}, {1, 1, 1, 0},
    {0, 0, 0, 1}, {1, 0, 0, 1}, {0, 1, 0, 1}, {1, 1, 0, 1}, {0, 0, 1, 1}, {1, 0, 1, 1}, {0, 1, 1, 1}, {1, 1, 1, 1}};

/* out[row] = the best over the moves to other blocks, by one roll; `none` without any. */
#define UR_FAR(name, BEST, none)                                                                          \
    UR_ALWAYS void name(double *out, const ur_moves *moves, int roll, int height, const int vectors) {    \
        const int count = moves->count[roll];                                                             \
        const double *const *to = moves->to[roll];                                                        \
        const ptrdiff_t *stride = moves->stride[roll];                                                    \
        const ur_lanes nothing = UR_ALL(none);                                                            \
        double *end = out + height * UR_LANES * vectors;                                                  \
        if (count == 0) {                                                                                 \
            for (double *o = out; o < end; o += UR_LANES) UR_PUT(o, 0) = nothing;                         \
        } else if (count == 1) {                                                                          \
            const double *a = to[0];                                                                      \
            for (double *o = out; o < end; o += UR_LANES * vectors, a += stride[0])                       \
                for (int v = 0; v < vectors; v++) UR_PUT(o, v) = UR_AT(a, v);                             \
        } else {                                                                                          \
            const double *a = to[0], *b = to[1];                                                          \
            for (double *o = out; o < end; o += UR_LANES * vectors, a += stride[0], b += stride[1])       \
                for (int v = 0; v < vectors; v++) UR_PUT(o, v) = BEST(UR_AT(a, v), UR_AT(b, v));          \
        }                                                                                                 \
        for (int m = 2; m < count; m++) {                                                                 \
            const double *a = to[m];                                                                      \
            for (double *o = out; o < end; o += UR_LANES * vectors, a += stride[m])                       \
                for (int v = 0; v < vectors; v++) UR_PUT(o, v) = BEST(UR_AT(a, v), UR_AT(o, v));          \
        }                                                                                                 \
    }
UR_FAR(ur_far_max, UR_MAX, 0.0)
UR_FAR(ur_far_min, UR_MIN, UR_NONE)

/* The rows (columns), as bits by rank, from which a side has a move by a roll. */
UR_ALWAYS unsigned ur_movable(const ur_moves *moves, int free, int roll) {
    unsigned masks = moves->count[roll] ? 0xFFFF : UR_INSIDE[free < 5 ? free : 5][roll];
    for (int t = 5; t <= 4 + roll; t++)
        if (moves->lane[t - 5]) masks |= UR_WITH_BITS[t - roll];
    return masks;
}

/* A row while its columns are updated. What the follower's backup q of a column makes of the two turns is linear:
   leader[j] = leader_base[j] + leader_slope[j] * q, and likewise the follower's. */
typedef struct {
    double leader_base[UR_ROW], leader_slope[UR_ROW], follower_base[UR_ROW], follower_slope[UR_ROW];
    const double *best[5], *chance[5];      /* by roll: of the moves to other blocks; 0 if the turn passes */
} ur_row;

/* One candidate of the follower's column j, which is a constant wherever this is used. */
#define UR_TRY(best, possible, value)                \
    if (possible) {                                  \
        double candidate = (value);                  \
        best = candidate < best ? candidate : best;  \
    }
#define UR_ENTER(best, s, turn) \
    UR_TRY(best, hand && !(mask & (1 << (s - 1))), turn[UR_RANK[mask | (1 << (s - 1))]])
#define UR_STEP(best, s, t, turn)                                             \
    UR_TRY(best, (mask & (1 << (s - 1))) && !(mask & (1 << (t - 1))),         \
           turn[UR_RANK[mask ^ (1 << (s - 1)) ^ (1 << (t - 1))]])

UR_ALWAYS void ur_relax_pair(const ur_row *row, double *restrict leader, double *restrict follower, const int j,
                             const int hand) {
    const unsigned mask = UR_MASK[j];
    double b1 = row->best[1][j], b2 = row->best[2][j], b3 = row->best[3][j], b4 = row->best[4][j];
    UR_ENTER(b1, 1, leader)
    UR_ENTER(b2, 2, leader)
    UR_ENTER(b3, 3, leader)
    UR_ENTER(b4, 4, follower)
    UR_STEP(b1, 1, 2, leader)
    UR_STEP(b1, 2, 3, leader)
    UR_STEP(b1, 3, 4, follower)
    UR_STEP(b2, 1, 3, leader)
    UR_STEP(b2, 2, 4, follower)
    UR_STEP(b3, 1, 4, follower)
    double backup = (row->chance[1][j] * b1 + row->chance[2][j] * b2)
                    + (row->chance[3][j] * b3 + row->chance[4][j] * b4);
    leader[j] = row->leader_base[j] + row->leader_slope[j] * backup;
    follower[j] = row->follower_base[j] + row->follower_slope[j] * backup;
}

/* `vectors` and the range of `free` belong together: see ur_relax_block. */
UR_ALWAYS double ur_relax_rows(const ur_block *block, double omega, const int vectors) {
    const int lanes = UR_LANES * vectors;
    const int width = block->width, height = block->height;
    const int free = vectors < 4 ? vectors - 1 : block->follower_free;
    const int with = vectors < 4 ? UR_WITH_COUNT[vectors - 1] : 8;
    double most[5][UR_ROW * UR_ROW], least[5][UR_ROW * UR_ROW];     /* best successors by roll */
    double before[2][UR_ROW * UR_ROW];
    double chance[5][UR_ROW], leader_pass[UR_ROW], follower_pass[UR_ROW], inverse[UR_ROW];
    double inverse_of = -1.0;
    ur_lanes change = UR_ALL(0.0);
    ur_row row;

    for (int v = 0; v < 4; v++) UR_PUT(leader_pass, v) = UR_PUT(follower_pass, v) = (ur_lanes)UR_ALL(1.0);
    for (int roll = 1; roll <= 4; roll++) {
        unsigned rows = ur_movable(&block->leader, block->leader_free, roll);
        unsigned columns = ur_movable(&block->follower, free, roll);
        for (int v = 0; v < 4; v++)
            UR_PUT(leader_pass, v) -= UR_CHANCE[roll] * UR_AT(UR_SPREAD[(rows >> 4 * v) & 15], 0);
        for (int v = 0; v < vectors; v++) {
            UR_PUT(chance[roll], v) = UR_CHANCE[roll] * UR_AT(UR_SPREAD[(columns >> 4 * v) & 15], 0);
            UR_PUT(follower_pass, v) -= UR_AT(chance[roll], v);
        }
        ur_far_max(most[roll], &block->leader, roll, height, vectors);
        ur_far_min(least[roll], &block->follower, roll, height, vectors);
    }

    /* From the entry squares to the lane: from square s to t. */
    for (int t = 5; t <= 8; t++) {
        const double *lane = block->leader.lane[t - 5];
        if (!lane) continue;
        for (int s = t - 4; s <= 4; s++)
            for (int n = 0; n < UR_WITH_COUNT[block->leader_free]; n++) {
                const double *from = lane + UR_WITHOUT[s][n] * block->leader.lane_stride[t - 5];
                double *out = most[t - s] + UR_WITH[s][n] * lanes;
                for (int v = 0; v < vectors; v++) UR_PUT(out, v) = UR_MAX(UR_AT(from, v), UR_AT(out, v));
            }
    }
    if (vectors > 1)
        for (int t = 5; t <= 8; t++) {
            const double *lane = block->follower.lane[t - 5];
            if (!lane) continue;
            for (int i = 0; i < height; i++, lane += block->follower.lane_stride[t - 5])
                for (int s = t - 4; s <= 4; s++) {
                    double *out = least[t - s] + i * lanes;
                    for (int n = 0; n < with; n++) {
                        double value = lane[UR_WITHOUT[s][n]];
                        int j = UR_WITH[s][n];
                        out[j] = value < out[j] ? value : out[j];
                    }
                }
        }

    for (int i = height - 1; i >= 0; i--) {
        double *leader_turn = block->leader_turn + i * width;
        double *follower_turn = block->follower_turn + i * width;

        /* The leader's moves inside the block. */
        const ur_steps *steps = &UR_STEPS[UR_COUNT[i] < block->leader_free][i];
        for (int n = 0; n < steps->count; n++) {
            const double *from = (steps->again[n] ? block->leader_turn : block->follower_turn) + steps->to[n] * width;
            double *out = most[steps->roll[n]] + i * lanes;
            for (int v = 0; v < vectors; v++) UR_PUT(out, v) = UR_MAX(UR_AT(from, v), UR_AT(out, v));
        }

        /* Its backup; the pair of turns in closed form, over-relaxed, up to the follower's backup. */
        const double pass = leader_pass[i];
        if (pass != inverse_of) {
            for (int v = 0; v < vectors; v++) UR_PUT(inverse, v) = omega / (1.0 - pass * UR_AT(follower_pass, v));
            inverse_of = pass;
        }
        for (int v = 0; v < vectors; v++) {
            ur_lanes backup = (UR_CHANCE[1] * UR_AT(most[1] + i * lanes, v) + UR_CHANCE[2] * UR_AT(most[2] + i * lanes, v))
                              + (UR_CHANCE[3] * UR_AT(most[3] + i * lanes, v) + UR_CHANCE[4] * UR_AT(most[4] + i * lanes, v));
            ur_lanes scaled = UR_AT(inverse, v) * backup;
            UR_PUT(before[0] + i * lanes, v) = UR_AT(leader_turn, v);
            UR_PUT(before[1] + i * lanes, v) = UR_AT(follower_turn, v);
            UR_PUT(row.leader_base, v) = scaled + (1.0 - omega) * UR_AT(leader_turn, v);
            UR_PUT(row.leader_slope, v) = pass * UR_AT(inverse, v);
            UR_PUT(row.follower_base, v) = UR_AT(follower_pass, v) * scaled + (1.0 - omega) * UR_AT(follower_turn, v);
            UR_PUT(row.follower_slope, v) = UR_AT(inverse, v);
        }

        /* The follower's moves inside the row, from the highest column down. */
        for (int roll = 1; roll <= 4; roll++) row.best[roll] = least[roll] + i * lanes, row.chance[roll] = chance[roll];
#define UR_PAIR(j, hand) ur_relax_pair(&row, leader_turn, follower_turn, j, hand);
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
    }

    /* The largest change: only now, because wide loads of what was just written in single values wait for it. */
    for (int i = 0; i < height; i++)
        for (int v = 0; v < vectors; v++) {
            const ur_bits inside = (ur_bits)(UR_AT(UR_SPREAD[((1u << width) - 1) >> 4 * v & 15], 0) > 0.0);
            ur_lanes a = UR_AT(block->leader_turn + i * width, v) - UR_AT(before[0] + i * lanes, v);
            ur_lanes b = UR_AT(block->follower_turn + i * width, v) - UR_AT(before[1] + i * lanes, v);
            a = UR_MAX(UR_MAX(a, -a), UR_MAX(b, -b));
            a = (ur_lanes)((ur_bits)a & inside);
            change = UR_MAX(a, change);
        }
    double largest = 0.0;
    for (int k = 0; k < UR_LANES; k++) largest = change[k] > largest ? change[k] : largest;
    return largest;
}

/* Asks for the start of every run of successors; the rest follows in order, which the hardware sees by itself. */
UR_ALWAYS void ur_fetch(const ur_moves *moves) {
    for (int roll = 1; roll <= 4; roll++)
        for (int m = 0; m < moves->count[roll]; m++)
            for (int line = 0; line < UR_FETCH; line++) __builtin_prefetch(moves->to[roll][m] + 8 * line);
    for (int t = 0; t < 4; t++)
        if (moves->lane[t])
            for (int line = 0; line < UR_FETCH; line++) __builtin_prefetch(moves->lane[t] + 8 * line);
}
static inline void ur_fetch_block(const ur_block *block) {
    ur_fetch(&block->leader);
    ur_fetch(&block->follower);
}

/* Updates a block in place, over-relaxed by omega; returns the largest change of a value. */
UR_CLONES static double ur_relax_block(const ur_block *block, double omega) {
    switch (block->follower_free) {
    case 0: return ur_relax_rows(block, omega, 1);
    case 1: return ur_relax_rows(block, omega, 2);
    case 2: return ur_relax_rows(block, omega, 3);
    default: return ur_relax_rows(block, omega, 4);
    }
}

#endif
