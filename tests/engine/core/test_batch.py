"""Successors and policy slots of many positions, against `Position`."""

import numpy as np
import pytest

from engine import Position, sample_decisions
from engine.core.batch import move_counts, policy_slots, successors


@pytest.fixture(scope="module")
def moves():
    """(packed, roll, nth, position) of every legal move of some decisions."""
    packed, rolls = sample_decisions(1500, 7)
    return [
        (p, r, nth, Position.from_packed(p))
        for p, r in zip(packed.tolist()[::5], rolls.tolist()[::5], strict=True)
        for nth in range(len(Position.from_packed(p).legal_moves(r)))
    ]


class TestSuccessors:
    def test_against_position(self, moves):
        after, same = successors([m[0] for m in moves], [m[1] for m in moves], [m[2] for m in moves])
        assert (after.dtype, same.dtype) == (np.uint64, np.bool_)
        for (_, roll, nth, position), packed, same_player in zip(moves, after.tolist(), same.tolist(), strict=True):
            expected = position.play(roll, position.legal_moves(roll)[nth])
            assert (Position.from_packed(packed), same_player) == expected

    def test_move_counts_against_position(self, moves):
        rolls = [n % 5 for n in range(len(moves))]
        counts = move_counts([m[0] for m in moves], rolls)
        assert counts.dtype == np.uint8
        expected = [len(position.legal_moves(roll)) for (*_, position), roll in zip(moves, rolls, strict=True)]
        assert counts.tolist() == expected
        with pytest.raises(ValueError, match="entry 1 is not a packed position"):
            move_counts([0, 1 << 60], [1, 1])

    def test_policy_slots_against_position(self, moves):
        slots = policy_slots([m[0] for m in moves], [m[1] for m in moves])
        assert (slots.shape, slots.dtype) == ((len(moves), 7), np.uint8)
        for (_, roll, _, position), row in zip(moves, slots.tolist(), strict=True):
            expected = [position.policy_slot(square) for square in position.legal_moves(roll)]
            assert row == expected + [255] * (7 - len(expected))

    def test_the_definition_of_a_slot(self, moves):
        for _, roll, _, position in moves:
            pieces = [0] * position.own_hand + position.own_squares
            for square in position.legal_moves(roll):
                assert position.policy_slot(square) == pieces.index(square)

    def test_passes_have_no_slots(self):
        assert policy_slots([Position.initial().packed], [0]).tolist() == [[255] * 7]

    def test_empty(self):
        after, same = successors([], [], [])
        assert (len(after), len(same)) == (0, 0)
        assert policy_slots([], []).shape == (0, 7)

    def test_refusals(self):
        initial = Position.initial().packed
        for roll, nth in [(0, 0), (1, 1), (1, 200), (5, 0)]:
            with pytest.raises(
                ValueError, match=f"no legal move number {nth} with a roll of {roll}|a move from 0 to 6|rolls"
            ):
                successors([initial, initial], [1, roll], [0, nth])
        for lengths in [(2, 1, 1), (1, 2, 1), (1, 1, 2)]:
            arrays = [[value] * n for value, n in zip((initial, 1, 0), lengths, strict=True)]
            with pytest.raises(ValueError, match="positions"):
                successors(*arrays)
        with pytest.raises(ValueError, match="positions"):
            policy_slots([initial], [1, 1])
        for ask in (lambda packed: successors(packed, [1], [0]), lambda packed: policy_slots(packed, [1])):
            with pytest.raises(ValueError, match="entry 0 is not a packed position"):
                ask([1])
