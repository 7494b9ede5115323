"""Games looked back on, against the engine's own regrets."""

import numpy as np
import pytest
from random_networks import GOLDEN_NETWORK

from engine import Agent, Network, Position
from engine.games.regret import regrets
from engine.games.turns import opening, play_turns
from mlx_train.playing.records.game_record import GameRecord
from mlx_train.playing.review import MARKS, Verdict, find_judge, judge_move, knows, mark_of, review


@pytest.fixture(scope="module")
def record():
    played = GameRecord(("greedy", "random"), 4, opening(2))
    for _, _, turn in play_turns([Agent.parse("greedy"), Agent.parse("random")], opening(2), 4):
        played.add(turn.roll, turn.move)
    return played


def test_regrets_are_the_engines(table, record):
    found = review(record, table, "the table")
    steps = [decision.step for decision in found.decisions]
    expected = regrets(
        table,
        np.array([step.position.packed for step in steps], dtype=np.uint64),
        np.array([step.turn.roll for step in steps], dtype=np.uint8),
        np.array([step.turn.move for step in steps], dtype=np.int8),
    )
    assert len(steps) > 5
    assert [decision.verdict.regret for decision in found.decisions] == pytest.approx(100 * expected)
    assert max(expected) > 0


def test_decisions_are_the_turns_with_a_choice(table, record):
    found = review(record, table, "the table")
    choices = [step for step in record.steps() if len(step.position.legal_moves(step.turn.roll)) > 1]
    assert [decision.step for decision in found.decisions] == choices
    assert len(found.decisions_of(0)) + len(found.decisions_of(1)) == len(choices)


def test_the_best_move_has_no_regret(table, record):
    for step in record.steps():
        squares = step.position.legal_moves(step.turn.roll)
        verdicts = [judge_move(table, step.position, step.turn.roll, square) for square in squares]
        if len(squares) < 2:
            assert verdicts in ([], [None])
            continue
        assert {verdict.best for verdict in verdicts} == {table.best_move(step.position, step.turn.roll)}
        assert min(verdict.regret for verdict in verdicts) == 0
        assert verdicts[squares.index(verdicts[0].best)].text(step.turn.roll) == "best"


def test_luck_and_errors_make_the_result(table, record):
    found = review(record, table, "the table").to_dict()
    first, second = found["players"]
    total = 100 * table.value(record.start)
    total += first["luck"] - second["luck"] - first["given_away"] + second["given_away"]
    assert total == pytest.approx(100 * (record.winner == 0), abs=1e-9)
    assert sum(turn["luck"] for turn in found["turns"] if turn["player"] == 0) == pytest.approx(first["luck"])
    assert [turn["turn"] for turn in found["turns"]] == list(range(1, len(record.turns) + 1))
    assert found["winner"] == record.winner


def test_marks():
    assert [mark_of(regret)[0] for regret in (0, 1.99, 2, 3.99, 4, 8, 50)] == ["", "", "?!", "?!", "?", "??", "??"]
    assert [mark_of(regret)[0] for regret in (1.994, 1.996, 3.994, 3.996, 7.996)] == ["", "?!", "?!", "?", "??"]
    assert Verdict(3.996, 0).text(2) == "-4.00 ? hand -> 2"
    assert Verdict(0.0, 3).text(2) == "best"
    assert Verdict(0.314, 3).text(2) == "-0.31"
    assert Verdict(2.5, 0).text(2) == "-2.50 ?! hand -> 2"
    assert Verdict(9.0, 13).text(2) == "-9.00 ?? 13 -> off"


def test_the_tables_of_a_game(table, record):
    found = review(record, table, "the table")
    text = found.text()
    assert "greedy (blue) against random (orange)" in text
    assert f"{len(record.turns)} turns" in text
    mistakes = found.mistakes()
    assert mistakes
    for step, verdict in mistakes:
        row = next(line for line in text.splitlines() if line.startswith(f"| {step.number} "))
        assert f"| {verdict.regret:.2f} " in row
        assert f"| {verdict.mark} " in row
    assert [verdict.regret >= MARKS[-1][0] for _, verdict in found.decisions].count(True) == len(mistakes)


def test_a_game_without_mistakes(table):
    played = GameRecord(("a", "b"), 0, opening(2))
    for _, _, turn in play_turns([table, table], opening(2), 0):
        played.add(turn.roll, turn.move)
    found = review(played, table, "the table")
    assert "no move gave away 2 points or more" in found.text()
    assert [player["given_away"] for player in found.to_dict()["players"]] == pytest.approx([0, 0], abs=1e-9)


def test_an_unfinished_game(table):
    played = GameRecord(("a", "b"), None, opening(2))
    played.add(2, 0)
    found = review(played, table, "the table").to_dict()
    assert found["winner"] is None
    assert found["players"][1] == {
        "name": "b", "decisions": 0, "best_share": None, "regret": None, "given_away": 0.0, "luck": 0.0,
        "marks": {"very bad": 0, "bad": 0, "doubtful": 0},
    }  # fmt: skip
    with pytest.raises(ValueError, match="without turns"):
        review(GameRecord(("a", "b")), table, "the table")


def test_a_network_judges_too(record):
    name, network = find_judge(f"net:{GOLDEN_NETWORK}", None)
    assert isinstance(network, Network)
    assert name == f"net:{GOLDEN_NETWORK}"
    found = review(record, network, "net").to_dict()
    first, second = found["players"]
    total = 100 * network.value(record.start)
    total += first["luck"] - second["luck"] - first["given_away"] + second["given_away"]
    assert total == pytest.approx(100 * (record.winner == 0), abs=1e-6)


def test_what_a_table_knows(table):
    assert knows(table, opening(2))
    assert knows(table, Position.from_notation("..............:7|..............:5"))
    assert not knows(table, Position.from_notation("..............:6|..............:4"))


@pytest.mark.parametrize("spelling", ["emm:2", "greedy", f"net:{GOLDEN_NETWORK}@2", f"net:{GOLDEN_NETWORK}:policy"])
def test_judges_give_win_probabilities(spelling):
    with pytest.raises(ValueError, match="win probabilities"):
        find_judge(spelling, None)


def test_a_missing_table_says_how_to_make_it(tmp_path):
    with pytest.raises(FileNotFoundError, match="mlx_train solve"):
        find_judge(None, tmp_path / "no.table")
    with pytest.raises(FileNotFoundError, match="--agent net:FILE"):
        find_judge(None, tmp_path / "no.table")


def test_the_tables_fit_80_columns(table):
    played = GameRecord(
        ("net:a folder/with a quite long name of a network.json", "net:another-long-name"), 4, opening(2)
    )
    for _, _, turn in play_turns([Agent.parse("greedy"), Agent.parse("random")], opening(2), 4):
        played.add(turn.roll, turn.move)
    text = review(played, table, "the table").text()
    assert "with a quite lon… (blue)" in text
    assert max(map(len, text.splitlines())) <= 80
