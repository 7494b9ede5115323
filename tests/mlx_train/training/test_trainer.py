"""The training step and loop."""

import dataclasses

import numpy as np
import pytest
from mlx.utils import tree_flatten
from same_bits import assert_same_bits

from mlx_train.config import SelfplayConfig, resolve
from mlx_train.data.games import Decisions
from mlx_train.data.labels import Labels
from mlx_train.data.search import SearchSource
from mlx_train.data.source import Source
from mlx_train.device.backend import mx, use_device
from mlx_train.networks.mlp import Networks, log_policies, parameter_count, values
from mlx_train.networks.weights import save_document, to_document
from mlx_train.training.state import best_epochs
from mlx_train.training.trainer import Trainer, train

SMALL = resolve("quick", hidden_sizes=(16, 8), batch_size=64, epochs=4, dropout=0.2, learning_rate=0.01)


@pytest.fixture(autouse=True)
def _cpu():
    use_device("cpu")


@pytest.fixture
def source(games):
    return SearchSource(SMALL, Decisions(games, {}))


def weights(trainer):
    return {name: np.array(array) for name, array in tree_flatten(trainer.model.parameters())}


def test_the_standard_networks_have_the_published_sizes():
    model = Networks()
    assert parameter_count(model.value) == 81_921
    assert parameter_count(model.policy) == 82_119


def test_outputs(games):
    model = Networks((16, 8))
    batch = Labels(games[:50], SMALL).batch(np.arange(50), np.random.default_rng(0))
    value = values(model.value, mx.array(batch.value.inputs))
    assert value.shape == (50,)
    assert mx.all(mx.abs(value) <= 1).item()
    probabilities = mx.exp(log_policies(model.policy, mx.array(batch.policy.inputs), mx.array(batch.policy.labels[1])))
    np.testing.assert_allclose(np.array(probabilities.sum(axis=1)), 1, atol=1e-5)
    assert np.array(probabilities)[~batch.policy.labels[1]].max() == 0


def test_one_batch_can_be_learnt_by_heart(games):
    config = resolve("quick", learning_rate=0.003, hidden_sizes=(64, 32), outcome_blend=0.0)
    training = Labels(games, config)
    batch = training.batch(np.arange(64), np.random.default_rng(0))
    trainer = Trainer(config, 600)
    first = [loss.item() for loss in trainer.step(batch)]
    for _ in range(599):
        last = [loss.item() for loss in trainer.step(batch)]
    targets = batch.policy.labels[0]
    entropy = -(targets * np.log(np.maximum(targets, 1e-12))).sum(axis=1).mean()
    assert last[0] < 0.01 * first[0]
    assert last[1] - entropy < 0.1 * (first[1] - entropy)
    outputs = trainer.model.policy.layers[-1]
    for means in (outputs.weight.mean(axis=0), outputs.bias.mean()):  # they would drift: no gradient holds them
        np.testing.assert_allclose(np.array(means), 0, atol=1e-6)


def test_the_step_moves_the_optimizer_and_the_dropout(source):
    batch = next(source.epoch(1))
    trainer = Trainer(SMALL, 10)
    for optimizer in trainer.optimizers.values():
        optimizer.learning_rate = 0.0
    losses = [trainer.step(batch)[0].item() for _ in range(2)]
    assert [optimizer.step.item() for optimizer in trainer.optimizers.values()] == [2, 2]
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
        trainer = Trainer(config, source.total_steps)
        train(trainer, source)
        runs.append(weights(trainer))
    assert_same_bits(runs[0], runs[1])
    assert any(not np.array_equal(runs[0][name], runs[2][name]) for name in runs[0])


def test_waiting_and_speed(source, monkeypatch):
    """By a clock that stands still but for two seconds at each batch that is made, and one at each step."""
    clock = [0.0]
    monkeypatch.setattr("mlx_train.training.trainer.time.perf_counter", lambda: clock[0])

    class Slow(Source):
        batch_size, steps_per_epoch = source.batch_size, source.steps_per_epoch

        def epoch(self, number, first=0, player=None):
            for batch in source.epoch(number, first):
                clock[0] += 2.0
                yield batch

    def on_batch():
        clock[0] += 1.0

    trained = Trainer(SMALL, 100).train_epoch(Slow(), on_batch=on_batch)
    assert trained["seconds"] == 3 * source.steps_per_epoch
    assert trained["waiting"] == pytest.approx(2 / 3)
    assert trained["samples_per_second"] == pytest.approx(source.batch_size / 3)


def test_early_stopping_keeps_the_best_epoch(source):
    config = resolve("quick", **SMALL.to_dict() | {"epochs": 60, "patience": 2, "learning_rate": 0.05})
    trainer = Trainer(config, config.epochs * source.steps_per_epoch)
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
    trainer = Trainer(config, source.total_steps)
    before = trainer.validate(source)["validation_loss"]
    history = train(trainer, source)
    assert history[-1].validation_loss < 0.8 * before
    assert [metrics.step for metrics in history] == [source.steps_per_epoch * n for n in range(1, 5)]


def test_training_goes_on_from_a_file(source, tmp_path):
    first = Trainer(SMALL, source.total_steps)
    first.train_epoch(source)
    save_document(tmp_path / "w.json", to_document(first.model, {}))
    config = dataclasses.replace(SMALL, init=str(tmp_path / "w.json"))
    assert_same_bits(weights(Trainer(config, 10)), weights(first))
    with pytest.raises(ValueError, match="weights for a network of"):
        Trainer(dataclasses.replace(config, hidden_sizes=(8,)), 10)


@pytest.mark.parametrize("networks", ["value", "policy"])
def test_one_network_alone(games, networks):
    config = resolve("quick", **SMALL.to_dict() | {"networks": networks})
    source = SearchSource(config, Decisions(games, {}))
    trainer = Trainer(config, source.total_steps)
    before = weights(trainer)
    history = train(trainer, source)
    after = weights(trainer)
    moved = {name.split(".")[0] for name in before if not np.array_equal(before[name], after[name])}
    assert moved == {networks}
    assert history[-1].validation_loss == history[-1].to_dict()[f"validation_{networks}_loss"]


@pytest.mark.parametrize("averaging", [0.0, 0.9])
def test_the_average_of_the_weights_follows_them(games, averaging):
    """By the definition: the decay rises to `averaging`, so that the random start is forgotten."""
    config = SelfplayConfig(hidden_sizes=(8,), batch_size=32, averaging=averaging)
    trainer = Trainer(config, 100, chunks=1)
    batch = Labels(games, SMALL).batch(np.arange(32), np.random.default_rng(0))
    expected = np.array(trainer.model.value.layers[0].weight)
    for step in range(1, 20):
        trainer.step(batch)
        decay = min(averaging, (1 + step) / (10 + step))
        weights_now = np.array(trainer.model.value.layers[0].weight)
        expected = weights_now + decay * (expected - weights_now)
    np.testing.assert_allclose(np.array(trainer.average["value"]["layers"][0]["weight"]), expected, atol=1e-6)
    assert np.array_equal(expected, weights_now) == (averaging == 0)
