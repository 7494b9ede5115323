"""Networks of integer weights, in MLX: rounding a whole network, and training the rounded one on."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.core.features import features_of
from engine.network.quantized import Layer, flat, top_level
from mlx_train.data.exact import ExactSource
from mlx_train.data.transfer import to_mlx
from mlx_train.device.backend import mx, nn, optim
from mlx_train.networks.mlp import MLP
from mlx_train.runs.rounding import input_step, round_layer
from mlx_train.training.adam import Adam
from mlx_train.training.losses import policy_loss, value_loss

#: The first layer's inputs are multiples of this: features are at most 1.
FIRST_STEP = 2.0**-14

#: Training after the rounding: Adam's rate, before it is halved once for each bit; a cosine lowers it to zero.
LEARNING_RATE = 2e-3

#: Training after the rounding: the number of positions in a step.
BATCH_SIZE = 4096

# The largest distance of a weight from its level, in levels, when the training starts.
_INSIDE = 0.49


def quantize(network: MLP, inputs: NDArray[np.uint8], bits: int, prune: float = 0.0) -> list[Layer]:
    """The layers of a network with its weights rounded to levels of `bits` bits.

    inputs: (n, features) before scaling, at which the outputs of every layer are kept close. prune: the share of
    each layer's weights that become zero.
    """
    rounded = _copy(network)
    exact_inputs = rounded_inputs = inputs.astype(np.float32) * features_of(network.rules).scales
    layers: list[Layer] = []
    step = FIRST_STEP
    for number, (source, target) in enumerate(zip(network.layers, rounded.layers, strict=True)):
        if number:
            exact_inputs = np.array(network.hidden(number - 1, mx.array(exact_inputs)))
            rounded_inputs = np.array(rounded.hidden(number - 1, mx.array(rounded_inputs)))
            step = input_step(rounded_inputs)
        outputs = np.array(source(mx.array(exact_inputs)))
        layer = round_layer(rounded_inputs, outputs, np.array(source.weight).T, step, bits, prune)
        layers.append(layer)
        weights = flat([layer])
        target.weight = mx.array(weights[: layer.levels.size].reshape(layer.levels.shape).T)
        target.bias = mx.array(weights[layer.levels.size :])
    return layers


def _copy(network: MLP) -> MLP:
    sizes = [network.layers[0].weight.shape[1], *(layer.weight.shape[0] for layer in network.layers)]
    copy = MLP(sizes, network.activation, rules=network.rules)
    copy.update(network.parameters())
    return copy


class RoundedLinear(nn.Module):
    """A dense layer that computes with rounded weights and learns as if it had not rounded them."""

    def __init__(self, layer: Layer, source: nn.Linear, pruned: bool):
        """Start from a rounded layer. source: the layer before the rounding; pruned: whether levels of zero stay zero.

        The weights to learn start at the source's, as far as they round to the same levels: weights near a border
        are the first to change their level.
        """
        super().__init__()
        levels = mx.array(layer.levels.T.astype(np.float32))
        self._unit = mx.array((layer.scales.astype(np.float64) / layer.step).astype(np.float32))[:, None]
        self._top = top_level(layer.bits)
        self._kept = levels != 0 if pruned else mx.ones(levels.shape, dtype=mx.bool_)
        self.weight = mx.clip(source.weight / self._unit, levels - _INSIDE, levels + _INSIDE) * self._unit
        self.bias = mx.array(layer.biases * layer.scales)

    def levels(self) -> mx.array:
        """(outputs, inputs) float32."""
        return mx.where(self._kept, mx.clip(mx.round(self.weight / self._unit), -self._top, self._top), 0)

    def __call__(self, x: mx.array) -> mx.array:
        """(n, inputs) -> (n, outputs)."""
        rounded = self.weight + mx.stop_gradient(self.levels() * self._unit - self.weight)
        return x @ rounded.T + self.bias

    def layer(self, like: Layer) -> Layer:
        """The learned layer, with the scales and the step of `like`."""
        levels = np.array(self.levels()).T.astype(np.int8)
        biases = np.rint(np.array(self.bias) / like.scales).astype(np.int32)
        return like._replace(levels=np.ascontiguousarray(levels), biases=biases)


def finetune(network: MLP, layers: Sequence[Layer], source: ExactSource, head: str, pruned: bool) -> list[Layer]:
    """Train rounded layers further with exact labels -> the trained layers, with the same scales.

    network: the network before the rounding. pruned: whether weights of zero stay zero. Each step computes the gradient
    at the rounded weights and applies it to a copy of the weights that is not rounded (the straight-through estimator
    of Bengio and others, 2013).
    """
    model = _copy(network)
    model.update_modules(
        {"layers": [RoundedLinear(*pair, pruned) for pair in zip(layers, network.layers, strict=True)]}
    )
    loss = partial(value_loss, model, kind="absolute") if head == "value" else partial(policy_loss, model)
    # Each further bit halves the distance between two levels, so the learning rate is halved as well.
    rate = LEARNING_RATE / 2 ** max(layer.bits for layer in layers)
    optimizer = Adam(optim.cosine_decay(rate, source.steps_per_epoch))
    optimizer.init(model.trainable_parameters())
    state = [model.state, optimizer.state]
    loss_and_gradient = nn.value_and_grad(model, loss)

    @partial(mx.compile, inputs=state, outputs=state)
    def step(arrays: list[mx.array]) -> mx.array:
        batch_loss, gradient = loss_and_gradient(*arrays)
        optimizer.update(model, gradient)
        return batch_loss

    for batch in source.epoch(1):
        mx.eval(step(to_mlx(batch, head, source.device_table, network.rules)), state)
    learned: list[Any] = model.layers
    return [rounded.layer(like) for rounded, like in zip(learned, layers, strict=True)]
