"""Training rows with exact labels, streamed from the solved game.

A batch is a function of (seed, its number) alone. Its positions are drawn afresh: a share of them from optimal play
with a little exploration, the rest uniformly from all positions that are not over.
"""

import numpy as np

from libc.math cimport exp
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from engine.dice cimport Dice, new_dice, next_roll, next_unit, next_word, roll_of
from engine.features cimport FEATURES, NO_ROLL, feature_bytes
from engine.position cimport *
from engine.tablebase cimport (
    Cursor, Index, Table, Tablebase, count_of, cursor_at, entry_of, move_values, opening, packed_at, read_entry,
)

cdef enum:
    VALUE_STREAM = 3
    POLICY_STREAM = 4
    DRAWS = 4                   # from one block
    GAME = 150                  # decisions of a game of optimal play, about
    ROLL_SHIFT = 48             # of the roll in a packed row


# Finding a random place in the table costs more than all the rest of a row, so a place is used several times: for
# positions of one block, which share their squares 5 to 14. Each position is still drawn uniformly.
ctypedef struct Drawer:
    const Table* table
    int64_t positions           # that the table holds
    int left                    # draws until the next block
    Cursor cursor               # a place in the block
    int64_t start               # the block's first entry, on the leader's turn


cdef inline Drawer new_drawer(const Table* table) noexcept nogil:
    cdef Drawer drawer
    drawer.table = table
    drawer.positions = count_of(table.pieces)
    drawer.left = 0
    return drawer


cdef inline int64_t uniform_entry(Drawer* drawer, Dice* dice) noexcept nogil:
    """The place of any position that is not over, each as likely; the drawer's cursor is there."""
    cdef Cursor* cursor = &drawer.cursor
    cdef const Index* index = drawer.table.index
    cdef uint64_t word
    cdef int64_t entry
    if drawer.left == 0:
        drawer.left = DRAWS
        word = next_word(dice) | (<uint64_t> next_word(dice) << 32)
        entry = <int64_t> (word % <uint64_t> drawer.positions)
        cursor[0] = cursor_at(entry)
        drawer.start = entry - cursor.row * cursor.width - cursor.column
        if cursor.follows:
            drawer.start -= index.size[cursor.leader][cursor.follower]
    drawer.left -= 1
    word = next_word(dice)
    cursor.follows = cursor.leader < cursor.follower and word & 1
    cursor.row = <int> (((word >> 1 & 0xFFFF) * cursor.height) >> 16)
    cursor.column = <int> (((word >> 17) * cursor.width) >> 15)
    entry = drawer.start + cursor.row * cursor.width + cursor.column
    if cursor.follows:
        entry += index.size[cursor.leader][cursor.follower]
    return entry


cdef inline unsigned int nth_source(unsigned int sources, uint32_t word) noexcept nogil:
    """One of the squares of a mask that is not empty, each as likely."""
    cdef int skipped = <int> ((<uint64_t> word * popcount(sources)) >> 32)
    while skipped:
        sources &= sources - 1
        skipped -= 1
    return lowest(sources)


cdef int next_decision(const Table* table, Dice* dice, Board* board, double* values,
                       double* best) noexcept nogil:
    """Plays on to the next decision (two or more legal moves) and returns its roll; `board` is the position there.

    `values` and `best` are those of `move_values`. A game that ends is followed by another from the opening.
    """
    cdef unsigned int sources
    cdef int roll, source
    while True:
        roll = next_roll(dice)
        sources = legal_sources(board, roll)
        if sources & (sources - 1):
            move_values(table, board, roll, values, best)
            return roll
        if sources == 0:
            board[0] = swap_sides(board[0])
            continue
        source = lowest(sources)
        board[0] = successor(board[0], source, roll)
        if is_over(board):
            board[0] = opening(table.pieces)


cdef void play_decision(const Table* table, Dice* dice, double exploration, Board* board, int roll,
                        const double* values, double best) noexcept nogil:
    """Makes the best move of a decision, or any legal one for a share of `exploration`."""
    cdef unsigned int sources = legal_sources(board, roll)
    cdef int source = lowest(sources)
    if next_unit(dice) < exploration:
        source = nth_source(sources, next_word(dice))
    else:
        while values[source] != best:
            sources &= sources - 1
            source = lowest(sources)
    board[0] = successor(board[0], source, roll)
    if is_over(board):
        board[0] = opening(table.pieces)


cdef void begin_anywhere(const Table* table, Dice* dice, double exploration, Board* board) noexcept nogil:
    """Plays from the opening on to any decision of a game: would every batch begin there, openings were too many."""
    cdef int decisions = <int> ((<uint64_t> next_word(dice) * GAME) >> 32)
    cdef double values[16]
    cdef double best
    cdef int roll
    board[0] = opening(table.pieces)
    while decisions:
        decisions -= 1
        roll = next_decision(table, dice, board, values, &best)
        play_decision(table, dice, exploration, board, roll, values, best)


cdef void value_rows(const Table* table, Dice* dice, double exploration, Py_ssize_t played, Py_ssize_t count,
                     uint8_t* features, float* targets, uint32_t* entries) noexcept nogil:
    """Positions before their roll: the first `played` are any successors of decisions of play, the rest uniform.

    Writes their places in the table if `entries` is not NULL, otherwise features and targets.
    """
    cdef Board board, drawn
    cdef double values[16]
    cdef double best
    cdef Drawer drawer = new_drawer(table)
    cdef Py_ssize_t i
    cdef int64_t entry
    cdef int roll
    cdef bint flipped
    if played:
        begin_anywhere(table, dice, exploration, &board)
    for i in range(count):
        if i < played:
            roll = next_decision(table, dice, &board, values, &best)
            drawn = successor(board, nth_source(legal_sources(&board, roll), next_word(dice)), roll)
            play_decision(table, dice, exploration, &board, roll, values, best)
            # Who has a choice has two pieces: the game is not over after it.
            entry = entry_of(table.index, &drawn, &flipped)
        else:
            entry = uniform_entry(&drawer, dice)
            flipped = drawer.cursor.follows
        if entries != NULL:
            entries[i] = <uint32_t> entry
            continue
        if i >= played:
            drawn = unpack(packed_at(&drawer.cursor))
        feature_bytes(&drawn, NO_ROLL, features + i * FEATURES)
        targets[i] = <float> (2 * read_entry(table, entry, flipped) - 1)


cdef void policy_rows(const Table* table, Dice* dice, double exploration, double temperature, Py_ssize_t played,
                      Py_ssize_t count, uint8_t* features, uint64_t* packed, float* targets,
                      uint8_t* legal) noexcept nogil:
    """Decisions with their roll; targets are a softmax over the exact values of the legal moves, by policy slot.

    Their inputs are packed if `features` is NULL.
    """
    cdef Board board, drawn
    cdef double values[16]
    cdef double best, total
    cdef Drawer drawer = new_drawer(table)
    cdef unsigned int sources, rest
    cdef Py_ssize_t i
    cdef int roll, slot
    if played:
        begin_anywhere(table, dice, exploration, &board)
    for i in range(count):
        if i < played:
            roll = next_decision(table, dice, &board, values, &best)
            drawn = board
            play_decision(table, dice, exploration, &board, roll, values, best)
        else:
            while True:
                uniform_entry(&drawer, dice)
                drawn = unpack(packed_at(&drawer.cursor))
                roll = roll_of(next_word(dice))
                sources = legal_sources(&drawn, roll)
                if sources & (sources - 1):
                    break
            move_values(table, &drawn, roll, values, &best)
        if features != NULL:
            feature_bytes(&drawn, roll, features + i * FEATURES)
        else:
            packed[i] = pack(&drawn) | <uint64_t> roll << ROLL_SHIFT
        for slot in range(MAX_MOVES):
            targets[i * MAX_MOVES + slot] = 0
            legal[i * MAX_MOVES + slot] = 0
        sources = rest = legal_sources(&drawn, roll)
        total = 0
        while rest:
            total += exp((values[lowest(rest)] - best) / temperature)
            rest &= rest - 1
        while sources:
            slot = policy_slot(&drawn, lowest(sources))
            targets[i * MAX_MOVES + slot] = <float> (exp((values[lowest(sources)] - best) / temperature) / total)
            legal[i * MAX_MOVES + slot] = 1
            sources &= sources - 1


cdef int check_batch(count, play_share, exploration) except -1:
    if count < 1:
        raise ValueError(f"a batch needs at least one row, got {count}")
    if not 0 <= play_share <= 1 or not 0 <= exploration <= 1:
        raise ValueError(f"shares must be between 0 and 1, got {play_share} and {exploration}")
    return 0


def value_batch(Tablebase table not None, Py_ssize_t count, uint64_t seed, uint64_t number, *, double play_share=0.0,
                double exploration=0.1):
    """Batch `number` of a stream of positions before their roll, with exact labels.

    play_share: the share that comes from optimal play, as any successor of its decisions; exploration: the share of the
    decisions there at which any legal move is played. -> (features (count, 150) uint8, to be multiplied by
    FEATURE_SCALES; targets (count,) float32: 2 p - 1 for the side to move).
    """
    check_batch(count, play_share, exploration)
    features = np.empty((count, FEATURES), dtype=np.uint8)
    targets = np.empty(count, dtype=np.float32)
    cdef uint8_t[:, ::1] out_features = features
    cdef float[::1] out_targets = targets
    cdef Dice dice = new_dice(seed, number, VALUE_STREAM)
    cdef Py_ssize_t played = <Py_ssize_t> (play_share * count + 0.5)
    with nogil:
        value_rows(&table.table, &dice, exploration, played, count, &out_features[0, 0], &out_targets[0], NULL)
    return features, targets


def entry_batch(Tablebase table not None, Py_ssize_t count, uint64_t seed, uint64_t number, *, double play_share=0.0,
                double exploration=0.1):
    """The positions of `value_batch` as places in the table, for a device that has it -> (count,) uint32."""
    check_batch(count, play_share, exploration)
    entries = np.empty(count, dtype=np.uint32)
    cdef uint32_t[::1] out = entries
    cdef Dice dice = new_dice(seed, number, VALUE_STREAM)
    cdef Py_ssize_t played = <Py_ssize_t> (play_share * count + 0.5)
    with nogil:
        value_rows(&table.table, &dice, exploration, played, count, NULL, NULL, &out[0])
    return entries


def policy_batch(Tablebase table not None, Py_ssize_t count, uint64_t seed, uint64_t number, *, double temperature,
                 double play_share=0.0, double exploration=0.1, bint packed=False):
    """Batch `number` of a stream of decisions (two or more legal moves) with exact labels.

    temperature: the win probability by which a move must be better to be e times as probable in the target.
    -> (inputs; targets (count, 7) float32 by policy slot; legal (count, 7) bool). Inputs are features (count, 150)
    uint8; if `packed`, they are the packed positions (count, 2) uint32, the low word first, with the roll in bits 48 to
    50 of the whole.
    """
    check_batch(count, play_share, exploration)
    if not temperature > 0:
        raise ValueError(f"temperature must be above 0, got {temperature}")
    features = np.empty((0 if packed else count, FEATURES), dtype=np.uint8)
    words = np.empty(count if packed else 0, dtype=np.uint64)
    targets = np.empty((count, MAX_MOVES), dtype=np.float32)
    legal = np.empty((count, MAX_MOVES), dtype=np.bool_)
    cdef uint8_t[:, ::1] out_features = features
    cdef uint64_t[::1] out_words = words
    cdef float[:, ::1] out_targets = targets
    cdef uint8_t[:, ::1] out_legal = legal.view(np.uint8)
    cdef Dice dice = new_dice(seed, number, POLICY_STREAM)
    cdef Py_ssize_t played = <Py_ssize_t> (play_share * count + 0.5)
    with nogil:
        policy_rows(&table.table, &dice, exploration, temperature, played, count,
                    NULL if packed else &out_features[0, 0], &out_words[0] if packed else NULL,
                    &out_targets[0, 0], &out_legal[0, 0])
    return (words.view(np.uint32).reshape(count, 2) if packed else features), targets, legal
