"""Adam: MLX's steps, and moments that do not become subnormal."""

import mlx.core as mx
import mlx.optimizers as optim
import numpy as np

from mlx_train.training.adam import LEAST, Adam


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


def test_no_moment_becomes_subnormal():
    """MLX's own does after 800 steps without a gradient, and stays there."""
    tiny = np.finfo(np.float32).tiny
    optimizer, reference = Adam(0.01), optim.Adam(learning_rate=0.01, bias_correction=True)
    means = []
    for one in (optimizer, reference):
        after(one, 1200)
        means.append(np.abs(np.array(one.state["weight"]["m"])))
    ours, theirs = means
    assert (ours > tiny).all()
    assert (ours[2:] < 100 * LEAST).all()
    assert (theirs[2:] > 0).all()
    assert (theirs[2:] < tiny).all()
