"""The generator against its published vectors, and the dice against their distribution."""

from collections import Counter

import pytest
from referee import ROLLS, WAYS

from engine.core import dice

# "philox4x32 10" of tests/kat_vectors in Random123 1.14.0: counter, key -> block.
KNOWN_ANSWERS = [
    (
        (0x00000000, 0x00000000, 0x00000000, 0x00000000),
        (0x00000000, 0x00000000),
        (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8),
    ),
    (
        (0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF),
        (0xFFFFFFFF, 0xFFFFFFFF),
        (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
    ),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]

PROBABILITIES = [ways / 16 for ways in WAYS]

# Chi-square with 4 degrees of freedom exceeds this once in a thousand samples; with 24, the other one.
CHI_SQUARE_4 = 18.47
CHI_SQUARE_24 = 51.18


@pytest.mark.parametrize(("counter", "key", "block"), KNOWN_ANSWERS)
def test_philox_known_answers(counter, key, block):
    assert dice.philox4x32(counter, key) == block


def test_distribution():
    assert sum(dice.ROLL_PROBABILITIES) == 1.0
    assert [16 * probability for probability in dice.ROLL_PROBABILITIES] == [1, 4, 6, 4, 1] == list(WAYS)


def test_rolls_are_the_four_low_bits_of_the_words():
    """The documented key and counter: the seed, and (block, stream 0, game)."""
    seed, game = 0x0123456789ABCDEF, 0xFEDCBA9876543210
    words = [
        word
        for block in range(3)
        for word in dice.philox4x32((block, 0, game % 2**32, game >> 32), (seed % 2**32, seed >> 32))
    ]
    assert dice.rolls(seed, game, 12) == [(word % 16).bit_count() for word in words]


def test_frequencies():
    count = 100_000
    seen = Counter(dice.rolls(2026, 0, count))
    assert set(seen) == set(ROLLS)
    chi_square = sum((seen[roll] - count * p) ** 2 / (count * p) for roll, p in enumerate(PROBABILITIES))
    assert chi_square < CHI_SQUARE_4


@pytest.mark.parametrize("pairs", ["successive", "neighbouring games", "neighbouring seeds"])
def test_pairs_are_independent(pairs):
    count = 40_000
    if pairs == "successive":
        rolls = dice.rolls(5, 9, 2 * count)
        seen = Counter(zip(rolls[::2], rolls[1::2], strict=True))
    elif pairs == "neighbouring games":
        seen = Counter((dice.rolls(5, game, 1)[0], dice.rolls(5, game + 1, 1)[0]) for game in range(0, 2 * count, 2))
    else:
        seen = Counter((dice.rolls(seed, 5, 1)[0], dice.rolls(seed + 1, 5, 1)[0]) for seed in range(0, 2 * count, 2))
    chi_square = 0.0
    for first, p in enumerate(PROBABILITIES):
        for second, q in enumerate(PROBABILITIES):
            chi_square += (seen[first, second] - count * p * q) ** 2 / (count * p * q)
    assert chi_square < CHI_SQUARE_24


def test_a_pure_function_of_seed_and_game():
    keys = [(seed, game) for seed in (0, 1, 2**32, 2**64 - 1) for game in (0, 1, 2**32, 2**64 - 1)]
    first = {key: dice.rolls(*key, 64) for key in keys}
    again = {key: dice.rolls(*key, 64) for key in reversed(keys)}
    assert first == again
    assert len({tuple(rolls) for rolls in first.values()}) == len(keys)


def test_a_longer_request_begins_the_same():
    long = dice.rolls(3, 4, 100)
    assert all(dice.rolls(3, 4, count) == long[:count] for count in range(100))
