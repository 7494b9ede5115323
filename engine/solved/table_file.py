"""The file of a table: a header, padded to HEADER_BYTES, then the values in the table's order; all little-endian.

The format is described in docs/tablebase.md.
"""

import struct
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.core.rules import RULE_SETS, rules
from engine.machine.files import atomic_file, check_regular
from engine.solved.order import layer_end
from engine.solved.table import CHUNK, DTYPES

TABLE_MAGIC = b"UrTable\n"
VERSION = 1
HEADER_BYTES = 4096

#: Magic, version, HEADER_BYTES, rules, pieces, dtype's code, number of values, tolerance, residual, the values' CRC-32;
#: then the CRC-32 of these bytes.
HEADER = struct.Struct("<8sII16sIIQddI")


class Header(NamedTuple):
    """What the header of a file says about its values.

    Attributes:
        rules: the name of the rule set.
        pieces: the number of pieces a side.
        dtype: "float64", "float32" or "uint16".
        length: the number of values.
        tolerance: the tolerance of the solve; 0 for the floor of float64, NaN if unknown.
        residual: the largest change of a value in a layer's last sweep.
        checksum: CRC-32 of the values' bytes.
    """

    rules: str
    pieces: int
    dtype: str
    length: int
    tolerance: float
    residual: float
    checksum: int

    def pack(self, magic: bytes) -> bytes:
        """The bytes that a file with this magic begins with."""
        code = DTYPES.index(self.dtype)
        header = HEADER.pack(magic, VERSION, HEADER_BYTES, self.rules.encode(), self.pieces, code, *self[3:])
        return header + struct.pack("<I", zlib.crc32(header))


def parse_header(path: Path, start: bytes, magic: bytes) -> Header:
    """The header in the first bytes of a file. Raises ValueError, which names the path and says what is wrong."""
    content, end = start[: HEADER.size], start[HEADER.size : HEADER.size + 4]
    if len(end) < 4 or content[:8] != magic:
        raise ValueError(f"{path}: not a table of the Royal Game of Ur")
    _, version, offset, name, pieces, code, *rest = HEADER.unpack(content)
    if version != VERSION:
        raise ValueError(f"{path}: version {version} of the table format, this program reads {VERSION}")
    if zlib.crc32(content) != struct.unpack("<I", end)[0]:
        raise ValueError(f"{path}: damaged: the checksum of the header does not match")
    rule_set = name.rstrip(b"\0").decode(errors="replace")
    if rule_set not in RULE_SETS:
        raise ValueError(f"{path}: a table of other rules: {rule_set}")
    if offset != HEADER_BYTES or not 1 <= pieces <= rules(rule_set).pieces or code >= len(DTYPES):
        raise ValueError(f"{path}: damaged: the header makes no sense")
    return Header(rule_set, pieces, DTYPES[code], *rest)


def checksum_of(values: NDArray[Any], before: int = 0) -> int:
    """CRC-32 of the values' bytes. before: the checksum of the values that stand in front of them."""
    for first in range(0, len(values), CHUNK):
        before = zlib.crc32(values[first : first + CHUNK].view(np.uint8).data, before)
    return before


def write(path: Path, header: Header, values: NDArray[Any]) -> None:
    """Write a table's values in the header's dtype. The checksum of the header is replaced.

    The file appears under its name only when it is complete. Raises OSError if it can't be written.
    """
    checksum = 0
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as file:
        file.write(bytes(HEADER_BYTES))
        for first in range(0, len(values), CHUNK):
            part = _converted(values[first : first + CHUNK], header.dtype)
            checksum = checksum_of(part, checksum)
            file.write(part.data)
        file.seek(0)
        file.write(header._replace(checksum=checksum).pack(TABLE_MAGIC))


def _converted(values: NDArray[Any], dtype: str) -> NDArray[Any]:
    """Win probabilities of one dtype as those of another."""
    if values.dtype.name == dtype:
        return values
    if values.dtype.name == "uint16":
        values = values / 65535.0
    if dtype == "uint16":
        return np.rint(values * 65535.0).astype("<u2")
    return values.astype(np.dtype(dtype).newbyteorder("<"))


def read(path: Path, check: bool) -> tuple[Header, NDArray[Any]]:
    """The header and the values, mapped into memory. check: whether the checksum of the values is compared.

    Raises:
        ValueError: not a table, or one that is damaged, truncated, or of another version or rule set.
        OSError: the file can't be read.
    """
    check_regular(path)
    with path.open("rb") as file:
        header = parse_header(path, file.read(HEADER.size + 4), TABLE_MAGIC)
    dtype = np.dtype(header.dtype).newbyteorder("<")
    size = HEADER_BYTES + header.length * dtype.itemsize
    if path.stat().st_size != size:
        raise ValueError(f"{path}: truncated or damaged: {path.stat().st_size} bytes instead of {size}")
    count = layer_end(header.pieces, header.pieces, header.rules)
    if header.length != count:
        raise ValueError(f"{path}: damaged: {header.length} values instead of {count}")
    values = np.memmap(path, dtype=dtype, mode="r", offset=HEADER_BYTES, shape=(count,)).view(np.ndarray)
    if check and checksum_of(values) != header.checksum:
        raise ValueError(f"{path}: damaged: the checksum of the values does not match")
    return header, values
