"""What the tests of measures share."""

import pytest
import random_networks

from engine import Tablebase


@pytest.fixture(scope="session")
def table():
    """The game with two pieces a side, solved as exactly as float64 allows."""
    return Tablebase.solve(2, "floor")


@pytest.fixture(scope="session")
def network(tmp_path_factory):
    """The file of a small random network."""
    path = tmp_path_factory.mktemp("network") / "model.json"
    return random_networks.write(path, random_networks.random_document(seed=4))
