"""Files that are written whole or not at all, and whose errors name them."""

import errno
import re

import pytest

from mlx_train.files import atomic_file, write_text


def test_what_fails_leaves_what_was_there(tmp_path):
    path = tmp_path / "file.txt"
    write_text(path, "before")
    with pytest.raises(TypeError), atomic_file(path) as file:
        file.writelines([b"after", None])
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_names_the_file_that_was_to_be_written(tmp_path):
    """Not the unfinished one beside it, whose name nobody has typed."""
    (tmp_path / "folder.txt").mkdir()
    for path, error in [
        (tmp_path / "nowhere/file.txt", FileNotFoundError),
        (tmp_path / "folder.txt", IsADirectoryError),
    ]:
        with pytest.raises(error, match=f"'{re.escape(str(path))}'$"):
            write_text(path, "text")
    with pytest.raises(OSError, match=r"No space left on device: '.*file\.txt'$"), atomic_file(tmp_path / "file.txt"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert list(tmp_path.iterdir()) == [tmp_path / "folder.txt"]


def test_an_error_of_another_file_keeps_its_name(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"other\.txt'$"), atomic_file(tmp_path / "file.txt"):
        (tmp_path / "other.txt").read_text()
    with pytest.raises(OSError, match=r"^without a number$"), atomic_file(tmp_path / "file.txt"):
        raise OSError("without a number")
