"""The training step and loop."""

import dataclasses

import numpy as np
import pytest
from mlx.utils import tree_flatten

from mlx_train.config import resolve
from mlx_train.data.dataset import Batch, Decisions, Labels, SearchSource, Share
from mlx_train.data.prefetch import made_ahead
from mlx_train.device.backend import mx, use_device
from mlx_train.networks.mlp import Networks, log_policies, parameter_count, values
from mlx_train.networks.weights import save_document, to_document
from mlx_train.training.trainer import Trainer, best_epochs, handed_over, to_mlx, train

SMALL = resolve("quick", hidden_sizes=(16, 8), batch_size=64, epochs=4, dropout=0.2, learning_rate=0.01)


@pytest.fixture(autouse=True)
def _cpu():
    use_device("cpu")


@pytest.fixture
def source(games):
    return SearchSource(SMALL, Decisions(games, {}))


def steps(source, config=SMALL):
    return config.epochs * source.steps_per_epoch


def weights(trainer):
    return {name: np.array(array) for name, array in tree_flatten(trainer.model.parameters())}


def assert_same_bits(one, two):
    assert one.keys() == two.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], two[name], err_msg=name)


def test_the_standard_networks_have_the_published_sizes():
    model = Networks()
    assert parameter_count(model.value) == 81_921
    assert parameter_count(model.policy) == 82_119


@pytest.mark.parametrize("together", [1, 3, 100])
@pytest.mark.parametrize("networks", [("value", "policy"), ("value",), ("policy",)])
def test_batches_that_cross_together_are_the_same(source, together, networks):
    batches = list(source.epoch(1))[:7]
    batches[4] = batches[4]._replace(**{name: array[:5] for name, array in batches[4]._asdict().items()})
    crossed = list(handed_over(iter(batches), networks, together))
    assert len(crossed) == 7
    for found, batch in zip(crossed, batches, strict=True):
        for arrays, name in zip(found, networks, strict=True):
            for one, other in zip(arrays, to_mlx(batch, name), strict=True):
                np.testing.assert_array_equal(one, other)


def test_places_need_their_table():
    with pytest.raises(ValueError, match="need the table"):
        to_mlx(Batch(np.arange(8, dtype=np.uint32)), "value")


def test_outputs(games):
    model = Networks((16, 8))
    batch = Labels(games[:50], SMALL).batch(np.arange(50), np.random.default_rng(0))
    value = values(model.value, mx.array(batch.value_inputs))
    assert value.shape == (50,)
    assert mx.all(mx.abs(value) <= 1).item()
    probabilities = mx.exp(log_policies(model.policy, mx.array(batch.policy_inputs), mx.array(batch.policy_legal)))
    np.testing.assert_allclose(np.array(probabilities.sum(axis=1)), 1, atol=1e-5)
    assert np.array(probabilities)[~batch.policy_legal].max() == 0


def test_one_batch_can_be_learnt_by_heart(games):
    config = resolve("quick", learning_rate=0.003, hidden_sizes=(64, 32), outcome_blend=0.0)
    training = Labels(games, config)
    batch = training.batch(np.arange(64), np.random.default_rng(0))
    trainer = Trainer(config, 600)
    first = [loss.item() for loss in trainer.step(batch)]
    for _ in range(599):
        last = [loss.item() for loss in trainer.step(batch)]
    entropy = -(batch.policy_targets * np.log(np.maximum(batch.policy_targets, 1e-12))).sum(axis=1).mean()
    assert last[0] < 0.01 * first[0]
    assert last[1] - entropy < 0.1 * (first[1] - entropy)


def test_the_step_moves_the_optimizer_and_the_dropout(source):
    batch = next(source.epoch(1))
    trainer = Trainer(SMALL, 10)
    trainer.value_optimizer.learning_rate = trainer.policy_optimizer.learning_rate = 0.0
    losses = [trainer.step(batch)[0].item() for _ in range(2)]
    assert trainer.value_optimizer.step.item() == trainer.policy_optimizer.step.item() == 2
    assert losses[0] != losses[1]  # the weights stand still: other units were left out


def test_dropout_belongs_to_the_row():
    network = Networks((64, 32), dropout=0.25).value
    rows = mx.random.randint(0, 2, (40, 150)).astype(mx.float32)
    keys = mx.random.split(mx.random.key(3), 40)
    whole = np.array(network(rows, keys))
    np.testing.assert_allclose(np.array(network(rows[25:], keys[25:])), whole[25:], atol=1e-6)
    assert not np.allclose(whole, np.array(network(rows)))
    kept = np.concatenate([np.array(mask) for mask in network._kept(mx.random.split(mx.random.key(4), 2000))], axis=1)
    assert set(np.unique(kept)) == {np.float32(0), np.float32(1 / 0.75)}
    assert kept.mean() == pytest.approx(1, abs=0.01)


def test_the_same_seed_gives_the_same_bits(source):
    runs = []
    for seed in (5, 5, 6):
        config = resolve("quick", **SMALL.to_dict() | {"seed": seed})
        trainer = Trainer(config, steps(source))
        train(trainer, source)
        runs.append(weights(trainer))
    assert_same_bits(runs[0], runs[1])
    assert any(not np.array_equal(runs[0][name], runs[2][name]) for name in runs[0])


def test_waiting_and_speed(source, monkeypatch):
    """By a clock that stands still but for two seconds at each batch that is made, and one at each step."""
    clock = [0.0]
    monkeypatch.setattr("mlx_train.training.trainer.time.perf_counter", lambda: clock[0])

    class Slow:
        batch_size, steps_per_epoch, share = source.batch_size, source.steps_per_epoch, source.share
        device_table, together = None, 1

        @staticmethod
        def epoch(number, first=0):
            for batch in source.epoch(number, first):
                clock[0] += 2.0
                yield batch

    def on_batch():
        clock[0] += 1.0

    for reuse in (1, 3):
        config = dataclasses.replace(SMALL, reuse=reuse)
        trained = Trainer(config, 100).train_epoch(Slow(), on_batch=on_batch)
        count = source.steps_per_epoch
        assert trained["seconds"] == 3 * count
        assert trained["waiting"] == pytest.approx(2 / 3)
        assert trained["samples_per_second"] == pytest.approx(reuse * source.batch_size / 3)


def test_early_stopping_keeps_the_best_epoch(source):
    config = resolve("quick", **SMALL.to_dict() | {"epochs": 60, "patience": 2, "learning_rate": 0.05})
    trainer = Trainer(config, steps(source, config))
    history = train(trainer, source)
    best = best_epochs(history)
    assert len(history) == max(best["value"].epoch, best["policy"].epoch) + 2 < 60
    final = trainer.validate(source)
    for name in ("value", "policy"):
        lowest = min(row.to_dict()[f"validation_{name}_loss"] for row in history)
        assert final[f"validation_{name}_loss"] == pytest.approx(lowest, rel=1e-6)


def test_training_lowers_the_validation_loss(games):
    config = resolve("quick", **SMALL.to_dict() | {"dropout": 0.0, "outcome_blend": 0.0})
    source = SearchSource(config, Decisions(games, {}))
    trainer = Trainer(config, steps(source))
    before = trainer.validate(source)["validation_loss"]
    history = train(trainer, source)
    assert history[-1].validation_loss < 0.8 * before
    assert [metrics.step for metrics in history] == [source.steps_per_epoch * n for n in range(1, 5)]


def test_training_goes_on_from_a_file(source, tmp_path):
    first = Trainer(SMALL, steps(source))
    first.train_epoch(source)
    save_document(tmp_path / "w.json", to_document(first.model, {}))
    config = dataclasses.replace(SMALL, init=str(tmp_path / "w.json"))
    assert_same_bits(weights(Trainer(config, 10)), weights(first))
    with pytest.raises(ValueError, match="weights for a network of"):
        Trainer(dataclasses.replace(config, hidden_sizes=(8,)), 10)


def test_an_epoch_goes_on_from_any_batch(source):
    whole = list(source.epoch(2))
    rest = list(source.epoch(2, len(whole) - 3))
    for batch, again in zip(whole[-3:], rest, strict=True):
        for array, other in zip(batch, again, strict=True):
            np.testing.assert_array_equal(array, other)


def test_shares_of_a_batch_are_the_batch(games):
    whole = SearchSource(SMALL, Decisions(games, {}))
    shares = [SearchSource(SMALL, Decisions(games, {}), Share(rank, 3)) for rank in range(3)]
    for batches in (lambda s: s.epoch(1), lambda s: s.validation()):
        for batch, *parts in zip(batches(whole), *map(batches, shares), strict=True):
            for array, *rows in zip(batch, *parts, strict=True):
                np.testing.assert_array_equal(array, np.concatenate(rows))


def test_batches_can_be_trained_on_again(source):
    config = dataclasses.replace(SMALL, reuse=3, epochs=2)
    trainer = Trainer(config, 2 * 3 * source.steps_per_epoch)
    history = train(trainer, source)
    assert history[-1].step == trainer.value_optimizer.step.item() == 2 * 3 * source.steps_per_epoch


@pytest.mark.parametrize("networks", ["value", "policy"])
def test_one_network_alone(games, networks):
    config = resolve("quick", **SMALL.to_dict() | {"networks": networks})
    source = SearchSource(config, Decisions(games, {}))
    trainer = Trainer(config, steps(source))
    before = weights(trainer)
    history = train(trainer, source)
    after = weights(trainer)
    moved = {name.split(".")[0] for name in before if not np.array_equal(before[name], after[name])}
    assert moved == {networks}
    assert history[-1].validation_loss == history[-1].to_dict()[f"validation_{networks}_loss"]


def test_items_made_ahead_keep_their_order_and_their_errors():
    assert list(made_ahead(lambda n: n * n, range(100), 3, 7)) == [n * n for n in range(100)]

    def failing(number):
        if number == 2:
            raise RuntimeError("no more")
        return number

    items = made_ahead(failing, range(9), 2, 4)
    assert [next(items), next(items)] == [0, 1]
    with pytest.raises(RuntimeError, match="no more"):
        next(items)
    endless = made_ahead(lambda n: n, iter(int, 1), 2, 4)
    assert next(endless) == 0
    endless.close()  # ends its threads
