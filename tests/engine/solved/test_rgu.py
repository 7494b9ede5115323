"""The published map: keys, layout, round trips, damage."""

import functools
import itertools
import struct

import numpy as np
import pytest
import referee
from referee import State

from engine import Position
from engine.solved.rgu_keys import count_entries, key_of
from engine.solved.tablebase import Tablebase

PIECES = 7


def opening(pieces):
    return Position.from_notation(f"..............:{PIECES - pieces}|..............:{PIECES - pieces}")


def test_rgu_counts():
    counts = [12_990, 263_712, 2_604_884, 14_675_304, 53_200_376, 137_892_016]
    assert [count_entries(pieces) for pieces in range(2, 8)] == counts


def test_rgu_keys(bases):
    assert key_of(Position.initial()) == 0x7E000000
    # Dark on 1 and 14: bits 3 and 4; five in hand.
    assert key_of(Position.from_notation("..............:0|x............x:0")) == 0x7A000000 + 0b011000
    with pytest.raises(ValueError, match="more than 1 pieces"):
        key_of(opening(2), 1)


def lane_rank(own, opponent, pieces):
    """A lane's rank, by listing them all: digits empty, dark, light, the first shared square the most significant."""
    digits = [1 if square in opponent else 2 if square in own else 0 for square in range(5, 13)]
    return lane_ranks(pieces)[tuple(digits)]


@functools.cache
def lane_ranks(pieces):
    lanes = itertools.product(range(3), repeat=8)
    return {lane: n for n, lane in enumerate(x for x in lanes if max(x.count(1), x.count(2)) <= pieces)}


@pytest.mark.parametrize(("pieces", "bits"), [(1, 7), (2, 10), (3, 12), (4, 13), (5, 13), (6, 13), (7, 13)])
def test_rgu_keys_from_the_published_description(pieces, bits):
    assert max(1, (len(lane_ranks(pieces)) - 2).bit_length()) == bits
    rng = np.random.default_rng(pieces)
    private = [4, 3, 2, 1, 14, 13]
    for _ in range(300):
        squares = rng.permutation(14)[: rng.integers(pieces + 1)] + 1, rng.permutation(14)[: rng.integers(pieces)] + 1
        own = set(map(int, squares[0]))
        opponent = {square for square in map(int, squares[1]) if not (5 <= square <= 12 and square in own)}
        hands = int(rng.integers(pieces - len(own) + 1)), int(rng.integers(pieces - len(opponent) + 1))
        if hands[1] + len(opponent) == 0:
            continue  # dark has won: not in the map
        state = State(
            tuple(sorted(own)), tuple(sorted(opponent)), PIECES - len(own) - hands[0], PIECES - len(opponent) - hands[1]
        )
        expected = sum(1 << bit for bit, square in enumerate(private) if square in opponent)
        expected |= lane_rank(own, opponent, pieces) << 6
        expected |= sum(1 << bit for bit, square in enumerate(private) if square in own) << (6 + bits)
        expected |= hands[1] << (12 + bits) | hands[0] << (15 + bits)
        assert key_of(Position.from_notation(referee.notation(state)), pieces) == expected


@pytest.mark.parametrize(("value_type", "width"), [("percent16", 2), ("f32", 4), ("f64", 8)])
@pytest.mark.parametrize("pieces", [1, 2, 3])
def test_rgu_layout_and_round_trip(bases, tmp_path, pieces, value_type, width):
    path = tmp_path / "map.rgu"
    base = bases[pieces]
    base.to_rgu(path, value_type)
    data = path.read_bytes()
    assert data[:4] == b"RGU\0"
    (length,) = struct.unpack(">I", data[4:8])
    entries = count_entries(pieces)
    assert struct.unpack(">II", data[8 + length : 16 + length]) == (1, entries)
    assert len(data) == 16 + length + (4 + width) * entries
    keys = np.frombuffer(data, ">u4", entries, 16 + length)
    values = np.frombuffer(data, f">{'u' if width == 2 else 'f'}{width}", entries, 16 + length + 4 * entries)
    assert (np.diff(keys.astype(np.int64)) > 0).all()
    for packed in base.sample(20, seed=6):
        position = Position.from_packed(int(packed))
        entry = int(np.searchsorted(keys, key_of(position, pieces)))
        assert keys[entry] == key_of(position, pieces)
        percent = 100 * base.value(position)
        expected = int(percent / 100 * 65535 + 0.5) if width == 2 else percent
        assert values[entry] == pytest.approx(expected, rel=1e-6 if width == 4 else 1e-14)

    again = Tablebase.from_rgu(path)
    assert again.pieces == pieces
    assert again.dtype == {2: "uint16", 4: "float32", 8: "float64"}[width]
    assert again.verify(workers=1).passed
    packed = base.sample(5000)
    step = {2: 0.5001 / 65535, 4: 1e-7, 8: 2e-16}[width]
    assert np.abs(again.values(packed) - base.values(packed)).max() <= step
    if width == 2:
        again.to_rgu(tmp_path / "again.rgu", value_type)
        assert (tmp_path / "again.rgu").read_bytes()[-6 * entries :] == data[-6 * entries :]


def test_rgu_with_a_wrong_word_for_its_values(bases, tmp_path):
    """Some published float64 maps name the value type twice; the size of the file is what counts."""
    path = tmp_path / "map.rgu"
    bases[2].to_rgu(path, "f64")
    data = path.read_bytes().replace(b'"value_type": "f64"', b'"value_type": "f32"')
    path.write_bytes(data)
    assert Tablebase.from_rgu(path).dtype == "float64"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data[:-1], "truncated or damaged"),
        (lambda data: data[:100], "truncated or damaged|damaged"),
        (lambda data: b"PNG" + data[3:], "not an .rgu map"),
        (lambda data: data[:3] + b"\1" + data[4:], "version 1 of the .rgu format"),
        (lambda data: data[:4] + struct.pack(">I", 9000) + b"[" * 9000, "the header is not the JSON of a map"),
        (lambda data: data.replace(b'"bell"', b'"oval"'), "other rules: paths"),
        (lambda data: data.replace(b'"start_pieces": 2', b'"start_pieces": 3'), "not the entries of 3 pieces"),
        (lambda data: data.replace(b'"start_pieces": 2', b'"start_pieces": 9'), "9 pieces a side"),
        (lambda data: data.replace(b'{"value', b'["value'), "not the JSON of a map"),
        (lambda data: data[:-70000] + b"\xff" + data[-69999:], "keys are not those"),
    ],
)
def test_damaged_maps_are_refused(bases, tmp_path, change, message):
    path = tmp_path / "map.rgu"
    bases[2].to_rgu(path, "percent16")
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(ValueError, match=message):
        Tablebase.from_rgu(path)


def test_rgu_value_types(bases, tmp_path):
    with pytest.raises(ValueError, match="value_type must be one of"):
        bases[1].to_rgu(tmp_path / "map.rgu", "f16")
    assert list(tmp_path.iterdir()) == []
