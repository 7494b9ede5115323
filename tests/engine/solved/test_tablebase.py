"""The public class and where its tables are kept."""

import pytest

from engine.solved.tablebase import MissingTable, Tablebase, default_path


def test_default_path(tmp_path, monkeypatch):
    assert default_path() == tmp_path / "cache/finkel-7.table"
    monkeypatch.delenv("UR_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    assert default_path(3) == tmp_path / "mlx-ur/finkel-3.table"
    monkeypatch.setenv("HOME", str(tmp_path))
    for other in ("relative", ""):
        monkeypatch.setenv("XDG_CACHE_HOME", other)
        assert default_path(3) == tmp_path / ".cache/mlx-ur/finkel-3.table"
    monkeypatch.setattr("sys.platform", "darwin")
    assert default_path(3).parts[-4:] == ("Library", "Caches", "mlx-ur", "finkel-3.table")


def test_a_missing_table_says_how_to_make_it(monkeypatch):
    monkeypatch.setattr("sys.argv", ["/opt/bin/mlx-ur"])
    with pytest.raises(MissingTable, match=r"make it with `mlx-ur solve`$") as missing:
        Tablebase.open()
    assert missing.value.default
    with pytest.raises(MissingTable, match=r"make it with `mlx-ur solve --output 'a b'`$"):
        Tablebase.open("a b")
    monkeypatch.setattr("engine.solved.tablebase.has_command_line", lambda: False)
    with pytest.raises(MissingTable, match=r"make it with `engine\.Tablebase\.solve\(output='.*'\)`$"):
        Tablebase.open()
    Tablebase.solve(1, workers=1, output=default_path(1))
    assert Tablebase.open(default_path(1)).pieces == 1
