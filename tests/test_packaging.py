"""What an import costs and what the package promises."""

import importlib.util
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from commandline import call

import engine
from engine.machine import installation
from engine.network.shipped import shipped_models

HEAVY = ("mlx", "rich", "typer", "matplotlib")

# Every name is a promise: a change here belongs into the changelog.
PUBLIC = {
    "FEATURE_NAMES",
    "FEATURE_SCALES",
    "FEATURE_SET",
    "RULE_SETS",
    "Agent",
    "BatchEnv",
    "Interrupted",
    "Network",
    "Position",
    "RuleSet",
    "Search",
    "Tablebase",
    "extract_features",
    "extract_features_batch",
    "extract_features_bytes",
    "perft",
    "play_match",
    "playouts",
    "rules",
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


def test_a_package_missing_beside_the_command_line_is_one_line(tmp_path):
    code = "import sys; sys.modules['mlx'] = None; from mlx_train.__main__ import main; main()"
    result = subprocess.run(
        [sys.executable, "-c", code, "run"], capture_output=True, text=True, cwd=tmp_path, timeout=60
    )
    assert result.returncode == 1
    assert result.stderr == "error: mlx is not installed here: pip install 'mlx-ur[train]'\n"


def test_every_package_of_an_extra_is_known():
    extras = tomllib.loads(Path("pyproject.toml").read_text())["project"]["optional-dependencies"]
    requirements = {name: {re.split(r"[\[>=; ]", line)[0] for line in lines} for name, lines in extras.items()}
    assert set(installation.EXTRAS.values()) <= set(requirements)
    for package, extra in installation.EXTRAS.items():
        assert {"PIL": "pillow", "pyspiel": "open_spiel"}.get(package, package) in requirements[extra]


def test_public_names():
    assert set(engine.__all__) == PUBLIC
    assert all(hasattr(engine, name) for name in engine.__all__)
    assert len(engine.__all__) == len(PUBLIC)


def test_the_shipped_models_do_not_depend_on_the_current_folder(tmp_path):
    result = call("models", "--json", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert {model["name"]: model["problem"] for model in json.loads(result.stdout)} == dict.fromkeys(shipped_models())
