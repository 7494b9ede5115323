"""The file of a table: written, read, damaged."""

import struct
import zlib

import numpy as np
import pytest

from engine.solved.table_file import HEADER, HEADER_BYTES
from engine.solved.tablebase import Tablebase


def test_a_coarse_table_saved_as_a_finer_one_owns_up_to_it(bases, tmp_path):
    bases[2].save(tmp_path / "coarse", "float32")
    Tablebase.open(tmp_path / "coarse").save(tmp_path / "fine", "float64")
    fine = Tablebase.open(tmp_path / "fine")
    assert fine.dtype == "float64"
    assert fine.tolerance > 1e-8
    assert fine.verify(workers=1).passed


@pytest.mark.parametrize(("dtype", "step"), [("float64", 0), ("float32", 2**-24), ("uint16", 0.5 / 65535)])
def test_save_and_open(bases, tmp_path, dtype, step):
    path = tmp_path / "a folder" / "small.table"
    bases[3].save(path, dtype)
    again = Tablebase.open(path)
    assert (again.pieces, again.dtype, again.count) == (3, dtype, bases[3].count)
    assert (again.tolerance, again.residual) == (0.0, bases[3].residual)
    assert again.nbytes == bases[3].count * np.dtype(dtype).itemsize
    assert path.stat().st_size == HEADER_BYTES + again.nbytes
    packed = bases[3].sample(5000)
    assert np.abs(again.values(packed) - bases[3].values(packed)).max() <= step * 1.0001
    assert again.verify(workers=1).passed
    assert [file.name for file in path.parent.iterdir()] == ["small.table"]


def test_dtype_is_checked(bases, tmp_path):
    with pytest.raises(ValueError, match="dtype must be one of"):
        bases[1].save(tmp_path / "x", "float16")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data[:-1], "truncated or damaged"),
        (lambda data: data + b"\0", "truncated or damaged"),
        (lambda data: data[:50], "not a table"),
        (lambda data: b"", "not a table"),
        (lambda data: b"PK" + data[2:], "not a table"),
        (lambda data: data[:8] + struct.pack("<I", 2) + data[12:], "version 2 of the table format"),
        (lambda data: data[:40] + b"\7" + data[41:], "checksum of the header"),
        (lambda data: data[:5000] + bytes([data[5000] ^ 1]) + data[5001:], "checksum of the values"),
    ],
)
def test_damaged_files_are_refused(bases, tmp_path, change, message):
    path = tmp_path / "small.table"
    bases[2].save(path)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(ValueError, match=message) as caught:
        Tablebase.open(path)
    assert "\n" not in str(caught.value)


def test_other_rules_are_refused(bases, tmp_path):
    path = tmp_path / "small.table"
    bases[1].save(path)
    data = path.read_bytes()
    header = bytearray(data[: HEADER.size])
    header[16:32] = b"murray".ljust(16, b"\0")
    path.write_bytes(header + struct.pack("<I", zlib.crc32(header)) + data[HEADER.size + 4 :])
    with pytest.raises(ValueError, match="other rules: murray"):
        Tablebase.open(path)


def test_unchecked_open_reads_the_header_only(bases, tmp_path):
    path = tmp_path / "small.table"
    bases[2].save(path)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert Tablebase.open(path, check=False).count == bases[2].count


def test_a_full_disk_leaves_nothing(bases, tmp_path, monkeypatch):
    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    path = tmp_path / "small.table"
    path.write_bytes(b"before")
    with pytest.raises(OSError, match="No space left"):
        bases[1].save(path)
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]
