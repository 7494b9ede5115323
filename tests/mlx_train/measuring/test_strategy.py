"""Rules of thumb, counted again move by move, and the text of the command."""

import numpy as np
import pytest
from commandline import call

from engine import Position, Tablebase
from mlx_train.measuring.regret import TIE
from mlx_train.measuring.strategy import RULES, costly_openings, dice_part, strategy, thumb_rules
from mlx_train.playing.strategy_text import strategy_text

N = 3000

#: Whether a rule recommends a move: of the position, the square left and the square reached.
RECOMMENDED = {
    "land on the shared rosette, 8": lambda position, source, target: target == 8,
    "stay on 8": lambda position, source, target: source != 8,
    "land on rosette 14": lambda position, source, target: target == 14,
    "capture": lambda position, source, target: 5 <= target <= 12 and target in position.opponent_squares,
    "bear a piece off": lambda position, source, target: target == 15,
    "enter a piece": lambda position, source, target: source == 0,
}


def test_rules_of_thumb_by_hand(table):
    rated = {rule.rule: rule for rule in thumb_rules(table, N, 1)}
    decisions = []
    for packed, roll in zip(*table.play_sample(N, 1), strict=True):
        position = Position.from_packed(int(packed))
        decisions.append((position, int(roll), table.moves(position, int(roll))))
    for name, recommended in RECOMMENDED.items():
        applies, right, followed, broken = 0, 0, [], []
        for position, roll, moves in decisions:
            good = [move.regret for move in moves if recommended(position, move.square, move.square + roll)]
            bad = [move.regret for move in moves if not recommended(position, move.square, move.square + roll)]
            if good and bad:
                applies += 1
                right += min(good) <= TIE
                followed.append(100 * min(good))
                broken.append(100 * min(bad))
        assert rated[name].applies == pytest.approx(applies / N)
        assert rated[name].right == pytest.approx(right / applies)
        assert rated[name].followed == pytest.approx(np.mean(followed), abs=1e-9)
        assert rated[name].broken == pytest.approx(np.mean(broken), abs=1e-9)


def test_13_or_14_is_divided(table):
    """The decisions with a capture, with another rosette and with neither are those of the whole rule."""
    names = [rule.name for rule in RULES if rule.name.startswith("leave 13 for 14")]
    shares = {rule.rule: rule.applies for rule in thumb_rules(table, N, 1)}
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


def test_another_rule_set_is_refused():
    with pytest.raises(ValueError, match="are about finkel, the table is of blitz"):
        strategy(Tablebase.solve(1, rules="blitz"))
