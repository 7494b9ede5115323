"""The examples run, each in an empty folder."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"

#: What each example is called with, to be short, what it needs, and a word of what it prints.
CALLS = {
    "arrays_without_copy.py": ([], "torch jax", "shares"),
    "batched_environment.py": (["20"], "mlx", "against random"),
    "network_without_mlx.py": ([], "", "largest difference"),
    "open_spiel_search.py": (["2", "1"], "pyspiel", "wins after"),
    "play_two_agents.py": (["greedy", "emm:1"], "", "wins"),
    "solve_and_look_up.py": ([], "", "regret"),
    "train_from_games.py": (["20"], "mlx", "own-network.json wins"),
}


def test_every_example_is_run_and_short():
    scripts = {path.name: path.read_text().count("\n") for path in EXAMPLES.glob("*.py")}
    assert scripts.keys() == CALLS.keys()
    assert max(scripts.values()) <= 60
    document = (ROOT / "docs/examples.md").read_text()
    assert all(f"examples/{name}" in document for name in scripts)


@pytest.mark.parametrize("name", CALLS)
def test_an_example_runs(name, tmp_path):
    arguments, needs, word = CALLS[name]
    if needs and not any(importlib.util.find_spec(package) for package in needs.split()):
        pytest.skip(f"{' or '.join(needs.split())} is not installed")
    result = subprocess.run(
        [sys.executable, EXAMPLES / name, *arguments],
        capture_output=True, text=True, timeout=120, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert word in result.stdout
