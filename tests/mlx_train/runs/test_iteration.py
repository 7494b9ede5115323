"""A run that begins with a search and goes on with the network's own games."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from commandline import call
from mlx.utils import tree_flatten
from same_bits import assert_same_bits

from engine import Network
from engine.network.document import read_document
from mlx_train.config import Config
from mlx_train.data.games import Decisions
from mlx_train.runs import training
from mlx_train.runs.run_folder import Run
from mlx_train.training.checkpoint import newest, parse

#: The seed is the one of the games (tests/conftest.py). The network that it begins with plays better than the search.
SMALL = Config(
    teacher="iteration", games=90, search_share=0.45, depth=1, epochs=5, batch_size=512, seed=11, averaging=0.9,
    learning_rate=1e-4, hidden_sizes=(20, 16), activation="silu", init="weights/ur-3k.json", device="cpu", workers=2,
    checkpoint_seconds=0,
)  # fmt: skip


def session(folder, games, config=SMALL):
    run = Run(folder) if folder.exists() else Run.create(config, "run", folder)
    source, _ = training.training_data(config, lambda: Decisions(games, {"depth": 2}))
    return training.Session(config, source, run)


def arrays(folder):
    checkpoint = parse(newest(folder / "checkpoints")[1], folder)
    return {name: np.array(array) for name, array in tree_flatten(checkpoint.arrays)}


def finished(one):
    one.train(lambda metrics: None, lambda: False)
    one.save()
    return one


def test_an_interrupted_run_goes_on_bit_for_bit(games, tmp_path, capsys):
    whole = finished(session(tmp_path / "whole", games))
    assert whole.source.changed == 2
    shown = capsys.readouterr().err
    assert shown.count("goes on with its own games: it wins") == 1
    for epoch, step in ((2, 3), (4, 0), (4, 7)):
        folder = tmp_path / f"{epoch}-{step}"
        first = session(folder, games)
        state = first.trainer.state
        first.train(lambda metrics: None, lambda state=state, at=(epoch, step): (state.epoch, state.step) >= at)
        assert not state.finished
        again = finished(session(folder, games, replace(SMALL, workers=1)))
        assert_same_bits(arrays(folder), arrays(tmp_path / "whole"))
        for row, other in zip(again.trainer.state.history, whole.trainer.state.history, strict=True):
            assert (row.validation_loss, row.own_games) == (other.validation_loss, other.own_games)


def test_the_last_averaged_weights_are_written(games, tmp_path):
    one = finished(session(tmp_path / "run", games))
    history = one.trainer.state.history
    assert [row.own_games for row in history] == [None, *sorted(row.own_games for row in history[1:])]
    assert history[-1].own_games == 90 - 40
    for name in ("value", "policy"):
        written = dict(tree_flatten(one.trainer.model[name].parameters()))
        average = dict(tree_flatten(one.trainer.average[name]))
        assert_same_bits(
            {key: np.array(value) for key, value in written.items()},
            {key: np.array(value) for key, value in average.items()},
        )
    assert one.source.facts() == {"teacher_changed_in_epoch": 2, "own_games": 50}


def test_a_weak_network_does_not_beat_the_search(capsys):
    config = replace(SMALL, depth=2)
    assert training.beats_search(config, Network.load("weights/ur-3k.json"))
    document = read_document("weights/ur-3k.json")
    weak = Network.from_document(document | {"value_weights": -document["value_weights"]})
    assert not training.beats_search(config, weak)
    first, second = capsys.readouterr().err.splitlines()
    assert "plays better than the search" in first
    assert "the search remains the teacher: the network wins" in second
    assert "games against emm-evolved:2" in second


WITHOUT_TABLE = """
import sys
opened = []
sys.addaudithook(lambda event, arguments: opened.append(str(arguments[0])) if event == "open" else None)
from mlx_train.config import Config
from mlx_train.runs.generation import begin, generate
from mlx_train.runs.training import train, training_data
from pathlib import Path
config = Config(
    teacher="iteration", games=40, search_share=0.5, depth=1, playouts=1, epochs=3, batch_size=256, averaging=0.9,
    learning_rate=1e-4, hidden_sizes=(20, 16), activation="silu", init=sys.argv[1], device="cpu",
)
run = begin(config, "run", "run", Path(sys.argv[2]), None)
source, about = training_data(config, lambda: generate(config, run))
train(config, source, run, about)
assert source.own.games == 20, source.own.games
print(sum(path.endswith(".table") for path in opened), "tables")
from engine.games.agents import open_table
open_table()
print(sum(path.endswith(".table") for path in opened), "tables")
"""


def test_no_table_is_opened_for_labels(table_file, tmp_path):
    """Even where the game is solved. The same hook sees the table once it is opened at the end."""
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache/finkel-7.table").write_bytes(Path(table_file).read_bytes())
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT_TABLE, "weights/ur-3k.json", str(tmp_path / "run")],
        capture_output=True, text=True, check=False, env=os.environ | {"UR_CACHE": str(tmp_path / "cache")},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    before, after = result.stdout.splitlines()[-2:]
    assert before == "0 tables"
    assert int(after.split()[0]) > 0


@pytest.mark.parametrize("command", ["generate", "train", "tune"])
def test_only_run_has_the_teacher(command):
    result = call(command, "--teacher", "iteration")
    assert result.returncode == 2
    assert "only `run` has it" in " ".join(result.stderr.replace("│", " ").split())


def test_what_the_weights_say(tmp_path):
    result = call(
        "run", "--teacher", "iteration", "--games", 30, "--search-share", 0.4, "--depth", 1, "--playouts", 1,
        "--epochs", 3, "--init", "weights/ur-3k.json", "--hidden-sizes", "20,16", "--activation", "silu",
        "--learning-rate", 1e-4, "--evaluation-games", 20, "--device", "cpu", "--output", tmp_path / "run",
        env=os.environ | {"UR_CACHE": str(tmp_path)},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    metadata = read_document(tmp_path / "run/weights.json")["metadata"]
    assert (metadata["num_games"], metadata["own_games"], metadata["teacher_changed_in_epoch"]) == (12, 18, 2)
    assert len(np.unique(Decisions.load(tmp_path / "run/games.npz").records["game"])) == 12
    rows = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert ["own_games" in row for row in rows] == [False, True, True]
