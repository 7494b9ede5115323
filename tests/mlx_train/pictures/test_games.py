"""The pictures of games say what was measured: their marks, bars and numbers are read back."""

import numpy as np
import pytest
from figures import drawn

from engine import Agent
from engine.games.turns import opening, play_turns
from mlx_train.measuring import facts, luck
from mlx_train.pictures import games


def test_game_chart(table):
    found = luck.account(table, play_turns((table, Agent.parse("random")), opening(2), 3))
    figure = games.game_chart(found, ("perfect", "random"))
    drawn(figure)
    curve = figure.axes[0].lines[-1].get_ydata()
    assert curve == pytest.approx(100 * found.win_probability)
    labels = [text.get_text() for text in figure.axes[1].get_legend().get_texts()]
    assert labels[0].endswith("errors 0.0")
    assert f"errors {100 * found.error_of(1):.1f}" in labels[1]


def test_skill_chart(table):
    matches = [luck.luck_and_skill(Agent.parse(name), table, table, 10) for name in ("greedy", "random")]
    figure = games.skill_chart(matches)
    drawn(figure)
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels[0].startswith("greedy")
    assert f"wins {100 * matches[1].won.mean():.0f}%" in labels[1]


def test_race_chart(table):
    wins = facts.race_map(table)
    texts = drawn(games.race_chart(wins))[0]
    assert len(texts) == np.isfinite(wins).sum()
    assert texts[0] == f"{100 * wins[0, 0]:.0f}"


def test_board_map_is_the_board():
    board = games.board_map(np.arange(1.0, 15))
    assert board[0].tolist() == [5, 6, 7, 8, 9, 10, 11, 12]
    assert board[1, :4].tolist() == [4, 3, 2, 1]
    assert np.isnan(board[1, 4:6]).all()
    assert board[1, 6:].tolist() == [14, 13]


def test_board_map_of_other_paths():
    """masters turns into the opponent's row; aseb has a longer lane."""
    masters = games.board_map(np.arange(1.0, 17), "masters")
    assert masters[:, 6].tolist() == [12, 11, 16]
    assert masters[:, 7].tolist() == [13, 14, 15]
    assert np.isnan(masters[0, :6]).all()
    aseb = games.board_map(np.arange(1.0, 17), "aseb")
    assert aseb[0].tolist() == list(range(5, 17))
    assert aseb[1, :4].tolist() == [4, 3, 2, 1]


def test_squares_chart(table):
    found = facts.square_facts(table, 20)
    texts = drawn(games.squares_chart(found))
    assert sum(text.endswith("rosette") for text in texts[0]) == 3
    assert f"{100 * found.occupied[4]:.1f}" == texts[0][0]


def test_score_chart(table):
    statistics = table.statistics()
    texts = drawn(games.score_chart(statistics))
    assert len(texts[0]) == 4  # two pieces: five or six are off
    assert len(texts[1]) == 2  # with one piece there is no choice
    last = statistics["scores"][-1]
    assert (last["own_off"], last["opponent_off"]) == (6, 6)
    assert f"{100 * last['win_probability']:.1f}" in texts[0]


def test_first_rolls_chart(table):
    rolls = facts.first_rolls(table)
    figure = games.first_rolls_chart(rolls)
    texts = drawn(figure)[0]
    assert texts[:5] == [f"{100 * value:.2f}" for *_, value in rolls]
    assert texts[5].endswith(f"{100 * table.value(opening(2)):.2f}")
    tops = [bar.get_y() + bar.get_height() for bar in figure.axes[0].patches]
    assert tops == pytest.approx([100 * value for *_, value in rolls])


def test_lengths_chart():
    turns = np.array([20, 30, 30, 41], dtype=np.int32)
    figure = games.lengths_chart(turns, 30.5)
    drawn(figure)
    assert sum(bar.get_height() for bar in figure.axes[0].patches) == 4
    assert "30.500" in figure.axes[0].get_legend().get_texts()[0].get_text()
