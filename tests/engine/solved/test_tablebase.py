"""The public class and where its tables are kept."""

from engine.solved.tablebase import default_path


def test_default_path(tmp_path, monkeypatch):
    assert default_path() == tmp_path / "cache/finkel-7.table"
    monkeypatch.delenv("UR_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    assert default_path(3) == tmp_path / "mlx-ur/finkel-3.table"
    monkeypatch.setattr("sys.platform", "darwin")
    assert default_path(3).parts[-4:] == ("Library", "Caches", "mlx-ur", "finkel-3.table")
