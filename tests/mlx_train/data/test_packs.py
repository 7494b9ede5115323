"""Packs: records come back bit for bit, equal records give equal bytes, and nothing else is read."""

import json

import numpy as np
import pytest

from engine.games.decisions import DECISION_DTYPE
from mlx_train.data import packs
from mlx_train.data.games import Decisions, from_bytes, merged, packed, read_packs
from mlx_train.data.packs import divided, pack, positions_of, unpack


@pytest.fixture
def small_packs(monkeypatch):
    """Packs of eight games, so that some games fill several."""
    monkeypatch.setattr(packs, "PACK_GAMES", 8)


def test_records_come_back_bit_for_bit(games):
    data = pack(games)
    assert unpack(data).tobytes() == games.tobytes()
    assert pack(games.copy()) == data
    assert len(data) < games.nbytes / 3
    np.testing.assert_array_equal(positions_of(data), games["position"])
    played_out = games.copy()
    legal = np.arange(7) < games["moves"][:, None]
    played_out["results"][legal] = np.arange(np.count_nonzero(legal)) % 3 - 1
    assert unpack(pack(played_out)).tobytes() == played_out.tobytes()


def test_games_without_decisions(games):
    some = games[games["game"] % 3 == 1]
    assert unpack(pack(some)).tobytes() == some.tobytes()
    assert divided(games[:0]) == []


def test_packs_do_not_depend_on_the_blocks_that_were_played(games, small_packs):
    whole = packed(games)
    assert [number for number, _ in whole] == list(range(len(whole)))
    assert len(whole) > 3
    for cuts in ([3], [8, 9, 20], [16]):
        blocks = np.split(games, np.searchsorted(games["game"], cuts))
        parts = [pack for block in blocks for pack in packed(block, workers=2)]
        assert len(parts) >= len(whole)
        assert merged(parts) == whole


def test_the_first_version_is_read(games, tmp_path, small_packs):
    meta = np.array(json.dumps({"version": 1, "depth": 2}))
    np.savez_compressed(tmp_path / "games.npz", records=games, meta=meta)
    old = Decisions.load(tmp_path / "games.npz")
    assert old.records.tobytes() == games.tobytes()
    assert old.info == {"depth": 2}
    old.save(tmp_path / "new.npz")
    assert read_packs(tmp_path / "new.npz") == read_packs(tmp_path / "games.npz")


def test_records_out_of_order_are_refused(games):
    with pytest.raises(ValueError, match="order of their games"):
        divided(games[::-1])


def with_header(data, change):
    """A pack whose header was changed by a function."""
    end = 4 + int.from_bytes(data[:4], "little")
    header = json.loads(data[4:end])
    change(header)
    text = json.dumps(header).encode()
    return len(text).to_bytes(4, "little") + text + data[end:]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda header: header["columns"]["rolls"][0].__setitem__(0, 1 << 31), "grows beyond measure"),
        (lambda header: header["columns"]["rolls"][0].__setitem__(0, 1), "another length"),
        (lambda header: header["columns"]["rolls"].__setitem__(0, [-1]), "damaged"),
        (lambda header: header["columns"]["rolls"].__setitem__(0, 3), "damaged"),
        (lambda header: header["columns"]["values"].__setitem__(0, [4]), "other types"),
        (lambda header: header["columns"].pop("won"), "damaged"),
        (lambda header: header.update(first="0"), "damaged"),
        (lambda header: header.update(columns=[]), "damaged"),
    ],
)
def test_damaged_headers(games, change, reason):
    with pytest.raises(ValueError, match=reason):
        unpack(with_header(pack(games), change))


def test_damaged_bytes(games):
    data = pack(games)
    for damaged in (b"", data[:3], data[:50], data[:-1], data[:-200] + bytes(200)):
        with pytest.raises(ValueError, match=r"."):
            unpack(damaged)
    with pytest.raises(ValueError, match="not a dataset"):
        from_bytes(data)


@pytest.mark.parametrize(
    ("column", "value"), [("roll", 0), ("chosen", 7), ("position", 0x7FFE), ("values", np.nan), ("values", np.inf)]
)
def test_one_decision_that_the_rules_forbid(games, column, value):
    records = games.copy()
    if column == "values":
        records["values"][-1, 0] = value
    else:
        records[column][-1] = value
    with pytest.raises(ValueError, match=r"."):
        unpack(pack(records))
    assert records.dtype == DECISION_DTYPE


def test_rules_of_a_wrong_type(games, tmp_path):
    Decisions(games, {"rules": 3}).save(tmp_path / "games.npz")
    with pytest.raises(ValueError, match=r"games.npz: not a dataset: rules must be"):
        Decisions.load(tmp_path / "games.npz")
