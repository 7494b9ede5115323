"""The file of finished layers: what a killed solve goes on from."""

import fcntl
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from engine.solved import table_file, unfinished
from engine.solved.table_file import HEADER_BYTES
from engine.solved.tablebase import Tablebase
from engine.solved.unfinished import UnfinishedSolve

ENDS = [0, 10, 30, 60]
VALUES = np.linspace(0, 1, 60)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    monkeypatch.setattr(unfinished, "SAVE_SECONDS", 0.0)


def layers(path, said=None):
    return UnfinishedSolve(path, "finkel", 3, 1e-12, (said if said is not None else []).append)


def keep(path, *counts):
    """Write a file that was added to with these numbers of values."""
    file = layers(path)
    for count in counts:
        file.keep(VALUES[:count], count * 1e-15, now=True)
    file.close()


def read(path, said=None):
    values = np.zeros(60)
    found = layers(path, said).read(values, ENDS)
    np.testing.assert_array_equal(values[: ENDS[found[0]]], VALUES[: ENDS[found[0]]])
    return found


def test_layers_are_read_back(tmp_path):
    path = tmp_path / "solve.partial"
    assert read(path) == (0, 0.0)
    keep(path, 10)
    assert read(path) == (1, 10 * 1e-15)
    keep(path, 10, 30, 60)
    said = []
    assert read(path, said) == (3, 60 * 1e-15)
    assert said == [f"going on from 3 of 3 layers in {path}"]


def test_more_is_added_after_a_restart(tmp_path):
    path = tmp_path / "solve.partial"
    keep(path, 10, 30)
    again = layers(path)
    again.read(np.zeros(60), ENDS)
    again.keep(VALUES, 0.0, now=True)
    again.close()
    assert read(path)[0] == 3
    again = layers(path)
    again.read(np.zeros(60), ENDS)
    again.remove()
    assert not path.exists()


@pytest.mark.parametrize("spoilt", ["values", "header", "end"])
def test_damage_costs_the_newest_layers_only(tmp_path, spoilt):
    path = tmp_path / "solve.partial"
    keep(path, 10, 30, 60)  # its headers: 60 in the first place, 30 in the second
    data = bytearray(path.read_bytes())
    if spoilt == "end":
        del data[-1]
    else:
        data[{"values": HEADER_BYTES + 8 * 50, "header": 20}[spoilt]] ^= 1
    path.write_bytes(data)
    said = []
    assert read(path, said)[0] == 2
    assert len(said) == 1
    assert said[0].startswith("the newest ones are damaged" if spoilt != "header" else "going on from 2")
    data[HEADER_BYTES] ^= 1
    path.write_bytes(data)
    said = []
    assert read(path, said) == (0, 0.0)
    assert said == [f"{path} is damaged: solving afresh"]


def test_layers_of_another_solve_are_not_used(tmp_path):
    path = tmp_path / "solve.partial"
    keep(path, 10)
    assert UnfinishedSolve(path, "finkel", 3, 1e-9).read(np.zeros(60), ENDS) == (0, 0.0)
    assert UnfinishedSolve(path, "finkel", 4, 1e-12).read(np.zeros(60), ENDS) == (0, 0.0)


def test_two_solves_at_once_do_not_mix(tmp_path):
    path = tmp_path / "solve.partial"
    with path.open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        said = []
        file = layers(path, said)
        file.keep(VALUES, 0.0, now=True)
        file.keep(VALUES[:30], 0.0, now=True)
        file.remove()
    assert said == [f"another solve keeps its layers in {path}; the layers of this solve are not kept"]
    assert path.read_bytes() == b""


def test_a_solve_that_wrote_nothing_leaves_another_solves_layers(tmp_path):
    path = tmp_path / "solve.partial"
    other = layers(path)
    other.keep(VALUES[:10], 0.0, now=True)
    layers(path).remove()
    assert read(path)[0] == 1
    other.remove()
    assert not path.exists()


def test_a_full_disk_does_not_end_the_solve(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.pwrite", full)
    said = []
    base = Tablebase.solve(2, workers=1, checkpoint=tmp_path / "solve.partial", say=said.append)
    assert base.count > 0
    assert len(said) == 1
    assert said[0].endswith("No space left on device")
    assert not (tmp_path / "solve.partial").exists()


def test_a_full_disk_keeps_the_layers_that_are_whole(tmp_path, monkeypatch):
    path = tmp_path / "solve.partial"
    file = layers(path)
    file.keep(VALUES[:10], 0.0, now=True)
    write = os.pwrite

    def full(descriptor, data, offset):
        if offset + len(data) > HEADER_BYTES + 8 * 20:
            write(descriptor, data[: len(data) // 2], offset)
            raise OSError(28, "No space left on device")
        return write(descriptor, data, offset)

    monkeypatch.setattr("os.pwrite", full)
    file.keep(VALUES[:30], 0.0, now=True)
    file.close()
    assert path.stat().st_size == HEADER_BYTES + 8 * 10
    assert read(path)[0] == 1


def test_the_layers_make_room_for_the_table(tmp_path, monkeypatch):
    checkpoint, tried = tmp_path / "solve.partial", []
    atomic = table_file.atomic_file

    def full_as_long_as_the_layers_are_there(path):
        tried.append(path)
        if checkpoint.exists():
            raise OSError(28, "No space left on device", str(path))
        return atomic(path)

    monkeypatch.setattr(table_file, "atomic_file", full_as_long_as_the_layers_are_there)
    Tablebase.solve(2, workers=1, checkpoint=checkpoint, output=tmp_path / "table")
    assert len(tried) == 2
    assert Tablebase.open(tmp_path / "table").pieces == 2
    assert [path.name for path in tmp_path.iterdir()] == ["table"]


KILLED = """
import os, sys, signal
from engine.solved import unfinished
from engine.solved.tablebase import Tablebase
unfinished.SAVE_SECONDS = 0.0
path, layers = sys.argv[1], int(sys.argv[2])
def progress(state):
    if state.layers_done == layers:
        os.kill(os.getpid(), signal.SIGKILL)
Tablebase.solve(3, tolerance="floor", workers=2, progress=progress, checkpoint=path, say=print)
"""


def test_a_killed_solve_goes_on(tmp_path):
    path = tmp_path / "solve.partial"
    for layer in (3, 5):
        killed = subprocess.run([sys.executable, "-c", KILLED, path, str(layer)], timeout=120)
        assert killed.returncode == -signal.SIGKILL
    met, said = [], []
    base = Tablebase.solve(3, "floor", 2, met.append, checkpoint=path, output=tmp_path / "table", say=said.append)
    assert met[0].layers_done > 1
    assert said[0].startswith("going on from")
    whole = Tablebase.solve(3, "floor", 1, checkpoint=tmp_path / "none")
    assert base.array.tobytes() == whole.array.tobytes()
    assert Tablebase.open(tmp_path / "table").residual == whole.residual
    assert not path.exists()
