"""SOAP against its definition in numpy, compiled, resumed, and on several ranks."""

import dataclasses
import itertools

import numpy as np
import pytest
from mlx.utils import tree_flatten

from mlx_train.config import Config, resolve
from mlx_train.data.batches import Batch, FeatureRows
from mlx_train.data.exact import ExactSource
from mlx_train.device.backend import mx, nn, use_device
from mlx_train.training.checkpoint import restore, save_checkpoint
from mlx_train.training.soap import DELAY, GATHERING, Soap, gathers, renews
from mlx_train.training.trainer import Trainer

SMALL = Config(optimizer="soap", hidden_sizes=(12, 8), networks="value", learning_rate=0.01, dropout=0.2)


@pytest.fixture(autouse=True)
def _cpu():
    use_device("cpu")


def gradients(count, shape=(5, 5)):
    rng = np.random.default_rng(3)
    mixing = rng.normal(size=(shape[0], shape[0]))  # so that the eigenvalues are apart
    for _ in range(count):
        yield mixing @ rng.normal(size=shape), rng.normal(size=shape[0])


def reference(weight, steps, rate=0.01, first=0.95, second=0.99, decay=0.9, eps=1e-8):
    """The weights after each step, from the definition."""
    bases = [np.eye(size) for size in weight.shape]
    matrices = [np.zeros((size, size)) for size in weight.shape]
    mean = np.zeros_like(weight)  # in the weights' own basis
    square = np.zeros_like(weight)
    coming = []
    for step, (gradient, _) in enumerate(gradients(steps), 1):
        if step == 1 or step % GATHERING == 0:
            sides = gradient @ gradient.T, gradient.T @ gradient
            matrices = [decay * old + (1 - decay) * new for old, new in zip(matrices, sides, strict=True)]
        left, right = bases
        mean = first * mean + (1 - first) * gradient
        square = second * square + (1 - second) * (left.T @ gradient @ right) ** 2
        corrected = left.T @ mean @ right / (1 - first**step)
        change = corrected / (np.sqrt(square / (1 - second**step)) + eps)
        weight = weight - rate * left @ change @ right.T
        yield weight
        if step == 1:  # used at once, as if the first step's moments had been in this basis
            bases = [np.linalg.eigh(matrix)[1][:, ::-1] for matrix in matrices]
            square = (1 - second) * (bases[0].T @ gradient @ bases[1]) ** 2
        elif renews(step):
            coming = [np.linalg.qr(matrix @ basis)[0] for matrix, basis in zip(matrices, bases, strict=True)]
        if step > 1 + DELAY and renews(step - DELAY):
            bases = coming


def steps_of(optimizer, layer, count, step):
    """The weights of a layer after each step."""
    for number, (weight, bias) in enumerate(gradients(count), 1):
        step({"weight": mx.array(weight, mx.float32), "bias": mx.array(bias, mx.float32)}, gathers(number))
        optimizer.renew(number)
        yield np.array(layer.weight)


def layer_and_optimizer():
    mx.random.seed(1)
    layer = nn.Linear(5, 5)
    optimizer = Soap(0.01)
    optimizer.init(layer.trainable_parameters())

    def step(slopes, gathering):
        optimizer.gathering = gathering
        optimizer.update(layer, slopes)

    return layer, optimizer, step


def test_the_steps_of_the_definition():
    layer, optimizer, step = layer_and_optimizer()
    expected = reference(np.array(layer.weight).astype(np.float64), 160)
    for ours, weight in zip(steps_of(optimizer, layer, 160, step), expected, strict=True):
        np.testing.assert_allclose(ours, weight, atol=2e-4)
    basis = np.array(optimizer.state["weight"]["left_basis"])
    np.testing.assert_allclose(basis @ basis.T, np.eye(5), atol=1e-6)
    assert np.abs(basis - np.eye(5)).max() > 0.1


def test_vectors_are_adams():
    layer, optimizer, step = layer_and_optimizer()
    bias, mean, square = np.array(layer.bias), np.zeros(5), np.zeros(5)
    for number, (_, slope) in enumerate(gradients(5), 1):
        mean, square = 0.95 * mean + 0.05 * slope, 0.99 * square + 0.01 * slope**2
        bias = bias - 0.01 * (mean / (1 - 0.95**number)) / (np.sqrt(square / (1 - 0.99**number)) + 1e-8)
    list(steps_of(optimizer, layer, 5, step))
    np.testing.assert_allclose(np.array(layer.bias), bias, atol=1e-6)
    assert set(optimizer.state["bias"]) == {"mean", "square"}


def test_compiled_steps_are_the_same():
    weights = []
    for compiled in (False, True):
        layer, optimizer, step = layer_and_optimizer()
        if compiled:
            state = [layer.state, optimizer.state]
            step = mx.compile(step, inputs=state, outputs=state)
        *_, last = steps_of(optimizer, layer, 140, step)
        weights.append(last)
    np.testing.assert_allclose(weights[0], weights[1], atol=1e-5)


def test_when_eigenvectors_are_renewed():
    starts = [step for step in range(-DELAY, 12_001) if renews(step)]
    assert starts[:6] == [1, 30, 60, 100, 200, 300]
    assert starts[-4:] == [9000, 10_000, 11_000, 12_000]
    assert min(after - before for before, after in itertools.pairwise(starts)) > DELAY  # one at a time
    assert [step for step in range(1, 31) if gathers(step)] == [1, 10, 20, 30]


def batches(count):
    """Batches whose targets follow from their inputs."""
    rng = np.random.default_rng(7)
    for _ in range(count):
        inputs = rng.integers(0, 3, (64, 150), dtype=np.uint8)
        targets = np.tanh(inputs[:, :40].astype(np.float32).mean(axis=1) - 1)
        yield Batch(FeatureRows(inputs, (targets,)))


def bits(trainer):
    return {name: np.array(array) for name, array in tree_flatten(trainer.arrays)}


@pytest.mark.parametrize("stop", [1, 20, 28, 45, 60, 90, 124, 125])
def test_a_resumed_training_is_the_undisturbed_one(tmp_path, stop):
    """Stopped before, between and after the beginning of new eigenvectors and their use; others follow."""
    undisturbed, first = Trainer(SMALL, 160), Trainer(SMALL, 160)
    for number, batch in enumerate(batches(160), 1):
        undisturbed.step(batch)
        if number <= stop:
            first.step(batch)
        if number == stop:
            path = save_checkpoint(tmp_path, first)
            second = Trainer(SMALL, 160, restored=True)
            restore(second, path.read_bytes())
            expected, restored = bits(first), bits(second)
            assert expected.keys() == restored.keys()
            assert all(np.array_equal(restored[name], expected[name]) for name in expected)
        elif number > stop:
            second.step(batch)
    expected, resumed = bits(undisturbed), bits(second)
    assert any(name.endswith("left_basis") for name in expected)
    for name in expected:
        np.testing.assert_array_equal(resumed[name], expected[name], err_msg=name)


def test_another_optimizers_checkpoint_is_refused(tmp_path):
    trainer = Trainer(SMALL, 10)
    path = save_checkpoint(tmp_path, trainer)
    with pytest.raises(ValueError, match="optimizer soap, not adam"):
        restore(Trainer(dataclasses.replace(SMALL, optimizer="adam"), 10), path.read_bytes())


def test_it_beats_adam_in_as_many_steps(table):
    losses = {}
    for optimizer in ("adam", "soap"):
        config = resolve(
            "quick", teacher="exact", optimizer=optimizer, networks="value", hidden_sizes=(16, 8), activation="silu",
            batch_size=128, steps=1500, epochs=1, play_share=0.0, workers=1,
        )  # fmt: skip
        source = ExactSource(config, table)
        trainer = Trainer(config, config.steps)
        trainer.train_epoch(source)
        losses[optimizer] = trainer.validate(source)["validation_loss"]
    assert losses["soap"] < 0.9 * losses["adam"], losses


def test_settings_without_the_key_are_adams():
    old = {name: value for name, value in Config().to_dict().items() if name != "optimizer"}
    assert Config.from_dict(old).optimizer == "adam"
    assert resolve("quick", teacher="exact").optimizer == "soap"
    assert resolve("quick", teacher="exact", optimizer="adam").optimizer == "adam"


def test_a_unit_without_gradient_leaves_no_denormal_numbers():
    """They would slow every later step down; rounding keeps 0.99 times a denormal number where it is."""
    soap = Soap(0.001)
    parameters = {"weight": mx.full((4, 3), 0.1)}
    soap.init(parameters)
    for step in range(1, 3001):
        gradient = mx.full((4, 3), 1e-12 if step == 1 else 0.0)
        parameters = soap.apply_gradients({"weight": gradient}, parameters)
        soap.renew(step)
        mx.eval(parameters, soap.state)
    for name, array in tree_flatten(soap.state["weight"]):
        sizes = np.abs(np.array(array))
        assert not ((sizes > 0) & (sizes < np.finfo(np.float32).tiny)).any(), name
