"""Hostile input: every reader reads or refuses in one line, soon, and without taking much memory.

`make fuzz` tries many more of the same inputs under the sanitizers. What it found stands here as a case.
"""

import random

import pytest
from hostile import TARGETS, hostile, refusal
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from engine import Position
from mlx_train.playing.records.formats import parse_record
from mlx_train.system.shapes import fits

FEW = settings(
    max_examples=40,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module")
def seeds():
    return {}


@pytest.mark.parametrize("name", TARGETS)
def test_readers_bear_what_chance_makes_of_valid_input(name, seeds, tmp_path, monkeypatch):
    monkeypatch.setenv("UR_CACHE", str(tmp_path / "none"))
    target = TARGETS[name]
    valid = target.seeds()

    @FEW
    @given(st.integers(0, 2**32))
    def tried(seed):
        data = hostile(valid, random.Random(seed))
        assert refusal(target, data, tmp_path) is None, data[:2000]

    tried()


@pytest.mark.parametrize("name", [name for name in TARGETS if name != "spelling"])
def test_the_seeds_themselves_are_valid(name, tmp_path, monkeypatch):
    """Otherwise nothing but refusals would be tried."""
    for data in TARGETS[name].seeds():
        (tmp_path / TARGETS[name].name).write_bytes(data)
        TARGETS[name].read(tmp_path / TARGETS[name].name)


@settings(FEW, max_examples=300)
@given(st.text("x.:|07 \n\x00é", max_size=40))
@example("x.............:0|..............:99999999999999999999999")
def test_notation_is_a_position_or_a_valueerror(text):
    try:
        position = Position.from_notation(text)
    except ValueError:
        return
    assert Position.from_notation(str(position)) == position


@settings(FEW, max_examples=200)
@given(st.integers(0, 2**64 - 1))
def test_packed_positions_come_back_from_their_notation(packed):
    try:
        position = Position.from_packed(packed & 0x0707_7FFE_7FFE)
    except ValueError:
        return
    assert Position.from_notation(str(position)).packed == position.packed


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text("ab", max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "states", "x"]), inner, max_size=3)
    ),
)


@FEW
@given(JSON)
def test_shapes(value):
    assert fits(value, {"a": int, "b?": [(float, None)], str: (int, float, str, bool, None, [float], {})}) in (
        True,
        False,
    )
    assert not fits({"a": True}, {"a": int})
    assert not fits({}, {"a": int})
    assert fits({}, {"a?": int})
    assert not fits({"a": 1, "b": [float("nan")]}, {str: (int, [float])})


@pytest.mark.parametrize(
    "text",
    [
        '{"notation_version": 1, "metadata": "x", "settings": {}, "states": [], "initial_state": {}}',
        "[" * 100_000,
        '{"history": [' + "[" * 100_000,
        '{"notation_version": ' + "9" * 5000 + "}",
    ],
)
def test_records_that_fuzzing_found(text):
    with pytest.raises(ValueError, match=r".") as error:
        parse_record(text)
    assert "\n" not in str(error.value)
