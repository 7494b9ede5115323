"""The 150 features, each recomputed from the referee's moves, and what a set of inputs has to satisfy."""

import numpy as np
import pytest
import referee
from referee import BORNE_OFF, OPENING, ROLLS, ROSETTES, SAFE, SHARED, State

from engine import (
    FEATURE_NAMES,
    FEATURE_SCALES,
    FEATURE_SET,
    Position,
    extract_features,
    extract_features_batch,
    extract_features_bytes,
)

PATH = range(1, 15)
CONTESTED = [square for square in SHARED if square != SAFE]
CHANCES = [ways / 16 for ways in referee.WAYS]
ROLL_FEATURES = [i for i, name in enumerate(FEATURE_NAMES) if name.startswith("state.roll.")]


def position_of(state):
    return Position.from_notation(referee.notation(state))


def packed_of(states):
    return np.array([referee.packed(state) for state in states], dtype=np.uint64)


@pytest.fixture(scope="module")
def decisions():
    """(states, rolls) of a hundred thousand decisions of random games: a roll, and a legal move for it."""
    turns = (turn for turn in referee.game_decisions(seed=31, games=10**9) if referee.legal_moves(*turn))
    states, rolls = zip(*(turn for turn, _ in zip(turns, range(100_000), strict=False)), strict=True)
    return states, np.array(rolls, dtype=np.uint8)


@pytest.fixture(scope="module")
def sample(decisions):
    """Some of them and scattered placements, which are stranger than what games bring."""
    states, rolls = decisions
    turns = list(zip(states, rolls.tolist(), strict=True))[::100]
    strange = [state for state in referee.random_placements(32, 600) if not referee.is_over(state)]
    return turns + [(state, i % 5) for i, state in enumerate(strange)]


@pytest.fixture(scope="module")
def matrix(decisions):
    states, rolls = decisions
    return extract_features_batch(packed_of(states), rolls).astype(np.float64)


# The definitions, once more, from the legal moves of the referee.


def landings(state, roll):
    """Where the legal moves of the side to move end."""
    return [square + roll for square in referee.legal_moves(state, roll)]


def chance(event):
    """Probability over the dice that `event(roll)` holds."""
    return sum(CHANCES[roll] for roll in ROLLS if event(roll))


def expected(value):
    """Mean over the dice of `value(roll)`."""
    return sum(CHANCES[roll] * value(roll) for roll in ROLLS)


def reach(state, square):
    return chance(lambda roll: square in landings(state, roll))


def covers(state, square):
    """Whether some roll above 0 would carry one of the opponent's pieces here, were no piece in its way."""
    sources = (*state.opponent, *([0] if state.opponent_hand else []))
    return any(source + roll == square for source in sources for roll in ROLLS[1:])


def walked(squares, off):
    return sum(squares) + BORNE_OFF * off


def side_features(state):
    """{name without the side: value} of the side to move."""
    other = referee.swap(state)
    prey = set(state.opponent) & set(CONTESTED)
    danger = {square for square in SHARED if square != 8 and reach(other, square)}
    moves = {roll: landings(state, roll) for roll in ROLLS}
    captures = {roll: sorted(prey & set(moves[roll])) for roll in ROLLS}
    lead = walked(state.own, state.own_off) - walked(state.opponent, state.opponent_off)
    to_walk = 7 * BORNE_OFF - walked(state.own, state.own_off)
    behind = (*state.opponent, *([0] if state.opponent_hand else []))
    features = {
        **{f"board.piece.{s}": s in state.own for s in PATH},
        **{f"board.reach.{s}": reach(state, s) for s in PATH},
        **{f"board.threat.{s}": chance(lambda roll, s=s: s in captures[roll]) for s in CONTESTED},
        **{f"board.followup.{s}": 0.0 for s in CONTESTED},
        **{f"state.hand.{n}": state.own_hand >= n for n in range(1, 6)},
        **{f"state.off.{n}": state.own_off >= n for n in range(1, 6)},
        "state.mobility.stuck": chance(lambda roll: roll > 0 and not moves[roll]),
        "state.mobility.forced": chance(lambda roll: len(moves[roll]) == 1),
        "state.mobility.safe": chance(lambda roll: set(moves[roll]) - danger),
        "state.tempo.advance": expected(lambda roll: max(moves[roll], default=0)) / 15,
        "state.chance.capture": chance(lambda roll: captures[roll]),
        "state.chance.clean": chance(lambda roll: any(not covers(state, s) for s in captures[roll])),
        "state.chance.rosette": chance(lambda roll: {*moves[roll]} & {*ROSETTES}),
        "state.chance.blocked": chance(
            lambda roll: roll > 0 and SAFE in state.opponent and SAFE - roll in state.own
        ),
        "state.stake.capture": expected(lambda roll: max(captures[roll], default=0)) / 12,
        "state.stake.loss": max((s * reach(other, s) for s in state.own if s in danger), default=0) / 12,
        "state.contact.attacks": sum(len(captures[roll]) for roll in ROLLS) / 8,
        "state.contact.exposed": len(danger & set(state.own)) / 8,
        "state.front.foremost": max(state.own, default=0) / 14,
        "state.front.rearmost": min(state.own, default=0) / 14,
        "state.race.lead": max(0, lead - 4) / 64,
        "state.race.near": max(0, 40 - to_walk) / 64,
        "state.passed.pieces": sum(s in SHARED and s < min(behind, default=99) for s in state.own) / 4,
        "state.developed.squared": len(state.own) ** 2 / 49,
    }  # fmt: skip
    for rosette in (4, 8):
        for roll, chance_of_roll in enumerate(CHANCES):
            if rosette + roll in prey:
                features[f"board.followup.{rosette + roll}"] += reach(state, rosette) * chance_of_roll
    return features


def roll_features(state, roll):
    moves = landings(state, roll)
    other = referee.swap(state)
    return {
        **{f"state.roll.{n}": roll == n for n in range(1, 5)},
        "state.roll.moves.count": len(moves) / 8,
        "state.roll.allows.capture": bool({*moves} & {*state.opponent} & {*CONTESTED}),
        "state.roll.allows.rosette": bool({*moves} & {*ROSETTES}),
        "state.roll.allows.bearing-off": BORNE_OFF in moves,
        "state.roll.allows.entering": 0 in referee.legal_moves(state, roll),
        "state.roll.allows.safety": any(s not in SHARED or s == 8 or not reach(other, s) for s in moves),
    }


def all_features(state, roll):
    """{name: value}; `roll` 0 stands for none, its own features being zero."""
    named = {}
    for side, view in (("own", state), ("opponent", referee.swap(state))):
        for name, value in side_features(view).items():
            part, rest = name.split(".", 1)
            named[f"{part}.{side}.{rest}"] = value
    return named | roll_features(state, roll)


class TestDefinitions:
    def test_every_feature(self, sample):
        rows = extract_features_batch(packed_of([state for state, _ in sample]), [roll for _, roll in sample])
        for (state, roll), row in zip(sample, rows, strict=True):
            named = all_features(state, roll)
            assert set(named) == set(FEATURE_NAMES)
            wanted = np.array([named[name] for name in FEATURE_NAMES], dtype=np.float64)
            wrong = np.flatnonzero(np.abs(row - wanted) > 1e-6)
            assert not len(wrong), [(FEATURE_NAMES[i], row[i], wanted[i], referee.notation(state)) for i in wrong]

    def test_the_sample_meets_every_feature(self, sample):
        rows = extract_features_batch(packed_of([state for state, _ in sample]), [roll for _, roll in sample])
        assert (rows != rows[0]).any(axis=0).all()

    def test_the_opening(self):
        row = dict(zip(FEATURE_NAMES, extract_features(Position.initial()).tolist(), strict=True))
        for side in ("own", "opponent"):
            assert [row[f"board.{side}.reach.{s}"] for s in range(1, 6)] == [4 / 16, 6 / 16, 4 / 16, 1 / 16, 0]
            assert row[f"state.{side}.mobility.forced"] == 15 / 16
            assert row[f"state.{side}.chance.rosette"] == 1 / 16


class TestNames:
    def test_counts(self):
        assert len(FEATURE_NAMES) == len(set(FEATURE_NAMES)) == 150
        assert all(name.startswith("board.") for name in FEATURE_NAMES[:84])
        assert all(name.startswith("state.") for name in FEATURE_NAMES[84:])
        assert isinstance(FEATURE_SET, str)
        assert FEATURE_SET

    def test_every_feature_of_a_side_has_its_twin(self):
        names = set(FEATURE_NAMES)
        for i, name in enumerate(FEATURE_NAMES):
            parts = name.split(".")
            assert ("own" in parts) + ("opponent" in parts) == (i not in ROLL_FEATURES)
            assert _twin(name) in names


def _twin(name):
    other = {"own": "opponent", "opponent": "own"}
    return ".".join(other.get(part, part) for part in name.split("."))


class TestSymmetry:
    def test_exchanging_the_sides_exchanges_their_features(self, sample):
        states = [state for state, _ in sample]
        rows = extract_features_bytes(packed_of(states))
        swapped = extract_features_bytes(packed_of([referee.swap(state) for state in states]))
        twins = [FEATURE_NAMES.index(_twin(name)) for name in FEATURE_NAMES]
        assert np.array_equal(swapped, rows[:, twins])


class TestRoll:
    def test_without_a_roll_its_features_are_zero(self, sample):
        packed = packed_of([state for state, _ in sample])
        before = extract_features_batch(packed)
        assert not before[:, ROLL_FEATURES].any()
        others = [i for i in range(150) if i not in ROLL_FEATURES]
        for roll in ROLLS:
            after = extract_features_batch(packed, np.full(len(packed), roll))
            assert np.array_equal(after[:, others], before[:, others])
        assert np.array_equal(extract_features_batch(packed, np.zeros(len(packed), dtype=np.uint8)), before)


class TestInputs:
    """As inputs of a network: none says nothing, none repeats another."""

    def test_none_is_constant(self, matrix):
        constant = np.flatnonzero((matrix == matrix[0]).all(axis=0))
        assert not len(constant), [FEATURE_NAMES[i] for i in constant]

    def test_none_is_a_rescaling_of_another(self, matrix):
        unit = matrix / np.linalg.norm(matrix, axis=0)
        cosines = np.abs(unit.T @ unit) - np.eye(150)
        first, second = np.unravel_index(cosines.argmax(), cosines.shape)
        assert cosines.max() < 1 - 1e-6, (FEATURE_NAMES[first], FEATURE_NAMES[second])

    def test_rank(self, matrix):
        # The triangle of a QR decomposition has the same singular values and is small.
        triangle = np.linalg.qr(matrix / np.linalg.norm(matrix, axis=0), mode="r")
        assert np.linalg.matrix_rank(triangle) == 150
        assert np.linalg.cond(triangle) < 1e4

    def test_range(self, matrix):
        assert matrix.min() >= 0
        assert matrix.max() <= 1.6


class TestForms:
    def test_one_and_many_and_bytes_agree(self, sample):
        states, rolls = [state for state, _ in sample], [roll for _, roll in sample]
        packed = packed_of(states)
        for known in (None, rolls):
            batch = extract_features_batch(packed, known)
            quantised = extract_features_bytes(packed, known)
            assert batch.shape == quantised.shape == (len(sample), 150)
            assert (batch.dtype, quantised.dtype) == (np.float32, np.uint8)
            assert np.array_equal(batch, quantised * FEATURE_SCALES)
            for i in range(0, len(states), 7):
                row = extract_features(position_of(states[i]), None if known is None else known[i])
                assert row.shape == (150,)
                assert row.dtype == np.float32
                assert np.array_equal(row, batch[i])

    def test_scales(self):
        assert FEATURE_SCALES.shape == (150,)
        assert FEATURE_SCALES.dtype == np.float32
        assert (FEATURE_SCALES > 0).all()
        assert not FEATURE_SCALES.flags.writeable

    @pytest.mark.parametrize(
        ("extract", "dtype"), [(extract_features_batch, np.float32), (extract_features_bytes, np.uint8)]
    )
    class TestBatch:
        def test_into_an_array(self, extract, dtype):
            packed = packed_of([OPENING, State((1, 5), (9,), 2, 3)])
            out = np.full((4, 150), 77, dtype=dtype)
            assert np.shares_memory(extract(packed, out=out[1:3]), out)
            assert np.array_equal(out[1:3], extract(packed))
            assert (out[[0, 3]] == 77).all()

        def test_empty(self, extract, dtype):
            assert extract(np.empty(0, dtype=np.uint64)).shape == (0, 150)
            assert extract(np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.uint8)).shape == (0, 150)

        def test_any_layout_and_integer_type_of_rolls(self, extract, dtype):
            packed = packed_of([OPENING, OPENING, State((1, 5), (9,), 2, 3), OPENING])
            rolls = np.array([1, 4, 2, 3])
            assert np.array_equal(extract(packed[::2], rolls[::2]), extract(packed, rolls)[::2])
            assert np.array_equal(extract(packed, rolls.astype(np.int8)), extract(packed, rolls.tolist()))

        def test_refusals(self, extract, dtype):
            packed = packed_of([OPENING, OPENING])
            for bad, reason in [(np.array([0, 1], dtype=np.uint64), "entry 1"), (packed.reshape(1, 2), "dimension")]:
                with pytest.raises(ValueError, match=reason):
                    extract(bad)
            for rolls in ([1], [1, 5], [-1, 1], [[1, 2]], 3, [1, 300]):
                with pytest.raises(ValueError, match="rolls"):
                    extract(packed, rolls)
            other = np.uint8 if dtype is np.float32 else np.float32
            for out in (
                np.empty((2, 150), dtype=other),
                np.empty((3, 150), dtype=dtype),
                np.empty((150, 2), dtype=dtype).T,
                np.empty((2, 300), dtype=dtype)[:, ::2],
            ):
                with pytest.raises(ValueError, match="out must be"):
                    extract(packed, out=out)

    def test_refusals(self):
        with pytest.raises(ValueError, match="a roll is 0 to 4"):
            extract_features(Position.initial(), 5)
        with pytest.raises(ValueError, match="a roll is 0 to 4"):
            extract_features(Position.initial(), -1)
        with pytest.raises(TypeError):
            extract_features(None)
