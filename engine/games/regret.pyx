"""The choices of an agent, and how much win probability they give away by the exact solution."""

from libc.stdint cimport int8_t, uint8_t, uint64_t
from engine.core.dice cimport CHOICES, ROLLS, Dice, new_dice
from engine.core.game cimport Game, first_move, new_game, play
from engine.core.position cimport *
from engine.games.agents cimport Agent, Chooser, choose
from engine.solved.table cimport ExactMoves, SolvedTable, Table, best_source, exact_moves, holds
import time
from typing import NamedTuple
import numpy as np
from engine.core.rules import RULE_SETS, check_same
from engine.games.chunks import Interrupted, check_games, in_chunks

_CHUNK = 128                    # decisions that a worker takes at a time


cdef Py_ssize_t choose_all(
    int rules, const Chooser* chooser, const uint64_t* positions, const uint8_t* rolls, int8_t* squares, uint64_t seed,
    Py_ssize_t first, Py_ssize_t count
) noexcept nogil:
    """Fills the player's squares from entry `first` on; returns the first entry that is no decision, or -1."""
    cdef Py_ssize_t i
    cdef Board board
    cdef Dice dice
    for i in range(first, first + count):
        board = unpack(rules, positions[i])
        if rolls[i] > MAX_ROLL or is_over(&board):
            return i
        squares[i] = NO_MOVE
        if legal_sources(&board, rolls[i]):
            dice = new_dice(seed, i, CHOICES)
            squares[i] = choose(chooser, &board, rolls[i], &dice)
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
    check_packed(agent.rules_number, positions)
    squares = np.empty(positions.shape[0], dtype=np.int8)
    cdef int8_t[::1] out = squares
    if positions.shape[0] == 0:
        return squares

    def choose_chunk(first, count):
        cdef Py_ssize_t start = first, number = count, bad
        cdef uint64_t key = seed
        with nogil:
            bad = choose_all(agent.rules_number, &agent.chooser, &positions[0], &known[0], &out[0], key, start, number)
        if bad >= 0:
            raise ValueError(f"entry {bad} is no decision: {positions[bad]:#x} with a roll of {known[bad]}")

    if in_chunks(positions.shape[0], workers, choose_chunk, progress, chunk=_CHUNK)[1]:
        raise KeyboardInterrupt
    return squares


def seconds_to_choose(Agent agent not None, packed, rolls):
    """The processor time that an agent takes to choose in n decisions, one after another on one core; no Python."""
    cdef const uint64_t[::1] positions = np.ascontiguousarray(packed, dtype=np.uint64)
    cdef const uint8_t[::1] known = np.ascontiguousarray(rolls, dtype=np.uint8)
    if not 0 < positions.shape[0] == known.shape[0]:
        raise ValueError("positions and rolls must be of one length, at least 1")
    check_packed(agent.rules_number, positions)
    cdef int8_t[::1] out = np.empty(positions.shape[0], dtype=np.int8)
    cdef Py_ssize_t bad
    start = time.thread_time()
    with nogil:
        bad = choose_all(
            agent.rules_number, &agent.chooser, &positions[0], &known[0], &out[0], 0, 0, positions.shape[0]
        )
    seconds = time.thread_time() - start
    if bad >= 0:
        raise ValueError(f"entry {bad} is no decision: {positions[bad]:#x} with a roll of {known[bad]}")
    return seconds


def regrets(SolvedTable table not None, packed, rolls, squares):
    """By how much the mover's win probability falls short of the best move's -> (n,) float64, 0 for a best move.

    packed: (n,) uint64 positions. rolls: (n,). squares: (n,) moved from, -1 where the turn passes.
    ValueError for a position that the table does not hold, and for a move that is not legal.
    """
    cdef const uint64_t[::1] positions = np.ascontiguousarray(packed, dtype=np.uint64)
    cdef const uint8_t[::1] known = np.ascontiguousarray(rolls, dtype=np.uint8)
    cdef const int8_t[::1] moved = np.ascontiguousarray(squares, dtype=np.int8)
    if not positions.shape[0] == known.shape[0] == moved.shape[0]:
        raise ValueError("positions, rolls and moves must be of one length")
    check_packed(table.table.rules, positions)
    result = np.zeros(positions.shape[0])
    cdef double[::1] out = result
    cdef ExactMoves moves
    cdef Py_ssize_t i, bad = -1
    cdef Board board
    with nogil:
        for i in range(positions.shape[0]):
            board = unpack(table.table.rules, positions[i])
            if known[i] > MAX_ROLL or not holds(&table.table, &board):
                bad = i
                break
            exact_moves(&table.table, &board, known[i], &moves)
            if moves.sources == 0 and moved[i] == NO_MOVE:
                continue
            if not 0 <= moved[i] < RULES[table.table.rules].borne_off or not (moves.sources >> moved[i]) & 1:
                bad = i
                break
            out[i] = moves.best - moves.values[moved[i]]
    if bad >= 0:
        raise ValueError(f"entry {bad}: the table has no move from {moved[bad]} with a roll of {known[bad]} "
                         f"in {positions[bad]:#x}")
    return result


# A game of an agent against perfect play.
ctypedef struct RegretGame:
    const Table* table
    Chooser chooser
    Dice choices
    bint agent_begins
    double regret               # win probability that the agent's moves gave away, summed


cdef int regret_turn(void* context, const Game* game) noexcept nogil:
    """The agent's choice, with its regret, or the best move at the opponent's turn."""
    cdef RegretGame* regret_game = <RegretGame*> context
    cdef ExactMoves moves
    cdef Board board = game.board
    cdef int source
    if not is_choice(game.sources):
        return first_move(game.sources)
    if game.first_moves != regret_game.agent_begins:
        return best_source(regret_game.table, &board, game.roll)
    source = choose(&regret_game.chooser, &board, game.roll, &regret_game.choices)
    exact_moves(regret_game.table, &board, game.roll, &moves)
    regret_game.regret += moves.best - moves.values[source]
    return source


cdef int play_regret_game(const Chooser* chooser, const Table* table, uint64_t seed, uint64_t number,
                          double* regret) noexcept nogil:
    """Game `number` of an agent, which begins the even ones, against perfect play.

    Returns its turns, negative if the agent lost. regret: set to the sum over the agent's moves.
    """
    cdef Game game = new_game(opening(table.rules, table.pieces), new_dice(seed, number // 2, ROLLS))
    cdef RegretGame regret_game
    regret_game.table = table
    regret_game.chooser = chooser[0]
    regret_game.choices = new_dice(seed, 2 * number, CHOICES)
    regret_game.agent_begins = number % 2 == 0
    regret_game.regret = 0
    play(&game, regret_turn, &regret_game)
    regret[0] = regret_game.regret
    return game.turns if game.first_moves == regret_game.agent_begins else -game.turns


class RegretMatch(NamedTuple):
    """Games of an agent against perfect play, from the agent's side."""

    won: np.ndarray         # (games,) bool: whether the agent won
    turns: np.ndarray       # (games,) int32: rolls in the game
    regret: np.ndarray      # (games,) float64: win probability that the agent's moves gave away, summed

    @property
    def games(self):
        """How many games were finished."""
        return len(self.won)


def play_against_perfect(Agent agent not None, SolvedTable table not None, games, seed=0, *, workers=None,
                         progress=None):
    """Plays an agent against the table -> RegretMatch; seats alternated, the dice those of `play_match`.

    The games start from the opening with the table's number of pieces. ValueError for a number of games below 1 and for
    an agent of another rule set; Interrupted, with the finished games, on Ctrl-C.
    """
    check_same(agent.rules, RULE_SETS[table.table.rules], agent.name, "the table")

    def play_chunk(first, count):
        turns = np.empty(count, dtype=np.int32)
        regret = np.empty(count)
        cdef int[::1] out = turns
        cdef double[::1] out_regret = regret
        cdef uint64_t key = seed, start = first
        cdef int i, number = count
        with nogil:
            for i in range(number):
                out[i] = play_regret_game(&agent.chooser, &table.table, key, start + i, &out_regret[i])
        return turns, regret

    parts, interrupted = in_chunks(check_games(games), workers, play_chunk, progress)
    if parts:
        turns, regret = (np.concatenate(column) for column in zip(*parts))
    else:
        turns, regret = np.empty(0, dtype=np.int32), np.empty(0)
    result = RegretMatch(turns > 0, np.abs(turns), regret)
    if interrupted:
        raise Interrupted(result)
    return result
