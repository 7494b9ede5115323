"""Training rows with exact labels, streamed from the solved game.

A batch is a function of (seed, its number) alone. Its positions are drawn afresh: a share of them from optimal play
with a little exploration, the rest uniformly from all positions that are not over.
"""

import numpy as np

from libc.math cimport exp
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from engine.core.dice cimport Dice, new_dice, next_roll, next_unit, next_word, roll_of
from engine.core.features cimport FEATURES, NO_ROLL, feature_bytes
from engine.core.position cimport *
from engine.solved.order cimport Cursor, Index, count_of, cursor_at, entry_of, packed_at
from engine.solved.table cimport SolvedTable as Tablebase, Table, fetch_entry, opening, read_entry

cdef enum:
    VALUE_STREAM = 3
    POLICY_STREAM = 4
    DRAWS = 4                   # from one block
    BEGIN = 150                 # decisions of its game, of about 167, at any of which a batch begins
    TOGETHER = 8                # games that one thread plays side by side
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


# A game of optimal play, at a decision (two or more legal moves).
ctypedef struct Game:
    Dice dice
    Board board
    int roll
    unsigned int sources        # of the legal moves; what follows is by square moved from
    int64_t[16] entries         # where the position after the move stands in the table
    bint[16] flipped            # whether its value there is the opponent's
    double[16] values           # the mover's win probability after the move
    double best


cdef void next_decision(const Table* table, Game* game) noexcept nogil:
    """Plays on to the next decision. A game that ends is followed by another from the opening."""
    while True:
        game.roll = next_roll(&game.dice)
        game.sources = legal_sources(&game.board, game.roll)
        if game.sources & (game.sources - 1):
            return
        if game.sources == 0:
            game.board = swap_sides(game.board)
            continue
        game.board = successor(game.board, lowest(game.sources), game.roll)
        if is_over(&game.board):
            game.board = opening(table.pieces)


cdef void uniform_decision(Drawer* drawer, Game* game) noexcept nogil:
    """Any decision, by the probability of its roll."""
    while True:
        uniform_entry(drawer, &game.dice)
        game.board = unpack(packed_at(&drawer.cursor))
        game.roll = roll_of(next_word(&game.dice))
        game.sources = legal_sources(&game.board, game.roll)
        if game.sources & (game.sources - 1):
            return


cdef void find_moves(const Table* table, Game* game) noexcept nogil:
    """Where the decision's moves lead to; the values there are on their way from memory afterwards."""
    cdef unsigned int rest = game.sources
    cdef int square
    cdef Board after
    while rest:
        square = lowest(rest)
        rest &= rest - 1
        # Who has a choice has two pieces: the game is not over after it.
        after = successor(game.board, square, game.roll)
        game.entries[square] = entry_of(table.index, &after, &game.flipped[square])
        fetch_entry(table, game.entries[square])


cdef void value_moves(const Table* table, Game* game) noexcept nogil:
    cdef unsigned int rest = game.sources
    cdef int square
    cdef double value
    game.best = -1.0
    while rest:
        square = lowest(rest)
        rest &= rest - 1
        value = read_entry(table, game.entries[square], game.flipped[square])
        if not grants_roll(square + game.roll):
            value = 1.0 - value
        game.values[square] = value
        game.best = max(game.best, value)


cdef void play_decision(Game* game, double exploration) noexcept nogil:
    """Makes the best move of a decision, or any legal one for a share of `exploration`."""
    cdef unsigned int sources = game.sources
    cdef int source = lowest(sources)
    if next_unit(&game.dice) < exploration:
        source = nth_source(sources, next_word(&game.dice))
    else:
        while game.values[source] != game.best:
            sources &= sources - 1
            source = lowest(sources)
    game.board = successor(game.board, source, game.roll)


# Most of a game's time is spent waiting for values from memory. The games of several batches wait together.

cdef void next_decisions(const Table* table, Game* games, int count) noexcept nogil:
    """Plays on to the next decision of each game and values its moves."""
    cdef int i
    for i in range(count):
        next_decision(table, &games[i])
        find_moves(table, &games[i])
    for i in range(count):
        value_moves(table, &games[i])


cdef void begin_anywhere(const Table* table, Game* games, int count, double exploration) noexcept nogil:
    """Plays from the opening on to any of a game's decisions: would every batch begin there, openings were too many."""
    cdef int[TOGETHER] decisions
    cdef int i, k
    for i in range(count):
        games[i].board = opening(table.pieces)
        decisions[i] = <int> ((<uint64_t> next_word(&games[i].dice) * BEGIN) >> 32)
    for k in range(BEGIN):
        for i in range(count):
            if k < decisions[i]:
                next_decision(table, &games[i])
                find_moves(table, &games[i])
        for i in range(count):
            if k < decisions[i]:
                value_moves(table, &games[i])
                play_decision(&games[i], exploration)


# Where rows are written: as places in the table if `entries` is not NULL, otherwise as features and targets.
ctypedef struct ValueRows:
    uint8_t* features
    float* targets
    uint32_t* entries


cdef void put_position(const Table* table, const ValueRows* out, Py_ssize_t row, const Board* board, int64_t entry,
                       bint flipped) noexcept nogil:
    feature_bytes(board, NO_ROLL, out.features + row * FEATURES)
    out.targets[row] = <float> (2 * read_entry(table, entry, flipped) - 1)


cdef void played_rows(const Table* table, Game* games, int count, double exploration, Py_ssize_t rows,
                      Py_ssize_t batch, const ValueRows* out) noexcept nogil:
    """The first rows of each game's batch: any successors of its decisions."""
    cdef Game* game
    cdef Board drawn
    cdef Py_ssize_t row
    cdef int i, source
    begin_anywhere(table, games, count, exploration)
    for row in range(rows):
        next_decisions(table, games, count)
        for i in range(count):
            game = &games[i]
            source = nth_source(game.sources, next_word(&game.dice))
            if out.entries != NULL:
                out.entries[i * batch + row] = <uint32_t> game.entries[source]
            else:
                drawn = successor(game.board, source, game.roll)
                put_position(table, out, i * batch + row, &drawn, game.entries[source], game.flipped[source])
            play_decision(game, exploration)


cdef void uniform_rows(const Table* table, Dice* dice, Py_ssize_t first, Py_ssize_t end,
                       const ValueRows* out) noexcept nogil:
    cdef Drawer drawer = new_drawer(table)
    cdef Board drawn
    cdef int64_t entry
    cdef Py_ssize_t row
    for row in range(first, end):
        entry = uniform_entry(&drawer, dice)
        if out.entries != NULL:
            out.entries[row] = <uint32_t> entry
        else:
            drawn = unpack(packed_at(&drawer.cursor))
            put_position(table, out, row, &drawn, entry, drawer.cursor.follows)


cdef void value_rows(const Table* table, Game* games, int count, double exploration, Py_ssize_t played,
                     Py_ssize_t batch, const ValueRows* out) noexcept nogil:
    """A batch of positions before their roll for each of the games: the first `played` from play, the rest uniform."""
    cdef int i
    if played:
        played_rows(table, games, count, exploration, played, batch, out)
    for i in range(count):
        uniform_rows(table, &games[i].dice, i * batch + played, (i + 1) * batch, out)


# Where decisions are written, their inputs as packed rows if `packed` is not NULL, otherwise as features.
ctypedef struct PolicyRows:
    uint8_t* features
    uint64_t* packed
    float* targets
    uint8_t* legal


cdef void put_decision(const PolicyRows* out, Py_ssize_t row, const Game* game, double temperature) noexcept nogil:
    """The target is a softmax over the exact values of the legal moves, by policy slot."""
    cdef float* targets = out.targets + row * MAX_MOVES
    cdef uint8_t* legal = out.legal + row * MAX_MOVES
    cdef unsigned int rest = game.sources
    cdef double total = 0
    cdef int square, slot
    if out.packed != NULL:
        out.packed[row] = pack(&game.board) | <uint64_t> game.roll << ROLL_SHIFT
    else:
        feature_bytes(&game.board, game.roll, out.features + row * FEATURES)
    for slot in range(MAX_MOVES):
        targets[slot] = 0
        legal[slot] = 0
    while rest:
        total += exp((game.values[lowest(rest)] - game.best) / temperature)
        rest &= rest - 1
    rest = game.sources
    while rest:
        square = lowest(rest)
        rest &= rest - 1
        slot = policy_slot(&game.board, square)
        targets[slot] = <float> (exp((game.values[square] - game.best) / temperature) / total)
        legal[slot] = 1


cdef void policy_rows(const Table* table, Game* games, int count, double exploration, double temperature,
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
            uniform_decision(&drawers[i], &games[i])
            find_moves(table, &games[i])
        for i in range(count):
            value_moves(table, &games[i])
            put_decision(out, i * batch + row, &games[i], temperature)


cdef int check_batches(Tablebase table, count, batches, play_share, exploration, bint decisions) except -1:
    if count < 1 or batches < 1:
        raise ValueError(f"a batch needs at least one row, got {batches} batches of {count}")
    if not 0 <= play_share <= 1 or not 0 <= exploration <= 1:
        raise ValueError(f"shares must be between 0 and 1, got {play_share} and {exploration}")
    if table.pieces == 1 and (decisions or play_share > 0):
        raise ValueError("a game of one piece a side has no decisions")
    return 0


cdef int deal(Game* games, uint64_t seed, uint64_t number, Py_ssize_t batches, uint32_t stream) noexcept nogil:
    """The dice of as many batches from `number` on as are made together; returns how many."""
    cdef int i
    cdef int count = <int> min(batches, <Py_ssize_t> TOGETHER)
    for i in range(count):
        games[i].dice = new_dice(seed, number + i, stream)
    return count


def value_batch(Tablebase table not None, Py_ssize_t count, uint64_t seed, uint64_t number, *, Py_ssize_t batches=1,
                double play_share=0.0, double exploration=0.1):
    """Batch `number` of a stream of positions before their roll, with exact labels.

    batches: made from `number` on and put one after the other, in less time than one by one. play_share: the share that
    comes from optimal play, as any successor of its decisions; exploration: the share of the decisions there at which
    any legal move is played. -> (features (batches * count, 150) uint8, to be multiplied by FEATURE_SCALES; targets
    (batches * count,) float32: 2 p - 1 for the side to move).
    """
    check_batches(table, count, batches, play_share, exploration, False)
    features = np.empty((batches * count, FEATURES), dtype=np.uint8)
    targets = np.empty(batches * count, dtype=np.float32)
    cdef uint8_t[:, ::1] out_features = features
    cdef float[::1] out_targets = targets
    _value_rows(table, count, seed, number, batches, play_share, exploration,
                ValueRows(&out_features[0, 0], &out_targets[0], NULL))
    return features, targets


def entry_batch(Tablebase table not None, Py_ssize_t count, uint64_t seed, uint64_t number, *, Py_ssize_t batches=1,
                double play_share=0.0, double exploration=0.1):
    """The positions of `value_batch` as places in the table, for a device that has it -> (batches * count,) uint32."""
    check_batches(table, count, batches, play_share, exploration, False)
    entries = np.empty(batches * count, dtype=np.uint32)
    cdef uint32_t[::1] out_entries = entries
    _value_rows(table, count, seed, number, batches, play_share, exploration, ValueRows(NULL, NULL, &out_entries[0]))
    return entries


cdef int _value_rows(Tablebase table, Py_ssize_t count, uint64_t seed, uint64_t number, Py_ssize_t batches,
                     double play_share, double exploration, ValueRows out) except -1:
    cdef Game[TOGETHER] games
    cdef Py_ssize_t played = <Py_ssize_t> (play_share * count + 0.5)
    cdef Py_ssize_t done = 0
    cdef int together
    with nogil:
        while done < batches:
            together = deal(games, seed, number + done, batches - done, VALUE_STREAM)
            value_rows(&table.table, games, together, exploration, played, count, &out)
            done += together
            if out.entries != NULL:
                out.entries += together * count
            else:
                out.features += together * count * FEATURES
                out.targets += together * count
    return 0


def policy_batch(Tablebase table not None, Py_ssize_t count, uint64_t seed, uint64_t number, *, Py_ssize_t batches=1,
                 double temperature, double play_share=0.0, double exploration=0.1, bint packed=False):
    """Batch `number` of a stream of decisions (two or more legal moves) with exact labels.

    batches, play_share, exploration: as for `value_batch`. temperature: the win probability by which a move must be
    better to be e times as probable in the target. -> (inputs; targets (n, 7) float32 by policy slot; legal (n, 7)
    bool) for n = batches * count. Inputs are features (n, 150) uint8; if `packed`, they are the packed positions (n, 2)
    uint32, the low word first, with the roll in bits 48 to 50 of the whole.
    """
    check_batches(table, count, batches, play_share, exploration, True)
    if not temperature > 0:
        raise ValueError(f"temperature must be above 0, got {temperature}")
    cdef Py_ssize_t total = batches * count
    features = np.empty((0 if packed else total, FEATURES), dtype=np.uint8)
    words = np.empty(total if packed else 0, dtype=np.uint64)
    targets = np.empty((total, MAX_MOVES), dtype=np.float32)
    legal = np.empty((total, MAX_MOVES), dtype=np.bool_)
    cdef uint8_t[:, ::1] out_features = features
    cdef uint64_t[::1] out_words = words
    cdef float[:, ::1] out_targets = targets
    cdef uint8_t[:, ::1] out_legal = legal.view(np.uint8)
    cdef PolicyRows out
    cdef Game[TOGETHER] games
    cdef Py_ssize_t played = <Py_ssize_t> (play_share * count + 0.5)
    cdef Py_ssize_t done = 0
    cdef int together
    with nogil:
        while done < batches:
            together = deal(games, seed, number + done, batches - done, POLICY_STREAM)
            out.features = NULL if packed else &out_features[done * count, 0]
            out.packed = &out_words[done * count] if packed else NULL
            out.targets = &out_targets[done * count, 0]
            out.legal = &out_legal[done * count, 0]
            policy_rows(&table.table, games, together, exploration, temperature, played, count, &out)
            done += together
    return (words.view(np.uint32).reshape(total, 2) if packed else features), targets, legal
