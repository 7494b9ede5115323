"""Markdown tables, short names of agents, and names from outside."""

from mlx_train.pictures.models import PUBLISHED, SizePoint, size_table
from mlx_train.system.text import (
    file_name,
    fitted_table,
    markdown_table,
    printable,
    printable_lines,
    short_name,
    short_names,
)


def test_names():
    assert short_name("net:weights/card.json") == "card"
    assert short_name("net:weights/card.json.gz:policy") == "card:policy"
    assert short_name("emm:3") == "emm:3"
    assert file_name(short_name("net:a b/c d.json@2")) == "c-d-2"


def test_short_names_tell_the_agents_apart():
    agents = ["net:a/x/weights.json", "emm:2", "net:b/x/weights.json:policy", "net:b/x/weights.json", "net:c.json"]
    assert short_names(agents) == ["a/x/weights", "emm:2", "weights:policy", "b/x/weights", "c"]
    assert short_names(["net:weights.json", "net:b/weights.json"]) == ["weights", "b/weights"]
    assert short_names(["net:weights.json", "net:/weights.json.gz"]) == ["weights", "/weights"]
    assert short_names(["greedy"]) == ["greedy"]


def test_markdown():
    assert markdown_table(("a", "bb"), [(1, 2)]) == "| a | bb |\n| - | -- |\n| 1 | 2  |"
    ours = SizePoint(name="card", parameters=81_921, regret=0.0085, win_rate=49.2)
    lines = size_table([ours]).splitlines()
    assert len(lines) == 2 + len(PUBLISHED["finkel"]) + 1
    assert "this project" in lines[5]
    assert "0.0085" in lines[5]
    assert size_table([], "blitz").splitlines()[4].split("|")[-2].strip() == ""  # no win rate is published


def test_a_terminal_obeys_no_name():
    assert printable("Ada \x1b[31m\n\udcff\x9b\u2028é✿ 王") == r"Ada \x1b[31m\n\udcff\x9b\u2028é✿ 王"
    assert short_name("net:a/b\x1b]0;x\x07.json") == r"b\x1b]0;x\x07"
    assert short_names(["net:a\n/b.json", "net:c/b.json"]) == [r"a\n/b", "c/b"]


def test_a_line_break_in_a_name_that_was_typed_ends_no_line(monkeypatch):
    monkeypatch.setattr("sys.argv", ["mlx-ur", "a\nb"])
    assert printable_lines("a\nb/c.json: two\nlines") == "a\\nb/c.json: two\nlines"


def test_a_bar_stays_in_its_cell():
    table = markdown_table(("a|b",), [("c\n|",)])
    assert table.splitlines() == [r"| a\|b  |", "| ----- |", r"| c\n\| |"]


def test_a_table_fits_its_terminal(monkeypatch):
    header, rows = ("name", "figure", "what"), [("a", 1.25, "long words that say what it is")]
    assert fitted_table(header, rows, ("what", "figure")) == markdown_table(header, rows)  # no terminal
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    for columns, left_out in ((80, []), (30, ["what"]), (12, ["what", "figure"])):
        monkeypatch.setenv("COLUMNS", str(columns))
        table = fitted_table(header, rows, ("what", "figure"))
        assert [name for name in header if name in table.splitlines()[0]] == [
            name for name in header if name not in left_out
        ]
        assert table.endswith(f"left out in {columns} columns: {', '.join(left_out)}") == bool(left_out)
