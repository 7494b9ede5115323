"""Adam: MLX's steps, and moments that do not become subnormal."""

import numpy as np
from mlx.utils import tree_flatten

from mlx_train.device.backend import mx, nn, optim
from mlx_train.training.adam import LEAST, Adam, as_tree, as_vector


def gradients(step: int) -> dict[str, mx.array]:
    """A gradient whose second half is zero from step 5 on, as that of units that no row reaches any more."""
    gradient = np.random.default_rng(step).normal(size=(4, 6)).astype(np.float32)
    if step >= 5:
        gradient[2:] = 0
    return {"weight": mx.array(gradient)}


def after(optimizer: optim.Optimizer, steps: int) -> np.ndarray:
    parameters = {"weight": mx.ones((4, 6))}
    optimizer.init(parameters)
    for step in range(steps):
        parameters = optimizer.apply_gradients(gradients(step), parameters)
        mx.eval(parameters, optimizer.state)
    return np.array(parameters["weight"])


def test_the_steps_are_those_of_mlx():
    reference = optim.Adam(learning_rate=0.01, bias_correction=True)
    np.testing.assert_array_equal(after(Adam(0.01), 300), after(reference, 300))


def two_layers() -> nn.Sequential:
    model = nn.Sequential(nn.Linear(3, 5), nn.Linear(5, 2))
    noise = np.random.default_rng(0)
    model.update(as_tree(mx.array(noise.normal(size=32).astype(np.float32)), model.parameters()))
    return model


def slopes_of(model: nn.Module, step: int) -> mx.array:
    count = sum(array.size for _, array in tree_flatten(model.parameters()))
    return mx.array(np.random.default_rng(step).normal(size=count).astype(np.float32))


def test_a_tree_and_its_vector():
    parameters = two_layers().parameters()
    vector = as_vector(parameters)
    assert vector.size == 3 * 5 + 5 + 5 * 2 + 2
    again = dict(tree_flatten(as_tree(vector, parameters)))
    assert len(again) == 4
    for name, array in tree_flatten(parameters):
        np.testing.assert_array_equal(again[name], array)


def test_the_order_of_a_tree_does_not_matter():
    """A checkpoint has its arrays in the order of their names, a model in the order in which it was made."""
    one, two = mx.array([1.0, 2.0]), mx.array([[3.0]])
    for tree in ({"weight": two, "bias": one}, {"bias": one, "weight": two}):
        np.testing.assert_array_equal(as_vector(tree), [1, 2, 3])


def test_a_vector_of_gradients_makes_the_steps_of_mlx():
    ours, theirs = two_layers(), two_layers()
    optimizer, reference = Adam(0.01), optim.Adam(learning_rate=0.01, bias_correction=True)
    optimizer.init(ours.trainable_parameters())
    for step in range(50):
        vector = slopes_of(ours, step)
        optimizer.update(ours, vector)
        reference.update(theirs, as_tree(vector, theirs.parameters()))
    assert np.abs(np.array(as_vector(ours.parameters()) - as_vector(two_layers().parameters()))).min() > 0
    np.testing.assert_array_equal(as_vector(ours.parameters()), as_vector(theirs.parameters()))


def test_what_is_saved_is_the_state_of_mlx_and_goes_on():
    """So checkpoints of MLX's Adam, which the trainer had before, can be resumed."""
    model, reference = two_layers(), optim.Adam(learning_rate=0.01, bias_correction=True)
    straight, optimizer = two_layers(), Adam(0.01)
    for step in range(5):
        optimizer.update(straight, slopes_of(straight, step))
        reference.update(model, as_tree(slopes_of(model, step), model.parameters()))
    saved = optimizer.saved(straight.parameters())
    expected = dict(tree_flatten(reference.state))
    assert {name for name, _ in tree_flatten(saved)} == set(expected)
    for name, array in tree_flatten(saved):
        np.testing.assert_array_equal(array, expected[name])
    resumed = Adam(0.01)
    resumed.init(model.trainable_parameters())
    resumed.restore(reference.state, model.parameters())
    for step in range(5, 9):
        optimizer.update(straight, slopes_of(straight, step))
        resumed.update(model, slopes_of(model, step))
    np.testing.assert_array_equal(as_vector(model.parameters()), as_vector(straight.parameters()))


def test_parameters_that_were_changed_are_taken():
    model, optimizer = two_layers(), Adam(0.01)
    optimizer.update(model, slopes_of(model, 0))
    model.layers[0].bias = mx.full(5, 7.0)
    optimizer.take(model.parameters())
    optimizer.update(model, slopes_of(model, 1))
    np.testing.assert_allclose(model.layers[0].bias, 7.0, atol=0.02)


def test_no_moment_becomes_subnormal():
    """MLX's own does after 800 steps without a gradient, and stays there."""
    tiny = np.finfo(np.float32).tiny
    optimizer, reference = Adam(0.01), optim.Adam(learning_rate=0.01, bias_correction=True)
    after(optimizer, 1200)
    after(reference, 1200)
    ours = np.abs(np.array(optimizer.state["m"]).reshape(4, 6))
    theirs = np.abs(np.array(reference.state["weight"]["m"]))
    assert (ours > tiny).all()
    assert (ours[2:] < 100 * LEAST).all()
    assert (theirs[2:] > 0).all()
    assert (theirs[2:] < tiny).all()
