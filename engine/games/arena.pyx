"""Many games at once, over the performance cores: playouts, self-play records, matches.

Every game's dice and choices are a function of (seed, game number), and games are handed out in chunks of fixed size
whose results are put together in order: the same seed gives the same bytes, whatever the number of workers.
"""

import math
import threading
import time
from typing import NamedTuple

import numpy as np

from libc.math cimport NAN
from libc.stdint cimport int8_t, int64_t, uint8_t, uint32_t, uint64_t

from engine.games.agents cimport Agent, Chooser, choose_random
from engine.core.dice cimport CHOICES, PLAYOUTS, ROLLS, Dice, new_dice, next_roll, next_unit, next_word, roll_of
from engine.core.position cimport *
from engine.classic.search cimport Moves, Search, Searcher, best_index, search_moves
from engine.solved.table cimport SolvedTable as Tablebase, Table, best_source, holds, move_values, opening

from engine.machine.cores import run_parallel, worker_count
from engine.core.features import check_rows

cdef enum:
    FIRST_CAPACITY = 8192       # records a chunk's buffer starts with

_CHUNK = 16                     # games handed to a worker at a time; part of no result

cdef Board OPENING
OPENING.own = OPENING.opp = 0
OPENING.own_off = OPENING.opp_off = 0
OPENING.own_hand = OPENING.opp_hand = PIECES


# One decision of a game: a position with its roll and two or more legal moves.
cdef packed struct Record:
    uint64_t position           # packed, from the view of the side to move
    float values[MAX_MOVES]     # of each legal move, ascending squares: points, or 2 p - 1 by a table; then NaN
    uint32_t game
    uint8_t roll
    uint8_t moves               # how many are legal
    uint8_t chosen              # which of them was played
    int8_t outcome              # +1 if the side to move won the game, -1 if it lost
    int8_t results[MAX_MOVES]   # games won less games lost when playing out each legal move


#: numpy's view of a record of self-play.
RECORD_DTYPE = np.dtype([
    ("position", np.uint64), ("values", np.float32, (MAX_MOVES,)), ("game", np.uint32),
    ("roll", np.uint8), ("moves", np.uint8), ("chosen", np.uint8), ("outcome", np.int8),
    ("results", np.int8, (MAX_MOVES,)),
])
assert RECORD_DTYPE.itemsize == sizeof(Record)


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during many games. `partial` is the result over the games that were finished, in order."""

    def __init__(self, partial):
        super().__init__("interrupted")
        self.partial = partial


def _check_games(games, what="games"):
    if games < 1:
        raise ValueError(f"{what} must be at least 1, got {games}")
    if games > 1 << 31:
        raise ValueError(f"{what} must be at most 2**31, got {games}")
    return games


def _in_chunks(games, workers, play, progress, chunk=_CHUNK):
    """Runs `play(first, count)` over all games -> (results in order of the games, whether it was interrupted).

    progress: called with the number of games finished so far, from any worker, one at a time.
    """
    starts = iter(range(0, games, chunk))
    results = {}
    lock = threading.Lock()
    stop = threading.Event()
    finished = 0

    def work(_):
        nonlocal finished
        while not stop.is_set():
            with lock:
                first = next(starts, None)
            if first is None:
                return
            count = min(chunk, games - first)
            result = play(first, count)
            with lock:
                results[first] = result
                finished += count
                if progress is not None:
                    progress(finished)

    interrupted = False
    try:
        run_parallel(work, min(worker_count(workers), math.ceil(games / chunk)), on_interrupt=stop.set)
    except KeyboardInterrupt:
        interrupted = True
    return [results[first] for first in sorted(results)], interrupted


# --- random playouts -------------------------------------------------------------------------------------------------


cdef int64_t play_randomly(uint64_t seed, uint64_t first, int count, int64_t* first_wins) noexcept nogil:
    """Games of random moves: one word of the generator gives a turn's roll and choice. Returns the turns."""
    cdef int64_t turns = 0
    cdef unsigned int sources, skipped
    cdef int game, roll, source
    cdef uint32_t word
    cdef bint first_moves, same
    cdef Board board
    cdef Dice dice
    first_wins[0] = 0
    for game in range(count):
        dice = new_dice(seed, first + game, ROLLS)
        board = OPENING
        first_moves = True
        while True:
            turns += 1
            word = next_word(&dice)
            roll = roll_of(word)
            sources = legal_sources(&board, roll)
            same = False
            if sources:
                skipped = ((word >> 4) * popcount(sources)) >> 28
                while skipped:
                    sources &= sources - 1
                    skipped -= 1
                source = lowest(sources)
                board = after_move(board, source, roll)
                if board.own_off == PIECES:
                    break
                same = grants_roll(source + roll)
            if not same:
                board = swap_sides(board)
                first_moves = not first_moves
        first_wins[0] += first_moves
    return turns


class Playouts(NamedTuple):
    """Totals over random games."""

    games: int
    turns: int
    first_wins: int


def playouts(games, seed=0, *, workers=None, progress=None):
    """Plays random games from the opening -> Playouts. ValueError for a number of games below 1."""
    def play(first, count):
        cdef int64_t turns, wins
        cdef uint64_t key = seed, start = first
        cdef int number = count
        with nogil:
            turns = play_randomly(key, start, number, &wins)
        return count, turns, wins

    parts, interrupted = _in_chunks(_check_games(games), workers, play, progress, chunk=4096)
    total = Playouts(*(sum(column) for column in zip(*parts))) if parts else Playouts(0, 0, 0)
    if interrupted:
        raise Interrupted(total)
    return total


# --- self-play -------------------------------------------------------------------------------------------------------


cdef bint play_out(const Searcher* searcher, Board board, Dice dice) noexcept nogil:
    """Plays a game to its end by a search, from a position before its roll: whether the side to move wins."""
    cdef bint mover = True
    cdef unsigned int sources
    cdef Moves moves
    cdef int roll, source
    while True:
        roll = next_roll(&dice)
        sources = legal_sources(&board, roll)
        if sources:
            source = lowest(sources)
            if sources & (sources - 1):
                search_moves(searcher, &board, roll, &moves)
                source = moves.square[best_index(&moves)]
            board = after_move(board, source, roll)
            if board.own_off == PIECES:
                return mover
            if grants_roll(source + roll):
                continue
        board = swap_sides(board)
        mover = not mover


cdef void play_out_moves(const Searcher* searcher, const Board* board, int roll, Dice dice,
                         Record* record) noexcept nogil:
    """Plays out every legal move of a decision once, with the same dice, so that their differences are less noisy."""
    cdef unsigned int sources = legal_sources(board, roll)
    cdef Board after
    cdef bint won
    cdef int i
    for i in range(record.moves):
        after = after_move(board[0], lowest(sources), roll)
        if grants_roll(lowest(sources) + roll):
            won = play_out(searcher, after, dice)
        else:
            won = not play_out(searcher, swap_sides(after), dice)
        record.results[i] += 1 if won else -1
        sources &= sources - 1


# Values every legal move of a decision, ascending squares, for the side to move; returns how many there are.
ctypedef int (*Valuer)(const void* state, const Board* board, int roll, double* values) noexcept nogil


cdef int value_by_search(const void* state, const Board* board, int roll, double* values) noexcept nogil:
    """In evaluation points; the search's integers are doubled, and scaled by a power of two, so this is exact."""
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
    cdef double by_square[16]
    cdef double best
    cdef unsigned int sources = move_values(<const Table*> state, board, roll, by_square, &best)
    cdef int count = 0
    while sources:
        values[count] = 2 * by_square[lowest(sources)] - 1
        sources &= sources - 1
        count += 1
    return count


cdef int record_game(
    Valuer valuer, const void* state, const Searcher* finisher, int playouts, uint64_t seed, uint64_t game,
    double exploration, Record* records, int capacity
) noexcept nogil:
    """Plays one game of best moves by a valuer; returns its decisions, or -1 if they do not fit.

    finisher: the search that plays out every move of every decision, `playouts` times.
    """
    cdef Dice dice = new_dice(seed, game, ROLLS)
    cdef Dice choices = new_dice(seed, game, CHOICES)
    cdef Board board = OPENING
    cdef double values[MAX_MOVES]
    cdef Record* record
    cdef bint first_moves = True
    cdef int count = 0, roll, chosen, i, _skipped
    cdef unsigned int sources
    while True:
        roll = next_roll(&dice)
        sources = legal_sources(&board, roll)
        chosen = 0
        if sources & (sources - 1):
            if count == capacity:
                return -1
            record = &records[count]
            record.moves = valuer(state, &board, roll, values)
            for i in range(1, record.moves):
                if values[i] > values[chosen]:
                    chosen = i
            if exploration > 0 and next_unit(&choices) < exploration:
                chosen = <int> (next_unit(&choices) * record.moves)
            record.position = pack(&board)
            for i in range(MAX_MOVES):
                record.values[i] = <float> values[i] if i < record.moves else <float> NAN
            record.game = <uint32_t> game
            record.roll = roll
            record.chosen = chosen
            record.outcome = 1 if first_moves else -1           # whose decision it was, until the winner is known
            for i in range(MAX_MOVES):
                record.results[i] = 0
            for i in range(playouts):
                play_out_moves(finisher, &board, roll, new_dice(seed, game, PLAYOUTS + playouts * count + i), record)
            count += 1
            for _skipped in range(chosen):
                sources &= sources - 1
        if sources == 0:
            board = swap_sides(board)
            first_moves = not first_moves
            continue
        board = after_move(board, lowest(sources), roll)
        if board.own_off == PIECES:
            break
        if not grants_roll(lowest(sources) + roll):
            board = swap_sides(board)
            first_moves = not first_moves
    for i in range(count):
        records[i].outcome = records[i].outcome if first_moves else -records[i].outcome
    return count


def selfplay(games, player not None, seed=0, *, double exploration=0.0, int playouts=0,
             Search finisher=None, first=0, workers=None, progress=None):
    """Games of a search, or of perfect play, against itself -> records of all their decisions, (n,) of RECORD_DTYPE.

    player: a Search, whose values are points, or a Tablebase, whose values are 2 p - 1. Every legal move of every
    decision is valued. The records are in the order of play. exploration: the share of decisions where any legal
    move is played, each as likely. playouts: how often the game is played out after every legal move of every decision,
    0 to 127, by `finisher`, a search of 2 turns with the same weights by default. first: the number of the first game.
    ValueError for numbers out of range; Interrupted, with the finished games, on Ctrl-C.
    """
    if not 0 <= playouts <= 127:
        raise ValueError(f"playouts must be 0 to 127, got {playouts}")
    _check_games(games)
    if not 0 <= first <= (1 << 32) - games:
        raise ValueError(f"game numbers must be below 2**32, got {first} and {games} more")
    cdef Valuer valuer
    cdef const void* state
    if isinstance(player, Search):
        valuer, state = value_by_search, &(<Search> player).searcher
        if finisher is None:
            finisher = Search(2, player.preset)
    elif isinstance(player, Tablebase):
        valuer, state = value_by_table, &(<Tablebase> player).table
        if (<Tablebase> player).table.pieces < PIECES:
            raise ValueError(f"the table holds {player.pieces} pieces a side, games need {PIECES}")
        if playouts:
            raise ValueError("games of perfect play are not played out: their values are exact")
        finisher = Search(1)            # never asked
    else:
        raise TypeError(f"expected a Search or a Tablebase, got {type(player).__name__}")
    if not 0 <= exploration <= 1:
        raise ValueError(f"exploration must be between 0 and 1, got {exploration}")
    offset = first

    def play(first, count):
        cdef Record[::1] records = np.empty(FIRST_CAPACITY, dtype=RECORD_DTYPE)
        cdef uint64_t key = seed, game = offset + first
        cdef uint64_t last = game + count
        cdef int used = 0, decisions
        while game < last:
            with nogil:
                decisions = record_game(
                    valuer, state, &finisher.searcher, playouts, key, game, exploration,
                    &records[used], records.shape[0] - used)
            if decisions < 0:
                records = np.concatenate([records, np.empty(records.shape[0], dtype=RECORD_DTYPE)])
                continue
            used += decisions
            game += 1
        return np.asarray(records[:used]).copy()

    parts, interrupted = _in_chunks(_check_games(games), workers, play, progress)
    records = np.concatenate(parts) if parts else np.empty(0, dtype=RECORD_DTYPE)
    if interrupted:
        raise Interrupted(records)
    return records


# --- matches ---------------------------------------------------------------------------------------------------------


ctypedef struct Player:
    Chooser chooser
    const void* state


cdef int play_match_game(const Player* first, const Player* second, Dice* dice, Dice* first_choices,
                         Dice* second_choices) noexcept nogil:
    """One game from the opening; returns its turns, negative if the second player won."""
    cdef const Player* mover = first
    cdef Dice* choices = first_choices
    cdef Board board = OPENING
    cdef int turns = 0, roll, source
    cdef bint first_moves = True
    while True:
        turns += 1
        roll = next_roll(dice)
        if legal_sources(&board, roll):
            source = mover.chooser(mover.state, &board, roll, choices)
            board = after_move(board, source, roll)
            if board.own_off == PIECES:
                return turns if first_moves else -turns
            if grants_roll(source + roll):
                continue
        board = swap_sides(board)
        first_moves = not first_moves
        mover = first if first_moves else second
        choices = first_choices if first_moves else second_choices


class MatchResult(NamedTuple):
    """Games of one agent against another, from the first agent's side."""

    won: np.ndarray         # (games,) bool: whether the agent won
    turns: np.ndarray       # (games,) int32: rolls in the game

    @property
    def games(self):
        """How many games were finished."""
        return len(self.won)


def play_match(Agent agent not None, Agent opponent not None, games, seed=0, *, workers=None, progress=None):
    """Plays games with seats alternated and paired dice -> MatchResult.

    Games 2k and 2k + 1 have the same rolls; the agent moves first in the even ones. ValueError for a number of games
    below 1; Interrupted, with the finished games, on Ctrl-C.
    """
    def play(first, count):
        turns = np.empty(count, dtype=np.int32)
        cdef int[::1] out = turns
        cdef uint64_t key = seed, game = first
        cdef int i, number = count
        cdef Player one, two
        cdef Dice dice, one_choices, two_choices
        one.chooser, one.state = agent.chooser, agent.state
        two.chooser, two.state = opponent.chooser, opponent.state
        with nogil:
            for i in range(number):
                dice = new_dice(key, game // 2, ROLLS)
                one_choices = new_dice(key, 2 * game, CHOICES)
                two_choices = new_dice(key, 2 * game + 1, CHOICES)
                if game % 2 == 0:
                    out[i] = play_match_game(&one, &two, &dice, &one_choices, &two_choices)
                else:
                    out[i] = -play_match_game(&two, &one, &dice, &two_choices, &one_choices)
                game += 1
        return turns

    parts, interrupted = _in_chunks(_check_games(games), workers, play, progress)
    turns = np.concatenate(parts) if parts else np.empty(0, dtype=np.int32)
    result = MatchResult(turns > 0, np.abs(turns))
    if interrupted:
        raise Interrupted(result)
    return result


# --- agents against the exact solution -------------------------------------------------------------------------------


cdef Py_ssize_t choose_all(const Player* player, const uint64_t* positions, const uint8_t* rolls, int8_t* squares,
                           uint64_t seed, Py_ssize_t first, Py_ssize_t count) noexcept nogil:
    """The player's moves in decisions first to first + count; returns the first that is none, or -1."""
    cdef Py_ssize_t i
    cdef Board board
    cdef Dice dice
    for i in range(first, first + count):
        board = unpack(positions[i])
        if rolls[i] > MAX_ROLL or is_over(&board):
            return i
        if legal_sources(&board, rolls[i]) == 0:
            squares[i] = NO_MOVE
            continue
        dice = new_dice(seed, i, CHOICES)
        squares[i] = player.chooser(player.state, &board, rolls[i], &dice)
    return -1


def choices(Agent agent not None, packed, rolls, seed=0, *, workers=None, progress=None):
    """The squares that an agent moves from -> (n,) int8, -1 where the turn passes.

    packed: (n,) uint64 positions. rolls: (n,). seed: decides, with the number of the entry, where chance does.
    ValueError for an entry that is no position, is over, or has no such roll.
    """
    cdef const uint64_t[::1] positions = np.ascontiguousarray(packed, dtype=np.uint64)
    cdef const uint8_t[::1] known = np.ascontiguousarray(rolls, dtype=np.uint8)
    if positions.shape[0] != known.shape[0]:
        raise ValueError("positions and rolls must be of one length")
    check_packed(positions)
    squares = np.empty(positions.shape[0], dtype=np.int8)
    cdef int8_t[::1] out = squares
    if positions.shape[0] == 0:
        return squares

    def choose(first, count):
        cdef Player player
        cdef Py_ssize_t start = first, number = count, bad
        cdef uint64_t key = seed
        player.chooser, player.state = agent.chooser, agent.state
        with nogil:
            bad = choose_all(&player, &positions[0], &known[0], &out[0], key, start, number)
        if bad >= 0:
            raise ValueError(f"entry {bad} is no decision: {positions[bad]:#x} with a roll of {known[bad]}")

    if _in_chunks(positions.shape[0], workers, choose, progress, chunk=128)[1]:
        raise KeyboardInterrupt
    return squares


def seconds_to_choose(Agent agent not None, packed, rolls):
    """The processor time that an agent takes to choose in n decisions, one after another on one core; no Python."""
    cdef const uint64_t[::1] positions = np.ascontiguousarray(packed, dtype=np.uint64)
    cdef const uint8_t[::1] known = np.ascontiguousarray(rolls, dtype=np.uint8)
    if not 0 < positions.shape[0] == known.shape[0]:
        raise ValueError("positions and rolls must be of one length, at least 1")
    check_packed(positions)
    cdef int8_t[::1] out = np.empty(positions.shape[0], dtype=np.int8)
    cdef Player player
    cdef Py_ssize_t bad
    player.chooser, player.state = agent.chooser, agent.state
    start = time.thread_time()
    with nogil:
        bad = choose_all(&player, &positions[0], &known[0], &out[0], 0, 0, positions.shape[0])
    seconds = time.thread_time() - start
    if bad >= 0:
        raise ValueError(f"entry {bad} is no decision: {positions[bad]:#x} with a roll of {known[bad]}")
    return seconds


def regrets(Tablebase table not None, packed, rolls, squares):
    """By how much the mover's win probability falls short of the best move's -> (n,) float64, 0 for a best move.

    packed: (n,) uint64 positions. rolls: (n,). squares: (n,) moved from, -1 where the turn passes.
    ValueError for a position that the table does not hold, and for a move that is not legal.
    """
    cdef const uint64_t[::1] positions = np.ascontiguousarray(packed, dtype=np.uint64)
    cdef const uint8_t[::1] known = np.ascontiguousarray(rolls, dtype=np.uint8)
    cdef const int8_t[::1] moved = np.ascontiguousarray(squares, dtype=np.int8)
    if not positions.shape[0] == known.shape[0] == moved.shape[0]:
        raise ValueError("positions, rolls and moves must be of one length")
    check_packed(positions)
    result = np.zeros(positions.shape[0])
    cdef double[::1] out = result
    cdef double[16] values
    cdef double best
    cdef unsigned int sources
    cdef Py_ssize_t i, bad = -1
    cdef Board board
    with nogil:
        for i in range(positions.shape[0]):
            board = unpack(positions[i])
            if known[i] > MAX_ROLL or not holds(&table.table, &board):
                bad = i
                break
            sources = move_values(&table.table, &board, known[i], values, &best)
            if sources == 0 and moved[i] == NO_MOVE:
                continue
            if not 0 <= moved[i] < 16 or not (sources >> moved[i]) & 1:
                bad = i
                break
            out[i] = best - values[moved[i]]
    if bad >= 0:
        raise ValueError(f"entry {bad}: the table has no move from {moved[bad]} with a roll of {known[bad]} "
                         f"in {positions[bad]:#x}")
    return result


cdef int play_regret_game(const Player* player, const Table* table, bint first, Dice* dice, Dice* choices,
                          double* regret) noexcept nogil:
    """One game of a player against perfect play; returns its turns, negative if the player lost.

    first: whether the player begins. regret: the sum over the player's moves.
    """
    cdef Board board = opening(table.pieces)
    cdef double[16] values
    cdef double best
    cdef int turns = 0, roll, source
    cdef unsigned int sources
    cdef bint player_moves = first
    regret[0] = 0
    while True:
        turns += 1
        roll = next_roll(dice)
        sources = legal_sources(&board, roll)
        if sources:
            source = lowest(sources)
            if sources & (sources - 1):
                if player_moves:
                    source = player.chooser(player.state, &board, roll, choices)
                    move_values(table, &board, roll, values, &best)
                    regret[0] += best - values[source]
                else:
                    source = best_source(table, &board, roll)
            board = after_move(board, source, roll)
            if board.own_off == PIECES:
                return turns if player_moves else -turns
            if grants_roll(source + roll):
                continue
        board = swap_sides(board)
        player_moves = not player_moves


class RegretMatch(NamedTuple):
    """Games of an agent against perfect play, from the agent's side."""

    won: np.ndarray         # (games,) bool: whether the agent won
    turns: np.ndarray       # (games,) int32: rolls in the game
    regret: np.ndarray      # (games,) float64: win probability that the agent's moves gave away, summed

    @property
    def games(self):
        """How many games were finished."""
        return len(self.won)


def play_against_perfect(Agent agent not None, Tablebase table not None, games, seed=0, *, workers=None,
                         progress=None):
    """Plays an agent against the table -> RegretMatch; seats alternated, the dice those of `play_match`.

    The games start from the opening with the table's number of pieces. ValueError for a number of games below 1;
    Interrupted, with the finished games, on Ctrl-C.
    """
    def play(first, count):
        turns = np.empty(count, dtype=np.int32)
        regret = np.empty(count)
        cdef int[::1] out = turns
        cdef double[::1] out_regret = regret
        cdef uint64_t key = seed, game = first
        cdef int i, number = count
        cdef Player player
        cdef Dice dice, choices
        player.chooser, player.state = agent.chooser, agent.state
        with nogil:
            for i in range(number):
                dice = new_dice(key, game // 2, ROLLS)
                choices = new_dice(key, 2 * game, CHOICES)
                out[i] = play_regret_game(&player, &table.table, game % 2 == 0, &dice, &choices, &out_regret[i])
                game += 1
        return turns, regret

    parts, interrupted = _in_chunks(_check_games(games), workers, play, progress)
    if parts:
        turns, regret = (np.concatenate(column) for column in zip(*parts))
    else:
        turns, regret = np.empty(0, dtype=np.int32), np.empty(0)
    result = RegretMatch(turns > 0, np.abs(turns), regret)
    if interrupted:
        raise Interrupted(result)
    return result


# --- positions from play and their successors -----------------------------------------------------------------------


cdef int sample_game(const Player* player, uint64_t seed, uint64_t game, uint64_t* positions, uint8_t* rolls,
                     int capacity) noexcept nogil:
    """The decisions of one game of an agent against itself, as many as fit; returns how many."""
    cdef Dice dice = new_dice(seed, game, ROLLS)
    cdef Dice choices = new_dice(seed, game, CHOICES)
    cdef Board board = OPENING
    cdef unsigned int sources
    cdef int count = 0, roll, source
    while count < capacity:
        roll = next_roll(&dice)
        sources = legal_sources(&board, roll)
        if sources == 0:
            board = swap_sides(board)
            continue
        source = lowest(sources)
        if sources & (sources - 1):
            positions[count] = pack(&board)
            rolls[count] = roll
            count += 1
            source = player.chooser(player.state, &board, roll, &choices)
        board = after_move(board, source, roll)
        if board.own_off == PIECES:
            break
        if not grants_roll(source + roll):
            board = swap_sides(board)
    return count


def sample_decisions(n, seed=0, Agent agent=None):
    """Decisions (two or more legal moves) met when an agent, random if None, plays itself.

    -> (packed positions (n,) uint64, rolls (n,) uint8), in the order of play, the last game cut short.
    """
    positions = np.empty(_check_games(n, "positions"), dtype=np.uint64)
    rolls = np.empty(n, dtype=np.uint8)
    cdef uint64_t[::1] out = positions
    cdef uint8_t[::1] out_rolls = rolls
    cdef uint64_t key = seed, game = 0
    cdef Py_ssize_t filled = 0, total = n
    cdef Player player
    player.chooser, player.state = choose_random, NULL
    if agent is not None:
        player.chooser, player.state = agent.chooser, agent.state
    with nogil:
        while filled < total:
            filled += sample_game(&player, key, game, &out[filled], &out_rolls[filled],
                                  <int> min(total - filled, <Py_ssize_t> 1 << 30))
            game += 1
    return positions, rolls


def successors(packed, rolls, nth):
    """The position after a legal move, for each of n positions.

    packed: (n,) uint64. rolls: (n,). nth: (n,) which of the legal moves, counted from 0 by ascending square.
    -> (packed successors (n,) uint64, seen by whoever moves next; (n,) bool whether that is the same player).
    ValueError where there is no such move.
    """
    packed, rolls = check_rows(packed, rolls)
    nth = np.asarray(nth)
    if nth.shape != packed.shape or (nth.size and not 0 <= nth.min() <= nth.max() < MAX_MOVES):
        raise ValueError(f"there must be a move from 0 to {MAX_MOVES - 1} for each of {len(packed)} positions")
    cdef const uint64_t[::1] positions = packed
    cdef const uint8_t[::1] known = rolls
    cdef const uint8_t[::1] chosen = np.ascontiguousarray(nth, dtype=np.uint8)
    after = np.empty(positions.shape[0], dtype=np.uint64)
    same = np.empty(positions.shape[0], dtype=np.bool_)
    cdef uint64_t[::1] out = after
    cdef uint8_t[::1] out_same = same.view(np.uint8)
    cdef Py_ssize_t i, bad = -1
    cdef unsigned int sources
    cdef Board board
    cdef int _skipped
    with nogil:
        for i in range(positions.shape[0]):
            board = unpack(positions[i])
            sources = 0 if is_over(&board) else legal_sources(&board, known[i])
            for _skipped in range(chosen[i]):
                sources &= sources - 1
            if sources == 0:
                bad = i
                break
            board = successor(board, lowest(sources), known[i])
            out[i] = pack(&board)
            out_same[i] = grants_roll(lowest(sources) + known[i])
    if bad >= 0:
        raise ValueError(f"entry {bad}: no legal move number {chosen[bad]} with a roll of {known[bad]}")
    return after, same


def policy_slots(packed, rolls):
    """(n, 7) uint8: the policy slot of each legal move by ascending square, for n positions; 255 beyond the last."""
    packed, rolls = check_rows(packed, rolls)
    cdef const uint64_t[::1] positions = packed
    cdef const uint8_t[::1] known = rolls
    slots = np.full((positions.shape[0], MAX_MOVES), 255, dtype=np.uint8)
    cdef uint8_t[:, ::1] out = slots
    cdef Py_ssize_t i
    cdef unsigned int sources
    cdef Board board
    cdef int k
    with nogil:
        for i in range(positions.shape[0]):
            board = unpack(positions[i])
            sources = 0 if is_over(&board) else legal_sources(&board, known[i])
            k = 0
            while sources:
                out[i, k] = policy_slot(&board, lowest(sources))
                sources &= sources - 1
                k += 1
    return slots
