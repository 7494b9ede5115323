"""Training rows with exact labels, drawn from the solved game.

A batch is a function of (seed, its number) alone. A share of its positions comes from optimal play with a little
exploration, the rest is drawn uniformly from all positions that are not over.
"""

from libc.math cimport exp
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from engine.core.dice cimport Dice, new_dice, next_below, next_unit, next_word
from engine.core.features cimport NO_ROLL, feature_bytes, feature_count
from engine.core.game cimport Game, first_move, new_game, roll_dice, take_turn
from engine.core.position cimport *
from engine.solved.order cimport Cursor, Index, board_at, count_of, cursor_at
from engine.solved.table cimport (
    ExactMoves, SolvedTable, Table, best_move, find_moves, read_entry, value_moves,
)
import numpy as np

cdef enum:
    VALUE_STREAM = 3
    POLICY_STREAM = 4
    DRAWS = 4                   # positions drawn from one block
    BEGIN = 150                 # a batch begins at any of the first 150 decisions of a game, which has about 167
    TOGETHER = 8                # games that one thread plays side by side, each for a batch of its own
    ROLL_SHIFT = 48             # of the roll in a packed row


# Finding a random place in the table costs more than all other work on a row, so several positions are drawn from one
# block, where they share their squares 5 to 14. Each position is still drawn uniformly.
ctypedef struct Drawer:
    const Table* table
    int64_t positions           # that the table holds
    int left                    # draws until the next block
    Cursor cursor               # a place in the block
    int64_t start               # the block's first entry, on the leader's turn


cdef inline Drawer new_drawer(const Table* table) noexcept nogil:
    cdef Drawer drawer
    drawer.table = table
    drawer.positions = count_of(table.index, table.pieces)
    drawer.left = 0
    return drawer


cdef inline int64_t uniform_entry(Drawer* drawer, Dice* dice) noexcept nogil:
    """The entry of any position that is not over, each as likely; sets the drawer's cursor to it."""
    cdef Cursor* cursor = &drawer.cursor
    cdef const Index* index = drawer.table.index
    cdef uint64_t word
    cdef int64_t entry
    if drawer.left == 0:
        drawer.left = DRAWS
        word = next_word(dice) | (<uint64_t> next_word(dice) << 32)
        entry = <int64_t> (word % <uint64_t> drawer.positions)
        cursor[0] = cursor_at(index, entry)
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


cdef inline int random_source(unsigned int sources, uint32_t word) noexcept nogil:
    """One of the squares of a mask that is not empty, each as likely."""
    return nth_source(sources, <int> ((<uint64_t> word * popcount(sources)) >> 32))


# A game of optimal play, at a decision (two or more legal moves).
ctypedef struct ExactGame:
    Game game
    ExactMoves moves


cdef inline void find_decision(const Table* table, ExactGame* exact) noexcept nogil:
    """Finds the moves of a decision. None of them ends the game: a side with a choice has two pieces or more left."""
    exact.moves.sources = exact.game.sources
    exact.moves.roll = exact.game.roll
    find_moves(table, &exact.game.board, &exact.moves)


cdef void next_decision(const Table* table, ExactGame* exact) noexcept nogil:
    """Plays on to the next decision and finds its moves. A game that ends is followed by another from the opening."""
    cdef Game* game = &exact.game
    roll_dice(game)
    while not is_choice(game.sources):
        if not take_turn(game, first_move(game.sources)):
            game.board = opening(table.rules, table.pieces)
        roll_dice(game)
    find_decision(table, exact)


cdef void uniform_decision(const Table* table, Drawer* drawer, ExactGame* exact) noexcept nogil:
    """Draws any decision, by the probability of its roll, and finds its moves."""
    cdef Game* game = &exact.game
    while True:
        uniform_entry(drawer, &game.dice)
        game.board = board_at(&drawer.cursor)
        roll_dice(game)
        if is_choice(game.sources):
            break
    find_decision(table, exact)


cdef void play_decision(ExactGame* exact, double exploration) noexcept nogil:
    """Makes the best move of a decision, or any legal one for a share of `exploration`."""
    cdef Dice* dice = &exact.game.dice
    cdef int source
    if next_unit(dice) < exploration:
        source = random_source(exact.moves.sources, next_word(dice))
    else:
        source = best_move(&exact.moves)
    take_turn(&exact.game, source)


# Most of a game's time is spent waiting for values from memory. The games of several batches wait together.

cdef void next_decisions(const Table* table, ExactGame* games, int count) noexcept nogil:
    """Plays on to the next decision of each game and values its moves."""
    cdef int i
    for i in range(count):
        next_decision(table, &games[i])
    for i in range(count):
        value_moves(table, &games[i].moves)


cdef void begin_anywhere(const Table* table, ExactGame* games, int count, double exploration) noexcept nogil:
    """Plays from the opening on to any of a game's decisions, so that batches do not have too many openings."""
    cdef int[TOGETHER] decisions
    cdef int i, k
    for i in range(count):
        decisions[i] = <int> next_below(&games[i].game.dice, BEGIN)
    for k in range(BEGIN):
        for i in range(count):
            if k < decisions[i]:
                next_decision(table, &games[i])
        for i in range(count):
            if k < decisions[i]:
                value_moves(table, &games[i].moves)
                play_decision(&games[i], exploration)


# Where rows are written: as entries of the table if `entries` is not NULL, otherwise as features and targets.
ctypedef struct ValueRows:
    uint8_t* features
    float* targets
    uint32_t* entries


cdef void put_position(const Table* table, const ValueRows* out, Py_ssize_t row, const Board* board, int64_t entry,
                       bint flipped) noexcept nogil:
    """Writes the features of a position and its target, whose value is at `entry`."""
    feature_bytes(board, NO_ROLL, out.features + row * feature_count(rules_of(board)))
    out.targets[row] = <float> (2 * read_entry(table, entry, flipped) - 1)


cdef void played_rows(const Table* table, ExactGame* games, int count, double exploration, Py_ssize_t rows,
                      Py_ssize_t batch, const ValueRows* out) noexcept nogil:
    """The first rows of each game's batch: of each decision, the position after any of its moves."""
    cdef ExactGame* exact
    cdef Board after
    cdef Py_ssize_t row
    cdef int i, source
    begin_anywhere(table, games, count, exploration)
    for row in range(rows):
        next_decisions(table, games, count)
        for i in range(count):
            exact = &games[i]
            source = random_source(exact.moves.sources, next_word(&exact.game.dice))
            if out.entries != NULL:
                out.entries[i * batch + row] = <uint32_t> exact.moves.entries[source]
            else:
                after = successor(exact.game.board, source, exact.game.roll)
                put_position(table, out, i * batch + row, &after, exact.moves.entries[source],
                             exact.moves.flipped[source])
            play_decision(exact, exploration)


cdef void uniform_rows(const Table* table, Dice* dice, Py_ssize_t first, Py_ssize_t end,
                       const ValueRows* out) noexcept nogil:
    """Rows `first` to `end`: any positions that are not over."""
    cdef Drawer drawer = new_drawer(table)
    cdef Board drawn
    cdef int64_t entry
    cdef Py_ssize_t row
    for row in range(first, end):
        entry = uniform_entry(&drawer, dice)
        if out.entries != NULL:
            out.entries[row] = <uint32_t> entry
        else:
            drawn = board_at(&drawer.cursor)
            put_position(table, out, row, &drawn, entry, drawer.cursor.follows)


cdef void value_rows(const Table* table, ExactGame* games, int count, double exploration, Py_ssize_t played,
                     Py_ssize_t batch, const ValueRows* out) noexcept nogil:
    """A batch of positions before their roll for each of the games: the first `played` from play, the rest uniform."""
    cdef int i
    if played:
        played_rows(table, games, count, exploration, played, batch, out)
    for i in range(count):
        uniform_rows(table, &games[i].game.dice, i * batch + played, (i + 1) * batch, out)


# Where decisions are written, their inputs as packed rows if `packed` is not NULL, otherwise as features.
ctypedef struct PolicyRows:
    uint8_t* features
    uint64_t* packed
    float* targets
    uint8_t* legal


cdef void put_decision(const PolicyRows* out, Py_ssize_t row, const ExactGame* exact,
                       double temperature) noexcept nogil:
    """Writes a decision; its target is a softmax over the exact values of the legal moves, by policy slot."""
    cdef float* targets = out.targets + row * MAX_MOVES
    cdef uint8_t* legal = out.legal + row * MAX_MOVES
    cdef const Board* board = &exact.game.board
    cdef const ExactMoves* moves = &exact.moves
    cdef unsigned int rest = moves.sources
    cdef double total = 0
    cdef int square, slot
    if out.packed != NULL:
        out.packed[row] = pack(board) | <uint64_t> moves.roll << ROLL_SHIFT
    else:
        feature_bytes(board, moves.roll, out.features + row * feature_count(rules_of(board)))
    for slot in range(MAX_MOVES):
        targets[slot] = 0
        legal[slot] = 0
    while rest:
        total += exp((moves.values[lowest(rest)] - moves.best) / temperature)
        rest &= rest - 1
    rest = moves.sources
    while rest:
        square = lowest(rest)
        rest &= rest - 1
        slot = policy_slot(board, square)
        targets[slot] = <float> (exp((moves.values[square] - moves.best) / temperature) / total)
        legal[slot] = 1


cdef void policy_rows(const Table* table, ExactGame* games, int count, double exploration, double temperature,
                      Py_ssize_t played, Py_ssize_t batch, const PolicyRows* out) noexcept nogil:
    """A batch of decisions with their roll for each of the games: the first `played` from play, the rest uniform."""
    cdef Drawer[TOGETHER] drawers
    cdef Py_ssize_t row
    cdef int i
    if played:
        begin_anywhere(table, games, count, exploration)
    for row in range(played):
        next_decisions(table, games, count)
        for i in range(count):
            put_decision(out, i * batch + row, &games[i], temperature)
            play_decision(&games[i], exploration)
    for i in range(count):
        drawers[i] = new_drawer(table)
    for row in range(played, batch):
        for i in range(count):
            uniform_decision(table, &drawers[i], &games[i])
        for i in range(count):
            value_moves(table, &games[i].moves)
            put_decision(out, i * batch + row, &games[i], temperature)


cdef int check_batches(SolvedTable table, count, batches, play_share, exploration, bint decisions) except -1:
    if count < 1 or batches < 1:
        raise ValueError(f"a batch needs at least one row, got {batches} batches of {count}")
    if not 0 <= play_share <= 1 or not 0 <= exploration <= 1:
        raise ValueError(f"shares must be between 0 and 1, got {play_share} and {exploration}")
    if table.pieces == 1 and (decisions or play_share > 0):
        raise ValueError("a game of one piece a side has no decisions")
    return 0


cdef int begin_batches(const Table* table, ExactGame* games, uint64_t seed, uint64_t number, Py_ssize_t batches,
                       uint32_t stream) noexcept nogil:
    """The games of the batches from `number` on that are made together, at the opening; returns how many they are."""
    cdef int i
    cdef int count = <int> min(batches, <Py_ssize_t> TOGETHER)
    for i in range(count):
        games[i].game = new_game(opening(table.rules, table.pieces), new_dice(seed, number + i, stream))
    return count


def value_batch(SolvedTable table not None, Py_ssize_t count, uint64_t seed, uint64_t number, *, Py_ssize_t batches=1,
                double play_share=0.0, double exploration=0.1):
    """Batch `number` of a stream of positions before their roll, with exact labels.

    batches: how many, from `number` on, are made together, which takes less time than one by one. play_share: the share
    of the rows that are successors of decisions of optimal play. exploration: the share of these decisions at which any
    legal move is played. -> (features (batches * count, features) uint8, before scaling; targets
    (batches * count,) float32: 2 p - 1 for the side to move).
    """
    check_batches(table, count, batches, play_share, exploration, False)
    features = np.empty((batches * count, feature_count(&RULES[table.table.rules])), dtype=np.uint8)
    targets = np.empty(batches * count, dtype=np.float32)
    cdef uint8_t[:, ::1] out_features = features
    cdef float[::1] out_targets = targets
    _value_rows(table, count, seed, number, batches, play_share, exploration,
                ValueRows(&out_features[0, 0], &out_targets[0], NULL))
    return features, targets


def entry_batch(SolvedTable table not None, Py_ssize_t count, uint64_t seed, uint64_t number, *, Py_ssize_t batches=1,
                double play_share=0.0, double exploration=0.1):
    """The positions of `value_batch` as entries of the table, for a GPU that holds it -> (batches * count,) uint32."""
    check_batches(table, count, batches, play_share, exploration, False)
    entries = np.empty(batches * count, dtype=np.uint32)
    cdef uint32_t[::1] out_entries = entries
    _value_rows(table, count, seed, number, batches, play_share, exploration, ValueRows(NULL, NULL, &out_entries[0]))
    return entries


cdef int _value_rows(SolvedTable table, Py_ssize_t count, uint64_t seed, uint64_t number, Py_ssize_t batches,
                     double play_share, double exploration, ValueRows out) except -1:
    cdef ExactGame[TOGETHER] games
    cdef Py_ssize_t played = <Py_ssize_t> (play_share * count + 0.5)
    cdef Py_ssize_t made = 0
    cdef int together
    with nogil:
        while made < batches:
            together = begin_batches(&table.table, games, seed, number + made, batches - made, VALUE_STREAM)
            value_rows(&table.table, games, together, exploration, played, count, &out)
            made += together
            if out.entries != NULL:
                out.entries += together * count
            else:
                out.features += together * count * feature_count(&RULES[table.table.rules])
                out.targets += together * count
    return 0


def policy_batch(SolvedTable table not None, Py_ssize_t count, uint64_t seed, uint64_t number, *, Py_ssize_t batches=1,
                 double temperature, double play_share=0.0, double exploration=0.1, bint packed=False):
    """Batch `number` of a stream of decisions (two or more legal moves) with exact labels.

    batches, play_share, exploration: as for `value_batch`. temperature: the win probability by which a move must be
    better to be e times as probable in the target. -> (inputs; targets (n, 7) float32 by policy slot; legal (n, 7)
    bool) for n = batches * count. Inputs are (n, features) uint8; if `packed`, they are the packed positions (n, 2)
    uint32, the low word first, with the roll in bits 48 to 50 of the whole.
    """
    check_batches(table, count, batches, play_share, exploration, True)
    if not temperature > 0:
        raise ValueError(f"temperature must be above 0, got {temperature}")
    cdef Py_ssize_t total = batches * count
    features = np.empty((0 if packed else total, feature_count(&RULES[table.table.rules])), dtype=np.uint8)
    words = np.empty(total if packed else 0, dtype=np.uint64)
    targets = np.empty((total, MAX_MOVES), dtype=np.float32)
    legal = np.empty((total, MAX_MOVES), dtype=np.bool_)
    cdef uint8_t[:, ::1] out_features = features
    cdef uint64_t[::1] out_words = words
    cdef float[:, ::1] out_targets = targets
    cdef uint8_t[:, ::1] out_legal = legal.view(np.uint8)
    cdef PolicyRows out
    cdef ExactGame[TOGETHER] games
    cdef Py_ssize_t played = <Py_ssize_t> (play_share * count + 0.5)
    cdef Py_ssize_t made = 0
    cdef int together
    with nogil:
        while made < batches:
            together = begin_batches(&table.table, games, seed, number + made, batches - made, POLICY_STREAM)
            out.features = NULL if packed else &out_features[made * count, 0]
            out.packed = &out_words[made * count] if packed else NULL
            out.targets = &out_targets[made * count, 0]
            out.legal = &out_legal[made * count, 0]
            policy_rows(&table.table, games, together, exploration, temperature, played, count, &out)
            made += together
    return (words.view(np.uint32).reshape(total, 2) if packed else features), targets, legal
