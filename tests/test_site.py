"""The documentation's site: built strictly, so that a broken link or a missing page fails."""

import html
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("mkdocstrings") is None, reason="mkdocs is not installed"),
]


def test_the_site_is_built_without_a_warning(tmp_path):
    result = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "-q", "-d", tmp_path],
        capture_output=True, text=True, cwd=ROOT, timeout=600,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    page = (tmp_path / "api/position/index.html").read_text()
    assert "engine.core.position.Position.legal_moves" in page
    text = html.unescape(re.sub(r"<[^>]+>", "", page))
    assert "Path squares that a piece can be moved from, ascending, 0 for the hand" in text
    assert "Position.legal_moves(self" not in text
    assert (tmp_path / "notebooks/01_the_game.ipynb").exists()
    assert not re.findall(r'(?:src|href)="https?://[^"]*\.(?:js|css|woff2?)"', page)
