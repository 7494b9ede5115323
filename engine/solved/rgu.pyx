"""The `.rgu` file, the format in which solved games are published: written by RoyalUr-Java, read by others.

The low 32 bits of the keys (rgu_keys.pyx) stand in the file, ascending, in one map for each value of the bits above
them. The values are percentages, in the order of the keys.
"""

from libc.math cimport floor
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint64_t
from engine.core.position cimport *
from engine.solved.order cimport count_of, entry_of, index_of
from engine.solved.table cimport FLOAT32, FLOAT64, SolvedTable, Table
from engine.core.rules cimport rules_number
import json
import math
import struct
from pathlib import Path
import numpy as np
from engine.core.rules import rules as rule_set
from engine.machine.files import atomic_file
from engine.solved.rgu_keys import entries_by_map, walk

VALUE_TYPES = {"percent16": ">u2", "f32": ">f4", "f64": ">f8"}

_WORDS = "board_shape", "paths", "dice", "safe_rosettes", "rosettes_grant_rolls", "captures_grant_rolls"

#: What a file says of each rule set, beside its number of pieces, in RoyalUr-Java's words.
SETTINGS = {
    name: dict(zip(_WORDS, values, strict=True))
    for name, values in {
        "finkel": ("standard", "bell", "four_binary", True, True, False),
        "blitz": ("standard", "masters", "four_binary", False, True, True),
        "masters": ("standard", "masters", "three_binary_0eq4", False, True, False),
        "aseb": ("aseb", "aseb", "four_binary", True, True, False),
    }.items()
}

MOST_HEADER = 1 << 20       # bytes of JSON


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
        "game_settings": {"start_pieces": table.pieces, **SETTINGS[table.rules]},
    }).encode()
    maps = entries_by_map(table.pieces, table.rules)
    entries = sum(maps)
    start = 4 + 4 + len(header) + 4 + 4 * len(maps)
    written = 0
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as file:
        file.write(b"RGU\0" + struct.pack(">I", len(header)) + header)
        file.write(struct.pack(f">I{len(maps)}I", len(maps), *maps))
        for keys, packed in walk(table.rules, table.pieces):
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
    """The values of a map, in the table's order -> (array, rule set, pieces, precision as a probability).

    See `Tablebase.from_rgu`.
    """
    cdef SolvedTable table
    cdef uint8_t[::1] raw
    cdef const uint64_t[::1] positions
    cdef const double[::1] probabilities
    path = Path(path)
    size = path.stat().st_size
    with path.open("rb") as keys_file, path.open("rb") as values_file:
        rules, pieces, precision, start = _read_header(keys_file, path, size)
        entries = sum(entries_by_map(pieces, rules))
        # Some published float64 maps say "f32" as well: the size of the file decides.
        width = (size - start - 4 * entries) / entries
        dtype = {2.0: ">u2", 4.0: ">f4", 8.0: ">f8"}.get(width)
        if dtype is None:
            raise ValueError(f"{path}: truncated or damaged: {size} bytes do not fit {entries} entries")
        scale = 65535.0 if dtype == ">u2" else 100.0
        array = np.empty(count_of(index_of(rules_number(rules)), pieces), dtype=np.dtype(dtype).newbyteorder("="))
        raw = array.view(np.uint8)
        table = SolvedTable.wrap(array, pieces, math.nan, precision, rules)
        values_file.seek(start + 4 * entries)
        for keys, positions in walk(rules, pieces):
            n = len(keys)
            if not np.array_equal(np.frombuffer(keys_file.read(4 * n), dtype=">u4"), keys):
                raise ValueError(f"{path}: damaged: the keys are not those of {pieces} pieces")
            values = np.frombuffer(values_file.read(n * int(width)), dtype=dtype).astype(np.float64) / scale
            if not (values.min() >= 0 and values.max() <= 1):
                raise ValueError(f"{path}: damaged: a value is no percentage")
            probabilities = values
            store(&table.table, &positions[0], &probabilities[0], &raw[0], n)
    return array, rules, pieces, precision


def _read_header(file, path, size):
    """-> (rule set, pieces, precision as a probability, where the keys start). ValueError says what is wrong."""
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
    rules = _rules_of(path, settings)
    most = rule_set(rules).pieces
    if not isinstance(pieces, int) or not 1 <= pieces <= most:
        raise ValueError(f"{path}: a map with {pieces!r} pieces a side, this program reads 1 to {most}")
    maps = entries_by_map(pieces, rules)
    counts = file.read(4 + 4 * len(maps))
    if counts != struct.pack(f">I{len(maps)}I", len(maps), *maps):
        raise ValueError(f"{path}: truncated or damaged: not the entries of {pieces} pieces")
    return rules, pieces, precision, 8 + length + 4 + 4 * len(maps)


def _rules_of(path, settings):
    """The rule set that the settings of a file describe. ValueError if there is none, with the first other setting."""
    same = {name: [settings.get(word) == value for word, value in words.items()] for name, words in SETTINGS.items()}
    nearest = max(same, key=lambda name: sum(same[name]))
    if not all(same[nearest]):
        word = _WORDS[same[nearest].index(False)]
        raise ValueError(f"{path}: a map of other rules: {word} is {settings.get(word)!r}")
    return nearest
