"""The runner of the benches; what they measure is no test."""

import pytest

from mlx_train.tools.bench import __main__ as runner
from mlx_train.tools.bench.measure import CALLS, Row, median_seconds, millions, rate


def test_the_table_has_the_rows_of_the_benches_that_are_named(monkeypatch, capsys):
    benches = {
        "search": lambda: [Row("a search", "5 games/s", "Search(2)", "another: 4 games/s")],
        "page": lambda: pytest.fail("not named"),
    }
    monkeypatch.setattr(runner, "BENCHES", benches)
    runner.main(["sea"])
    shown = capsys.readouterr()
    assert shown.err == "measuring search\n"
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in shown.out.splitlines() if line[:1] == "|"]
    assert cells[0] == ["what", "figure", "peer", "how"]
    assert cells[2] == ["a search", "5 games/s", "another: 4 games/s", "Search(2)"]


def test_an_unknown_bench_is_refused():
    with pytest.raises(SystemExit, match=r"unknown bench 'serach' \(known: playouts, "):
        runner.main(["serach"])


def test_a_median_is_of_five_calls_after_one():
    calls = []
    assert median_seconds(lambda: calls.append(1)) >= 0
    assert len(calls) == CALLS + 1


def test_rates():
    assert rate(24_600, 2, "games") == "12,300 games/s"
    assert millions(24_600_000, 2, "rows") == "12.3 million rows/s"
