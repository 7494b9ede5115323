"""The pictures say what was measured: their marks, bars and numbers are read back."""

import numpy as np
import pytest
import random_networks
from matplotlib.backends.backend_agg import FigureCanvasAgg

from engine import Agent, extract_features_batch
from engine.core.features import FEATURE_NAMES
from mlx_train.measuring import facts, luck
from mlx_train.measuring.measures import permutation_importance
from mlx_train.pictures import figures

#: Pixels by which matplotlib's layout may miss the edge.
SLACK = 1


@pytest.fixture(scope="module")
def features(table):
    packed, rolls = table.play_sample(300, 1)
    return extract_features_batch(packed, rolls)


def drawn(figure):
    """Draw a figure -> the texts on it, by axes; nothing may reach beyond the picture's edge."""
    FigureCanvasAgg(figure).draw()
    for axes in figure.axes:
        (left, bottom), (right, top) = axes.get_tightbbox().get_points()
        assert min(left, bottom) >= -SLACK
        assert right <= figure.bbox.x1 + SLACK
        assert top <= figure.bbox.y1 + SLACK
    return [[text.get_text() for text in axes.texts] for axes in figure.axes]


def test_feature_ranges(features):
    figure = figures.feature_ranges(features)
    drawn(figure)
    means = np.concatenate([axes.lines[0].get_ydata() for axes in figure.axes])
    assert means == pytest.approx(features.mean(axis=0))
    assert len(means) == len(FEATURE_NAMES)


def test_feature_correlations(features):
    figure = figures.feature_correlations(features)
    drawn(figure)
    shown = np.asarray(figure.axes[0].images[0].get_array())
    varied = features.std(axis=0) > 0
    assert np.isnan(np.ma.filled(shown, np.nan)[~varied]).all()
    assert shown[0, 14] == pytest.approx(np.corrcoef(features[:, 0], features[:, 14])[0, 1], abs=1e-6)
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names[0] == "own.piece"
    assert names[12:] == ["own.mobility, ...", "opponent.mobility, ...", "roll, ...", "roll.allows"]


def test_importance_chart(table, tmp_path):
    path = random_networks.write(tmp_path / "tiny.json", random_networks.random_document(seed=4))
    found = permutation_importance(Agent.parse(f"net:{path}"), table, 100, repeats=1)
    figure = figures.importance_chart(found)
    drawn(figure)
    axes = figure.axes[0]
    names = [label.get_text() for label in axes.get_yticklabels()]
    costs = dict(zip(found.groups, found.cost[:, 0], strict=True))
    at = names.index("board.piece")
    assert axes.lines[0].get_xdata()[at] == pytest.approx(max(costs["board.own.piece"], axes.lines[0].get_xdata()[0]))
    assert "tiny" in axes.get_title()


def test_game_chart(table):
    found = luck.account(table, luck.play_game((table, Agent.parse("random")), luck.opening(2), 3))
    figure = figures.game_chart(found, ("perfect", "random"))
    drawn(figure)
    curve = figure.axes[0].lines[-1].get_ydata()
    assert curve == pytest.approx(100 * found.win_probability)
    labels = [text.get_text() for text in figure.axes[1].get_legend().get_texts()]
    assert labels[0].endswith("errors 0.0")
    assert f"errors {100 * found.error_of(1):.1f}" in labels[1]


def test_skill_chart(table):
    matches = [luck.luck_and_skill(Agent.parse(name), table, table, 10) for name in ("greedy", "random")]
    figure = figures.skill_chart(matches)
    drawn(figure)
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels[0].startswith("greedy")
    assert f"wins {100 * matches[1].won.mean():.0f}%" in labels[1]


def test_race_chart(table):
    wins = facts.race_map(table)
    texts = drawn(figures.race_chart(wins))[0]
    assert len(texts) == np.isfinite(wins).sum()
    assert texts[0] == f"{100 * wins[0, 0]:.0f}"


def test_board_map_is_the_board():
    board = figures.board_map(np.arange(1.0, 15))
    assert board[0].tolist() == [5, 6, 7, 8, 9, 10, 11, 12]
    assert board[1, :4].tolist() == [4, 3, 2, 1]
    assert np.isnan(board[1, 4:6]).all()
    assert board[1, 6:].tolist() == [14, 13]


def test_squares_chart(table):
    found = facts.square_facts(table, 20)
    texts = drawn(figures.squares_chart(found))
    assert sum(text.endswith("rosette") for text in texts[0]) == 3
    assert f"{100 * found.occupied[4]:.1f}" == texts[0][0]


def test_score_chart(table):
    statistics = table.statistics()
    texts = drawn(figures.score_chart(statistics))
    assert len(texts[0]) == 4  # two pieces: five or six are off
    assert len(texts[1]) == 2  # with one piece there is no choice
    last = statistics["scores"][-1]
    assert (last["own_off"], last["opponent_off"]) == (6, 6)
    assert f"{100 * last['win_probability']:.1f}" in texts[0]


def test_first_rolls_chart(table):
    rolls = facts.first_rolls(table)
    figure = figures.first_rolls_chart(rolls)
    texts = drawn(figure)[0]
    assert texts[:5] == [f"{100 * value:.2f}" for *_, value in rolls]
    assert texts[5].endswith(f"{100 * table.value(luck.opening(2)):.2f}")
    tops = [bar.get_y() + bar.get_height() for bar in figure.axes[0].patches]
    assert tops == pytest.approx([100 * value for *_, value in rolls])


def test_lengths_chart():
    turns = np.array([20, 30, 30, 41], dtype=np.int32)
    figure = figures.lengths_chart(turns, 30.5)
    drawn(figure)
    assert sum(bar.get_height() for bar in figure.axes[0].patches) == 4
    assert "30.500" in figure.axes[0].get_legend().get_texts()[0].get_text()
