"""Games of a search or of perfect play against itself, with a record of every decision."""

from libc.math cimport NAN
from libc.stdint cimport int8_t, int64_t, uint8_t, uint32_t, uint64_t
from engine.classic.search cimport Moves, Search, Searcher, best_index, search_moves
from engine.core.dice cimport CHOICES, PLAYOUTS, ROLLS, Dice, new_dice, next_unit
from engine.core.game cimport STOP, Game, first_move, new_game, play
from engine.core.position cimport *
from engine.solved.table cimport ExactMoves, SolvedTable, Table, exact_moves
import numpy as np
from engine.core.rules import check_same
from engine.games.chunks import Interrupted, check_games, in_chunks

cdef enum:
    FIRST_CAPACITY = 8192       # decisions that a chunk's buffer has room for at first
    MAX_PLAYOUTS = 127          # of a legal move: their sum has 8 bits


# One decision of a game: a position with its roll and two or more legal moves.
cdef packed struct Decision:
    uint64_t position           # packed, from the view of the side to move
    float values[MAX_MOVES]     # of the legal moves, ascending squares: evaluation units, or 2 p - 1; then NaN
    uint32_t game
    uint8_t roll
    uint8_t moves               # how many are legal
    uint8_t chosen              # which of them was played
    int8_t outcome              # +1 if the side to move won the game, -1 if it lost
    int8_t results[MAX_MOVES]   # games won less games lost when playing out each legal move


#: numpy's view of a decision.
DECISION_DTYPE = np.dtype([
    ("position", np.uint64), ("values", np.float32, (MAX_MOVES,)), ("game", np.uint32),
    ("roll", np.uint8), ("moves", np.uint8), ("chosen", np.uint8), ("outcome", np.int8),
    ("results", np.int8, (MAX_MOVES,)),
])
assert DECISION_DTYPE.itemsize == sizeof(Decision)


# Values every legal move of a decision, ascending squares, for the side to move; returns how many there are.
ctypedef int (*Valuer)(const void* state, const Board* board, int roll, double* values) noexcept nogil


cdef int value_by_search(const void* state, const Board* board, int roll, double* values) noexcept nogil:
    """In evaluation units; the search's integers are doubled, and scaled by a power of two, so this is exact."""
    cdef const Searcher* searcher = <const Searcher*> state
    cdef double scale = 0.5 / (<int64_t> 1 << (4 * (searcher.depth - 1)))
    cdef Moves moves
    cdef int i
    search_moves(searcher, board, roll, &moves)
    for i in range(moves.count):
        values[i] = moves.value[i] * scale
    return moves.count


cdef int value_by_table(const void* state, const Board* board, int roll, double* values) noexcept nogil:
    """As 2 p - 1 for the exact win probability p."""
    cdef ExactMoves moves
    cdef unsigned int rest
    cdef int count = 0
    exact_moves(<const Table*> state, board, roll, &moves)
    rest = moves.sources
    while rest:
        values[count] = 2 * moves.values[lowest(rest)] - 1
        rest &= rest - 1
        count += 1
    return count


# Who plays, and where the decisions of one game go.
ctypedef struct Recorder:
    Valuer valuer
    const void* state           # that `valuer` reads
    double exploration          # share of the decisions at which any legal move is played
    const Searcher* finisher    # plays every move of every decision out,
    int playouts                # so many times
    int rules                   # the number of the rule set
    uint64_t seed
    uint64_t game               # its number
    Dice choices
    Decision* decisions
    int capacity
    int count                   # decisions recorded


cdef inline int search_turn(void* context, const Game* game) noexcept nogil:
    """The best move by a search, which is not needed where there is one legal move."""
    cdef Moves moves
    cdef Board board = game.board
    if not is_choice(game.sources):
        return first_move(game.sources)
    search_moves(<const Searcher*> context, &board, game.roll, &moves)
    return moves.square[best_index(&moves)]


cdef bint play_out(const Searcher* searcher, Board board, Dice dice) noexcept nogil:
    """Plays a game to its end by a search, from a position before its roll: whether the side to move wins."""
    cdef Game game = new_game(board, dice)
    play(&game, search_turn, <void*> searcher)
    return game.first_moves


cdef void play_out_moves(const Searcher* searcher, const Game* game, Dice dice, Decision* decision) noexcept nogil:
    """Plays out every legal move of a decision once, with the same dice, so that their differences are less noisy."""
    cdef unsigned int sources = game.sources
    cdef Board after
    cdef bint won
    cdef int i
    for i in range(decision.moves):
        after = after_move(game.board, lowest(sources), game.roll)
        if grants_roll(&game.board, lowest(sources), game.roll):
            won = play_out(searcher, after, dice)
        else:
            won = not play_out(searcher, swap_sides(after), dice)
        decision.results[i] += 1 if won else -1
        sources &= sources - 1


cdef int recorded_turn(void* context, const Game* game) noexcept nogil:
    """The best move by the valuer, or now and then any move, with a record where there is a choice."""
    cdef Recorder* recorder = <Recorder*> context
    cdef Decision* decision
    cdef double values[MAX_MOVES]
    cdef int chosen = 0, i
    cdef uint32_t stream
    if not is_choice(game.sources):
        return first_move(game.sources)
    if recorder.count == recorder.capacity:
        return STOP
    decision = &recorder.decisions[recorder.count]
    decision.moves = recorder.valuer(recorder.state, &game.board, game.roll, values)
    for i in range(1, decision.moves):
        if values[i] > values[chosen]:
            chosen = i
    if recorder.exploration > 0 and next_unit(&recorder.choices) < recorder.exploration:
        chosen = <int> (next_unit(&recorder.choices) * decision.moves)
    decision.position = pack(&game.board)
    for i in range(MAX_MOVES):
        decision.values[i] = <float> values[i] if i < decision.moves else <float> NAN
        decision.results[i] = 0
    decision.game = <uint32_t> recorder.game
    decision.roll = game.roll
    decision.chosen = chosen
    decision.outcome = 1 if game.first_moves else -1        # whose decision it is, until the winner is known
    for i in range(recorder.playouts):
        stream = PLAYOUTS + recorder.playouts * recorder.count + i
        play_out_moves(recorder.finisher, game, new_dice(recorder.seed, recorder.game, stream), decision)
    recorder.count += 1
    return nth_source(game.sources, chosen)


cdef bint record_game(Recorder* recorder) noexcept nogil:
    """Plays one game and records its decisions; False if they do not fit."""
    cdef Game game = new_game(whole_opening(recorder.rules), new_dice(recorder.seed, recorder.game, ROLLS))
    cdef int i
    recorder.choices = new_dice(recorder.seed, recorder.game, CHOICES)
    recorder.count = 0
    if not play(&game, recorded_turn, recorder):
        return False
    if not game.first_moves:
        for i in range(recorder.count):
            recorder.decisions[i].outcome = -recorder.decisions[i].outcome
    return True


def selfplay(games, player not None, seed=0, *, double exploration=0.0, int playouts=0,
             Search finisher=None, first=0, workers=None, progress=None):
    """Games of a search, or of perfect play, against itself -> (n,) DECISION_DTYPE, their decisions in order of play.

    player: a Search, whose values are evaluation units, or a Tablebase, whose values are 2 p - 1. Every legal move of
    every decision is valued. exploration: the share of decisions at which any legal move is played, each as likely.
    playouts: how often the game is played out after every legal move of every decision, 0 to 127, by `finisher`, a
    search of 2 turns with the same weights by default. first: the number of the first game.
    ValueError for numbers out of range; Interrupted, with the finished games, on Ctrl-C.
    """
    if not 0 <= playouts <= MAX_PLAYOUTS:
        raise ValueError(f"playouts must be 0 to {MAX_PLAYOUTS}, got {playouts}")
    check_games(games)
    if not 0 <= first <= (1 << 32) - games:
        raise ValueError(f"game numbers must be below 2**32, got {first} and {games} more")
    if not 0 <= exploration <= 1:
        raise ValueError(f"exploration must be between 0 and 1, got {exploration}")
    cdef Recorder settings = _recorder(player, playouts)
    if finisher is not None:
        check_same(finisher.rules, player.rules, "the finisher", "the player")
    if playouts and finisher is None:
        finisher = Search(2, player.preset, rules=player.rules)
    settings.finisher = &finisher.searcher if playouts else NULL
    settings.exploration = exploration
    offset = first

    def play_chunk(first, count):
        rows = np.empty(FIRST_CAPACITY, dtype=DECISION_DTYPE)    # kept: numpy parses a view's layout anew, slowly
        cdef Decision[::1] decisions = rows
        cdef Recorder recorder = settings
        cdef uint64_t last = offset + first + count
        cdef int used = 0
        cdef bint fits
        recorder.seed = seed
        recorder.game = offset + first
        while recorder.game < last:
            recorder.decisions = &decisions[used]
            recorder.capacity = decisions.shape[0] - used
            with nogil:
                fits = record_game(&recorder)
            if not fits:
                rows = np.concatenate([rows, np.empty_like(rows)])
                decisions = rows
                continue
            used += recorder.count
            recorder.game += 1
        return rows[:used].copy()

    parts, interrupted = in_chunks(games, workers, play_chunk, progress)
    decisions = np.concatenate(parts) if parts else np.empty(0, dtype=DECISION_DTYPE)
    if interrupted:
        raise Interrupted(decisions)
    return decisions


cdef Recorder _recorder(player, int playouts) except *:
    """A recorder of a player's games. TypeError or ValueError for a player that can't play them."""
    cdef Recorder recorder
    recorder.playouts = playouts
    if isinstance(player, Search):
        recorder.valuer, recorder.state = value_by_search, &(<Search> player).searcher
        recorder.rules = rules_number(player.rules)
    elif isinstance(player, SolvedTable):
        recorder.valuer, recorder.state = value_by_table, &(<SolvedTable> player).table
        recorder.rules = (<SolvedTable> player).table.rules
        if player.pieces < RULES[recorder.rules].pieces:
            needed = RULES[recorder.rules].pieces
            raise ValueError(f"the table holds {player.pieces} pieces a side, games need {needed}")
        if playouts:
            raise ValueError("games of perfect play are not played out: their values are exact")
    else:
        raise TypeError(f"expected a Search or a Tablebase, got {type(player).__name__}")
    return recorder
