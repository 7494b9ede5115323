"""Self-play as a source of batches."""

import numpy as np
import pytest
from batches import batch_arrays

from engine import Network
from mlx_train.config import SelfplayConfig
from mlx_train.data.selfplay import SelfPlaySource
from mlx_train.device.backend import mx
from mlx_train.networks.mlp import Networks
from mlx_train.networks.weights import to_document

CONFIG = SelfplayConfig(rounds=4, games=12, steps=5, batch_size=32, window=2, hidden_sizes=(8,), workers=2)


def player():
    mx.random.seed(0)
    return Network.from_document(to_document(Networks((8,)), {}, "value"))


def after(rounds):
    source = SelfPlaySource(CONFIG)
    for number in range(1, rounds + 1):
        list(source.epoch(number, player=player))
    return source


def test_the_first_round_has_games_and_no_batches():
    source = SelfPlaySource(CONFIG)
    assert list(source.epoch(1, player=player)) == []
    assert (source.own.rounds, source.own.games) == (1, 12)
    assert source.own.positions == len(source.own.window[0].packed) > 12
    assert list(source.validation()) == []


def test_the_window_holds_the_last_rounds():
    source = after(3)
    assert len(source.own.window) == CONFIG.window
    assert source.own.games == 36


def test_a_round_goes_on_from_any_batch():
    whole = list(after(1).epoch(2, player=player))
    assert len(whole) == CONFIG.steps
    rest = list(after(1).epoch(2, 3, player))
    for batch, again in zip(whole[3:], rest, strict=True):
        for array, other in zip(batch_arrays(batch), batch_arrays(again), strict=True):
            np.testing.assert_array_equal(array, other)


def test_a_round_that_is_left_early_adds_nothing():
    source = after(1)
    batches = source.epoch(2, player=player)
    next(batches)
    batches.close()
    assert (source.own.rounds, len(source.own.window)) == (1, 1)


def test_a_round_in_the_window_is_not_played_again():
    source = after(2)
    again = SelfPlaySource(CONFIG)
    again.restore(*source.state())
    assert list(again.epoch(2, CONFIG.steps, player)) == []
    assert again.state()[1] == source.state()[1]
    for pair, other in zip(again.own.window, source.own.window, strict=True):
        np.testing.assert_array_equal(pair[0], other[0])


def test_somebody_has_to_play():
    with pytest.raises(ValueError, match="needs a network"):
        next(SelfPlaySource(CONFIG).epoch(1))
