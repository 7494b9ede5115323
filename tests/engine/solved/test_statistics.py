"""The solved game in figures."""

import numpy as np
import pytest
import referee
from referee import ROLLS, WAYS, State

from engine import Position
from engine.solved.tablebase import Tablebase

PIECES = 7


def opening(pieces):
    return Position.from_notation(f"..............:{PIECES - pieces}|..............:{PIECES - pieces}")


@pytest.mark.slow
def test_expected_length_of_seven_pieces(tmp_path):
    statistics = Tablebase.solve(7, checkpoint=tmp_path / "none").statistics()
    # Three million games played by the table: 209.872, standard error 0.019.
    assert statistics["expected_turns"] == pytest.approx(209.869874, abs=1e-5)


def test_verify_and_statistics_tell_how_far_they_are(bases):
    told = []
    bases[3].statistics(workers=2, progress=lambda done, total: told.append((done, total)))
    assert len(told) == 2 * 6  # layers
    assert told == sorted(told)
    assert told[-1] == (2 * bases[3].count, 2 * bases[3].count)
    told.clear()
    bases[4].verify(workers=2, progress=lambda done, total: told.append((done, total)))
    assert told == sorted(told)
    assert {total for _, total in told} == {bases[4].count}


def optimal_replies(base):
    """{state: its five successors under the table's best moves}, from the opening on."""
    start = State((), (), PIECES - base.pieces, PIECES - base.pieces)
    replies, stack = {}, [start]
    while stack:
        state = stack.pop()
        if state in replies or referee.is_over(state):
            continue
        position = Position.from_notation(referee.notation(state))
        replies[state] = []
        for roll in ROLLS:
            square = base.best_move(position, roll)
            after, same = (referee.swap(state), False) if square is None else referee.play(state, roll, square)
            replies[state].append((after, same))
        stack.extend(after for after, _ in replies[state])
    return start, replies


@pytest.mark.parametrize("pieces", [1, 2])
def test_statistics(bases, pieces):
    base = bases[pieces]
    start, replies = optimal_replies(base)
    turns = dict.fromkeys(replies, 0.0)
    change = 1.0
    while change > 1e-11:
        change = 0.0
        for state, after in replies.items():
            new = 1 + sum(ways * turns.get(s, 0.0) for ways, (s, _) in zip(WAYS, after, strict=True)) / 16
            change = max(change, abs(new - turns[state]))
            turns[state] = new
    found = base.statistics(workers=2)
    assert found["expected_turns"] == pytest.approx(turns[start], abs=1e-8)
    assert found["never_occur"] == base.count - len(replies)
    assert found["first_player_wins"] == base.value(opening(pieces))
    assert found["first_player_advantage"] == pytest.approx(2 * found["first_player_wins"] - 1)
    assert sum(score["positions"] for score in found["scores"]) == base.count
    assert found == base.statistics(workers=1)


def test_statistics_by_score(bases):
    base = bases[2]
    values, regrets, weights = [], 0.0, 0.0
    for packed in np.concatenate(list(base.positions())):
        position = Position.from_packed(int(packed))
        if (position.own_off, position.opponent_off) != (5, 6):
            continue
        values.append(base.value(position))
        for roll, ways in zip(ROLLS, WAYS, strict=True):
            moves = sorted(move.regret for move in base.moves(position, roll))
            if len(moves) >= 2:
                weights += ways
                regrets += ways * moves[1]
    score = next(s for s in base.statistics(workers=1)["scores"] if (s["own_off"], s["opponent_off"]) == (5, 6))
    assert score["positions"] == len(values)
    assert score["win_probability"] == pytest.approx(np.mean(values))
    assert score["sharpness"] == pytest.approx(regrets / weights)


def test_best_replies(bases):
    replies = bases[3].statistics(workers=1)["best_replies"]
    assert [reply["roll"] for reply in replies] == [0, 1, 2, 3, 4]
    assert [reply["move"] for reply in replies] == [None, 0, 0, 0, 0]
    assert [reply["same_player"] for reply in replies] == [False, False, False, False, True]
    for reply in replies:
        position = Position.from_notation(reply["position"])
        assert reply["replies"] == [bases[3].best_move(position, roll) for roll in ROLLS]
