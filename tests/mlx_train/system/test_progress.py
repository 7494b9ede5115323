"""Progress as it is shown on a terminal and in a log."""

import io
import re
import sys

import pytest

from mlx_train.system import progress as module
from mlx_train.system.progress import count, duration, progress, shortened, speed


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still; `clock[0] += 5` lets five seconds go by."""
    now = [100.0]
    monkeypatch.setattr(module.time, "perf_counter", lambda: now[0])
    return now


def test_words():
    assert [duration(seconds) for seconds in (0.04, 0.96, 8, 59.6, 65, 7384)] == [
        "0.0 s", "1 s", "8 s", "1:00", "1:05", "2:03:04",
    ]  # fmt: skip
    assert [count(number) for number in (0, 12_345, 999_999, 14_669_769)] == ["0", "12,345", "999,999", "14.7M"]
    assert [speed(rate, "games") for rate in (0, 1234.4, 0.25)] == ["0 games/s", "1,234 games/s", "4.0 s each"]
    assert [shortened("layer (3, 2)", room) for room in (12, 10, 8, -3)] == ["layer (3, 2)", "layer (3,…", "", ""]


def test_a_log_gets_a_line_now_and_then(clock, capsys):
    with progress("games", 400, "games") as update:
        clock[0] += 4
        update(40)
        clock[0] += 8
        update(120, "cores 99 %")
        clock[0] += 1
        update(130)
        clock[0] += 12
        update(200, total=600, left=90)
    assert capsys.readouterr().err.splitlines() == [
        "games: 120/400 games, 10 games/s, 28 s left  cores 99 %",
        "games: 200/600 games, 8 games/s, 1:30 left",
        "games: done in 25 s",
    ]


def test_the_rate_is_of_what_this_process_has_done(clock, capsys):
    with progress("games", 400, "games", 300) as update:
        clock[0] += 20
        update(340)
    assert capsys.readouterr().err.splitlines()[0] == "games: 340/400 games, 0.5 s each, 30 s left"


def test_a_log_of_nothing_done_says_no_time_left(clock, capsys):
    with progress("solving", 10, "layers") as update:
        clock[0] += 11
        update(0)
    assert capsys.readouterr().err.splitlines()[0] == "solving: 0/10 layers, 0 layers/s"


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_a_terminal_gets_a_bar_of_one_line(columns, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(columns))
    with progress("games", 5000, "games") as update:
        update(2500, "cores ██ 98 % and a remark that is far too long for one line of any terminal", left=35)
        update(5000, "cores ██ 98 %")
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.getvalue())
    lines = [line.strip() for line in re.split(r"[\r\n]+", shown) if line.strip()]
    assert lines
    assert max(len(line) for line in lines) <= columns
    assert lines[-1].startswith("games ━")
    assert "5,000/5,000" in lines[-1]
    assert re.search(r" in \d+(\.\d)? s", lines[-1])


def test_a_failure_shows_no_end(capsys):
    with pytest.raises(OSError, match="full"), progress("games", 2, "games"):
        raise OSError("full")
    assert "done" not in capsys.readouterr().err


def test_a_notebook_gets_one_line_that_changes(clock, capsys, monkeypatch):
    """In a kernel, which `get_ipython` tells of; nothing goes to stderr."""
    import IPython
    from IPython import display

    told = []

    class Handle:
        def update(self, data, raw):
            assert raw
            told.append(data["text/plain"])

    def show(data, raw, display_id):
        assert raw
        assert display_id
        told.append(data["text/plain"])
        return Handle()

    monkeypatch.setattr(display, "display", show)
    monkeypatch.setattr(IPython, "get_ipython", lambda: type("Shell", (), {"kernel": None})())
    with progress("games", 400, "games") as update:
        clock[0] += 4
        update(40)
        update(41)
    assert told == ["games ...", "games: 40/400 games, 10 games/s, 36 s left", "games: done in 4 s"]
    assert capsys.readouterr().err == ""
