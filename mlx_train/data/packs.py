"""Decisions of a few games as compressed bytes, without what the rules give back.

A pack has columns, which compress better than whole records: of position and value the bytes of equal weight stand
together, and only legal moves have values. How many moves are legal follows from the position and the roll. The bytes
are the length of a header, four bytes, lowest first; the header, JSON, with the number of the first game, and the shape
and the compressed length of each column; and the columns, each a zlib stream.
"""

import json
import math
import zlib
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from engine.core.batch import move_counts
from engine.games.chunks import in_chunks
from engine.games.decisions import DECISION_DTYPE

#: A pack holds the games n * PACK_GAMES up to the next multiple, or some of them.
PACK_GAMES = 1024

# Runs and frequencies of bytes, no repeated texts. At zlib's fastest level this takes half of the time of its default
# strategy, for as many bytes.
_STRATEGY = zlib.Z_RLE

# Zeros compress by a factor of 1,000. Larger factors than these come from nothing that was packed.
_MOST_EXPANSION = 64
_ALWAYS_ALLOWED = 1 << 20

_POSITION_BYTES, _VALUE_BYTES = 6, 4

T = TypeVar("T")
U = TypeVar("U")


def each(function: Callable[[T], U], items: Sequence[T], workers: int | None) -> list[U]:
    """The results of a function that releases the GIL, of all items in order, by several threads.

    Raises what the function raises; KeyboardInterrupt.
    """
    if not items:
        return []
    results, interrupted = in_chunks(len(items), workers, lambda first, _: function(items[first]), None, chunk=1)
    if interrupted:
        raise KeyboardInterrupt
    return results


def divided(records: NDArray[np.void]) -> list[NDArray[np.void]]:
    """Records in ascending order of their games -> the records of each pack. Raises ValueError for another order."""
    games = records["game"]
    if len(games) and (games[1:] < games[:-1]).any():
        raise ValueError("the records are not in the order of their games")
    numbers = games // PACK_GAMES
    return np.split(records, np.flatnonzero(numbers[1:] != numbers[:-1]) + 1) if len(games) else []


def number_of(records: NDArray[np.void]) -> int:
    """The number of the pack that records of one pack belong to."""
    return int(records["game"][0]) // PACK_GAMES


def pack(records: NDArray[np.void]) -> bytes:
    """The pack of some records, which `divided` gives. Equal records give equal bytes."""
    moves = records["moves"]
    legal = np.arange(records["values"].shape[1]) < moves[:, None]
    first = int(records["game"][0])
    results = records["results"][legal]
    columns: dict[str, NDArray[Any]] = {
        "decisions": np.bincount(records["game"] - first).astype(np.uint16),  # of each game from `first` on
        "positions": _planes(records["position"], _POSITION_BYTES),
        "rolls": records["roll"],
        "chosen": records["chosen"],
        "won": np.packbits(records["outcome"] > 0),
        "values": _planes(records["values"][legal], _VALUE_BYTES),
        "results": results if results.any() else results[:0],
    }
    streams = {name: _compressed(column.tobytes()) for name, column in columns.items()}
    shapes = {name: [columns[name].shape, len(stream)] for name, stream in streams.items()}
    header = json.dumps({"first": first, "columns": shapes}).encode()
    return b"".join([len(header).to_bytes(4, "little"), header, *streams.values()])


def _compressed(data: bytes) -> bytes:
    packer = zlib.compressobj(1, strategy=_STRATEGY)
    return packer.compress(data) + packer.flush()


def unpack(data: bytes, rules: str = "finkel") -> NDArray[np.void]:
    """The inverse of `pack`, of games of a rule set. Raises ValueError for what holds no decisions that it allows."""
    first, columns = _columns(data)
    counts, positions, rolls, values = (columns[name] for name in ("decisions", "positions", "rolls", "values"))
    n = len(rolls)
    lengths = (counts.sum(dtype=np.int64), len(columns["chosen"]), len(columns["won"]))
    if n == 0 or positions.shape != (_POSITION_BYTES, n) or lengths != (n, n, -(-n // 8)):
        raise ValueError("its columns are of different lengths")
    records = np.zeros(n, dtype=DECISION_DTYPE)
    records["position"] = _joined(positions, np.dtype(np.uint64))
    records["game"] = np.repeat(np.arange(len(counts), dtype=np.uint32) + np.uint32(first), counts)
    records["roll"], records["chosen"] = rolls, columns["chosen"]
    records["moves"] = move_counts(records["position"], rolls, rules)
    records["outcome"] = 2 * np.unpackbits(columns["won"], count=n).astype(np.int8) - 1
    legal = np.arange(records["values"].shape[1]) < records["moves"][:, None]
    if values.shape != (_VALUE_BYTES, np.count_nonzero(legal)):
        raise ValueError("it has not as many values as legal moves")
    records["values"] = np.nan
    records["values"][legal] = _joined(values, np.dtype(np.float32))
    if len(columns["results"]) not in (0, values.shape[1]):
        raise ValueError("it has not as many results as legal moves")
    if len(columns["results"]):
        records["results"][legal] = columns["results"]
    check(records, rules)
    return records


def positions_of(data: bytes) -> NDArray[np.uint64]:
    """The packed positions of a pack's decisions. Raises ValueError."""
    return _joined(_columns(data, "positions")[1]["positions"], np.dtype(np.uint64))


def check(records: NDArray[np.void], rules: str = "finkel") -> None:
    """Raise ValueError unless every record is a decision that the rules allow, with a value for each of its moves."""
    moves = move_counts(records["position"], records["roll"], rules)
    if not ((moves >= 2) & (records["moves"] == moves) & (records["chosen"] < moves)).all():
        raise ValueError("a record's moves are not those of its position")
    legal = np.arange(records["values"].shape[1]) < moves[:, None]
    if not np.isfinite(records["values"][legal]).all():
        raise ValueError("a record's value is not finite")
    if not (np.abs(records["outcome"]) == 1).all():
        raise ValueError("a record's outcome is neither won nor lost")


#: The type and the number of dimensions of each column, in their order.
_TYPES: dict[str, tuple[Any, int]] = {
    "decisions": (np.uint16, 1),
    "positions": (np.uint8, 2),
    "rolls": (np.uint8, 1),
    "chosen": (np.uint8, 1),
    "won": (np.uint8, 1),
    "values": (np.uint8, 2),
    "results": (np.int8, 1),
}


def _columns(data: bytes, *wanted: str) -> tuple[int, dict[str, NDArray[Any]]]:
    """-> (the number of a pack's first game, its columns, by default all of them). Raises ValueError."""
    end = 4 + int.from_bytes(data[:4], "little")
    columns = {}
    try:
        header = json.loads(data[4:end].decode())
        first, entries = header["first"], header["columns"]
        for name, (dtype, dimensions) in _TYPES.items():
            shape, length = entries[name]
            start, end = end, end + length
            if not all(type(number) is int and 0 <= number < 1 << 32 for number in (first, length, *shape)):
                raise ValueError("its header is damaged")
            if len(shape) != dimensions:
                raise ValueError("its columns are of other types")
            if name in (wanted or _TYPES):
                columns[name] = np.frombuffer(_plain(data[start:end], shape, np.dtype(dtype)), dtype).reshape(shape)
    except (KeyError, TypeError, RecursionError, zlib.error) as error:
        raise ValueError(f"damaged: {error}") from None
    return first, columns


def _plain(stream: bytes, shape: Sequence[int], dtype: np.dtype[Any]) -> bytes:
    """The bytes of a column of this shape. Raises ValueError, zlib.error."""
    expected = math.prod(shape) * dtype.itemsize
    if expected > _MOST_EXPANSION * len(stream) + _ALWAYS_ALLOWED:
        raise ValueError("a column grows beyond measure")
    unpacker = zlib.decompressobj()
    content = unpacker.decompress(stream, expected + 1)
    if len(content) != expected or not unpacker.eof:
        raise ValueError("a column has another length")
    return content


def _planes(numbers: NDArray[Any], count: int) -> NDArray[np.uint8]:
    """(count, n): the lowest bytes of n numbers, the bytes of equal weight together."""
    little = numbers.astype(numbers.dtype.newbyteorder("<"), copy=False)
    return np.ascontiguousarray(np.ascontiguousarray(little).view(np.uint8).reshape(len(numbers), -1)[:, :count].T)


def _joined(planes: NDArray[np.uint8], dtype: np.dtype[Any]) -> NDArray[Any]:
    """The inverse of `_planes`."""
    numbers = np.zeros((planes.shape[1], dtype.itemsize), dtype=np.uint8)
    numbers[:, : len(planes)] = planes.T
    return numbers.view(dtype.newbyteorder("<")).reshape(-1).astype(dtype, copy=False)
