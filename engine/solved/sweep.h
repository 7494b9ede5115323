/* The inner loop of the solver: one update of one block of positions (order.pxd says what a block is).

   Rows are the leader's entry masks, columns the follower's, both by rank. A move of one side never touches the
   other's entry mask, so that every successor of a row is a row again: the leader's backup is a maximum over
   contiguous rows. The follower's moves inside its entry squares change the column; they are done one by one. */

#ifndef UR_SWEEP_H
#define UR_SWEEP_H

#include <stddef.h>
#include <stdint.h>

#include "core/rules.h"
#include "machine/clones.h"
#include "solved/placements.h"

#define UR_ALWAYS static inline __attribute__((always_inline))

enum {
    UR_ROW = UR_ENTRY_MASKS,    /* the length of the longest row */
    UR_SLACK = 16,  /* rows are read in whole vectors: so many doubles past the end of an array are touched */
    UR_FETCH = 2,   /* cache lines asked for ahead at each run of successors; 4, 8 and 16 are no better */
    UR_ROLLS = UR_MAX_ROLL + 1
};

/* The unrolled moves of `ur_relax_pair` are those of four entry squares, the last a rosette, and of rolls up to 4; that
   a rule set has these rosettes, order.pyx checks. */
#if UR_ENTRY_SQUARES != 4 || UR_MAX_ROLL != 4
#error "other entry squares or other rolls"
#endif

/* What one side can reach from a block, by roll: rows of successors, all read at the same row number. */
typedef struct {
    int count[UR_ROLLS];
    const double *to[UR_ROLLS][UR_SIDE_COUNTS];
    ptrdiff_t stride[UR_ROLLS][UR_SIDE_COUNTS];
    const double *lane[UR_ENTRY_SQUARES];   /* the block after an entry piece has landed on square 5 to 8, or NULL */
    ptrdiff_t lane_stride[UR_ENTRY_SQUARES];
} ur_moves;

typedef struct {
    double *leader_turn, *follower_turn;    /* the leader's win probability, by whose turn it is */
    int height, width;
    int leader_free, follower_free;         /* pieces for hand and entry squares */
    const double *chance;                   /* of each roll */
    ur_moves leader, follower;
} ur_block;

/* Tables about entry masks, by rank; `ur_fill_tables` fills them. A square is an entry square, 1 to 4. */
static uint8_t UR_COUNT[UR_ROW];                        /* pieces of the mask */
static uint8_t UR_WITH[UR_ENTRY_SQUARES + 1][UR_ROW / 2];       /* by square: ranks of the masks with a piece there */
static uint8_t UR_WITHOUT[UR_ENTRY_SQUARES + 1][UR_ROW / 2];    /* and the ranks of these masks without it */
static uint8_t UR_WITH_COUNT[UR_SIDE_COUNTS];            /* how many of them have at most so many pieces */
static uint16_t UR_WITH_BITS[UR_ENTRY_SQUARES + 1];     /* the same ranks as bits */

/* Ranks with a move inside the entry squares, as bits, by free pieces (the last: that many or more) and roll. */
static uint16_t UR_INSIDE[UR_ENTRY_SQUARES + 2][UR_ROLLS];

/* The moves from a row to another of the same block, without and with pieces in hand, by rank. */
typedef struct {
    uint8_t count, roll[10], to[10], again[10];
} ur_steps;
static ur_steps UR_STEPS[2][UR_ROW];

static void ur_fill_row_steps(ur_steps *steps, unsigned mask, int hand) {
    for (int s = 0; s < UR_ENTRY_SQUARES; s++)
        for (int t = s + 1; t <= UR_ENTRY_SQUARES; t++) {
            unsigned from = 1u << s >> 1, on = 1u << (t - 1);
            if ((s ? !(mask & from) : !hand) || mask & on) continue;
            steps->roll[steps->count] = (uint8_t)(t - s);
            steps->to[steps->count] = (uint8_t)ur_rank(mask ^ from ^ on);
            steps->again[steps->count++] = t == UR_ENTRY_SQUARES;
        }
}

static void ur_fill_tables(void) {
    for (int s = 1; s <= UR_ENTRY_SQUARES; s++) {
        int n = 0;
        for (int i = 0; i < UR_ROW; i++)
            if (ur_mask(i) >> (s - 1) & 1) {
                UR_WITH[s][n] = (uint8_t)i;
                UR_WITHOUT[s][n++] = (uint8_t)ur_rank(ur_mask(i) ^ 1u << (s - 1));
                UR_WITH_BITS[s] |= (uint16_t)(1 << i);
            }
    }
    for (int free = 0; free < UR_SIDE_COUNTS; free++)
        for (UR_WITH_COUNT[free] = 0; UR_WITH_COUNT[free] < UR_ROW / 2; UR_WITH_COUNT[free]++)
            if (ur_popcount(ur_mask(UR_WITH[1][UR_WITH_COUNT[free]])) > free) break;
    for (int i = 0; i < UR_ROW; i++) {
        UR_COUNT[i] = (uint8_t)ur_popcount(ur_mask(i));
        for (int hand = 0; hand < 2; hand++) {
            ur_steps *steps = &UR_STEPS[hand][i];
            steps->count = 0;
            ur_fill_row_steps(steps, ur_mask(i), hand);
            for (int n = 0; n < steps->count; n++)
                for (int free = UR_COUNT[i] + hand; free <= (hand ? UR_ENTRY_SQUARES + 1 : UR_COUNT[i]); free++)
                    UR_INSIDE[free][steps->roll[n]] |= (uint16_t)(1 << i);
        }
    }
}

#define UR_NONE 2.0   /* above every probability: no move of the follower */

/* Four lanes of a row. Explicit vectors: left to itself, GCC makes scalars of such short loops. */
typedef double ur_lanes __attribute__((vector_size(32), aligned(8), may_alias));
typedef int64_t ur_bits __attribute__((vector_size(32)));
enum { UR_DOUBLES = 4 };    /* of a vector */
#define UR_AT(row, v) (*(const ur_lanes *)((row) + UR_DOUBLES * (v)))
#define UR_PUT(row, v) (*(ur_lanes *)((row) + UR_DOUBLES * (v)))
#define UR_BETTER(a, than, b)                                                       \
    __extension__({                                                                 \
        const ur_lanes a_ = (a), b_ = (b);                                          \
        const ur_bits mask_ = (ur_bits)(a_ than b_);                                \
        (ur_lanes)((mask_ & (ur_bits)a_) | (~mask_ & (ur_bits)b_));                 \
    })
#define UR_MAX(a, b) UR_BETTER(a, >, b)
#define UR_MIN(a, b) UR_BETTER(a, <, b)
#define UR_ALL(x) {x, x, x, x}

static const double UR_SPREAD[16][UR_DOUBLES] = {
    {0, 0, 0, 0}, {1, 0, 0, 0}, {0, 1, 0, 0}, {1, 1, 0, 0}, {0, 0, 1, 0}, {1, 0, 1, 0}, {0, 1, 1, 0}, {1, 1, 1, 0},
    {0, 0, 0, 1}, {1, 0, 0, 1}, {0, 1, 0, 1}, {1, 1, 0, 1}, {0, 0, 1, 1}, {1, 0, 1, 1}, {0, 1, 1, 1}, {1, 1, 1, 1}};

/* out[row] = the best over the moves to other blocks, by one roll; `none` without any. */
#define UR_FAR(name, BEST, none)                                                                          \
    UR_ALWAYS void name(double *out, const ur_moves *moves, int roll, int height, const int vectors) {    \
        const int count = moves->count[roll];                                                             \
        const double *const *to = moves->to[roll];                                                        \
        const ptrdiff_t *stride = moves->stride[roll];                                                    \
        const ur_lanes nothing = UR_ALL(none);                                                            \
        double *end = out + height * UR_DOUBLES * vectors;                                                  \
        if (count == 0) {                                                                                 \
            for (double *o = out; o < end; o += UR_DOUBLES) UR_PUT(o, 0) = nothing;                         \
        } else if (count == 1) {                                                                          \
            const double *a = to[0];                                                                      \
            for (double *o = out; o < end; o += UR_DOUBLES * vectors, a += stride[0])                       \
                for (int v = 0; v < vectors; v++) UR_PUT(o, v) = UR_AT(a, v);                             \
        } else {                                                                                          \
            const double *a = to[0], *b = to[1];                                                          \
            for (double *o = out; o < end; o += UR_DOUBLES * vectors, a += stride[0], b += stride[1])       \
                for (int v = 0; v < vectors; v++) UR_PUT(o, v) = BEST(UR_AT(a, v), UR_AT(b, v));          \
        }                                                                                                 \
        for (int m = 2; m < count; m++) {                                                                 \
            const double *a = to[m];                                                                      \
            for (double *o = out; o < end; o += UR_DOUBLES * vectors, a += stride[m])                       \
                for (int v = 0; v < vectors; v++) UR_PUT(o, v) = BEST(UR_AT(a, v), UR_AT(o, v));          \
        }                                                                                                 \
    }
UR_FAR(ur_far_max, UR_MAX, 0.0)
UR_FAR(ur_far_min, UR_MIN, UR_NONE)

/* The rows (columns), as bits by rank, from which a side has a move by a roll. */
UR_ALWAYS unsigned ur_movable(const ur_moves *moves, int free, int roll) {
    const int known = free <= UR_ENTRY_SQUARES ? free : UR_ENTRY_SQUARES + 1;
    unsigned masks = moves->count[roll] ? 0xFFFF : UR_INSIDE[known][roll];
    for (int t = UR_LANE_START; t < UR_LANE_START + roll; t++)
        if (moves->lane[t - UR_LANE_START]) masks |= UR_WITH_BITS[t - roll];
    return masks;
}

/* A row while its columns are updated. What the follower's backup q of a column makes of the two turns is linear:
   leader[j] = leader_base[j] + leader_slope[j] * q, and likewise the follower's. */
typedef struct {
    double leader_base[UR_ROW], leader_slope[UR_ROW], follower_base[UR_ROW], follower_slope[UR_ROW];
    const double *best[UR_ROLLS], *chance[UR_ROLLS];  /* by roll: of the moves to other blocks; 0 if the turn passes */
} ur_row;

/* One candidate of the follower's column j, which is a constant wherever this is used. */
#define UR_TRY(best, possible, value)                \
    if (possible) {                                  \
        double candidate = (value);                  \
        best = candidate < best ? candidate : best;  \
    }
#define UR_ENTER(best, s, turn) \
    UR_TRY(best, hand && !(mask & (1 << (s - 1))), turn[ur_rank(mask | (1 << (s - 1)))])
#define UR_STEP(best, s, t, turn)                                             \
    UR_TRY(best, (mask & (1 << (s - 1))) && !(mask & (1 << (t - 1))),         \
           turn[ur_rank(mask ^ (1 << (s - 1)) ^ (1 << (t - 1)))])

UR_ALWAYS void ur_relax_pair(const ur_row *row, double *restrict leader, double *restrict follower, const int j,
                             const int hand) {
    const unsigned mask = ur_mask(j);
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

/* The best successors of a block's rows, and what the update of a row needs. A row has `vectors` vectors: its columns
   are the masks of vectors - 1 free pieces, or of 3 and more. */
typedef struct {
    double most[UR_ROLLS][UR_ROW * UR_ROW];     /* by roll, of the leader's moves */
    double least[UR_ROLLS][UR_ROW * UR_ROW];    /* and of the follower's moves to other blocks */
    double before[2][UR_ROW * UR_ROW];      /* the values before the update, by turn */
    double chance[UR_ROLLS][UR_ROW];        /* of a roll, by column; 0 if the follower's turn passes */
    double leader_pass[UR_ROW], follower_pass[UR_ROW];  /* the chance that the turn passes */
    double inverse[UR_ROW], inverse_of;     /* omega / (1 - the chance that both pass), for the leader's chance */
} ur_work;

/* The chances of a pass, and the best moves to and on the far squares. */
UR_ALWAYS void ur_list_far(ur_work *work, const ur_block *block, const int free, const int vectors) {
    work->inverse_of = -1.0;
    for (int v = 0; v < 4; v++) UR_PUT(work->leader_pass, v) = UR_PUT(work->follower_pass, v) = (ur_lanes)UR_ALL(1.0);
    for (int roll = 1; roll <= UR_MAX_ROLL; roll++) {
        unsigned rows = ur_movable(&block->leader, block->leader_free, roll);
        unsigned columns = ur_movable(&block->follower, free, roll);
        for (int v = 0; v < 4; v++)
            UR_PUT(work->leader_pass, v) -= block->chance[roll] * UR_AT(UR_SPREAD[(rows >> 4 * v) & 15], 0);
        for (int v = 0; v < vectors; v++) {
            UR_PUT(work->chance[roll], v) = block->chance[roll] * UR_AT(UR_SPREAD[(columns >> 4 * v) & 15], 0);
            UR_PUT(work->follower_pass, v) -= UR_AT(work->chance[roll], v);
        }
        ur_far_max(work->most[roll], &block->leader, roll, block->height, vectors);
        ur_far_min(work->least[roll], &block->follower, roll, block->height, vectors);
    }
}

/* The leader's moves from entry square s to square t of the lane. */
UR_ALWAYS void ur_enter_leader(ur_work *work, const ur_block *block, int s, int t, const int vectors) {
    const int lanes = UR_DOUBLES * vectors;
    const double *lane = block->leader.lane[t - UR_LANE_START];
    const ptrdiff_t stride = block->leader.lane_stride[t - UR_LANE_START];
    for (int n = 0; n < UR_WITH_COUNT[block->leader_free]; n++) {
        const double *from = lane + UR_WITHOUT[s][n] * stride;
        double *out = work->most[t - s] + UR_WITH[s][n] * lanes;
        for (int v = 0; v < vectors; v++) UR_PUT(out, v) = UR_MAX(UR_AT(from, v), UR_AT(out, v));
    }
}

/* The follower's, in one row; `with` is the number of columns with a piece on s. */
UR_ALWAYS void ur_enter_follower(double *out, const double *lane, int s, const int with) {
    for (int n = 0; n < with; n++) {
        double value = lane[UR_WITHOUT[s][n]];
        int j = UR_WITH[s][n];
        out[j] = value < out[j] ? value : out[j];
    }
}

/* Both sides' moves from the entry squares to the lane. */
UR_ALWAYS void ur_list_entries(ur_work *work, const ur_block *block, const int vectors) {
    const int lanes = UR_DOUBLES * vectors;
    const int with = vectors < 4 ? UR_WITH_COUNT[vectors - 1] : UR_ROW / 2;
    const int last = UR_LANE_START + UR_MAX_ROLL - 1;
    for (int t = UR_LANE_START; t <= last; t++)
        if (block->leader.lane[t - UR_LANE_START])
            for (int s = t - UR_MAX_ROLL; s <= UR_ENTRY_SQUARES; s++) ur_enter_leader(work, block, s, t, vectors);
    if (vectors == 1) return;
    for (int t = UR_LANE_START; t <= last; t++) {
        const double *lane = block->follower.lane[t - UR_LANE_START];
        if (!lane) continue;
        for (int i = 0; i < block->height; i++, lane += block->follower.lane_stride[t - UR_LANE_START])
            for (int s = t - UR_MAX_ROLL; s <= UR_ENTRY_SQUARES; s++)
                ur_enter_follower(work->least[t - s] + i * lanes, lane, s, with);
    }
}

/* The leader's part of row i: its moves inside the block, its backup, and the pair of turns in closed form,
   over-relaxed, up to the follower's backup. */
UR_ALWAYS void ur_relax_leader(ur_work *work, ur_row *row, const ur_block *block, int i, double omega,
                               const int vectors) {
    const int lanes = UR_DOUBLES * vectors, width = block->width;
    const double *leader_turn = block->leader_turn + i * width, *follower_turn = block->follower_turn + i * width;
    const ur_steps *steps = &UR_STEPS[UR_COUNT[i] < block->leader_free][i];
    for (int n = 0; n < steps->count; n++) {
        const double *from = (steps->again[n] ? block->leader_turn : block->follower_turn) + steps->to[n] * width;
        double *out = work->most[steps->roll[n]] + i * lanes;
        for (int v = 0; v < vectors; v++) UR_PUT(out, v) = UR_MAX(UR_AT(from, v), UR_AT(out, v));
    }
    const double pass = work->leader_pass[i];
    if (pass != work->inverse_of) {
        for (int v = 0; v < vectors; v++)
            UR_PUT(work->inverse, v) = omega / (1.0 - pass * UR_AT(work->follower_pass, v));
        work->inverse_of = pass;
    }
#define UR_TERM(roll) block->chance[roll] * UR_AT(work->most[roll] + i * lanes, v)
    for (int v = 0; v < vectors; v++) {
        ur_lanes scaled = UR_AT(work->inverse, v) * ((UR_TERM(1) + UR_TERM(2)) + (UR_TERM(3) + UR_TERM(4)));
        UR_PUT(work->before[0] + i * lanes, v) = UR_AT(leader_turn, v);
        UR_PUT(work->before[1] + i * lanes, v) = UR_AT(follower_turn, v);
        UR_PUT(row->leader_base, v) = scaled + (1.0 - omega) * UR_AT(leader_turn, v);
        UR_PUT(row->leader_slope, v) = pass * UR_AT(work->inverse, v);
        UR_PUT(row->follower_base, v) =
            UR_AT(work->follower_pass, v) * scaled + (1.0 - omega) * UR_AT(follower_turn, v);
        UR_PUT(row->follower_slope, v) = UR_AT(work->inverse, v);
    }
#undef UR_TERM
}

/* The follower's part of a row: its moves inside the row, from the highest column down. `free` is its free pieces. */
UR_ALWAYS void ur_relax_follower(const ur_row *row, double *leader_turn, double *follower_turn, const int free) {
#define UR_PAIR(j, hand) ur_relax_pair(row, leader_turn, follower_turn, j, hand);
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

/* The largest change of a value of the block. */
UR_ALWAYS double ur_largest_change(const ur_work *work, const ur_block *block, const int vectors) {
    const int lanes = UR_DOUBLES * vectors, width = block->width;
    ur_lanes change = UR_ALL(0.0);
    for (int i = 0; i < block->height; i++)
        for (int v = 0; v < vectors; v++) {
            const ur_bits inside = (ur_bits)(UR_AT(UR_SPREAD[((1u << width) - 1) >> 4 * v & 15], 0) > 0.0);
            ur_lanes a = UR_AT(block->leader_turn + i * width, v) - UR_AT(work->before[0] + i * lanes, v);
            ur_lanes b = UR_AT(block->follower_turn + i * width, v) - UR_AT(work->before[1] + i * lanes, v);
            a = UR_MAX(UR_MAX(a, -a), UR_MAX(b, -b));
            a = (ur_lanes)((ur_bits)a & inside);
            change = UR_MAX(a, change);
        }
    double largest = 0.0;
    for (int k = 0; k < UR_DOUBLES; k++) largest = change[k] > largest ? change[k] : largest;
    return largest;
}

/* `vectors` and the range of `free` belong together: see ur_relax_block. */
UR_ALWAYS double ur_relax_rows(const ur_block *block, double omega, const int vectors) {
    const int lanes = UR_DOUBLES * vectors;
    const int free = vectors < 4 ? vectors - 1 : block->follower_free;
    ur_work work;
    ur_row row;
    ur_list_far(&work, block, free, vectors);
    ur_list_entries(&work, block, vectors);
    for (int i = block->height - 1; i >= 0; i--) {
        ur_relax_leader(&work, &row, block, i, omega, vectors);
        for (int roll = 1; roll <= UR_MAX_ROLL; roll++) {
            row.best[roll] = work.least[roll] + i * lanes;
            row.chance[roll] = work.chance[roll];
        }
        ur_relax_follower(&row, block->leader_turn + i * block->width, block->follower_turn + i * block->width, free);
    }
    /* Only now, because wide loads of what was just written in single values wait for it. */
    return ur_largest_change(&work, block, vectors);
}

/* Asks for the start of every run of successors; the rest follows in order, which the hardware sees by itself. */
UR_ALWAYS void ur_fetch(const ur_moves *moves) {
    for (int roll = 1; roll <= UR_MAX_ROLL; roll++)
        for (int m = 0; m < moves->count[roll]; m++)
            for (int line = 0; line < UR_FETCH; line++) __builtin_prefetch(moves->to[roll][m] + 8 * line);
    for (int t = 0; t < UR_ENTRY_SQUARES; t++)
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
