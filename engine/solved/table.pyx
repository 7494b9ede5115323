"""The exact solution of the game: every position's win probability under optimal play.

See tablebase.pxd for the order of the values and docs/tablebase.md for the file. The solver is in solver.pyx.
"""

import errno
import math
import os
import struct
import sys
import time
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from engine.core.dice cimport ROLLS, Dice, new_dice, next_roll, next_word
from engine.core.position cimport (
    Position,
    check_roll,
    is_packed,
    legal_sources,
    pack,
    successor,
    swap_sides,
    unpack,
)
from engine.solved.tablebase cimport *

from engine.machine.cores import run_parallel, worker_count
from engine.machine.files import atomic_file

DTYPES = ("float64", "float32", "uint16")       # by code: FLOAT64, FLOAT32, UINT16

# What a Bellman residual may owe to rounding. float64: sums of five products, and the division by what is left of 1
# when two turns that pass are solved together; 2.7e-15 is the most that was seen. The others: half a step at the
# position and half a step at its successors; float32 also has to hold what a map's float32 percentages lost.
ROUNDING = {"float64": 1e-14, "float32": 2e-7, "uint16": 1.001 / 65535}

# The file: this header, padded to HEADER_BYTES, then the values; everything little-endian.
MAGIC = b"UrTable\n"
PARTIAL_MAGIC = b"UrPart\n\0"       # the finished layers of a solve (partial.py): never opens as a table
VERSION = 1
RULES = b"finkel"
HEADER = struct.Struct("<8sII16sIIQddI")    # then the CRC-32 of these bytes
HEADER_BYTES = 4096
CHUNK = 1 << 20                             # values converted, written or checked at a time


cdef enum:
    BATCH = 64                  # look-ups whose cache misses overlap


# The index

cdef Index INDEX
cdef uint16_t[CONFIGURATIONS] SLABS         # squares 5 to 14 of one side, by descending progress
cdef uint16_t[BLOCKS] FOLLOWERS             # those that share no lane square with a leader's lane: the blocks
cdef int[257] FOLLOWERS_START               # of a slab, in order, by that lane
cdef uint8_t[16] MASKS                      # entry masks by rank


cdef int progress_of(int far) noexcept nogil:
    """The sum of the squares of a configuration."""
    cdef int square, progress = 0
    for square in range(10):
        if far >> square & 1:
            progress += square + 5
    return progress


cdef void fill_index() noexcept nogil:
    """The index of all layers, from its definition in tablebase.pxd."""
    cdef int p, q, k, far, square, progress, ternary, power
    cdef unsigned int lane, mask
    cdef int64_t start = 0
    cdef unsigned int positions
    cdef unsigned int[PIECES + 1][256] columns
    k = 0
    for p in range(5):
        for mask in range(16):
            if popcount(mask) == p:
                MASKS[k] = mask
                INDEX.rank[mask] = k
                k += 1
    for p in range(PIECES + 1):
        INDEX.prefix[p] = 0
        for mask in range(16):
            INDEX.prefix[p] += popcount(mask) <= p
    k = 0
    for progress in range(progress_of(CONFIGURATIONS - 1), -1, -1):
        for far in range(CONFIGURATIONS):
            if progress_of(far) == progress:
                SLABS[k] = far
                k += 1
    for far in range(CONFIGURATIONS):
        ternary = 0
        power = 1
        for square in range(8):
            if far >> square & 1:
                ternary += power
            power *= 3
        if far < 256:
            INDEX.leader_key[far] = 4 * ternary
        INDEX.follower_key[far] = 8 * ternary + (far >> 8)
    # A configuration with more pieces than there are takes no room: it starts where the next one does.
    FOLLOWERS_START[0] = 0
    for lane in range(256):
        FOLLOWERS_START[lane + 1] = FOLLOWERS_START[lane]
        for q in range(1, PIECES + 1):
            columns[q][lane] = 0
        for k in range(CONFIGURATIONS):
            far = SLABS[k]
            if far & 0xFF & lane:
                continue
            FOLLOWERS[FOLLOWERS_START[lane + 1]] = far
            FOLLOWERS_START[lane + 1] += 1
            for q in range(1, PIECES + 1):
                INDEX.block[q][INDEX.leader_key[lane] + INDEX.follower_key[far]] = columns[q][lane]
                if popcount(far) <= q:
                    columns[q][lane] += INDEX.prefix[q - popcount(far)]
    for q in range(1, PIECES + 1):
        for p in range(1, PIECES + 1):
            positions = 0
            for k in range(CONFIGURATIONS):
                far = SLABS[k]
                INDEX.slab[p][q][far] = positions
                if popcount(far) <= p:
                    positions += INDEX.prefix[p - popcount(far)] * columns[q][far & 0xFF]
            INDEX.size[p][q] = positions
        for p in range(1, q + 1):
            INDEX.start[p][q] = start
            start += INDEX.size[p][q] * (2 if p < q else 1)


fill_index()


cdef int64_t count_of(int pieces) noexcept nogil:
    """Positions that are not over, with at most so many pieces left a side."""
    return INDEX.start[pieces][pieces] + INDEX.size[pieces][pieces]


cdef Cursor cursor_at(int64_t entry) noexcept nogil:
    cdef Cursor at
    cdef int p, q, low, high, middle, first
    cdef int64_t rest
    cdef unsigned int lane
    p = q = 1
    while entry >= INDEX.start[p][q] + INDEX.size[p][q] * (2 if p < q else 1):
        p += 1
        if p > q:
            p = 1
            q += 1
    rest = entry - INDEX.start[p][q]
    at.leader = p
    at.follower = q
    at.follows = rest >= INDEX.size[p][q]
    if at.follows:
        rest -= INDEX.size[p][q]
    low = 0
    high = CONFIGURATIONS
    while high - low > 1:                   # the last slab that starts at or before `rest`
        middle = (low + high) // 2
        if INDEX.slab[p][q][SLABS[middle]] <= rest:
            low = middle
        else:
            high = middle
    at.slab = low
    rest -= INDEX.slab[p][q][SLABS[low]]
    at.height = INDEX.prefix[p - popcount(SLABS[low])]
    lane = SLABS[low] & 0xFF
    first = rest // at.height               # columns before the place: its block starts at or before
    low = FOLLOWERS_START[lane]
    high = FOLLOWERS_START[lane + 1]
    while high - low > 1:
        middle = (low + high) // 2
        if INDEX.block[q][INDEX.leader_key[lane] + INDEX.follower_key[FOLLOWERS[middle]]] <= first:
            low = middle
        else:
            high = middle
    at.block = low
    at.width = INDEX.prefix[q - popcount(FOLLOWERS[low])]
    rest -= at.height * <int64_t> INDEX.block[q][INDEX.leader_key[lane] + INDEX.follower_key[FOLLOWERS[low]]]
    at.row = rest // at.width
    at.column = rest % at.width
    return at


cdef void advance(Cursor* at) noexcept nogil:
    at.column += 1
    if at.column < at.width:
        return
    at.column = 0
    at.row += 1
    if at.row < at.height:
        return
    at.row = 0
    at.block += 1
    while at.block < FOLLOWERS_START[(SLABS[at.slab] & 0xFF) + 1]:
        if popcount(FOLLOWERS[at.block]) <= at.follower:
            at.width = INDEX.prefix[at.follower - popcount(FOLLOWERS[at.block])]
            return
        at.block += 1
    at.slab += 1
    while at.slab < CONFIGURATIONS and popcount(SLABS[at.slab]) > at.leader:
        at.slab += 1
    if at.slab == CONFIGURATIONS:           # the next turn, the next layer
        at.slab = 0
        if at.leader < at.follower and not at.follows:
            at.follows = True
        else:
            at.follows = False
            at.leader += 1
            if at.leader > at.follower:
                at.leader = 1
                at.follower += 1
        while popcount(SLABS[at.slab]) > at.leader:
            at.slab += 1
    at.height = INDEX.prefix[at.leader - popcount(SLABS[at.slab])]
    at.block = FOLLOWERS_START[SLABS[at.slab] & 0xFF]
    while popcount(FOLLOWERS[at.block]) > at.follower:
        at.block += 1
    at.width = INDEX.prefix[at.follower - popcount(FOLLOWERS[at.block])]


cdef uint64_t packed_at(const Cursor* at) noexcept nogil:
    cdef uint64_t leader = (<uint64_t> SLABS[at.slab] << 5) | (MASKS[at.row] << 1)
    cdef uint64_t follower = (<uint64_t> FOLLOWERS[at.block] << 5) | (MASKS[at.column] << 1)
    cdef uint64_t leader_off = PIECES - at.leader
    cdef uint64_t follower_off = PIECES - at.follower
    if at.follows:
        return follower | leader << 16 | follower_off << 32 | leader_off << 40
    return leader | follower << 16 | leader_off << 32 | follower_off << 40


# Public types

class Progress(NamedTuple):
    """How far a solve has come, told after each layer.

    Attributes:
        layer: pieces borne off by the side that is ahead, and by the other.
        layers_done: layers finished, this one included.
        layers_total: layers of the game.
        positions_done: positions of the finished layers.
        positions_total: positions of the game that are not over.
        sweeps: passes over this layer.
        residual: the largest change of a win probability in its last sweep.
        elapsed: seconds since the start.
        left: seconds left, estimated.
        resumed: positions that came out of a checkpoint.
    """

    layer: tuple
    layers_done: int
    layers_total: int
    positions_done: int
    positions_total: int
    sweeps: int
    residual: float
    elapsed: float
    left: float
    resumed: int


class Move(NamedTuple):
    """A legal move: the square moved from (0 is the hand), the mover's win probability after it, and how much
    less that is than the best move's.
    """

    square: int
    value: float
    regret: float


def default_path(pieces=7):
    """Where the table of so many pieces is kept: in `UR_CACHE`, or the user's cache folder."""
    _check_pieces(pieces)
    if os.environ.get("UR_CACHE"):
        folder = Path(os.environ["UR_CACHE"])
    elif sys.platform == "darwin":
        folder = Path.home() / "Library/Caches/mlx-ur"
    else:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mlx-ur"
    return folder / f"finkel-{pieces}.table"


def _check_pieces(pieces):
    if isinstance(pieces, bool) or not isinstance(pieces, int) or not 1 <= pieces <= PIECES:
        raise ValueError(f"pieces must be 1 to {PIECES}, not {pieces!r}")


def _check_guess(guess, pieces, total):
    if np.shape(guess) != (total,):
        raise ValueError(f"a guess for {pieces} pieces has {total} values, not {np.shape(guess)}")
    if not (np.min(guess) >= 0 and np.max(guess) <= 1):         # nor is there a NaN
        raise ValueError("a guess consists of probabilities, from 0 to 1")


def check_tolerance(tolerance):
    """The tolerance as a number, 0 for the floor of float64. Raises ValueError."""
    if tolerance == "floor":
        return 0.0
    if isinstance(tolerance, (str, bool)) or not 0 < tolerance < 1:     # nor is a NaN
        raise ValueError(f"tolerance must be between 0 and 1, or 'floor', not {tolerance!r}")
    return float(tolerance)


cdef class Tablebase:
    """The win probability of every position with at most `pieces` pieces left a side.

    Made by `solve`, `open` or `from_rgu`. Look-ups are safe from any number of threads.
    """

    def __init__(self):
        raise TypeError("use Tablebase.solve, Tablebase.open or Tablebase.from_rgu")

    @staticmethod
    cdef Tablebase wrap(array, int pieces, double tolerance, double residual):
        """A table of these values, in the order of tablebase.pxd."""
        cdef Tablebase self = Tablebase.__new__(Tablebase)
        cdef const uint8_t[::1] raw = array.view(np.uint8)
        self.array = array
        self.table.values = &raw[0]
        self.table.dtype = DTYPES.index(array.dtype.name)
        self.table.pieces = pieces
        self.table.index = &INDEX
        self.tolerance = tolerance
        self.residual = residual
        return self

    @staticmethod
    def solve(pieces=7, tolerance=1e-12, workers=None, progress=None, checkpoint=None, output=None, say=None,
              guess=None):
        """Solves the game with so many pieces a side.

        Args:
            pieces: 1 to 7.
            tolerance: between 0 and 1. A layer is done when no win probability changes by more in a sweep, or
                when float64 goes no further; "floor" always goes on until then.
            workers: threads; one for each performance core unless told. The result does not depend on it.
            progress: called with a `Progress` after each layer.
            checkpoint: the file that keeps the finished layers, written every few seconds and on Ctrl-C, from
                which the next call with the same arguments goes on; unless told, beside `default_path(pieces)`.
            output: where to save the table before the checkpoint is deleted.
            say: called with one line where a checkpoint is gone on from, or is of no use.
            guess: one probability for each position in the table's order, to begin with. The better they are, the
                fewer sweeps; the result differs from that without them by about the tolerance.

        Raises:
            ValueError: pieces, tolerance or workers out of range; a guess of another size, or of no probabilities.
            KeyboardInterrupt: after the finished layers have been written.
        """
        from engine.solved.partial import Layers
        from engine.solved.solver import SLACK, solve_layers

        _check_pieces(pieces)
        limit = check_tolerance(tolerance)
        workers = worker_count(workers)
        if checkpoint is None:
            default = default_path(pieces)
            checkpoint = default.with_name(f"{default.stem}-{tolerance}.partial")
        layers = Layers(Path(checkpoint), pieces, limit, say)
        order = [(p, q) for q in range(1, pieces + 1) for p in range(1, q + 1)]
        total = count_of(pieces)
        values = np.empty(total + SLACK)
        if guess is not None:
            _check_guess(guess, pieces, total)
        began = time.monotonic()
        ends = [_layers_end(order, done) for done in range(len(order) + 1)]
        done, residual = layers.read(values, ends)
        if guess is not None:
            values[ends[done]:total] = guess[ends[done]:]
        resumed = ends[done]
        try:
            for sweeps, change in solve_layers(values, order, done, limit, workers, guess is not None):
                done += 1
                residual = max(residual, change)
                if progress is not None:
                    p, q = order[done - 1]
                    elapsed = time.monotonic() - began
                    positions = ends[done]
                    left = elapsed * (total - positions) / (positions - resumed)
                    progress(Progress((PIECES - p, PIECES - q), done, len(order), positions, total, sweeps,
                                      change, elapsed, left, resumed))
                layers.keep(values[:ends[done]], residual)
            table = Tablebase.wrap(values[:total], pieces, limit, residual)
            if output is not None:
                _save_beside(table, Path(output), layers)
        except BaseException as error:
            layers.keep(values[:ends[done]], residual, now=True)
            layers.close()
            if isinstance(error, KeyboardInterrupt) and say is not None and done:
                say(f"interrupted: {done} of {len(order)} layers are kept in {checkpoint}; "
                    "the same command goes on from there")
            raise
        layers.remove()
        return table

    @staticmethod
    def open(path, check=True):
        """The table in a file, mapped into memory.

        The header and the size are always checked. `check=False` leaves out the checksum of the values, which
        reads the whole file once.

        Raises:
            ValueError: not a table, or one that is damaged, truncated, or of another version or rule set.
            OSError: the file can't be read.
        """
        path = Path(path)
        pieces, dtype, count, tolerance, residual, checksum = _read_header(path, MAGIC)
        if count != count_of(pieces):
            raise ValueError(f"{path}: damaged: {count} values instead of {count_of(pieces)}")
        array = _map_values(path, dtype, count)
        if check and _checksum(array) != checksum:
            raise ValueError(f"{path}: damaged: the checksum of the values does not match")
        return Tablebase.wrap(array, pieces, tolerance, residual)

    def save(self, path, dtype="float64"):
        """Writes the table as float64, float32 or uint16 (round(65535 * probability)).

        The file appears under its name only when it is complete. Values that were coarser than `dtype` stay so: what
        their rounding lost goes into the file's tolerance.

        Raises:
            ValueError: another dtype.
            OSError: the file can't be written; nothing is left behind.
        """
        if dtype not in DTYPES:
            raise ValueError(f"dtype must be one of {', '.join(DTYPES)}, not {dtype!r}")
        tolerance = self.tolerance
        if ROUNDING[self.dtype] > ROUNDING[dtype]:
            tolerance = self.bellman_limit()
        _write_file(Path(path), MAGIC, self.array, DTYPES.index(dtype), self.pieces, tolerance, self.residual)

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
        return count_of(self.table.pieces)

    @property
    def nbytes(self):
        """Bytes of the values."""
        return self.array.nbytes

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
        cdef double[16] values
        cdef unsigned int sources
        cdef double best
        check_roll(roll)
        self.check(&position.board)
        sources = move_values(&self.table, &position.board, roll, values, &best)
        return [Move(s, values[s], best - values[s]) for s in range(15) if sources >> s & 1]

    def best_move(self, Position position not None, int roll):
        """The square of the best move, the lowest among equals, or None when the turn passes.

        Raises:
            ValueError: a roll out of range, or more pieces left than the table knows.
        """
        cdef int square
        check_roll(roll)
        self.check(&position.board)
        square = best_source(&self.table, &position.board, roll)
        return None if square < 0 else square

    def sample(self, n, uint64_t seed=0):
        """Positions drawn uniformly from all that are not over -> packed uint64, n."""
        cdef uint64_t[::1] out = np.empty(_check_count(n), dtype=np.uint64)
        cdef Py_ssize_t i
        cdef Dice dice
        cdef Cursor at
        cdef uint64_t word
        with nogil:
            for i in range(out.shape[0]):
                dice = new_dice(seed, i, ROLLS)
                word = (<uint64_t> next_word(&dice) << 32) | next_word(&dice)
                at = cursor_at(scale(word, count_of(self.table.pieces)))
                out[i] = packed_at(&at)
        return np.asarray(out)

    def positions(self, chunk=CHUNK):
        """All positions that are not over, in the table's order -> packed uint64 arrays of at most `chunk`."""
        cdef uint64_t[::1] out
        cdef Cursor at
        cdef Py_ssize_t i
        cdef int64_t first = 0
        cdef int64_t total = self.count
        if _check_count(chunk) == 0:
            raise ValueError("chunk must be at least 1")
        while first < total:
            out = np.empty(min(chunk, total - first), dtype=np.uint64)
            with nogil:
                at = cursor_at(first)
                for i in range(out.shape[0]):
                    out[i] = packed_at(&at)
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
        cdef Py_ssize_t found = 0
        cdef uint64_t game = 0
        cdef Board board
        cdef Dice dice
        cdef unsigned int sources
        cdef int roll
        with nogil:
            while found < positions.shape[0]:
                dice = new_dice(seed, game, ROLLS)
                game += 1
                board = opening(self.table.pieces)
                while found < positions.shape[0] and not is_over(&board):
                    roll = next_roll(&dice)
                    sources = legal_sources(&board, roll)
                    if sources == 0:
                        board = swap_sides(board)
                        continue
                    if sources & (sources - 1):
                        positions[found] = pack(&board)
                        rolls[found] = roll
                        found += 1
                    board = successor(board, best_source(&self.table, &board, roll), roll)
        return np.asarray(positions), np.asarray(rolls)

    def to_rgu(self, path, value_type="percent16"):
        """Writes the published format: "percent16", "f32" or "f64" percentages.

        Raises:
            ValueError: another value type.
            OSError: the file can't be written; nothing is left behind.
        """
        from engine.solved.rgu import write

        write(self, path, value_type)

    @staticmethod
    def from_rgu(path):
        """The table of a published map, in the dtype that the map has; its tolerance is unknown (NaN).

        Raises:
            ValueError: no map, or one that is damaged, truncated, or of another version or rule set.
            OSError: the file can't be read.
        """
        from engine.solved.rgu import read

        return read(path)

    def verify(self, workers=None, limit=None, progress=None):
        """Applies the Bellman equation to every position -> `Verification`.

        Independent of the solver: it enumerates the placements by itself and moves by the rules of
        position.pxd. `limit` is the residual up to which the table passes: unless told, the tolerance it was
        solved to, and what rounding to its dtype can add. `progress` is called now and then with the number of
        positions done, and of all.
        """
        from engine.solved.census import verify

        return verify(self, workers, limit, progress)

    def statistics(self, workers=None, progress=None):
        """The solved game in figures -> a dict that JSON can hold; docs/tablebase.md defines them.

        Every position is looked at twice; `progress` is called now and then with how many looks are done, and all.
        """
        from engine.solved.census import statistics

        return statistics(self, workers, progress)

    def bellman_limit(self):
        """The residual that the table's tolerance and dtype explain."""
        return (1e-12 if math.isnan(self.tolerance) else self.tolerance) + ROUNDING[self.dtype]

    cdef int check(self, const Board* board) except -1:
        if not holds(&self.table, board):
            raise ValueError(f"the table has {self.table.pieces} pieces a side, the position has "
                             f"{PIECES - min(board.own_off, board.opp_off)} left")
        return 0


def _save_beside(table, path, layers):
    """Saves a solved table; where the disk is too full for both, what was kept of the solve makes room."""
    try:
        table.save(path)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        layers.remove()
        table.save(path)


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
            if not is_packed(positions[i + k]):
                return i + k
            board = unpack(positions[i + k])
            if not holds(table, &board):
                return i + k
            if is_over(&board):
                entries[k] = -1
                flipped[k] = board.own_off == PIECES
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


# The file

def _layers_end(order, done):
    """How many values the first `done` layers have."""
    if done == 0:
        return 0
    p, q = order[done - 1]
    return INDEX.start[<int> p][<int> q] + INDEX.size[<int> p][<int> q] * (2 if p < q else 1)


def _checksum(array):
    """CRC-32 of the values' bytes."""
    checksum = 0
    for first in range(0, len(array), CHUNK):
        checksum = zlib.crc32(array[first:first + CHUNK].view(np.uint8), checksum)
    return checksum


def _convert(values, source, dtype):
    """Values of one code as those of another."""
    if source == dtype:
        return values
    if source == UINT16:
        values = values / 65535.0
    if dtype == UINT16:
        return np.rint(values * 65535.0).astype("<u2")
    return values.astype("<f8" if dtype == FLOAT64 else "<f4")


def _write_file(path, magic, array, dtype, pieces, tolerance, residual):
    checksum = 0
    source = DTYPES.index(array.dtype.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as file:
        file.write(bytes(HEADER_BYTES))
        for first in range(0, len(array), CHUNK):
            part = _convert(array[first:first + CHUNK], source, dtype)
            checksum = zlib.crc32(part.view(np.uint8), checksum)
            file.write(part.data)
        file.seek(0)
        file.write(pack_header(magic, pieces, len(array), tolerance, residual, checksum, dtype))


def pack_header(magic, pieces, count, tolerance, residual, checksum, dtype=FLOAT64):
    """The bytes that a file begins with."""
    header = HEADER.pack(magic, VERSION, HEADER_BYTES, RULES, pieces, dtype, count, tolerance, residual, checksum)
    return header + struct.pack("<I", zlib.crc32(header))


def _read_header(path, expected):
    """-> (pieces, dtype code, count, tolerance, residual, checksum). ValueError says what is wrong."""
    with path.open("rb") as file:
        found = parse_header(path, file.read(HEADER.size + 4), expected)
    size = HEADER_BYTES + found[2] * np.dtype(DTYPES[found[1]]).itemsize
    if path.stat().st_size != size:
        raise ValueError(f"{path}: truncated or damaged: {path.stat().st_size} bytes instead of {size}")
    return found


def parse_header(path, start, expected):
    """The same of the bytes that what should be the file at `path` begins with."""
    start = start[:HEADER.size + 4]
    if len(start) < HEADER.size + 4 or start[:8] != expected:
        raise ValueError(f"{path}: not a table of the Royal Game of Ur")
    (_, version, offset, rules, pieces, dtype, count, tolerance, residual, checksum) = HEADER.unpack(
        start[:HEADER.size])
    if version != VERSION:
        raise ValueError(f"{path}: version {version} of the table format, this program reads {VERSION}")
    if zlib.crc32(start[:HEADER.size]) != struct.unpack("<I", start[HEADER.size:])[0]:
        raise ValueError(f"{path}: damaged: the checksum of the header does not match")
    if rules.rstrip(b"\0") != RULES:
        raise ValueError(f"{path}: a table of other rules: {rules.rstrip(bytes(1)).decode(errors='replace')}")
    if offset != HEADER_BYTES or not 1 <= pieces <= PIECES or dtype >= len(DTYPES):
        raise ValueError(f"{path}: damaged: the header makes no sense")
    return pieces, dtype, count, tolerance, residual, checksum


def _map_values(path, dtype, count):
    return np.memmap(path, dtype=np.dtype(DTYPES[dtype]).newbyteorder("<"), mode="r", offset=HEADER_BYTES,
                     shape=(count,)).view(np.ndarray)
