"""The pictures that compare rule sets say what was measured: their points and numbers are read back."""

import numpy as np
import pytest
from figures import drawn

from mlx_train.measuring.rule_sets import OPPONENTS, compare_rule_sets
from mlx_train.pictures.rule_sets import rule_set_squares_chart, rule_sets_chart


@pytest.fixture(scope="module")
def facts(tables):
    return compare_rule_sets(list(tables.values()), 10, 300, 5)


def test_rule_sets_chart(facts):
    figure = rule_sets_chart(facts)
    drawn(figure)
    rolls, lengths, skill, costs = figure.axes
    for each, line in zip(facts, rolls.lines, strict=True):
        assert line.get_xdata().tolist() == [roll for roll, *_ in each.first_rolls]
        assert line.get_ydata() == pytest.approx([100 * value for *_, value in each.first_rolls])
    assert all(sum(line.get_ydata()) == pytest.approx(100) for line in lengths.lines)
    for each, line in zip(facts, skill.lines, strict=False):
        assert line.get_ydata() == pytest.approx([opponent.perfect_wins for opponent in each.opponents])
    assert [label.get_text() for label in skill.get_xticklabels()] == list(OPPONENTS)
    assert len({line.get_marker() for line in skill.lines[: len(facts)]}) == len(facts)
    for each, text in zip(facts, costs.get_legend().get_texts(), strict=True):
        assert text.get_text() == f"{each.rules}: {each.blunders.second.mean():.2f} on average"


def test_rule_set_squares_chart(facts):
    figure = rule_set_squares_chart(facts)
    texts = drawn(figure)
    assert len(texts) == 3 * len(facts)
    for number, each in enumerate(facts):
        panels = texts[3 * number : 3 * number + 3]
        for panel, values in zip(
            panels, (each.squares.captures, 100 * each.squares.danger, 100 * each.squares.worth), strict=True
        ):
            shown = {f"{value:.1f}" for value in values if np.isfinite(value)}
            assert shown <= set(panel)
            assert sum(text.endswith("*") for text in panel) == (3 if each.rules == "finkel" else 4)
