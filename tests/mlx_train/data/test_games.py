"""The file of decisions, and its split into games to train on and games for validation."""

import numpy as np
import pytest

from engine.games.decisions import DECISION_DTYPE
from mlx_train.data.games import Decisions


@pytest.fixture
def data(games):
    return Decisions(games.copy(), {"depth": 2})


def test_round_trip(data, tmp_path):
    data.save(tmp_path / "games.npz")
    loaded = Decisions.load(tmp_path / "games.npz", workers=1)
    assert loaded.info == data.info
    assert loaded.records.tobytes() == data.records.tobytes()
    assert [path.name for path in tmp_path.iterdir()] == ["games.npz"]


@pytest.mark.parametrize(
    "damage", ["text", "truncated", "version", "layout", "moves", "roll", "position", "value", "outcome", "chosen"]
)
def test_damaged_files_are_refused_in_one_line(data, tmp_path, damage, monkeypatch):
    path = tmp_path / "games.npz"
    if damage == "version":
        monkeypatch.setattr("mlx_train.data.games.DATASET_VERSION", 99)
    if damage == "layout":
        data = Decisions(np.zeros(3), {})
    if damage in DECISION_DTYPE.names:  # one of them
        data.records[damage][-1] = {"moves": 200, "position": 1 << 48, "outcome": 3, "chosen": 7}.get(damage, 0)
    if damage == "value":
        data.records["values"][-1, 0] = np.nan
    if damage in ("layout", "outcome", "moves"):  # only the first version could have these
        np.savez(path, records=data.records, meta=np.array('{"version": 1}'))
    else:
        data.save(path)
    monkeypatch.undo()
    if damage == "text":
        path.write_text("not a dataset")
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"games\.npz") as error:
        Decisions.load(path)
    assert "\n" not in str(error.value)


def test_a_missing_file_is_an_oserror(tmp_path):
    with pytest.raises(OSError, match="nowhere"):
        Decisions.load(tmp_path / "nowhere.npz")


def test_the_split_is_by_game(data):
    training, validation = data.split(0.2, seed=3)
    assert not set(training["game"]) & set(validation["game"])
    assert len(np.unique(validation["game"])) == 8
    assert len(training) + len(validation) == len(data)
    again, _ = data.split(0.2, seed=3)
    assert again.tobytes() == training.tobytes()
    other, _ = data.split(0.2, seed=4)
    assert other.tobytes() != training.tobytes()


def test_one_game_cannot_be_split(games):
    with pytest.raises(ValueError, match="two games"):
        Decisions(games[games["game"] == 0], {}).split(0.2, 0)
