"""Training rows with exact labels, on the two-piece game."""

from functools import partial

import numpy as np
import pytest
from batches import batch_arrays

from engine import Position, Tablebase, extract_features_bytes, selfplay
from engine.games.exact_rows import entry_batch, policy_batch, value_batch
from mlx_train.config import resolve
from mlx_train.data.exact import ExactSource
from mlx_train.data.labels import Labels


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return Tablebase.solve(2, workers=1, checkpoint=tmp_path_factory.mktemp("table") / "checkpoint")


@pytest.fixture(scope="module")
def everything(table):
    """Features of every position that is not over -> the values of the positions that have them."""
    packed = np.concatenate(list(table.positions()))
    found = {}
    for row, value in zip(extract_features_bytes(packed), table.values(packed), strict=True):
        found.setdefault(row.tobytes(), []).append(2 * value - 1)
    return found


@pytest.mark.parametrize("play_share", [0.0, 0.5, 1.0])
def test_value_rows_are_positions_with_their_exact_value(table, everything, play_share):
    rows, targets = value_batch(table, 3000, 1, 2, play_share=play_share)
    assert rows.shape == (3000, 150)
    for row, target in zip(rows, targets, strict=True):
        assert min(abs(value - target) for value in everything[row.tobytes()]) < 1e-6


def test_uniform_rows_are_uniform(table, everything):
    """Every position is drawn about as often as any other: a chi-square over all of them, with a fixed seed."""
    rows = np.concatenate([value_batch(table, 50_000, 3, number)[0] for number in range(4)])
    keys = {key: i for i, key in enumerate(everything)}
    counts = np.bincount([keys[row.tobytes()] for row in rows], minlength=len(keys))
    weights = np.array([len(values) for values in everything.values()])
    expected = len(rows) * weights / weights.sum()
    chi_square = ((counts - expected) ** 2 / expected).sum()
    # Four draws share a block; in so small a game a block is often one position, so the spread is up to four times
    # that of independent draws.
    assert chi_square < 2 * len(keys)
    assert (counts == 0).mean() < 0.01
    # By the pieces borne off, which blocks do not share, the draws are as good as independent.
    off = np.array([Position.from_packed(int(p)).own_off for p in np.concatenate(list(table.positions()))])
    drawn = np.bincount(off, weights=counts)[5:] / len(rows)
    np.testing.assert_allclose(drawn, np.bincount(off)[5:] / len(off), rtol=0.03)


def test_small_batches_of_play_are_of_whole_games(table):
    """Positions by the pieces borne off: as often in batches of 16 as in one that is many games long."""

    def shares(batches, count):
        packed = np.concatenate(
            [policy_batch(table, count, 5, n, temperature=1.0, play_share=1.0, packed=True)[0] for n in range(batches)]
        )
        off = (packed[:, 1] & 0xFF) + (packed[:, 1] >> 8 & 0xFF)  # bits 32 and 40
        return np.bincount(off - 10, minlength=4) / len(packed)

    small, large = shares(2000, 16), shares(1, 32_000)
    np.testing.assert_allclose(small, large, atol=0.02)


@pytest.mark.parametrize("play_share", [0.0, 1.0])
def test_policy_rows_are_decisions_with_a_softmax_over_exact_values(table, play_share):
    """The rows of 500 decisions, found again among all decisions of the two-piece game by their features."""
    decisions = {}
    for packed in np.concatenate(list(table.positions())):
        position = Position.from_packed(int(packed))
        for roll in range(1, 5):
            moves = table.moves(position, roll)
            if len(moves) > 1:
                target, legal = np.zeros(7), np.zeros(7, dtype=bool)
                for move in moves:
                    target[position.policy_slot(move.square)] = np.exp(-move.regret / 0.02)
                    legal[position.policy_slot(move.square)] = True
                decisions[position.packed, roll] = target / target.sum(), legal
    keys = list(decisions)
    rows = extract_features_bytes([packed for packed, _ in keys], [roll for _, roll in keys])
    known = {}
    for row, key in zip(rows, keys, strict=True):
        known.setdefault(row.tobytes(), []).append(decisions[key])
    rows, targets, legal = policy_batch(table, 500, 4, 5, temperature=0.02, play_share=play_share)
    for row, target, mask in zip(rows, targets, legal, strict=True):
        assert any(
            np.allclose(target, expected, atol=1e-6) and np.array_equal(mask, slots)
            for expected, slots in known[row.tobytes()]
        )


@pytest.mark.parametrize("play_share", [0.0, 0.5, 1.0])
def test_entries_are_where_the_rows_stand_in_the_table(table, play_share):
    positions = np.concatenate(list(table.positions()))
    found = positions[entry_batch(table, 3000, 1, 2, play_share=play_share, exploration=0.3)]
    rows, targets = value_batch(table, 3000, 1, 2, play_share=play_share, exploration=0.3)
    np.testing.assert_array_equal(extract_features_bytes(found), rows)
    np.testing.assert_array_equal((2 * table.values(found) - 1).astype(np.float32), targets)


def test_a_batch_depends_on_its_seed_and_number_alone(table):
    first = value_batch(table, 100, 1, 0, play_share=0.5)
    assert all(np.array_equal(a, b) for a, b in zip(first, value_batch(table, 100, 1, 0, play_share=0.5), strict=True))
    for seed, number in [(1, 1), (2, 0)]:
        assert not np.array_equal(first[0], value_batch(table, 100, seed, number, play_share=0.5)[0])


@pytest.mark.parametrize("play_share", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("batches", [3, 20])
def test_batches_made_together_are_those_made_one_by_one(table, batches, play_share):
    makers = [
        value_batch,
        lambda *args, **draw: (entry_batch(*args, **draw),),
        partial(policy_batch, temperature=0.02),
        partial(policy_batch, temperature=0.02, packed=True),
    ]
    for make in makers:
        together = make(table, 60, 9, 5, batches=batches, play_share=play_share, exploration=0.2)
        parts = [make(table, 60, 9, 5 + n, play_share=play_share, exploration=0.2) for n in range(batches)]
        for column, single in zip(together, zip(*parts, strict=True), strict=True):
            np.testing.assert_array_equal(column, np.concatenate(single))


def test_a_game_of_one_piece_has_no_decisions(tmp_path):
    table = Tablebase.solve(1, workers=1, checkpoint=tmp_path / "checkpoint")
    value_batch(table, 10, 0, 0)
    for make in (partial(value_batch, play_share=0.5), partial(policy_batch, temperature=0.02)):
        with pytest.raises(ValueError, match="one piece a side"):
            make(table, 10, 0, 0)


@pytest.mark.parametrize(
    ("count", "options"),
    [
        (0, {}),
        (10, {"batches": 0}),
        (10, {"play_share": 1.5}),
        (10, {"play_share": float("nan")}),
        (10, {"exploration": -1}),
    ],
)
def test_absurd_batches_are_refused(table, count, options):
    with pytest.raises(ValueError, match=r"batch|shares"):
        value_batch(table, count, 0, 0, **options)
    with pytest.raises(ValueError, match=r"batch|shares"):
        entry_batch(table, count, 0, 0, **options)
    with pytest.raises(ValueError, match="temperature"):
        policy_batch(table, 10, 0, 0, temperature=0.0)


def test_the_source_streams_the_same_batches_whatever_the_workers(table):
    streams = []
    for workers in (1, 3):
        config = resolve("quick", teacher="exact", steps=40, epochs=4, batch_size=32, workers=workers)
        source = ExactSource(config, table)
        assert source.steps_per_epoch == 10
        streams.append([batch for epoch in (1, 2) for batch in source.epoch(epoch)])
    assert len(streams[0]) == 20
    for one, other in zip(*streams, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(batch_arrays(one), batch_arrays(other), strict=True))
    assert not np.array_equal(streams[0][0].value.inputs, streams[0][10].value.inputs)
    validation = next(source.validation())
    assert not np.array_equal(validation.value.inputs[:32], streams[0][0].value.inputs)


@pytest.mark.parametrize(("networks", "missing"), [("value", "policy"), ("policy", "value")])
def test_a_single_network_gets_its_rows_alone(table, networks, missing):
    config = resolve("quick", teacher="exact", steps=10, epochs=1, batch_size=8, networks=networks)
    batch = next(ExactSource(config, table).epoch(1))
    assert [name for name in ("value", "policy") if getattr(batch, name) is None] == [missing]


def test_small_tables_have_no_games_to_record(table):
    with pytest.raises(ValueError, match="games need 7"):
        selfplay(2, table)
    with pytest.raises(TypeError, match="Search or a Tablebase"):
        selfplay(2, "emm:3")


def test_labels_of_the_solved_game_are_its_values(games):
    """Records whose values are 2 p - 1 are taken as they are."""
    records = games.copy()
    records["values"] = np.tanh(records["values"] / 500)
    config = resolve("quick", temperature=0.05)
    labels = Labels(records, config, "2p-1")
    np.testing.assert_array_equal(labels.values, records["values"])
    for record, target in zip(records[::50], labels.policy[::50], strict=True):
        values = record["values"][: record["moves"]].astype(np.float64)
        odds = np.exp((values - values.max()) / 2 / 0.05)
        np.testing.assert_allclose(np.sort(target[target > 0]), np.sort(odds / odds.sum()), rtol=1e-3)
