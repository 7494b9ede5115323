"""Policy regret, on games small enough to work it out by hand or by slow Python."""

from fractions import Fraction

import numpy as np
import pytest

from engine import Agent, Position, Tablebase
from engine.games.regret import choices, regrets
from mlx_train.measuring.moves import move_kinds
from mlx_train.measuring.regret import decision_regrets, policy_regret, regret_shares, summarize_regret

# The opponent's last piece stands on 14, so that it wins with a roll of 1, that is 1/4 of its turns. What follows is
# the win probability of the side to move, whose pieces stand on the named squares, the others borne off.
AFTER_TURN = Fraction(3, 4)  # the share of its win probability that a side keeps when the turn passes


ON_14 = Fraction(1, 4) / (1 - AFTER_TURN * Fraction(3, 4))


ON_13 = (Fraction(1, 4) * ON_14 + Fraction(6, 16)) / (1 - AFTER_TURN * Fraction(6, 16))


ON_12 = (
    Fraction(1, 4) * AFTER_TURN * ON_13 + Fraction(6, 16) * ON_14 + Fraction(1, 4)
) / (1 - AFTER_TURN * Fraction(2, 16))  # fmt: skip


ON_13_AND_14 = (
    Fraction(1, 4) * AFTER_TURN * ON_13 + Fraction(6, 16) * AFTER_TURN * ON_14
) / (1 - AFTER_TURN * Fraction(6, 16))  # fmt: skip


#: A decision: a roll of 1 bears 14 off and leaves 12, or moves 12 to 13.
DECISION = Position.from_notation("...........x.x:5|.............x:6")


LOSS = float(AFTER_TURN * (ON_12 - ON_13_AND_14))


def test_the_decision_by_hand(table):
    assert Fraction(4, 7) == ON_14
    assert Fraction(116, 161) == ON_13
    assert LOSS > 0
    again = [DECISION.packed] * 2
    assert regrets(table, again, [1, 1], [14, 12]) == pytest.approx([0, LOSS], abs=1e-14)
    assert [move.regret for move in table.moves(DECISION, 1)] == pytest.approx([LOSS, 0], abs=1e-14)


def test_a_turn_that_passes_costs_nothing(table):
    assert regrets(table, [DECISION.packed], [2], [-1]).tolist() == [0]
    assert choices(Agent.parse("greedy"), [DECISION.packed], [2]).tolist() == [-1]


@pytest.mark.parametrize(
    ("position", "roll", "square"),
    [
        (DECISION, 1, 13),  # nothing stands there
        (DECISION, 1, -1),  # there is a move
        (DECISION, 5, 12),
        (DECISION, 1, 99),
        (Position.from_notation("..............:0|..............:0"), 1, 0),  # seven pieces
    ],
)
def test_regrets_refuse(table, position, roll, square):
    with pytest.raises(ValueError, match="entry 0"):
        regrets(table, [position.packed], [roll], [square])


def test_choices_refuse():
    with pytest.raises(ValueError, match="entry 1"):
        choices(Agent.parse("random"), [DECISION.packed] * 2, [1, 5])
    over = Position.from_notation("..............:7|.............x:6")
    with pytest.raises(ValueError, match="no decision"):
        choices(Agent.parse("random"), [over.packed], [1])
    with pytest.raises(ValueError, match="one length"):
        choices(Agent.parse("random"), [DECISION.packed], [1, 1])


@pytest.mark.parametrize("spelling", ["greedy", "emm:2", "net:FILE", "net:FILE:policy"])
def test_choices_are_the_agents(table, network, spelling):
    agent = Agent.parse(spelling.replace("FILE", network))
    packed, rolls = table.play_sample(300, 1)
    asked = [agent.best_move(Position.from_packed(int(p)), int(r)) for p, r in zip(packed, rolls, strict=True)]
    assert choices(agent, packed, rolls, workers=2).tolist() == asked


def test_random_choices_depend_on_seed_and_entry_alone(table):
    packed, rolls = table.play_sample(500, 1)
    agent = Agent.parse("random")
    first = choices(agent, packed, rolls, 3, workers=1)
    assert np.array_equal(first, choices(agent, packed, rolls, 3, workers=3))
    assert not np.array_equal(first, choices(agent, packed, rolls, 4))


@pytest.mark.parametrize("spelling", ["greedy", "emm:1"])
def test_policy_regret_by_slow_python(table, spelling):
    agent = Agent.parse(spelling)
    slow = []
    for packed, roll in zip(*table.play_sample(400, 5), strict=True):
        position = Position.from_packed(int(packed))
        moves = {move.square: move.value for move in table.moves(position, int(roll))}
        slow.append(max(moves.values()) - moves[agent.best_move(position, int(roll))])
    found = policy_regret(agent, table, 400, 5)
    assert found.decisions == 400
    assert found.mean == pytest.approx(100 * np.mean(slow), rel=1e-12)
    assert found.p95 == pytest.approx(100 * np.percentile(slow, 95), rel=1e-12)
    assert found.best_share == np.mean(np.array(slow) <= 1e-9)


def test_regret_is_in_points_and_ties_are_best():
    found = summarize_regret(np.array([0, 0.9e-9, 1.1e-9, 0.01]))
    assert found.best_share == 0.5
    assert found.mean == pytest.approx(0.25, rel=1e-6)
    assert found.p95 == pytest.approx(0.85, rel=1e-6)


def test_perfect_choices_regret_nothing(table):
    packed, rolls = table.play_sample(300, 2)
    best = [table.best_move(Position.from_packed(int(p)), int(r)) for p, r in zip(packed, rolls, strict=True)]
    assert not regrets(table, packed, rolls, best).any()


def test_decisions_refuse(table):
    with pytest.raises(ValueError, match="at least 1"):
        decision_regrets(Agent.parse("greedy"), table, 0)
    with pytest.raises(ValueError, match="no decisions"):
        decision_regrets(Agent.parse("greedy"), Tablebase.solve(1))


def test_regret_is_divided_by_score_and_kind(table):
    agent = Agent.parse("greedy")
    found = regret_shares(agent, table, 500, 1)
    packed, rolls, squares, regret = decision_regrets(agent, table, 500, 1)
    score, kind = np.zeros((7, 7)), np.zeros((5, 5))
    for p, roll, square, lost in zip(packed, rolls, squares, regret, strict=True):
        position = Position.from_packed(int(p))
        best = table.best_move(position, int(roll))
        score[position.own_off, position.opponent_off] += lost
        kinds = [
            move_kinds(np.array([p]), np.array([roll]), np.array([moved], dtype=np.int8))[0] for moved in (best, square)
        ]
        kind[kinds[0], kinds[1]] += lost
    assert found.score == pytest.approx(score / regret.sum(), abs=1e-12)
    assert found.kind == pytest.approx(kind / regret.sum(), abs=1e-12)
    assert found.score.sum() == pytest.approx(1)
    assert found.regret.decisions == 500
    assert not found.score[:5].any()  # two pieces: five are off
