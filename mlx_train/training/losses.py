"""What the networks minimise."""

from mlx_train.device.backend import mx
from mlx_train.networks.mlp import MLP, log_policies, values


def value_loss(
    network: MLP, inputs: mx.array, targets: mx.array, kind: str = "squared", keys: mx.array | None = None
) -> mx.array:
    """Mean squared, or mean absolute, error of 2 p - 1. keys: (n, 2) uint32, for dropout."""
    error = values(network, inputs, keys) - targets
    return mx.mean(mx.square(error) if kind == "squared" else mx.abs(error))


def policy_loss(
    network: MLP, inputs: mx.array, targets: mx.array, legal: mx.array, keys: mx.array | None = None
) -> mx.array:
    """Cross entropy against the target policy, in nats. keys: (n, 2) uint32, for dropout."""
    return -mx.mean(mx.sum(targets * log_policies(network, inputs, legal, keys), axis=1))


def policy_hits(network: MLP, inputs: mx.array, targets: mx.array, legal: mx.array) -> mx.array:
    """In how many rows the most probable move is one of the target's best."""
    choice = mx.argmax(log_policies(network, inputs, legal), axis=1, keepdims=True)
    chosen = mx.take_along_axis(targets, choice, axis=1)
    return mx.sum(chosen >= mx.max(targets, axis=1, keepdims=True))
