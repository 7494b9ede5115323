"""Rules of thumb, counted again move by move, and the text of the command."""

import numpy as np
import pytest
from commandline import call

from engine import Position, Tablebase
from engine.core.rules import RULE_SETS
from engine.core.rules import rules as rule_set
from mlx_train.measuring.regret import TIE
from mlx_train.measuring.strategy import costly_openings, dice_part, rules_of_thumb, strategy, thumb_rules
from mlx_train.playing.strategy_text import strategy_text

N = 3000


def recommended(game):
    """Whether rules recommend a move: of the position, the square left, the square reached."""

    def captures(position, source, target):
        return target in game.shared and game.theirs[target] in position.opponent_squares

    last = game.squares
    return {
        "land on the shared rosette, 8": lambda position, source, target: target == 8,
        "stay on 8": lambda position, source, target: source != 8,
        f"land on {'the shared rosette, ' if last in game.shared else 'rosette '}{last}": (
            lambda position, source, target: target == last
        ),
        f"leave {last - 1} for {last}": lambda position, source, target: (source, target) == (last - 1, last),
        "capture": captures,
        "bear a piece off": lambda position, source, target: target == game.borne_off,
        "enter a piece": lambda position, source, target: source == 0,
    }


@pytest.mark.parametrize("rules", RULE_SETS)
def test_rules_of_thumb_by_hand(tables, rules):
    table = tables[rules]
    rated = {rule.rule: rule for rule in thumb_rules(table, N, 1)}
    decisions = []
    for packed, roll in zip(*table.play_sample(N, 1), strict=True):
        position = Position.from_packed(int(packed), rules)
        decisions.append((position, int(roll), table.moves(position, int(roll))))
    for name, recommends in recommended(rule_set(rules)).items():
        applies, right, followed, broken = 0, 0, [], []
        for position, roll, moves in decisions:
            good = [move.regret for move in moves if recommends(position, move.square, move.square + roll)]
            bad = [move.regret for move in moves if not recommends(position, move.square, move.square + roll)]
            if good and bad:
                applies += 1
                right += min(good) <= TIE
                followed.append(100 * min(good))
                broken.append(100 * min(bad))
        assert rated[name].applies == pytest.approx(applies / N)
        assert rated[name].right == pytest.approx(right / applies)
        assert rated[name].followed == pytest.approx(np.mean(followed), abs=1e-9)
        assert rated[name].broken == pytest.approx(np.mean(broken), abs=1e-9)


@pytest.mark.parametrize("rules", RULE_SETS)
def test_the_last_step_is_divided(tables, rules):
    """The decisions with a capture, with another rosette and with neither are those of the whole rule."""
    names = [rule.name for rule in rules_of_thumb(rule_set(rules)) if rule.name.startswith("leave ")]
    shares = {rule.rule: rule.applies for rule in thumb_rules(tables[rules], N, 1)}
    whole, *parts = (shares.get(name, 0.0) for name in names)
    assert len(parts) == 3
    assert whole > 0
    assert parts[2] <= whole <= sum(parts) + 1e-12


def test_the_costliest_openings_come_first(table):
    margins = [decision.margin for decision in costly_openings(table)]
    assert margins == sorted(margins, reverse=True)
    assert margins[0] > 0


def test_the_dice(table):
    part = dice_part(table, 20)
    assert 0 < part.turn < part.largest
    assert part.game > 0


def test_the_text_has_every_table(table, tmp_path):
    text = strategy_text(strategy(table, games=5, decisions=500))
    for word in ("| rule ", "| square ", "| position ", "| roll | of 16", "a roll changes the win probability by"):
        assert word in text
    path = tmp_path / "two.table"
    table.save(path)
    result = call("strategy", "--table", path, "--games", "5", "--decisions", "500")
    assert result.returncode == 0, result.stderr
    assert result.stdout == text + "\n"


def test_another_rule_set(tables, tmp_path):
    """Its own squares, its own dice, its name for a piece that leaves the board."""
    result = strategy(tables["masters"], games=5, decisions=500)
    assert result["rule_set"] == "masters"
    assert len(result["squares"]["danger"]) == 16
    text = strategy_text(result)
    assert "| 4    | 2     | " in text
    assert "| 0    | " not in text
    path = tmp_path / "masters.table"
    tables["masters"].save(path)
    common = ("strategy", "--table", path, "--games", "5", "--decisions", "500")
    assert call(*common, "--rules", "masters").stdout == text + "\n"
    refused = call(*common)
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "plays masters, the game finkel" in refused.stderr


def test_a_game_without_decisions_is_refused():
    with pytest.raises(ValueError, match="has no decisions"):
        thumb_rules(Tablebase.solve(1, rules="aseb"))
