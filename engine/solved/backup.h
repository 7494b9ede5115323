/* One backup of the Bellman equation in float32, for a GPU: one source for C, CUDA and Metal.
 *
 * A layer is an array of the leader's win probabilities in the order of order.pxd: first where the leader is to
 * move, then where the follower is, in layers of equal scores too. A sweep reads one array and writes another.
 */
#ifndef UR_BACKUP_H
#define UR_BACKUP_H

#include "solved/placements.h"

/* What a sweep over one layer reads. */
typedef struct {
    ur_order order;
    int leader, follower;               /* pieces left, leader <= follower */
    UR_READ float *values;              /* the layer before the sweep */
    UR_READ float *leader_off;          /* the layer with one piece of the leader's less */
    UR_READ float *follower_off;        /* of the follower's; in a layer of equal scores the same as leader_off */
    int size, leader_off_size, follower_off_size;           /* of one turn */
} ur_layer;

/* The leader's win probability after a move; the squares are those after it. off: whether it bore a piece off, again:
 * whether the side that moved rolls again. */
UR_INLINE float ur_after(UR_LOCAL const ur_layer *layer, int follows, int off, int again, unsigned int leader_squares,
                         unsigned int follower_squares)
{
    int leader = layer->leader, follower = layer->follower;
    if (!off)
        return layer->values[(follows == again ? layer->size : 0)
                             + ur_place(&layer->order, leader, follower, leader_squares, follower_squares)];
    if (!follows && leader == 1)
        return 1.0f;
    if (!follows)
        return layer->leader_off[layer->leader_off_size
                                 + ur_place(&layer->order, leader - 1, follower, leader_squares, follower_squares)];
    if (leader < follower)
        return layer->follower_off[ur_place(&layer->order, leader, follower - 1, leader_squares, follower_squares)];
    /* The follower now leads. */
    return follower == 1 ? 0.0f
                         : 1.0f - layer->follower_off[layer->follower_off_size
                                                      + ur_place(&layer->order, follower - 1, leader,
                                                                 follower_squares, leader_squares)];
}

/* Both turns of a placement, solved together, as all other values of the layer stand. */
UR_INLINE void ur_backup(UR_LOCAL const ur_rules *rules, UR_LOCAL const ur_layer *layer, unsigned int leader_squares,
                         unsigned int follower_squares, UR_LOCAL float *leader_turn, UR_LOCAL float *follower_turn)
{
    float moves[2], pass[2];
    for (int follows = 0; follows < 2; follows++) {
        unsigned int own = follows ? follower_squares : leader_squares;
        unsigned int opp = follows ? leader_squares : follower_squares;
        int hand = (follows ? layer->follower : layer->leader) - ur_popcount(own);
        int passes = ur_ways(rules, 0);
        float sum = 0;
        for (int roll = 1; roll <= UR_MAX_ROLL; roll++) {
            unsigned int targets = ur_targets(rules, own, opp, hand, roll);
            float best = follows ? 1.0f : 0.0f;
            if (targets == 0) {
                passes += ur_ways(rules, roll);
                continue;
            }
            for (; targets; targets &= targets - 1) {
                unsigned int on = targets & (~targets + 1);
                unsigned int after = ((own ^ on >> roll) | on) & rules->path;
                unsigned int captured = opp & ur_theirs(rules, on), left = opp ^ captured;
                int square = ur_lowest(on), again = ur_grants_roll(rules, square, captured);
                float value = ur_after(layer, follows, square == rules->borne_off, again, follows ? left : after,
                                       follows ? after : left);
                best = (value > best) != follows ? value : best;
            }
            sum += (float)ur_ways(rules, roll) * best;
        }
        moves[follows] = sum / UR_OUTCOMES;
        pass[follows] = (float)passes / UR_OUTCOMES;
    }
    *leader_turn = (moves[0] + pass[0] * moves[1]) / (1 - pass[0] * pass[1]);
    *follower_turn = moves[1] + pass[1] * *leader_turn;
}

#endif
