"""The comparison of the rule sets, counted again turn by turn on small games, and the text of the command."""

import json
import os

import numpy as np
import pytest
from commandline import call

from engine import Agent, Position, Tablebase
from engine.core.rules import RULE_SETS
from engine.core.rules import rules as rule_set
from engine.games.regret import play_against_perfect
from engine.games.turns import play_turns
from engine.solved.tablebase import default_path
from mlx_train.measuring.facts import square_facts
from mlx_train.measuring.rule_sets import (
    OPPONENTS,
    blunders,
    compare_rule_sets,
    opponents,
    play_facts,
    solved_rule_sets,
)
from mlx_train.playing.strategy_text import comparison_text

GAMES, DECISIONS, SEED = 20, 400, 3


@pytest.fixture(scope="module", params=RULE_SETS)
def solved(request, tables):
    """The solved game of two pieces of a rule set."""
    return tables[request.param]


def steps_of(table):
    return [list(play_turns((table, table), table.opening, SEED, game)) for game in range(GAMES)]


def test_play_facts_by_hand(solved):
    facts, games = play_facts(solved, GAMES, SEED), steps_of(solved)
    game = rule_set(solved.rules)
    assert facts.turns.tolist() == [len(steps) for steps in games]
    counts, luck, largest, tempo = [], [], [], []
    for steps in games:
        sizes = []
        for _, position, turn in steps:
            passed = 1 - solved.value(position.swapped)
            best = {
                roll: max((move.value for move in solved.moves(position, roll)), default=passed) for roll in game.rolls
            }
            mean = sum(game.probabilities[roll] * value for roll, value in best.items())
            counts.append(len(position.legal_moves(turn.roll)))
            sizes.append(abs(best[turn.roll] - mean))
            tempo.append(solved.value(position) - passed)
        luck += sizes
        largest.append(max(sizes))
    assert facts.passes == pytest.approx(np.mean([count == 0 for count in counts]))
    assert facts.choices == pytest.approx(np.mean([count > 1 for count in counts]))
    assert facts.luck == pytest.approx(100 * np.mean(luck))
    assert facts.largest == pytest.approx(100 * np.mean(largest))
    assert facts.tempo == pytest.approx(100 * np.mean(tempo))


def test_blunders_by_hand(solved):
    found = blunders(solved, DECISIONS, SEED)
    for i, (packed, roll) in enumerate(zip(*solved.play_sample(DECISIONS, SEED), strict=True)):
        moves = solved.moves(Position.from_packed(int(packed), solved.rules), int(roll))
        regrets = sorted(100 * move.regret for move in moves)
        assert found.second[i] == pytest.approx(regrets[1], abs=1e-9)
        assert found.chance[i] == pytest.approx(np.mean(regrets), abs=1e-9)
        assert found.worst[i] == pytest.approx(regrets[-1], abs=1e-9)


def test_captures_are_those_of_the_games(solved):
    """The expected captures of the squares sum to nearly as many as the games have; the pieces say which."""
    facts = square_facts(solved, 300, SEED)
    captured = 0
    for game in range(300):
        for _, position, turn in play_turns((solved, solved), solved.opening, SEED, game):
            if turn.move is not None:
                after, same = position.play(turn.roll, turn.move)
                hand = after.opponent_hand if same else after.own_hand
                captured += hand - position.opponent_hand
    assert facts.captures.sum() == pytest.approx(captured / 300, abs=0.25)
    safe = [square - 1 for square in rule_set(solved.rules).safe]
    assert not facts.captures[safe].any()
    assert not facts.captures[:4].any()


def test_opponents_by_hand(solved):
    for opponent, name in zip(opponents(solved, GAMES, SEED), OPPONENTS, strict=True):
        match = play_against_perfect(Agent.parse(name, solved.rules), solved, 2 * GAMES, SEED)
        assert opponent.agent == name
        assert opponent.regret == pytest.approx(100 * match.regret.mean())
        assert opponent.perfect_wins == pytest.approx(100 * np.mean(~match.won))


def test_one_piece_has_no_decisions():
    with pytest.raises(ValueError, match="has no decisions"):
        blunders(Tablebase.solve(1, rules="masters"))


@pytest.fixture(scope="module")
def comparison(tables):
    facts = compare_rule_sets(list(tables.values()), GAMES, DECISIONS, SEED)
    return {
        "games": GAMES, "decisions": DECISIONS, "seed": SEED, "rule_sets": [each.to_dict() for each in facts],
    }  # fmt: skip


def test_the_text_has_a_column_for_each_rule_set(comparison):
    text = comparison_text(comparison)
    tables = [part.splitlines() for part in text.split("\n\n") if part.startswith("|")]
    assert len(tables) == 6
    for lines in tables:
        assert [cell.strip() for cell in lines[0].split("|")[2:-1]] == list(RULE_SETS)
    rows = {row[1].strip(): [cell.strip() for cell in row[2:-1]] for lines in tables for row in map(split, lines[2:])}
    assert rows["before the first roll"] == [f"{each['first_player_wins']:.2f}" for each in comparison["rule_sets"]]
    assert [bool(cell) for cell in rows["after a 0"]] == [True, True, False, True]  # the dice of masters have no 0
    assert [bool(cell) for cell in rows["land on rosette 14"]] == [True, False, False, False]
    assert rows["16"][0] == ""
    assert rows["8"][0].split(" / ")[:2] == rows["8"][3].split(" / ")[:2] == ["0.0", "0.0"]  # the safe rosette


def split(line):
    return line.split("|")


@pytest.fixture
def cache(tables, tmp_path, monkeypatch):
    """A cache folder where two pieces stand for the whole game of each rule set."""
    monkeypatch.setenv("UR_CACHE", str(tmp_path))
    for table in tables.values():
        table.save(default_path(rules=table.rules))
    return tmp_path


def test_the_command(comparison, cache):
    common = ("strategy", "--rules", "all", "--games", GAMES, "--decisions", DECISIONS, "--seed", SEED)
    done = call(*common, env=os.environ)
    assert done.returncode == 0, done.stderr
    assert done.stdout == comparison_text(comparison) + "\n"
    as_json = json.loads(call(*common, "--json", env=os.environ).stdout)
    assert as_json == json.loads(json.dumps(comparison))


def test_what_the_command_refuses(cache):
    for options, message in (
        (("all", "--table", "x.table"), "leave --table out"),
        (("mastres",), "did you mean masters"),
    ):
        refused = call("strategy", "--rules", *options, env=os.environ)
        assert refused.returncode == 2
        assert message in " ".join(refused.stderr.replace("│", " ").split())
    default_path(rules="masters").unlink()
    with pytest.raises(FileNotFoundError, match="solve --rules masters"):
        solved_rule_sets()
