"""What several test files share."""

import pytest

from engine import Search, selfplay


@pytest.fixture(scope="session")
def games():
    """Records of 40 short-sighted games."""
    return selfplay(40, Search(2), 11, exploration=0.1, workers=1)
