"""The solved games of every rule set: against value iteration on named tiles, published values and counts."""

import itertools
import struct

import numpy as np
import pytest
import tiles

from engine import Position
from engine.core.rules import RULE_SETS, rules
from engine.solved.blocks import block_table, device_bytes
from engine.solved.order import layer_end
from engine.solved.rgu_keys import count_entries, entries_by_map, key_of
from engine.solved.tablebase import Tablebase, default_path

#: The first player's win percentage with one piece a side (rule-sets published by RoyalUr and game_of_ur).
ONE_PIECE = {"finkel": "53.004983952", "blitz": "50.923764836", "masters": "52.759825811", "aseb": "52.570206912"}
#: With all pieces, as far as published.
WHOLE = {"blitz": "50.4052555093", "masters": "50.4809002027"}
#: Entries of a published file with one, with two, and with all pieces.
ENTRIES = {
    "finkel": (232, 12_990, 137_892_016),
    "blitz": (294, 20_468, 41_254_034),
    "masters": (294, 20_468, 500_981_472),
    "aseb": (294, 20_468, 41_254_034),
}
NOT_OVER = {"finkel": 137_870_097, "blitz": 41_243_781, "masters": 500_929_993, "aseb": 41_243_781}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Tables of one and of two pieces, by rule set and pieces, to the floor of float64."""
    unused = tmp_path_factory.mktemp("solve") / "none"
    return {
        (name, pieces): Tablebase.solve(pieces, "floor", 1, checkpoint=unused, rules=name)
        for name in RULE_SETS
        for pieces in (1, 2)
    }


def packed(name, position):
    """A position of `tiles`, seen by the side to move, as the engine packs it."""
    game = rules(name)
    mover, *placed = position
    shift = 0 if game.squares == 14 else 1
    word = 0
    for side, squares in enumerate((placed[mover], placed[1 - mover])):
        word |= sum(1 << square - shift for square in squares if 0 < square < game.borne_off) << 16 * side
        off = game.pieces - len(squares) + squares.count(game.borne_off)
        word |= off << 32 + 8 * side
    return word


def assert_same_values(table, name, pieces):
    solution = tiles.solution(name, pieces)
    positions = np.array([packed(name, position) for position in solution], dtype=np.uint64)
    light = np.where([mover == 0 for mover, *_ in solution], table.values(positions), 1 - table.values(positions))
    assert 2 * table.count == len(solution)
    assert np.abs(light - list(solution.values())).max() < 1e-13


@pytest.mark.parametrize("name", RULE_SETS)
def test_one_piece(small, name):
    table = small[name, 1]
    assert f"{100 * table.value(table.opening):.9f}" == ONE_PIECE[name]
    assert_same_values(table, name, 1)


@pytest.mark.slow
@pytest.mark.parametrize("name", RULE_SETS)
def test_two_pieces(small, name):
    assert_same_values(small[name, 2], name, 2)


@pytest.mark.parametrize("name", RULE_SETS)
def test_counts(name):
    whole = rules(name).pieces
    assert layer_end(whole, whole, name) == NOT_OVER[name]
    assert tuple(count_entries(pieces, name) for pieces in (1, 2, whole)) == ENTRIES[name]


def test_what_a_gpu_holds():
    """By the table of its blocks, which takes a while to make."""
    for name in ("finkel", "blitz"):
        starts, _ = block_table(rules=name)
        assert device_bytes(name) == 4 * NOT_OVER[name] + 8 * len(starts)


@pytest.mark.parametrize("name", RULE_SETS)
def test_verified_by_the_rules(small, name):
    report = small[name, 2].verify(workers=1)
    assert report.passed
    assert report.residual < 1e-14
    assert report.positions == small[name, 2].count


@pytest.mark.slow
@pytest.mark.parametrize("name", ["blitz", "aseb"])
def test_five_pieces(tmp_path, name):
    table = Tablebase.solve(checkpoint=tmp_path / "none", rules=name)
    assert table.count == NOT_OVER[name]
    if name in WHOLE:
        assert f"{100 * table.value(table.opening):.10f}" == WHOLE[name]
    report = table.verify()
    assert report.passed
    assert report.residual <= 1e-12


@pytest.mark.parametrize("name", RULE_SETS)
def test_every_place_is_found_again(small, name):
    """Walking through the table, and looking up what stands there."""
    table = small[name, 2]
    positions = np.concatenate(list(table.positions()))
    assert len(np.unique(positions)) == table.count
    flipped = [position.own_off < position.opponent_off for position in map(at(name), positions[:2000])]
    expected = np.where(flipped, 1 - table.array[:2000], table.array[:2000])
    assert np.array_equal(table.values(positions[:2000]), expected)


def at(name):
    return lambda word: Position.from_packed(int(word), rules=name)


@pytest.mark.parametrize("name", RULE_SETS)
def test_statistics(small, name):
    found = small[name, 2].statistics(workers=1)
    game = rules(name)
    assert found["rules"] == name
    assert [reply["roll"] for reply in found["best_replies"]] == list(game.rolls)
    assert sum(score["positions"] for score in found["scores"]) == small[name, 2].count


def test_workers_do_not_change_a_bit(tmp_path, small):
    for name in RULE_SETS:
        again = Tablebase.solve(2, "floor", 2, checkpoint=tmp_path / "none", rules=name)
        assert again.array.tobytes() == small[name, 2].array.tobytes()


def test_pieces_of_another_rule_set_are_refused():
    with pytest.raises(ValueError, match="pieces must be 1 to 5, not 6"):
        Tablebase.solve(6, rules="blitz")
    with pytest.raises(ValueError, match="pieces must be 1 to 5, not 6"):
        default_path(6, "aseb")
    with pytest.raises(ValueError, match="unknown rule set 'blits'; did you mean blitz"):
        Tablebase.solve(1, rules="blits")


def test_a_file_says_its_rule_set(small, tmp_path):
    assert default_path(rules="masters").name == "masters-7.table"
    path = tmp_path / "blitz.table"
    small["blitz", 2].save(path)
    table = Tablebase.open(path)
    assert (table.rules, table.pieces) == ("blitz", 2)
    with pytest.raises(ValueError, match=r"blitz\.table plays blitz, the game finkel"):
        Tablebase.open(path, rules="finkel")
    with pytest.raises(FileNotFoundError, match="solve --rules aseb"):
        Tablebase.open(rules="aseb")


def test_a_position_of_another_rule_set_is_refused(small):
    with pytest.raises(ValueError, match="the table is of blitz, the position of finkel"):
        small["blitz", 2].value(small["finkel", 2].opening)


def test_an_interrupted_solve_goes_on(tmp_path, small):
    """Stopped after some layers, with the layers of another rule set in another file."""
    file = tmp_path / "masters.partial"

    def stop(progress):
        if progress.layers_done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Tablebase.solve(2, "floor", 1, stop, checkpoint=file, rules="masters")
    said = []
    other = Tablebase.solve(2, "floor", 1, checkpoint=file, say=said.append, rules="blitz")
    assert not said
    assert other.array.tobytes() == small["blitz", 2].array.tobytes()

    with pytest.raises(KeyboardInterrupt):
        Tablebase.solve(2, "floor", 1, stop, checkpoint=file, rules="masters")
    again = Tablebase.solve(2, "floor", 1, checkpoint=file, say=said.append, rules="masters")
    assert said == [f"going on from 2 of 3 layers in {file}"]
    assert again.array.tobytes() == small["masters", 2].array.tobytes()


def expected_key(name, pieces, position):
    """The key of a position with light to move, from the description of the format."""
    _, *placed = position
    sides = tiles.GAMES[name].sides
    on = [tiles.on_board(stations, squares) for stations, squares in zip(sides, placed, strict=True)]
    row_by_row = sorted({*sides[0], *sides[1]} - {tiles.HAND, tiles.OFF}, key=lambda tile: (int(tile[1:]), tile[0]))
    shared = [tile for tile in row_by_row if all(tile in stations for stations in sides)]
    digits = [2 if tile in on[0] else 1 if tile in on[1] else 0 for tile in shared]
    segment = len(shared) if len(shared) <= 8 else len(shared) // 2
    states = [x for x in itertools.product(range(3), repeat=segment) if max(x.count(1), x.count(2)) <= pieces]
    bits = next(bits for bits in range(1, 32) if len(states) - 1 <= 2**bits)
    key = placed[0].count(0) << 3 | placed[1].count(0)
    private = [[tile for tile in row_by_row if tile in sides[k] and tile not in shared] for k in (0, 1)]
    key = key << len(private[0]) | sum((tile in on[0]) << bit for bit, tile in enumerate(private[0]))
    for first in range(0, len(shared), segment):
        key = key << bits | states.index(tuple(digits[first : first + segment]))
    return key << len(private[1]) | sum((tile in on[1]) << bit for bit, tile in enumerate(private[1]))


@pytest.mark.parametrize("name", RULE_SETS)
def test_keys(name):
    pieces = rules(name).pieces
    rng = np.random.default_rng(3)
    last = rules(name).borne_off
    for _ in range(40):
        light, dark = (tuple(sorted(map(int, rng.integers(0, last + 1, pieces)))) for _ in range(2))
        if any(side.count(square) > 1 for side in (light, dark) for square in range(1, last)):
            continue
        stations = tiles.GAMES[name].sides
        if tiles.on_board(stations[0], light) & tiles.on_board(stations[1], dark) or dark == (last,) * pieces:
            continue
        word = packed(name, (0, light, dark))
        assert key_of(at(name)(word), pieces, name) == expected_key(name, pieces, (0, light, dark))


def test_maps_of_a_file():
    assert entries_by_map(7) == [137_892_016]
    assert len(entries_by_map(5, "blitz")) == 3
    assert len(entries_by_map(7, "masters")) == 4


@pytest.mark.parametrize("name", RULE_SETS)
def test_rgu_round_trip(small, tmp_path, name):
    path = tmp_path / "map.rgu"
    small[name, 2].to_rgu(path, "f64")
    again = Tablebase.from_rgu(path)
    assert (again.rules, again.pieces) == (name, 2)
    assert np.abs(again.array - small[name, 2].array).max() < 1e-15


@pytest.mark.slow
def test_rgu_of_several_maps(tmp_path):
    """Three pieces of masters have keys of 33 bits: a second map for those with two or three in light's hand."""
    table = Tablebase.solve(3, 1e-12, checkpoint=tmp_path / "none", rules="masters")
    path = tmp_path / "map.rgu"
    table.to_rgu(path, "percent16")
    data = path.read_bytes()
    (length,) = struct.unpack(">I", data[4:8])
    maps = entries_by_map(3, "masters")
    assert len(maps) == 2
    assert struct.unpack(">III", data[8 + length : 20 + length]) == (2, *maps)
    keys = np.frombuffer(data, ">u4", sum(maps), 20 + length).astype(np.int64)
    assert (np.diff(keys[: maps[0]]) > 0).all()
    assert (np.diff(keys[maps[0] :]) > 0).all()
    values = np.frombuffer(data, ">u2", sum(maps), 20 + length + 4 * sum(maps))
    for word in table.sample(50, seed=1):
        position = at("masters")(word)
        key = key_of(position, 3, "masters")
        first = maps[0] * (key >> 32)
        entry = first + int(np.searchsorted(keys[first : first + maps[key >> 32]], key & 0xFFFFFFFF))
        assert keys[entry] == key & 0xFFFFFFFF
        assert values[entry] == int(table.value(position) * 65535 + 0.5)
    assert np.abs(Tablebase.from_rgu(path).array / 65535.0 - table.array).max() < 1 / 65535
