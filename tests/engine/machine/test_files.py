"""Files appear whole or not at all, and a killed writer leaves nothing for good."""

import fcntl
import os
import stat

import pytest

from engine.machine.files import atomic_file


def write(path, text=b"whole"):
    with atomic_file(path) as file:
        file.write(text)


def test_a_file_is_as_readable_as_any_other(tmp_path):
    write(tmp_path / "new")
    (tmp_path / "plain").write_bytes(b"")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("new", "plain")]
    assert modes[0] == modes[1]


def test_what_fails_leaves_what_was_there(tmp_path):
    path = tmp_path / "file"
    write(path, b"before")

    def fail():
        with atomic_file(path) as file:
            file.write(b"half")
            raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        fail()
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_one(tmp_path):
    (tmp_path / "there").mkdir()
    link, target = tmp_path / "link", tmp_path / "there/target"
    link.symlink_to(target)
    for text in (b"first", b"second"):
        write(link, text)
        assert link.readlink() == target
        assert target.read_bytes() == text
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["link", "target", "there"]


def test_what_is_no_file_is_left_alone(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match=f"not a regular file: '{tmp_path / 'pipe'}'"):
        write(tmp_path / "pipe")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_what_a_killed_writer_left_is_deleted(tmp_path):
    path = tmp_path / "file"
    left, foreign, held = (tmp_path / name for name in (".file.abcd1234", ".other.abcd1234", ".file.efgh5678"))
    for file in (left, foreign, held):
        file.write_bytes(b"half")
    with held.open("rb") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)
        write(path)
        assert sorted(tmp_path.iterdir()) == sorted([path, foreign, held])
    write(path)
    assert sorted(tmp_path.iterdir()) == sorted([path, foreign])


@pytest.mark.parametrize("place", ["missing/file", "folder"])
def test_errors_name_the_file_that_was_meant(tmp_path, place):
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match=rf"\] [^']+: '{tmp_path / place}'$"):
        write(tmp_path / place)


def test_a_full_disk_names_the_file(tmp_path, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=rf"No space left on device: '{tmp_path / 'file'}'$"):
        write(tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_another_file_keeps_its_name(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"other\.txt'$"), atomic_file(tmp_path / "file.txt"):
        (tmp_path / "other.txt").read_text()
    with pytest.raises(OSError, match=r"^without a number$"), atomic_file(tmp_path / "file.txt"):
        raise OSError("without a number")
