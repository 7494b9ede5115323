"""A search's games, then the network's own."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from batches import batch_arrays

from engine import Network, Position
from mlx_train.config import Config
from mlx_train.data.batches import Share, joined
from mlx_train.data.games import Decisions
from mlx_train.data.iteration import AGAIN, IterationSource, draw_decisions, scripts
from mlx_train.data.search import SearchSource
from mlx_train.device.backend import mx
from mlx_train.networks.mlp import Networks
from mlx_train.networks.weights import to_document

#: The seed is the one of the games (tests/conftest.py): their dice are played again.
CONFIG = Config(
    teacher="iteration", games=100, search_share=0.4, epochs=8, batch_size=256, seed=11, hidden_sizes=(8,), workers=2
)


def player(seed=0):
    mx.random.seed(seed)
    return Network.from_document(to_document(Networks((8,)), {}))


@pytest.fixture
def make(games):
    """A function that makes a source whose network is better than the search from an epoch on."""

    def make(better_from=2, config=CONFIG):
        asked = []

        def better(network):
            asked.append(network)
            return len(asked) + 1 >= better_from

        source = IterationSource(config, SearchSource(config, Decisions(games, {"depth": 2})), better)
        source.asked = asked
        return source

    return make


def after(source, epochs):
    for number in range(1, epochs + 1):
        list(source.epoch(number, player=lambda number=number: player(number)))
    return source


def same(batches, others):
    for batch, other in zip(batches, others, strict=True):
        for array, again in zip(batch_arrays(batch), batch_arrays(other), strict=True):
            np.testing.assert_array_equal(array, again)


def test_the_search_is_the_teacher_until_the_network_is_better(make):
    source = make(better_from=4)
    search = SearchSource(CONFIG, Decisions(source.search.records, {"depth": 2}))
    for number in (1, 2, 3):
        passes = range((number - 1) * source.passes + 1, number * source.passes + 1)
        expected = [batch for one in passes for batch in search.epoch(one)]
        same(list(source.epoch(number, player=player)), expected)
        assert not source.changed
        assert source.metrics() == {}
        same(list(source.validation()), list(search.validation()))
    batches = list(source.epoch(4, player=player))
    assert len(batches) == len(expected)
    assert (source.changed, source.own.rounds, len(source.asked)) == (4, 1, 3)
    assert source.metrics() == {"own_games": source.own.games}
    list(source.epoch(5, player=player))
    assert len(source.asked) == 3  # nobody is asked once the network is better


def test_a_network_that_stays_worse_has_the_search_as_its_teacher_to_the_end(make):
    source = after(make(better_from=100), CONFIG.epochs)
    assert (source.changed, source.own.games) == (0, 0)
    assert source.metrics() == {}
    assert source.facts() == {"teacher_changed_in_epoch": 0, "own_games": 0}


def test_search_and_network_play_all_the_games_together(make):
    source = after(make(), CONFIG.epochs)
    assert source.own.games == 60
    assert [int(part.first[0]) for part in source.own.window][:2] == [0, 40]  # the search's games come first
    assert sum(len(part.lengths) for part in source.own.window) == 100


def test_rounds_may_have_no_games(make):
    """The search plays all games: the network values them instead."""
    config = replace(CONFIG, games=40, search_share=1.0)
    source = after(make(config=config), 4)
    assert (source.own.rounds, source.own.games, source.metrics()) == (3, 0, {"own_games": 0})
    assert len(source.own.window) == 1
    same(list(source.validation()), list(source.search.validation()))


def test_batches_are_positions_of_the_games_with_the_returns_of_the_network(make):
    source = make()
    list(source.epoch(1, player=player))
    batches = list(source.epoch(2, player=player))
    packed = source.own.window[0].packed
    known = {value.tobytes() for value in source.own.window[0].returns}
    assert {int(p) for p in source.search.records["position"]} <= {int(p) for p in packed}
    for batch in batches[:3]:
        assert len(batch.value) == len(batch.policy) == CONFIG.batch_size
        assert all(value.tobytes() in known for value in batch.value.labels[0])
        probabilities, legal = batch.policy.labels
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
        assert (legal.sum(axis=1) >= 2).all()
        assert (probabilities[~legal] == 0).all()


def test_the_network_alone_decides_the_policy_targets(make):
    source = make(config=replace(CONFIG, temperature=0.02))
    network = source._network = player()
    packed, roll = np.array([Position.from_notation("xx............:0|..............:0").packed]), np.array([1])
    rows = source._policy_rows(packed, roll.astype(np.uint8))
    values = network.move_values(packed, roll)[0]
    odds = np.exp(values[~np.isnan(values)] / 0.02)
    np.testing.assert_allclose(rows.labels[0][0][~np.isnan(values)], odds / odds.sum(), rtol=1e-4)


def test_games_are_valued_again_by_later_networks(make):
    source = make()
    after(source, 2 + AGAIN - 1)
    before = source.own.window[0]
    list(source.epoch(2 + AGAIN, player=lambda: player(99)))
    again = source.own.window[0]
    np.testing.assert_array_equal(again.packed, before.packed)
    assert not np.array_equal(again.returns, before.returns)


def test_the_validation_is_of_the_last_own_games(make):
    source = after(make(), 3)
    rows = np.concatenate([batch.value.labels[0] for batch in source.validation()])
    np.testing.assert_array_equal(rows, source.own.window[-1].returns)
    same(list(source.validation()), list(source.validation()))


def test_an_epoch_of_own_games_goes_on_from_any_batch(make):
    whole = make()
    after(whole, 3)
    half = make()
    after(half, 3)
    resumed = make()
    resumed.restore(*half.state())
    batches = list(whole.epoch(4, player=player))
    same(batches[2:], list(half.epoch(4, 2, player)))
    same(batches[2:], list(resumed.epoch(4, 2, player)))
    assert resumed.state()[1] == whole.state()[1]
    for part, other in zip(resumed.own.window, whole.own.window, strict=True):
        np.testing.assert_array_equal(part.packed, other.packed)
        np.testing.assert_array_equal(part.returns, other.returns)
    assert list(resumed.epoch(4, whole.steps_per_epoch, player)) == []  # its games are in the window


def test_processes_share_the_games_and_the_batches(make):
    """Two sources that exchange their games have those of one process, and halves of its batches."""
    whole = make()
    expected = [list(whole.epoch(number, player=player)) for number in (1, 2, 3)]
    barrier, sent, results = threading.Barrier(2, timeout=60), [b"", b""], [[], []]

    def run(rank):
        def exchange(data):
            sent[rank] = data
            barrier.wait()
            everyone = list(sent)
            barrier.wait()
            return everyone

        share = Share(rank, 2)
        search = SearchSource(CONFIG, Decisions(whole.search.records, {"depth": 2}), share)
        source = IterationSource(CONFIG, search, lambda network: True, share=share, exchange=exchange)
        results[rank] = [list(source.epoch(number, player=player)) for number in (1, 2, 3)]
        for part, other in zip(source.own.window, whole.own.window, strict=True):
            np.testing.assert_array_equal(part.returns, other.returns)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run, (0, 1)))
    for number, batches in enumerate(expected):
        halves = zip(results[0][number], results[1][number], strict=True)
        same(batches, [joined(list(pair)) for pair in halves])


def test_somebody_has_to_play(make):
    with pytest.raises(ValueError, match="need a network"):
        next(make().epoch(1))


def test_drawn_decisions_have_a_choice(games):
    packed = games["position"]
    positions, rolls = draw_decisions(packed, 300, np.random.default_rng(0))
    assert len(positions) == len(rolls) == 300
    assert set(positions.tolist()) <= set(packed.tolist())
    for position, roll in zip(positions[::10], rolls[::10], strict=True):
        assert len(Position.from_packed(int(position)).legal_moves(int(roll))) >= 2


def test_scripts_are_the_choices_by_game(games):
    choices, lengths = scripts(games, 41)
    np.testing.assert_array_equal(choices, games["chosen"])
    assert (lengths.sum(), len(lengths), lengths[40]) == (len(games), 41, 0)
