"""Training targets of decisions, computed again by hand."""

import dataclasses

import numpy as np
import pytest

from engine import FEATURE_SCALES, Position, Search, extract_features, selfplay
from engine.core.batch import successors
from mlx_train.config import resolve
from mlx_train.data.labels import Labels

CONFIG = resolve("quick", value_points=500.0, policy_points=50.0)


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
        assert batch.value.labels[0][i] == pytest.approx(target if same_player else -target, abs=1e-6)
        np.testing.assert_array_equal(batch.value.inputs[i] * FEATURE_SCALES, extract_features(after))
        np.testing.assert_array_equal(batch.policy.inputs[i] * FEATURE_SCALES, extract_features(position, roll))


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
    np.testing.assert_array_equal(batch.value.labels[0], np.where(same_player, games["outcome"], -games["outcome"]))
    assert batch.policy.labels[0].max(axis=1).min() == 1
