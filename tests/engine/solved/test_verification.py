"""The check of every position by the Bellman equation."""

import struct
import zlib

import numpy as np
import pytest

from engine.solved.rgu_keys import count_entries
from engine.solved.table_file import HEADER, HEADER_BYTES
from engine.solved.tablebase import Tablebase


def copy_of(base, tmp_path, change):
    """The table after `change(values)`, by way of a file whose checksums are right."""
    path = tmp_path / "changed.table"
    base.save(path)
    data = bytearray(path.read_bytes())
    values = np.frombuffer(data, dtype="<f8", offset=HEADER_BYTES)
    change(values)
    fields = list(HEADER.unpack(bytes(data[: HEADER.size])))
    fields[-1] = zlib.crc32(values.tobytes())
    header = HEADER.pack(*fields)
    data[: HEADER.size + 4] = header + struct.pack("<I", zlib.crc32(header))
    del values
    path.write_bytes(data)
    return Tablebase.open(path)


def test_verify_counts(bases):
    for pieces in (1, 2, 3):
        found = bases[pieces].verify(workers=2)
        assert found.passed
        assert found.residual < 2e-15
        assert found.positions == bases[pieces].count
        # Both having borne off all is counted, too; the map leaves out what dark has won.
        assert found.placements == 2 * count_entries(pieces) - found.positions + 1


@pytest.mark.parametrize("place", [0, 5000, -1])
def test_verify_fails_on_one_changed_value(bases, tmp_path, place):
    def change(values):
        values[place] += 1e-9

    found = copy_of(bases[2], tmp_path, change).verify(workers=1)
    assert not found.passed
    assert found.residual > 1e-10


def test_verify_fails_on_a_nan_wherever_it_is(bases, tmp_path):
    for place in range(bases[1].count):

        def change(values, place=place):
            values[place] = np.nan

        found = copy_of(bases[1], tmp_path, change).verify(workers=1)
        assert not found.passed
        assert found.residual == np.inf


@pytest.mark.slow
def test_verify_passes_at_the_floor(tmp_path):
    found = Tablebase.solve(5, "floor", checkpoint=tmp_path / "none").verify()
    assert found.passed
    assert found.residual > 2e-15  # more than a position's own sums lose
