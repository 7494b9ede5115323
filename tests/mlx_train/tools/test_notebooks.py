"""The notebooks run from top to bottom where only a small solved game is, and carry no outputs in git."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlx_train.runs.run_record import read_record, run_folders
from mlx_train.tools.notebooks import NOTEBOOKS, execute, parameter_cell, stripped

ROOT = Path(__file__).parents[3]

#: Sizes with which a notebook takes seconds.
TINY = {
    "01_the_game": {"GAMES": 4},
    "02_features": {"DECISIONS": 500, "SHUFFLED": 200, "REPEATS": 1},
    "03_training": {
        "GAMES": 6, "DEPTH": 1, "EPOCHS": 2, "PATIENCE": 1, "HIDDEN": (8,), "STEPS": 20, "DECISIONS": 200, "MATCH": 10,
    },
    "04_model_comparison": {
        "GAMES": 2, "ESTIMATE_GAMES": 4, "DECISIONS": 200, "POSITIONS": 500, "CLASSIC": ("greedy", "emm:1"),
        "MAPPED": ("emm:1",),
    },
    "05_the_solved_game": {
        "SQUARE_GAMES": 20, "LENGTH_GAMES": 50, "TURNS": 3, "SET_GAMES": 10, "SET_DECISIONS": 500,
    },
}  # fmt: skip
FILES = {path.stem: path for path in sorted((ROOT / NOTEBOOKS).glob("*.ipynb"))}


def module(*words, **options):
    command = [sys.executable, "-m", "mlx_train.tools.notebooks", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def test_every_notebook_has_tiny_sizes():
    assert FILES.keys() == TINY.keys()


@pytest.mark.parametrize("name", TINY)
def test_it_is_in_git_as_it_should_be(name):
    text = FILES[name].read_text()
    assert stripped(text) == text, "python -m mlx_train.tools.notebooks --strip"
    cells = json.loads(text)["cells"]
    first = "".join(cells[0]["source"])
    for word in ("**Question.**", "**Inputs.**", "**Run time.**"):
        assert word in first
    assert parameter_cell({"cells": cells}) == 1


@pytest.mark.parametrize("name", TINY)
def test_it_runs(name, tmp_path, monkeypatch):
    """With the three-piece game that it solves by itself; warnings would show on stderr."""
    monkeypatch.setenv("UR_CACHE", str(tmp_path))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    sizes = TINY[name] | ({"RUNS": str(tmp_path / "runs")} if name == "03_training" else {})
    notebook = execute(FILES[name], sizes)
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    errors = "".join(output.text for output in outputs if output.get("name") == "stderr")
    assert "Warning" not in errors, errors
    pictures = [output for output in outputs if {"image/png", "image/svg+xml"} & set(output.get("data", ()))]
    assert len(pictures) >= 3
    assert FILES[name].read_text() == stripped(FILES[name].read_text())
    if "RUNS" in sizes:
        teachers = [read_record(folder).teacher for folder in run_folders(tmp_path / "runs")]
        assert teachers == ["search", "outcome", "exact"]


@pytest.fixture
def sample():
    """A notebook as an editor leaves it."""
    cells = [
        {"cell_type": "markdown", "id": "a", "metadata": {"scrolled": True}, "source": ["# Ä"]},
        {
            "cell_type": "code", "id": "b", "metadata": {"tags": ["parameters"], "collapsed": False},
            "execution_count": 3, "source": ["SIZE = 2\n", "NAME = 'x'"], "outputs": [{"output_type": "stream"}],
        },
    ]  # fmt: skip
    return {"cells": cells, "metadata": {"language_info": {"version": "3.9"}}, "nbformat": 4, "nbformat_minor": 5}


def test_stripping(sample):
    text = stripped(json.dumps(sample))
    document = json.loads(text)
    assert document["cells"][1]["outputs"] == []
    assert document["cells"][1]["execution_count"] is None
    assert document["cells"][1]["metadata"] == {"tags": ["parameters"]}
    assert document["cells"][1]["source"] == ["SIZE = 2\n", "NAME = 'x'"]
    assert document["cells"][0] == {"cell_type": "markdown", "id": "a", "metadata": {}, "source": ["# Ä"]}
    assert "version" not in document["metadata"]["language_info"]
    assert stripped(text) == text


def test_a_parameter_that_is_not_there(sample, tmp_path):
    path = tmp_path / "sample.ipynb"
    path.write_text(json.dumps(sample))
    with pytest.raises(ValueError, match="no such parameters: SISE"):
        execute(path, {"SISE": 3})
    del sample["cells"][1]
    with pytest.raises(ValueError, match="not 0"):
        parameter_cell(sample)


def test_the_module(sample, tmp_path):
    path = tmp_path / "sample.ipynb"
    path.write_text(json.dumps(sample))
    there = {"cwd": ROOT, "env": os.environ}
    checked = module("--check", path, **there)
    assert checked.returncode == 1
    assert checked.stderr.startswith("error: outputs in ")
    assert module("--strip", path, **there).returncode == 0
    assert path.read_text() == stripped(json.dumps(sample))
    assert module("--check", path, **there).returncode == 0
    assert module("--check", **there).returncode == 0
    assert module("--bogus", **there).returncode == 2
    missing = module("--check", tmp_path / "nowhere.ipynb", **there)
    assert (missing.returncode, missing.stderr.count("\n")) == (1, 1)
