"""The `.rgu` map, the format in which solved games are published: written by RoyalUr-Java, read by others.

A key describes a position with light to move: dark's private squares, the rank of the lane, light's private squares,
dark's hand, light's hand, from the low bits up. The values are percentages, in the order of the keys.
"""

from libc.math cimport floor
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from engine.core.position cimport *
from engine.solved.order cimport LANE_START, count_of, entry_of, lane_of
from engine.solved.table cimport FLOAT32, FLOAT64, SolvedTable, Table
import json
import math
import struct
from pathlib import Path
import numpy as np
from engine.machine.files import atomic_file

VALUE_TYPES = {"percent16": ">u2", "f32": ">f4", "f64": ">f8"}
SETTINGS = {
    "board_shape": "standard",
    "paths": "bell",
    "dice": "four_binary",
    "safe_rosettes": True,
    "rosettes_grant_rolls": True,
    "captures_grant_rolls": False,
}
BUFFER = 3 ** 8 * 64        # more positions than there are for given hands and private squares of light
MOST_HEADER = 1 << 20       # bytes of JSON


# Where everything stands in a key, for so many pieces a side.
ctypedef struct Keys:
    int pieces
    int lanes                   # occupations of the lane by at most `pieces` of each side
    int bits                    # of the lane's rank
    uint16_t light[6561]        # by rank: light's squares 5 to 12, as bits 0 to 7
    uint16_t dark[6561]


cdef unsigned int private_squares(int code) noexcept nogil:
    """Six bits of a key -> path squares: bits 0 to 3 are squares 4, 3, 2, 1, bit 4 is 14, bit 5 is 13."""
    return (((code >> 3) & 1) << 1 | ((code >> 2) & 1) << 2 | ((code >> 1) & 1) << 3 | (code & 1) << 4
            | ((code >> 4) & 1) << 14 | ((code >> 5) & 1) << 13)


cdef Keys keys_of(int pieces) noexcept nogil:
    cdef Keys keys
    cdef int code, rest, square
    cdef unsigned int light, dark
    keys.pieces = pieces
    keys.lanes = 0
    for code in range(6561):            # the first shared square is the most significant digit
        rest = code
        light = dark = 0
        for square in range(7, -1, -1):
            if rest % 3 == 1:
                dark |= 1 << square
            elif rest % 3 == 2:
                light |= 1 << square
            rest //= 3
        if popcount(light) <= pieces and popcount(dark) <= pieces:
            keys.light[keys.lanes] = light
            keys.dark[keys.lanes] = dark
            keys.lanes += 1
    keys.bits = 1
    while keys.lanes - 1 > 1 << keys.bits:
        keys.bits += 1
    return keys


cdef int list_positions(const Keys* keys, int light_hand, int dark_hand, int private, uint32_t* codes,
                        uint64_t* packed) noexcept nogil:
    """The keys, ascending, with these hands and private squares of light, and their positions; how many."""
    cdef int n = 0
    cdef int lane, code
    cdef int off = PIECES - keys.pieces
    cdef unsigned int own, opp
    cdef int own_left = keys.pieces - light_hand - popcount(private)
    cdef int opp_left = keys.pieces - dark_hand
    cdef uint32_t high = (private << (6 + keys.bits) | dark_hand << (12 + keys.bits)
                          | <uint32_t> light_hand << (15 + keys.bits))
    for lane in range(keys.lanes):
        if popcount(keys.light[lane]) > own_left or popcount(keys.dark[lane]) > opp_left:
            continue
        own = <unsigned int> keys.light[lane] << LANE_START | private_squares(private)
        for code in range(64):
            opp = <unsigned int> keys.dark[lane] << LANE_START | private_squares(code)
            if popcount(opp) > opp_left or (dark_hand == 0 and opp == 0):
                continue
            codes[n] = high | lane << 6 | code
            packed[n] = (own | <uint64_t> opp << 16
                         | <uint64_t> (off + own_left - popcount(keys.light[lane])) << 32
                         | <uint64_t> (off + opp_left - popcount(opp)) << 40)
            n += 1
    return n


cdef class _Walk:
    """The map's positions in the order of their keys, in chunks."""

    cdef Keys keys

    def __init__(self, int pieces):
        self.keys = keys_of(pieces)

    def __iter__(self):
        """Yields (keys, packed positions)."""
        cdef uint32_t[::1] codes = np.empty(BUFFER, dtype=np.uint32)
        cdef uint64_t[::1] packed = np.empty(BUFFER, dtype=np.uint64)
        cdef int light_hand, dark_hand, private, n
        cdef int pieces = self.keys.pieces
        for light_hand in range(pieces + 1):
            for dark_hand in range(pieces + 1):
                for private in range(64):
                    if light_hand + popcount(private) > pieces:
                        continue
                    with nogil:
                        n = list_positions(&self.keys, light_hand, dark_hand, private, &codes[0], &packed[0])
                    yield np.asarray(codes)[:n], np.asarray(packed)[:n]


def key_of(Position position not None, int pieces=PIECES):
    """The key of a position in the map of the game with so many pieces a side; light is the side to move."""
    cdef Keys keys = keys_of(pieces)
    cdef Board* board = &position.board
    cdef int off = PIECES - pieces
    cdef int rank = 0, light = 0, dark = 0
    if board.own_off < off or board.opp_off < off:
        raise ValueError(f"the position has more than {pieces} pieces a side")
    for rank in range(keys.lanes):
        if keys.light[rank] == lane_of(board.own >> LANE_START) and keys.dark[rank] == lane_of(board.opp >> LANE_START):
            break
    for code in range(64):
        if private_squares(code) == board.own & ~LANE_MASK:
            light = code
        if private_squares(code) == board.opp & ~LANE_MASK:
            dark = code
    return (dark | rank << 6 | light << (6 + keys.bits) | board.opp_hand << (12 + keys.bits)
            | board.own_hand << (15 + keys.bits))


def count_entries(int pieces):
    """How many entries the map has: all positions but those where dark has borne off everything."""
    # Those where light has, against any placement of dark that is not over.
    cdef int64_t won = 0
    cdef int squares
    for squares in range(0, pieces + 1):
        won += math.comb(14, squares) * (pieces - squares + 1)
    return count_of(pieces) + won - 1


cdef void to_percent16(const double* values, uint16_t* out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = <uint16_t> floor(values[i] * 100.0 / 100.0 * 65535.0 + 0.5)


def write(SolvedTable table, path, value_type):
    """See `Tablebase.to_rgu`."""
    if value_type not in VALUE_TYPES:
        raise ValueError(f"value_type must be one of {', '.join(VALUE_TYPES)}, not {value_type!r}")
    width = np.dtype(VALUE_TYPES[value_type]).itemsize
    header = json.dumps({
        "value_type": value_type,
        "author": "mlx-ur",
        "target-precision": 100 * table.tolerance if math.isfinite(table.tolerance) else 0.0,
        "training-precision": 100 * table.residual if math.isfinite(table.residual) else 0.0,
        "game_settings": {"start_pieces": table.pieces, **SETTINGS},
    }).encode()
    entries = count_entries(table.pieces)
    start = 4 + 4 + len(header) + 4 + 4
    written = 0
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as file:
        file.write(b"RGU\0" + struct.pack(">I", len(header)) + header + struct.pack(">II", 1, entries))
        for keys, packed in _Walk(table.pieces):
            if len(keys) == 0:
                continue
            file.seek(start + 4 * written)
            file.write(keys.astype(">u4").data)
            file.seek(start + 4 * entries + width * written)
            file.write(_encoded(table.values(packed), value_type).data)
            written += len(keys)


def _encoded(const double[::1] values, value_type):
    """Win probabilities as the values of a map."""
    cdef uint16_t[::1] rounded
    if value_type != "percent16":
        return (np.asarray(values) * 100.0).astype(VALUE_TYPES[value_type])
    rounded = np.empty(values.shape[0], dtype=np.uint16)
    to_percent16(&values[0], &rounded[0], values.shape[0])
    return np.asarray(rounded).astype(VALUE_TYPES[value_type])


cdef void store(const Table* table, const uint64_t* packed, const double* values, void* out,
                Py_ssize_t n) noexcept nogil:
    """Puts win probabilities where the table has them; positions that are over have no place."""
    cdef Py_ssize_t i
    cdef Board board
    cdef bint flipped
    cdef int64_t entry
    cdef double value
    for i in range(n):
        board = unpack(table.rules, packed[i])
        if is_over(&board):
            continue
        entry = entry_of(table.index, &board, &flipped)
        value = 1.0 - values[i] if flipped else values[i]
        if table.dtype == FLOAT64:
            (<double*> out)[entry] = value
        elif table.dtype == FLOAT32:
            (<float*> out)[entry] = value
        else:
            (<uint16_t*> out)[entry] = <uint16_t> floor(value * 65535.0 + 0.5)


def read(path):
    """The values of a map, in the table's order -> (array, pieces, precision as a probability).

    See `Tablebase.from_rgu`.
    """
    cdef SolvedTable table
    cdef uint8_t[::1] raw
    cdef const uint64_t[::1] positions
    cdef const double[::1] probabilities
    path = Path(path)
    size = path.stat().st_size
    with path.open("rb") as keys_file, path.open("rb") as values_file:
        pieces, precision, start = _read_header(keys_file, path, size)
        entries = count_entries(pieces)
        # Some published float64 maps say "f32" as well: the size of the file decides.
        width = (size - start - 4 * entries) / entries
        dtype = {2.0: ">u2", 4.0: ">f4", 8.0: ">f8"}.get(width)
        if dtype is None:
            raise ValueError(f"{path}: truncated or damaged: {size} bytes do not fit {entries} entries")
        scale = 65535.0 if dtype == ">u2" else 100.0
        array = np.empty(count_of(pieces), dtype=np.dtype(dtype).newbyteorder("="))
        raw = array.view(np.uint8)
        table = SolvedTable.wrap(array, pieces, math.nan, precision)
        values_file.seek(start + 4 * entries)
        for keys, positions in _Walk(pieces):
            n = len(keys)
            if n == 0:
                continue
            if not np.array_equal(np.frombuffer(keys_file.read(4 * n), dtype=">u4"), keys):
                raise ValueError(f"{path}: damaged: the keys are not those of {pieces} pieces")
            values = np.frombuffer(values_file.read(n * int(width)), dtype=dtype).astype(np.float64) / scale
            if not (values.min() >= 0 and values.max() <= 1):
                raise ValueError(f"{path}: damaged: a value is no percentage")
            probabilities = values
            store(&table.table, &positions[0], &probabilities[0], &raw[0], n)
    return array, pieces, precision


def _read_header(file, path, size):
    """-> (pieces, precision as a probability, where the keys start). ValueError says what is wrong."""
    start = file.read(8)
    if len(start) < 8 or start[:3] != b"RGU":
        raise ValueError(f"{path}: not an .rgu map")
    if start[3] != 0:
        raise ValueError(f"{path}: version {start[3]} of the .rgu format, this program reads 0")
    length = struct.unpack(">I", start[4:])[0]
    if length > min(size, MOST_HEADER):
        raise ValueError(f"{path}: truncated or damaged: the header does not fit the file")
    try:
        header = json.loads(file.read(length))
        settings = header["game_settings"]
        pieces = settings["start_pieces"]
        precision = float(header.get("training-precision", math.nan)) / 100
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ValueError(f"{path}: damaged: the header is not the JSON of a map") from None
    other = [name for name, value in SETTINGS.items() if settings.get(name) != value]
    if other:
        raise ValueError(f"{path}: a map of other rules: {other[0]} is {settings.get(other[0])!r}")
    if not isinstance(pieces, int) or not 1 <= pieces <= PIECES:
        raise ValueError(f"{path}: a map with {pieces!r} pieces a side, this program reads 1 to {PIECES}")
    counts = file.read(8)
    if len(counts) < 8 or struct.unpack(">II", counts) != (1, count_entries(pieces)):
        raise ValueError(f"{path}: truncated or damaged: not the entries of {pieces} pieces")
    return pieces, precision, 8 + length + 8
