"""Adam: MLX's steps, and moments that end at zero."""

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


def test_a_moment_without_gradient_ends_at_zero():
    """MLX's own becomes subnormal after 800 steps and stays there."""
    optimizer = Adam(0.01)
    after(optimizer, 1200)
    means = np.abs(np.array(optimizer.state["weight"]["m"]))
    assert (means[2:] == 0).all() and (means[:2] > LEAST).all()
    reference = optim.Adam(learning_rate=0.01, bias_correction=True)
    after(reference, 1200)
    subnormal = np.abs(np.array(reference.state["weight"]["m"]))[2:]
    assert (0 < subnormal).all() and (subnormal < np.finfo(np.float32).tiny).all()
