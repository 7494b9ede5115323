"""The pictures of the features say what was measured."""

import numpy as np
import pytest
import random_networks
from figures import drawn

from engine import Agent, extract_features_batch
from engine.core.features import FEATURE_NAMES
from mlx_train.measuring.importance import permutation_importance
from mlx_train.pictures import features as pictures


@pytest.fixture(scope="module")
def features(table):
    packed, rolls = table.play_sample(300, 1)
    return extract_features_batch(packed, rolls)


def test_feature_ranges(features):
    figure = pictures.feature_ranges(features)
    drawn(figure)
    means = np.concatenate([axes.lines[0].get_ydata() for axes in figure.axes])
    assert means == pytest.approx(features.mean(axis=0))
    assert len(means) == len(FEATURE_NAMES)


def test_feature_correlations(features):
    figure = pictures.feature_correlations(features)
    drawn(figure)
    shown = np.asarray(figure.axes[0].images[0].get_array())
    varied = features.std(axis=0) > 0
    assert np.isnan(np.ma.filled(shown, np.nan)[~varied]).all()
    assert shown[0, 14] == pytest.approx(np.corrcoef(features[:, 0], features[:, 14])[0, 1], abs=1e-6)
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names[0] == "board.own.piece"
    assert names[12:] == [
        "state.own.mobility, ...",
        "state.opponent.mobility, ...",
        "state.roll, ...",
        "state.roll.allows",
    ]


def test_importance_chart(table, tmp_path):
    path = random_networks.write(tmp_path / "tiny.json", random_networks.random_document(seed=4))
    found = permutation_importance(Agent.parse(f"net:{path}"), table, 100, repeats=1)
    figure = pictures.importance_chart(found)
    drawn(figure)
    axes = figure.axes[0]
    names = [label.get_text() for label in axes.get_yticklabels()]
    costs = dict(zip(found.groups, found.cost[:, 0], strict=True))
    at = names.index("board.piece")
    assert axes.lines[0].get_xdata()[at] == pytest.approx(max(costs["board.own.piece"], axes.lines[0].get_xdata()[0]))
    assert "tiny" in axes.get_title()
