"""Facts of small solved games, against slow Python and the values that are known."""

import math

import numpy as np
import pytest

from engine import Position, Tablebase
from engine.core.dice import ROLL_PROBABILITIES
from engine.games.turns import opening, play_turns
from engine.solved.tablebase import default_path
from mlx_train.measuring.facts import (
    first_rolls,
    game_lengths,
    opening_decisions,
    race_map,
    square_facts,
    table_at_hand,
)


def test_the_largest_table_at_hand(tmp_path, monkeypatch):
    monkeypatch.setenv("UR_CACHE", str(tmp_path))
    made = table_at_hand(2)
    assert made == default_path(2)
    assert Tablebase.open(made).pieces == 2
    before = made.stat().st_mtime_ns
    assert table_at_hand(2).stat().st_mtime_ns == before
    default_path().touch()
    assert table_at_hand(2) == default_path()


def test_first_rolls(table):
    found = first_rolls(table)
    assert [roll for roll, *_ in found] == [0, 1, 2, 3, 4]
    mean = sum(probability * value for _, probability, value in found)
    assert mean == pytest.approx(table.value(opening(2)), abs=1e-12)
    assert found[0][2] == 1 - table.value(opening(2))


def slow_decisions(table, turns):
    """{(position, roll): (first turn, how often it is met)}, one sequence of rolls after the other."""
    found = {}

    def walk(position, turn, chance):
        if turn > turns or position.is_over:
            return
        for roll, probability in enumerate(ROLL_PROBABILITIES):
            if len(position.legal_moves(roll)) > 1:
                first, met = found.get((str(position), roll), (turn, 0))
                found[str(position), roll] = min(first, turn), met + chance * probability
            square = table.best_move(position, roll)
            after = position.swapped if square is None else position.play(roll, square)[0]
            walk(after, turn + 1, chance * probability)

    walk(opening(table.pieces), 1, 1.0)
    return found


def test_opening_decisions(table):
    found = opening_decisions(table, 4)
    slow = slow_decisions(table, 4)
    assert {(str(d.position), d.roll): d.met for d in found} == pytest.approx({key: m for key, (_, m) in slow.items()})
    assert {(str(d.position), d.roll): d.turn for d in found} == {key: turn for key, (turn, _) in slow.items()}
    assert [d.met for d in found] == sorted((d.met for d in found), reverse=True)
    for decision in found:
        moves = {move.square: move for move in table.moves(decision.position, decision.roll)}
        assert decision.best == table.best_move(decision.position, decision.roll)
        assert decision.value == moves[decision.best].value
        assert decision.margin == moves[decision.second].regret == sorted(m.regret for m in moves.values())[1]


def test_game_lengths(table):
    """Their mean is the exact expectation, within four standard errors."""
    found = game_lengths(table, 3000, 1)
    expected = table.statistics()["expected_turns"]
    assert abs(found.mean() - expected) < 4 * found.std() / len(found) ** 0.5
    assert found[7] == len(list(play_turns((table, table), opening(2), 1, 7)))


def test_race_map(table):
    wins = race_map(table)
    assert wins[14, 14] == pytest.approx(4 / 7, abs=1e-12)
    assert wins[13, 14] == pytest.approx(116 / 161, abs=1e-12)
    assert wins[14, 13] == pytest.approx(74 / 161, abs=1e-12)
    assert wins[0, 0] == pytest.approx(0.530049839525, abs=1e-12)
    assert np.isnan(np.diag(wins)).tolist() == [False] * 5 + [True] * 8 + [False] * 2
    assert np.isfinite(wins).sum() == 15 * 15 - 8


def test_square_facts_by_slow_python(table):
    found = square_facts(table, 30, 4)
    stood, captured, lost = ([0] * 15 for _ in range(3))
    turns = 0
    for game in range(30):
        for _, position, _ in play_turns((table, table), opening(2), 4, game):
            turns += 1
            for square in position.opponent_squares:
                stood[square] += 1
                text = str(position)
                own, opponent = text.split("|")
                at = square - 1
                without = Position.from_notation(f"{own}|{opponent[:at]}.{opponent[at + 1 :]}")
                lost[square] += table.value(without) - table.value(position)
                for roll, probability in enumerate(ROLL_PROBABILITIES):
                    best = table.best_move(position, roll)
                    if best is not None and 5 <= square <= 12 and best + roll == square:
                        captured[square] += probability
    assert found.positions == turns
    for square in range(1, 15):
        assert found.occupied[square - 1] == stood[square] / turns
        if stood[square]:
            assert found.danger[square - 1] == pytest.approx(captured[square] / stood[square], abs=1e-12)
            assert found.worth[square - 1] == pytest.approx(lost[square] / stood[square], abs=1e-12)
        else:
            assert math.isnan(found.danger[square - 1])
    assert sum(captured) > 0
    assert captured[8] == 0
