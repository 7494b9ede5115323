"""Errors of win probabilities, against slow Python."""

import numpy as np
import pytest

from engine import Agent, Network, Position, Tablebase
from mlx_train.measuring.value_error import value_error


def test_value_error_of_every_position(table, network):
    loaded = Network.load(network)
    packed = np.concatenate(list(table.positions()))
    error = [abs(loaded.value(p) - table.value(p)) for p in map(Position.from_packed, packed.tolist())]
    found = value_error(loaded, table, every=True, workers=2)
    assert found.positions == table.count == len(error)
    assert found.mean == pytest.approx(np.mean(error), rel=1e-12)
    assert found.rms == pytest.approx(np.sqrt(np.mean(np.square(error))), rel=1e-12)
    assert found.max == max(error)
    assert found.p95 == pytest.approx(np.percentile(error, 95, method="inverted_cdf"), abs=1e-6)


def test_value_error_of_a_sample(table, network):
    agent = Agent.parse(f"net:{network}")
    found = value_error(agent, table, 3000, 7)
    assert found == value_error(agent, table, 3000, 7, workers=1)
    error = np.abs(Network.load(network).values(table.sample(3000, 7)) - table.values(table.sample(3000, 7)))
    assert (found.positions, found.max) == (3000, error.max())
    assert found.mean == pytest.approx(error.mean(), rel=1e-12)
    assert found != value_error(agent, table, 3000, 8)


def test_value_error_of_a_rounded_table(table, tmp_path):
    table.save(tmp_path / "rounded.table", dtype="uint16")
    found = value_error(Tablebase.open(tmp_path / "rounded.table"), table, every=True)
    assert 0.4 / 65535 < found.max <= 0.5001 / 65535
    assert found.mean == pytest.approx(0.25 / 65535, rel=0.05)
    assert value_error(table, table, every=True).max == 0


def test_value_error_of_a_look_ahead_is_its_own(table, network):
    errors = [value_error(Agent.parse(f"net:{network}{depth}"), table, 300, seed=1) for depth in ("", "@2", "@3")]
    packed = table.sample(300, 1)
    for depth, found in enumerate(errors):
        off = np.abs(Network.load(network).values(packed, depth) - table.values(packed))
        assert found.mean == pytest.approx(off.mean())
    assert len({found.mean for found in errors}) == 3


def test_value_error_needs_win_probabilities(table, network):
    for spelling in ("greedy", "emm:1", f"net:{network}:policy"):
        with pytest.raises(ValueError, match="no win probabilities"):
            value_error(Agent.parse(spelling), table)
    with pytest.raises(ValueError, match="at least 1"):
        value_error(table, table, 0)
