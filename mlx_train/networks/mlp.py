"""The value and the policy network.

Value: the features of a position before its roll, 150 of Finkel's rules -> tanh, 2 p - 1 for the win probability p of
the side to move.
Policy: the features of a position with its roll -> 7 logits, one for each policy slot (see `Position.policy_slot`).
"""

import itertools
from collections.abc import Sequence

from mlx.utils import tree_flatten

from engine.core.features import features_of
from engine.network.document import POLICY_OUTPUTS
from mlx_train.device.backend import mx, nn

_ACTIVATIONS = {"relu": nn.relu, "silu": nn.silu}

#: The logit of an illegal move.
ILLEGAL = -1e9


class MLP(nn.Module):
    """A multilayer perceptron: (n, inputs) -> (n, outputs), no activation after the last layer.

    rules: the rule set whose features are its inputs.
    """

    def __init__(self, sizes: Sequence[int], activation: str = "relu", dropout: float = 0.0, rules: str = "finkel"):
        super().__init__()
        self.layers = [nn.Linear(inputs, outputs) for inputs, outputs in itertools.pairwise(sizes)]
        for layer in self.layers:
            # He's normal initialisation: MLX's default shrinks the signal layer by layer.
            layer.weight = mx.random.normal(layer.weight.shape) * (2 / layer.weight.shape[1]) ** 0.5
            layer.bias = mx.zeros_like(layer.bias)
        self.dropout = dropout
        self.activation = activation
        self.rules = rules

    def __call__(self, x: mx.array, keys: mx.array | None = None) -> mx.array:
        """(n, inputs) float32 -> (n, outputs). keys: (n, 2) uint32, a random key for each row, to leave out units."""
        kept = None if keys is None else self._kept(keys)
        for number in range(len(self.layers) - 1):
            x = self.hidden(number, x)
            if kept is not None:
                x = x * kept[number]
        return self.layers[-1](x)

    def hidden(self, number: int, x: mx.array) -> mx.array:
        """Hidden layer `number` with its activation: (n, its inputs) -> (n, its outputs)."""
        return _ACTIVATIONS[self.activation](self.layers[number](x))

    def _kept(self, keys: mx.array) -> list[mx.array]:
        """For each hidden layer, (n, units) float32: 0 for a unit that is left out, else what keeps the mean.

        A row's draws depend on its key alone, so they are the same whichever process has the row.
        """
        ends = list(itertools.accumulate(layer.weight.shape[0] for layer in self.layers[:-1]))
        draws = mx.vmap(lambda key: mx.random.uniform(shape=(ends[-1],), key=key))(keys)
        kept = (draws >= self.dropout) / (1 - self.dropout)
        return [kept[:, start:end] for start, end in itertools.pairwise([0, *ends])]


class Networks(nn.Module):
    """The two networks that are trained together; they share no weights.

    inputs: by default the number of the rule set's features.
    """

    def __init__(
        self,
        hidden_sizes: Sequence[int] = (256, 128, 64, 32),
        activation: str = "relu",
        dropout: float = 0.0,
        inputs: int | None = None,
        rules: str = "finkel",
    ):
        super().__init__()
        first = len(features_of(rules).names) if inputs is None else inputs
        self.value = MLP([first, *hidden_sizes, 1], activation, dropout, rules)
        self.policy = MLP([first, *hidden_sizes, POLICY_OUTPUTS], activation, dropout, rules)


def scaled(inputs: mx.array, rules: str = "finkel") -> mx.array:
    """(n, features) uint8 features of a rule set before scaling -> float32, exactly the engine's."""
    return inputs.astype(mx.float32) * mx.array(features_of(rules).scales)


def values(network: MLP, inputs: mx.array, keys: mx.array | None = None) -> mx.array:
    """(n, features) uint8 -> (n,): 2 p - 1 for the win probability p of the side to move. keys: for dropout."""
    return mx.tanh(network(scaled(inputs, network.rules), keys)[:, 0])


def log_policies(network: MLP, inputs: mx.array, legal: mx.array, keys: mx.array | None = None) -> mx.array:
    """(n, features) uint8, (n, 7) bool -> (n, 7) log probabilities of the legal moves by policy slot."""
    logits = mx.where(legal, network(scaled(inputs, network.rules), keys), ILLEGAL)
    return logits - mx.logsumexp(logits, axis=1, keepdims=True)


def centre_outputs(network: MLP) -> None:
    """Take the mean over the outputs out of the last layer. A softmax does not depend on the mean, so that no gradient
    holds it, and an optimizer that scales its steps lets it drift: logits of 1,900 have no precision left.
    """
    last = network.layers[-1]
    last.weight = last.weight - mx.mean(last.weight, axis=0, keepdims=True)
    last.bias = last.bias - mx.mean(last.bias)


def parameter_count(module: nn.Module) -> int:
    """Weights and biases of a module."""
    arrays: list[tuple[str, mx.array]] = tree_flatten(module.parameters())  # type: ignore[assignment]
    return sum(array.size for _, array in arrays)
