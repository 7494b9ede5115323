"""Looking ahead with a network: expectiminimax over the rolls and the replies, with the network's values as leaves.

A position's value some turns ahead is the mean over the rolls of the best reply's. Leaves of one chance node go
through the network together, and a search remembers the values that it has computed. As in GNU Backgammon, a move
filter leaves moves out of the deeper search that look clearly worse.
"""

from libc.stdint cimport uint64_t
from libc.string cimport memset
from engine.core.position cimport *
from engine.network.layers cimport win_probabilities, win_probability
from engine.network.lookahead cimport *


cdef extern from *:
    """
    #define UR_FILTER 0.02
    """
    const double FILTER "UR_FILTER"     # MOVE_FILTER

#: Win probability by which a move may look worse than the best and still be searched deeper.
MOVE_FILTER = FILTER


cdef inline uint64_t memo_key(const Board* board, int depth) noexcept nogil:
    return pack(board) | <uint64_t> (depth + 1) << 48


cdef inline Memo* memo_slot(Memo* memo, uint64_t key) noexcept nogil:
    return &memo[(key * <uint64_t> 0x9E3779B97F4A7C15) >> (64 - MEMO_BITS)]


cdef inline int successors_of(const Board* board, int roll, int* squares, Board* next, bint* same) noexcept nogil:
    """Where the legal moves lead, ascending squares, and whether the mover is to roll again; a pass is no move."""
    cdef unsigned int sources = legal_sources(board, roll)
    cdef int count = 0
    while sources:
        squares[count] = lowest(sources)
        next[count] = successor(board[0], squares[count], roll)
        same[count] = grants_roll(board, squares[count], roll)
        sources &= sources - 1
        count += 1
    return count


cdef void find_leaves(const Board* board, Leaves* leaves) noexcept nogil:
    """Sets all of `leaves` but the values."""
    cdef int roll, i = 0, count
    leaves.choice = False
    for roll in range(MAX_ROLL + 1):
        leaves.start[roll] = i
        if ways(rules_of(board), roll) == 0:
            continue
        count = successors_of(board, roll, &leaves.squares[i], &leaves.next[i], &leaves.same[i])
        if count == 0:
            leaves.squares[i] = NO_MOVE
            leaves.next[i] = swap_sides(board[0])
            leaves.same[i] = False
            count = 1
        leaves.choice = leaves.choice or count > 1
        i += count
    leaves.start[MAX_ROLL + 1] = i


cdef void value_leaves(const Net* net, Leaves* leaves) noexcept nogil:
    """Sets the values; all go through the network together."""
    leaf_values(net, NULL, leaves.next, leaves.same, leaves.start[MAX_ROLL + 1], leaves.values)


cdef void leaf_values(const Net* net, Memo* memo, const Board* boards, const bint* same, int count,
                      double* values) noexcept nogil:
    """The network's values of successors for the side that moved; MAX_LEAVES of them at most, `memo` may be NULL."""
    cdef Board[MAX_LEAVES] missing
    cdef uint64_t keys[MAX_LEAVES]
    cdef double missing_values[MAX_LEAVES]
    cdef int which[MAX_LEAVES]      # of the missing ones, or -1
    cdef uint64_t key
    cdef Memo* slot
    cdef int i, k
    cdef int n = 0
    for i in range(count):
        which[i] = -1
        if is_over(&boards[i]):
            values[i] = has_won(&boards[i])
            continue
        key = memo_key(&boards[i], 0)
        if memo != NULL:
            slot = memo_slot(memo, key)
            if slot.key == key:
                values[i] = slot.value
                continue
        k = 0
        while k < n and keys[k] != key:
            k += 1
        if k == n:
            keys[n] = key
            missing[n] = boards[i]
            n += 1
        which[i] = k
    win_probabilities(net, missing, n, missing_values)
    if memo != NULL:
        for k in range(n):
            slot = memo_slot(memo, keys[k])
            slot.key = keys[k]
            slot.value = missing_values[k]
    for i in range(count):
        if which[i] >= 0:
            values[i] = missing_values[which[i]]
        if not same[i]:
            values[i] = 1 - values[i]


cdef double best_leaf(const Leaves* leaves, int roll) noexcept nogil:
    """The highest of the values of a roll that the dice can show."""
    cdef double best = leaves.values[leaves.start[roll]]
    cdef int i
    for i in range(leaves.start[roll] + 1, leaves.start[roll + 1]):
        best = max(best, leaves.values[i])
    return best


cdef double after_value(const Net* net, Memo* memo, const Board* board, bint same, int depth) noexcept nogil:
    """The value of a successor for the side that moved, `depth` turns ahead."""
    cdef double value = chance(net, memo, board, depth)
    return value if same else 1 - value


cdef double look_deeper(const Net* net, Memo* memo, const Board* next, const bint* same, int count, int depth,
                        double* values) noexcept nogil:
    """Replaces the network's values by those `depth` turns ahead, until no other move looks better or nearly as good
    as the best of them; returns its value.
    """
    cdef bint[MAX_MOVES] deep
    cdef double best = -1, limit = -1
    cdef int i, pick
    for i in range(count):
        deep[i] = False
        limit = max(limit, values[i] - FILTER)
    while True:
        pick = -1
        for i in range(count):
            if not deep[i] and (pick < 0 or values[i] > values[pick]):
                pick = i
        if pick < 0 or (values[pick] < limit and values[pick] <= best):
            return best
        deep[pick] = True
        values[pick] = after_value(net, memo, &next[pick], same[pick], depth)
        best = max(best, values[pick])


cdef double chance(const Net* net, Memo* memo, const Board* board, int depth) noexcept nogil:
    """The win probability of the side to move before its roll, looking `depth` turns ahead, 1 or more."""
    cdef Leaves leaves
    cdef uint64_t key
    cdef Memo* slot
    cdef double best, total = 0
    cdef int roll, first, count
    if is_over(board):
        return has_won(board)
    key = memo_key(board, depth)
    slot = memo_slot(memo, key)
    if slot.key == key:
        return slot.value
    find_leaves(board, &leaves)
    if depth == 1 or leaves.choice:
        leaf_values(net, memo, leaves.next, leaves.same, leaves.start[MAX_ROLL + 1], leaves.values)
    for roll in range(MAX_ROLL + 1):
        first = leaves.start[roll]
        count = leaves.start[roll + 1] - first
        if count == 0:
            continue
        if depth == 1:
            best = best_leaf(&leaves, roll)
        elif count == 1:
            best = after_value(net, memo, &leaves.next[first], leaves.same[first], depth - 1)
        else:
            best = look_deeper(
                net, memo, &leaves.next[first], &leaves.same[first], count, depth - 1, &leaves.values[first]
            )
        total += ways(rules_of(board), roll) * best
    slot.key = key
    slot.value = total / OUTCOMES
    return total / OUTCOMES


cdef double chance_value(const Net* net, const Board* board, int depth) noexcept nogil:
    """The win probability of the side to move before its roll, looking `depth` turns ahead; 0: the network's own."""
    cdef Memo[MEMO] memo
    if depth == 0:
        return win_probability(net, board)
    memset(memo, 0, sizeof(memo))
    return chance(net, memo, board, depth)


cdef int network_moves(
    const Net* net, const Board* board, int roll, int depth, int* squares, double* values
) noexcept nogil:
    """Values every legal move, ascending squares, with `depth` turns of look-ahead (at least 1); returns how many.

    Beyond the first turn only the moves that the move filter lets through are looked at: the others, which keep the
    network's own value, are below the best of them.
    """
    cdef Memo[MEMO] memo
    cdef Board[MAX_MOVES] next
    cdef bint[MAX_MOVES] same
    cdef int count = successors_of(board, roll, squares, next, same)
    if depth == 1:
        leaf_values(net, NULL, next, same, count, values)
    elif count:
        memset(memo, 0, sizeof(memo))
        leaf_values(net, memo, next, same, count, values)
        look_deeper(net, memo, next, same, count, depth - 1, values)
    return count
