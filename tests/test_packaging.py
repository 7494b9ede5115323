"""What an import costs and what the package promises."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

import engine

HEAVY = ("mlx", "rich", "typer", "matplotlib")

# Every name is a promise: a change here belongs into the changelog.
PUBLIC = {
    "FEATURE_NAMES",
    "FEATURE_SCALES",
    "FEATURE_SET",
    "Agent",
    "Interrupted",
    "Network",
    "Position",
    "Search",
    "Tablebase",
    "extract_features",
    "extract_features_batch",
    "extract_features_bytes",
    "perft",
    "play_match",
    "playouts",
    "sample_decisions",
    "selfplay",
}


def loaded_heavy(*statement):
    """The heavy packages that are loaded when a fresh interpreter ends, `statement` being its arguments."""
    report = f"sys.stderr.write(' '.join(name for name in {HEAVY!r} if name in sys.modules))"
    code = f"import atexit, runpy, sys; atexit.register(lambda: {report}); {statement[0]}"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stderr.split()


def test_the_engine_loads_nothing_heavy():
    root = Path(engine.__file__).parent
    modules = [path.relative_to(root.parent) for path in root.rglob("*") if path.suffix in (".py", ".pyx")]
    names = sorted({".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in modules})
    assert "engine.core.position" in names
    imports = "; ".join(f"import {name}" for name in names)
    assert loaded_heavy(imports) == []


@pytest.mark.skipif(importlib.util.find_spec("mlx_train.cli") is None, reason="no command line yet")
def test_help_loads_no_mlx():
    code = "sys.argv = ['mlx_train', '--help']; runpy.run_module('mlx_train', run_name='__main__')"
    assert not {"mlx", "matplotlib"} & set(loaded_heavy(code))


def test_public_names():
    assert set(engine.__all__) == PUBLIC
    assert all(hasattr(engine, name) for name in engine.__all__)
    assert len(engine.__all__) == len(PUBLIC)
