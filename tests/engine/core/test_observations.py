"""What a learner sees, against the position."""

import numpy as np
import pytest

from engine import Position, extract_features_bytes
from engine.core.observations import OBSERVATIONS, PLANES, observation_shape, observe
from engine.core.rules import RULE_SETS, rules


@pytest.mark.parametrize("rule_set", RULE_SETS)
def test_features_are_the_bytes_of_the_networks_inputs(rule_set):
    position = Position(rule_set).play(4, 0)[0].play(3, 0)[0]
    expected = extract_features_bytes([position.packed], [2], rule_set)[0]
    assert np.array_equal(observe(position, 2), expected)
    assert observation_shape("features", rule_set) == expected.shape
    assert np.array_equal(observe(position), extract_features_bytes([position.packed], None, rule_set)[0])


@pytest.mark.parametrize("rule_set", RULE_SETS)
def test_planes(rule_set):
    constants = rules(rule_set)
    position = Position.initial(rule_set)
    for roll in (4, 4, 2, 1, 3, 4, 1, 2, 4, 3):
        planes = observe(position, roll, "planes")
        squares = range(1, constants.borne_off)
        theirs = [constants.theirs[square] for square in squares]
        expected = [
            [square in position.own_squares for square in squares],
            [their in position.opponent_squares for their in theirs],
            [square in position.opponent_squares for square in squares],
            *([count] * constants.squares for count in (
                position.own_hand, position.opponent_hand, position.own_off, position.opponent_off,
                roll == 1, roll == 2, roll == 3, roll == 4,
            )),
        ]  # fmt: skip
        assert planes.shape == observation_shape("planes", rule_set) == (PLANES, constants.squares)
        assert planes.tolist() == [[int(value) for value in plane] for plane in expected]
        moves = position.legal_moves(roll)
        position = position.play(roll, moves[-1])[0] if moves else position.swapped
    assert not observe(position, None, "planes")[7:].any()


def test_bad_input():
    with pytest.raises(ValueError, match=r"unknown observation 'pixels' \(known: features, planes\)"):
        observation_shape("pixels")
    with pytest.raises(ValueError, match="unknown rule set"):
        observation_shape("planes", "chess")
    with pytest.raises(ValueError, match="a roll is 0 to 4, not 5"):
        observe(Position(), 5)
    with pytest.raises(ValueError, match="a roll is 1 to 4, not 0"):
        observe(Position("masters"), 0, "planes")
    assert observation_shape(None) == (0,)
    assert observe(Position(), 1, None).size == 0
    assert OBSERVATIONS == ("features", "planes")
