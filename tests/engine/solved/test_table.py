"""Look-ups and samples of the solved game."""

import numpy as np
import pytest
import referee
from referee import ROLLS

from engine import Position
from engine.solved.rgu_keys import key_of

PIECES = 7


def opening(pieces):
    return Position.from_notation(f"..............:{PIECES - pieces}|..............:{PIECES - pieces}")


@pytest.mark.parametrize(
    ("notation", "expected"),
    [
        (".............x:6|.............x:6", 4 / 7),
        ("............x.:6|.............x:6", 116 / 161),
        (".............x:6|............x.:6", 74 / 161),
        ("..............:6|..............:6", 0.530049839525),
        ("..............:5|..............:5", 0.518572907496),
        ("..............:7|..............:6", 1.0),
        ("..............:6|..............:7", 0.0),
    ],
)
def test_known_values(bases, notation, expected):
    for pieces in (2, 3):
        assert bases[pieces].value(Position.from_notation(notation)) == pytest.approx(expected, abs=6e-13)


def test_values_of_arrays(bases):
    base = bases[3]
    packed = np.concatenate(list(base.positions(chunk=1000)))
    values = base.values(packed)
    assert np.array_equal(values, [base.value(Position.from_packed(int(p))) for p in packed])
    assert np.array_equal(base.values(packed, workers=2), values)
    assert np.array_equal(base.values(packed[:6].reshape(2, 3)), values[:6].reshape(2, 3))
    assert base.values(packed[:0]).shape == (0,)


def test_values_of_positions_that_are_over(bases):
    won, lost = (
        Position.from_notation(n).packed
        for n in ("..............:7|x.............:6", "x.............:6|..............:7")
    )
    assert bases[1].values([won, lost]).tolist() == [1.0, 0.0]


def test_positions_that_the_table_does_not_hold(bases):
    message = "the table has 2 pieces a side"
    with pytest.raises(ValueError, match=message):
        bases[2].value(opening(3))
    with pytest.raises(ValueError, match=message):
        bases[2].moves(opening(3), 1)
    with pytest.raises(ValueError, match=message):
        bases[2].best_move(opening(3), 1)
    with pytest.raises(ValueError, match="entry 1 is not a position of this table"):
        bases[2].values([opening(2).packed, opening(3).packed])
    with pytest.raises(ValueError, match="entry 0 is not a position of this table"):
        bases[2].values([1])
    with pytest.raises(ValueError, match="packed positions are integers"):
        bases[2].values([0.5])


def test_moves_agree_with_values(bases):
    base = bases[3]
    for packed in base.sample(300, seed=4):
        position = Position.from_packed(int(packed))
        for roll in ROLLS:
            moves = base.moves(position, roll)
            assert [move.square for move in moves] == position.legal_moves(roll)
            if not moves:
                assert base.best_move(position, roll) is None
                continue
            for move in moves:
                after, same = position.play(roll, move.square)
                assert move.value == (base.value(after) if same else 1 - base.value(after))
                assert move.regret == max(m.value for m in moves) - move.value
            assert base.best_move(position, roll) == next(m.square for m in moves if m.regret == 0)


def test_roll_out_of_range(bases):
    with pytest.raises(ValueError, match="a roll is 0 to 4"):
        bases[1].moves(opening(1), 5)


def test_positions_are_all_and_each_once(bases):
    for pieces in (1, 2, 3):
        packed = np.concatenate(list(bases[pieces].positions(chunk=777)))
        assert len(packed) == bases[pieces].count == len(np.unique(packed))
    expected = {referee.packed(state) for state in referee.placements(2)}
    assert {int(p) for chunk in bases[2].positions() for p in chunk} == expected


def test_sample_is_uniform(bases):
    packed = np.sort(np.concatenate(list(bases[1].positions())))
    drawn = bases[1].sample(217 * 400, seed=3)
    counts = np.bincount(np.searchsorted(packed, drawn), minlength=217)
    assert np.array_equal(np.unique(drawn), packed)
    # Chi-square with 216 degrees of freedom: 5 standard deviations above the mean.
    assert ((counts - 400) ** 2 / 400).sum() < 216 + 5 * np.sqrt(2 * 216)


def test_samples_follow_the_seed(bases):
    assert np.array_equal(bases[3].sample(50, seed=1), bases[3].sample(100, seed=1)[:50])
    assert not np.array_equal(bases[3].sample(50, seed=1), bases[3].sample(50, seed=2))
    for few, many in zip(bases[3].play_sample(50, seed=1), bases[3].play_sample(100, seed=1), strict=True):
        assert np.array_equal(few, many[:50])


def test_play_sample_is_optimal_play(bases):
    base = bases[3]
    packed, rolls = base.play_sample(400, seed=5)
    assert (packed.dtype, rolls.dtype) == (np.uint64, np.uint8)
    for p, roll in zip(packed, rolls, strict=True):
        assert len(Position.from_packed(int(p)).legal_moves(int(roll))) >= 2
    # The first decision is met after moves without a choice, from the opening.
    first = Position.from_packed(int(packed[0]))
    assert first.own_off == first.opponent_off == 4


@pytest.mark.parametrize("n", [-1, 1.5, True])
def test_sample_sizes(bases, n):
    with pytest.raises(ValueError, match="whole number"):
        bases[1].sample(n)


def test_no_position_is_an_error(bases):
    for ask in (bases[1].value, lambda none: bases[1].moves(none, 1), lambda none: bases[1].best_move(none, 1), key_of):
        with pytest.raises(TypeError):
            ask(None)


def test_values_of_nothing(bases):
    assert bases[1].values([]).shape == (0,)
