"""A table of the solved game in memory: look-ups, the best moves, and samples of positions. See table.pxd."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from engine.core.dice cimport ROLLS, Dice, new_dice, next_roll, next_word
from engine.core.position cimport Position, check_roll, is_packed, opening, pack, successor, swap_sides, unpack
from engine.core.rules cimport LABELS, RULES, rules_number
from engine.solved.order cimport Cursor, advance, board_at, count_of, cursor_at, index_of
from engine.solved.table cimport *
import math
from typing import NamedTuple
import numpy as np
from engine.machine.cores import run_parallel, worker_count

DTYPES = ("float64", "float32", "uint16")       # by code: FLOAT64, FLOAT32, UINT16

#: What a Bellman residual may owe to rounding. float64: sums of five products, and the division by what is left of 1
#: when two turns that pass are solved together; 2.7e-15 is the most that was seen. The others: half a step at the
#: position and half a step at its successors; float32 also has to hold what a map's float32 percentages lost.
ROUNDING = {"float64": 1e-14, "float32": 2e-7, "uint16": 1.001 / 65535}

#: Values of a table that are converted, written or checked at a time.
CHUNK = 1 << 20


cdef enum:
    BATCH = 64                  # look-ups whose cache misses overlap


class Move(NamedTuple):
    """A legal move.

    Attributes:
        square: the square moved from; 0 is the hand.
        value: the mover's win probability after the move.
        regret: how much less than the best move's value that is.
    """

    square: int
    value: float
    regret: float


def _check_count(n):
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 0:
        raise ValueError(f"a number of positions must be a whole number, not {n!r}")
    return int(n)


cdef extern from *:
    """
    /* A 64-bit random word -> a number below bound; the bias is below bound / 2**64. */
    static inline uint64_t ur_scale(uint64_t word, uint64_t bound) {
        return (uint64_t)(((unsigned __int128)word * bound) >> 64);
    }
    """
    uint64_t scale "ur_scale"(uint64_t word, uint64_t bound) noexcept nogil


cdef Py_ssize_t look_up_all(const Table* table, const uint64_t* positions, double* out, Py_ssize_t first,
                            Py_ssize_t end) noexcept nogil:
    """Values of positions[first:end]; returns the first entry that is not in the table, or `end`."""
    cdef int64_t[BATCH] entries
    cdef bint[BATCH] flipped
    cdef Board board
    cdef Py_ssize_t i, k, n
    i = first
    while i < end:
        n = min(<Py_ssize_t> BATCH, end - i)
        for k in range(n):
            if not is_packed(table.rules, positions[i + k]):
                return i + k
            board = unpack(table.rules, positions[i + k])
            if not holds(table, &board):
                return i + k
            if is_over(&board):
                entries[k] = -1
                flipped[k] = has_won(&board)
                continue
            entries[k] = entry_of(table.index, &board, &flipped[k])
            fetch_entry(table, entries[k])
        for k in range(n):
            if entries[k] < 0:
                out[i + k] = 1.0 if flipped[k] else 0.0
            else:
                out[i + k] = read_entry(table, entries[k], flipped[k])
        i += n
    return end


cdef class SolvedTable:
    """Look-ups in the values of a table. What users hold is its subclass `Tablebase` (tablebase.py).

    Look-ups are safe from any number of threads.
    """

    def __init__(self):
        raise TypeError("use Tablebase.solve, Tablebase.open or Tablebase.from_rgu")

    @classmethod
    def wrap(cls, array, int pieces, double tolerance, double residual, rules="finkel"):
        """A rule set's table of these values (float64, float32 or uint16), in the order of order.pxd."""
        cdef SolvedTable self = cls.__new__(cls)
        cdef const uint8_t[::1] raw = array.view(np.uint8)
        self.array = array
        self.table.values = &raw[0]
        self.table.dtype = DTYPES.index(array.dtype.name)
        self.table.rules = rules_number(rules)
        self.table.pieces = pieces
        self.table.index = index_of(self.table.rules)
        self.tolerance = tolerance
        self.residual = residual
        return self

    @property
    def rules(self):
        """The name of the rule set."""
        return LABELS[self.table.rules].name.decode()

    @property
    def pieces(self):
        """Pieces a side."""
        return self.table.pieces

    @property
    def dtype(self):
        """How the values are stored: "float64", "float32" or "uint16"."""
        return DTYPES[self.table.dtype]

    @property
    def count(self):
        """Positions in the table: all that are not over."""
        return count_of(self.table.index, self.table.pieces)

    @property
    def nbytes(self):
        """Bytes of the values."""
        return self.array.nbytes

    @property
    def opening(self):
        """The opening of the game with so many pieces a side."""
        return Position.wrap(opening(self.table.rules, self.table.pieces))

    def value(self, Position position not None):
        """The probability that the side to move wins, before it rolls; 0 or 1 when the game is over.

        Raises:
            ValueError: more pieces left than the table knows.
        """
        self.check(&position.board)
        return lookup(&self.table, &position.board)

    def values(self, packed, workers=1):
        """Win probabilities of the sides to move, float64, in the shape of the packed positions (uint64).

        Raises:
            ValueError: an entry that is no position, or one that the table can't hold.
        """
        packed = np.asarray(packed)
        if packed.size and packed.dtype.kind not in "iu":
            raise ValueError(f"packed positions are integers, not {packed.dtype}")
        cdef const uint64_t[::1] positions = np.ascontiguousarray(packed, dtype=np.uint64).ravel()
        cdef double[::1] out = np.empty(positions.shape[0])
        cdef Py_ssize_t n = positions.shape[0]
        cdef int count = worker_count(workers)

        def task(int worker):
            cdef Py_ssize_t first = n * worker // count
            cdef Py_ssize_t end = n * (worker + 1) // count
            cdef Py_ssize_t bad = end
            if first < end:
                with nogil:
                    bad = look_up_all(&self.table, &positions[0], &out[0], first, end)
            if bad < end:
                raise ValueError(f"entry {bad} is not a position of this table: {positions[bad]:#x}")

        if count == 1:
            task(0)
        else:
            run_parallel(task, count)
        return np.asarray(out).reshape(packed.shape)

    def moves(self, Position position not None, int roll):
        """The legal moves -> a list of `Move`, squares ascending; empty when the turn passes.

        Raises:
            ValueError: a roll out of range, or more pieces left than the table knows.
        """
        cdef ExactMoves moves
        check_roll(self.table.rules, roll)
        self.check(&position.board)
        exact_moves(&self.table, &position.board, roll, &moves)
        return [
            Move(square, moves.values[square], moves.best - moves.values[square])
            for square in range(RULES[self.table.rules].borne_off)
            if moves.sources >> square & 1
        ]

    def best_move(self, Position position not None, int roll):
        """The square of the best move, the lowest among equals, or None when the turn passes.

        Raises:
            ValueError: a roll out of range, or more pieces left than the table knows.
        """
        cdef int square
        check_roll(self.table.rules, roll)
        self.check(&position.board)
        square = best_source(&self.table, &position.board, roll)
        return None if square < 0 else square

    def sample(self, n, uint64_t seed=0):
        """Positions drawn uniformly from all that are not over -> packed uint64, n."""
        cdef uint64_t[::1] out = np.empty(_check_count(n), dtype=np.uint64)
        cdef Py_ssize_t i
        cdef Dice dice
        cdef Cursor at
        cdef Board board
        cdef uint64_t word
        with nogil:
            for i in range(out.shape[0]):
                dice = new_dice(seed, i, ROLLS)
                word = (<uint64_t> next_word(&dice) << 32) | next_word(&dice)
                at = cursor_at(self.table.index, scale(word, count_of(self.table.index, self.table.pieces)))
                board = board_at(&at)
                out[i] = pack(&board)
        return np.asarray(out)

    def positions(self, chunk=CHUNK):
        """All positions that are not over, in the table's order -> packed uint64 arrays of at most `chunk`."""
        cdef uint64_t[::1] out
        cdef Cursor at
        cdef Board board
        cdef Py_ssize_t i
        cdef int64_t first = 0
        cdef int64_t total = self.count
        if _check_count(chunk) == 0:
            raise ValueError("chunk must be at least 1")
        while first < total:
            out = np.empty(min(chunk, total - first), dtype=np.uint64)
            with nogil:
                at = cursor_at(self.table.index, first)
                for i in range(out.shape[0]):
                    board = board_at(&at)
                    out[i] = pack(&board)
                    advance(&at)
            first += out.shape[0]
            yield np.asarray(out)

    def play_sample(self, n, uint64_t seed=0):
        """The first n decisions (rolls with two or more legal moves) met in games of optimal play.

        Games start from the opening; the rolls of game g depend on (seed, g) alone.

        Returns:
            Packed positions (uint64, n) and their rolls (uint8, n), in the order of play.
        """
        cdef uint64_t[::1] positions = np.empty(_check_count(n), dtype=np.uint64)
        cdef uint8_t[::1] rolls = np.empty(positions.shape[0], dtype=np.uint8)
        cdef Py_ssize_t count = 0
        cdef uint64_t game = 0
        cdef Board board
        cdef Dice dice
        cdef unsigned int sources
        cdef int roll
        with nogil:
            while count < positions.shape[0]:
                dice = new_dice(seed, game, ROLLS)
                game += 1
                board = opening(self.table.rules, self.table.pieces)
                while count < positions.shape[0] and not is_over(&board):
                    roll = next_roll(&dice, &RULES[self.table.rules])
                    sources = legal_sources(&board, roll)
                    if sources == 0:
                        board = swap_sides(board)
                        continue
                    if sources & (sources - 1):
                        positions[count] = pack(&board)
                        rolls[count] = roll
                        count += 1
                    board = successor(board, best_source(&self.table, &board, roll), roll)
        return np.asarray(positions), np.asarray(rolls)

    def bellman_limit(self):
        """The residual that the table's tolerance and dtype explain."""
        return (1e-12 if math.isnan(self.tolerance) else self.tolerance) + ROUNDING[self.dtype]

    cdef int check(self, const Board* board) except -1:
        if board.rules != <uint32_t> self.table.rules:
            raise ValueError(f"the table is of {self.rules}, the position of {LABELS[board.rules].name.decode()}")
        if not holds(&self.table, board):
            raise ValueError(f"the table has {self.table.pieces} pieces a side, the position has "
                             f"{self.table.index.pieces - min(board.own_off, board.opp_off)} left")
        return 0
