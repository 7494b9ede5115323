"""Datasets, labels and batches."""

import dataclasses

import numpy as np
import pytest

from engine import FEATURE_SCALES, Position, Search, extract_features, selfplay
from engine.core.batch import successors
from mlx_train.config import resolve
from mlx_train.data.dataset import Decisions, Labels, SearchSource

CONFIG = resolve("quick", value_points=500.0, policy_points=50.0)


@pytest.fixture
def data(games):
    return Decisions(games.copy(), {"depth": 2})


def test_round_trip(data, tmp_path):
    data.save(tmp_path / "games.npz")
    loaded = Decisions.load(tmp_path / "games.npz")
    assert loaded.info == data.info
    assert loaded.records.tobytes() == data.records.tobytes()
    assert [path.name for path in tmp_path.iterdir()] == ["games.npz"]


@pytest.mark.parametrize("damage", ["text", "truncated", "version", "layout", "moves"])
def test_damaged_files_are_refused_in_one_line(data, tmp_path, damage, monkeypatch):
    path = tmp_path / "games.npz"
    if damage == "version":
        monkeypatch.setattr("mlx_train.data.dataset.DATASET_VERSION", 99)
    if damage == "layout":
        data = Decisions(np.zeros(3), {})
    if damage == "moves":
        data.records["moves"][0] = 200
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


def test_value_rows_by_hand(games):
    """A batch's value rows are successors, seen by whoever moves next, with the target turned accordingly."""
    labels = Labels(games, CONFIG)
    rows = np.arange(0, len(games), 37)
    batch = labels.batch(rows, np.random.default_rng(5))
    nth = (np.random.default_rng(5).random(len(rows)) * games["moves"][rows]).astype(int)
    for i, row in enumerate(rows):
        record = games[row]
        position, roll = Position.from_packed(int(record["position"])), int(record["roll"])
        square = position.legal_moves(roll)[nth[i]]
        after, same_player = position.play(roll, square)
        squashed = np.tanh(dict(Search(2).moves(position, roll))[square] / 500)
        played = np.tanh(record["values"][record["chosen"]] / 500)
        target = squashed + CONFIG.outcome_blend * (record["outcome"] - played)
        assert batch.value_targets[i] == pytest.approx(target if same_player else -target, abs=1e-6)
        np.testing.assert_array_equal(batch.value_inputs[i] * FEATURE_SCALES, extract_features(after))
        np.testing.assert_array_equal(batch.policy_inputs[i] * FEATURE_SCALES, extract_features(position, roll))


def test_policy_targets_by_hand(games):
    labels = Labels(games, CONFIG)
    for i in range(0, len(games), 41):
        record = games[i]
        position, roll = Position.from_packed(int(record["position"])), int(record["roll"])
        moves = Search(2).moves(position, roll)
        odds = np.exp([(points - max(p for _, p in moves)) / 50 for _, points in moves])
        expected = np.zeros(7)
        for (square, _), share in zip(moves, odds / odds.sum(), strict=True):
            expected[position.policy_slot(square)] = share
        np.testing.assert_allclose(labels.policy[i], expected, atol=1e-6)
        np.testing.assert_array_equal(labels.legal[i], expected > 0)


def test_an_epoch_sees_each_record_once_in_full_batches(data):
    source = SearchSource(dataclasses.replace(CONFIG, batch_size=64), data)
    assert not set(source.training.records["game"]) & set(source.held_out.records["game"])
    batches = list(source.epoch(1))
    assert len(batches) == len(source.training) // 64 == source.steps_per_epoch
    assert all(len(batch.value_targets) == 64 for batch in batches)
    again = list(source.epoch(1))
    assert all(np.array_equal(a, b) for x, y in zip(batches, again, strict=True) for a, b in zip(x, y, strict=True))
    other = next(source.epoch(2))
    assert not np.array_equal(other.value_inputs, batches[0].value_inputs)
    assert sum(len(batch.value_targets) for batch in source.validation()) == len(source.held_out)


def test_played_out_results_move_the_value(games):
    records = selfplay(6, Search(1), 4, playouts=3, workers=1)
    values = Labels(records, dataclasses.replace(CONFIG, outcome_blend=1.0)).values
    legal = ~np.isnan(values)
    np.testing.assert_allclose(values[legal], (records["results"] / 3)[legal], atol=1e-6)
    assert set(np.unique(records["results"][legal])) == {-3, -1, 1, 3}
    searched = Labels(records, dataclasses.replace(CONFIG, outcome_blend=0.0)).values
    np.testing.assert_allclose(searched[legal], np.tanh(records["values"] / 500)[legal], atol=1e-6)


def test_the_outcome_teacher_knows_the_game_alone(games):
    labels = Labels(games, dataclasses.replace(CONFIG, teacher="outcome"))
    batch = labels.batch(np.arange(len(games)), np.random.default_rng(0))
    _, same_player = successors(games["position"], games["roll"], games["chosen"])
    np.testing.assert_array_equal(batch.value_targets, np.where(same_player, games["outcome"], -games["outcome"]))
    assert batch.policy_targets.max(axis=1).min() == 1
