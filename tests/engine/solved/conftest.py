"""Small tables, and a cache folder of each test's own."""

import pytest

from engine.solved.tablebase import Tablebase


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """No test touches the user's cache."""
    monkeypatch.setenv("UR_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="package")
def bases(tmp_path_factory):
    """Tables of 1 to 4 pieces, to the floor of float64."""
    unused = tmp_path_factory.mktemp("solve") / "none"
    return {n: Tablebase.solve(n, tolerance="floor", workers=1, checkpoint=unused) for n in range(1, 5)}
