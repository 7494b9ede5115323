"""Adam (Kingma and Ba, 2015, arXiv 1412.6980) over all weights of a network at once, without subnormal moments."""

from collections.abc import Callable
from typing import Any

import numpy as np
from mlx.utils import tree_flatten, tree_map, tree_unflatten

from mlx_train.device.backend import mx, nn, optim

#: What is added to every moment at every step: too little to change a moment of an ordinary size by a bit. The moments
#: of a unit without gradient would end in subnormal numbers, with which a processor multiplies ten times more slowly,
#: and rounding would keep them there for ever.
LEAST = 1e-30

_MOMENTS = ("m", "v")


def _by_name(tree: Any) -> list[tuple[str, mx.array]]:
    """The arrays of a tree, sorted by name: trees from files have another order than those of a model."""
    return sorted(tree_flatten(tree), key=lambda pair: pair[0])  # type: ignore[arg-type]


def as_vector(tree: Any) -> mx.array:
    """The arrays of a tree one after the other, in one vector."""
    return mx.concatenate([array.reshape(-1) for _, array in _by_name(tree)])


def as_tree(vector: mx.array, like: Any) -> Any:
    """The opposite of `as_vector`: views of the vector, of the shapes of the tree `like`."""
    arrays = _by_name(like)
    parts = mx.split(vector, np.cumsum([array.size for _, array in arrays])[:-1].tolist())
    pairs = zip(arrays, parts, strict=True)
    return tree_unflatten([(name, part.reshape(array.shape)) for (name, array), part in pairs])


class Adam(optim.Optimizer):
    """Adam with bias correction. The moments of a weight whose gradient has become zero end near `LEAST`.

    The weights of a network and their moments are vectors, so that a step is one kernel where MLX's Adam has one for
    each array; the parameters are views of the vector. `take` the parameters again after they were changed elsewhere.
    """

    def __init__(
        self,
        learning_rate: float | Callable[[mx.array], mx.array],
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ):
        """learning_rate: a number, or a function of the number of steps. betas: the decay of each moment."""
        super().__init__()
        self._maybe_schedule("learning_rate", learning_rate)
        self.betas, self.eps = betas, eps

    def init(self, parameters: Any) -> None:
        """Take the parameters, with moments of zero."""
        self.take(parameters)
        self.state.update({name: mx.zeros_like(self.state["weights"]) for name in _MOMENTS})
        self._initialized = True

    def take(self, parameters: Any) -> None:
        """Go on from these parameters. The moments stay."""
        self.state["weights"] = as_vector(parameters)

    def update(self, model: nn.Module, gradients: Any) -> None:
        """Give a model the parameters after a step. gradients: as for `apply_gradients`."""
        model.update(self.apply_gradients(gradients, model.trainable_parameters()))

    def apply_gradients(self, gradients: Any, parameters: Any) -> Any:
        """The parameters after a step. gradients: a tree of the parameters' shapes, or its vector (`as_vector`)."""
        if not self._initialized:
            self.init(parameters)
        for name, schedule in self._schedulers.items():
            self.state[name] = schedule(self.step)
        self.state["step"] = self.step + 1
        gradient = gradients if isinstance(gradients, mx.array) else as_vector(gradients)
        first, second = self.betas
        mean = self.state["m"] = first * self.state["m"] + (1 - first) * gradient + LEAST
        square = self.state["v"] = second * self.state["v"] + (1 - second) * mx.square(gradient) + LEAST
        # Not part of the same kernel, which would compute the powers for every weight.
        rate = mx.contiguous((self.learning_rate / (1 - first**self.step)).astype(gradient.dtype))
        scale = mx.contiguous(mx.rsqrt(1 - second**self.step).astype(gradient.dtype))
        step = rate * mean / (mx.sqrt(square) * scale + self.eps)
        weights = self.state["weights"] = self.state["weights"] - step
        return as_tree(weights, parameters)

    def saved(self, parameters: Any) -> dict[str, Any]:
        """What a checkpoint keeps beside the parameters: the state as MLX's Adam has it, the moments by arrays."""
        moments = [as_tree(self.state[name], parameters) for name in _MOMENTS]
        by_array = tree_map(lambda *pair: dict(zip(_MOMENTS, pair, strict=True)), *moments)
        return by_array | {name: self.state[name] for name in ("step", "learning_rate")}

    def restore(self, saved: dict[str, Any], parameters: Any) -> None:
        """Go on from a result of `saved` and the parameters of that time."""
        self.take(parameters)
        for name in _MOMENTS:
            self.state[name] = as_vector(tree_map(lambda _, state, name=name: state[name], parameters, saved))
        self.state.update({name: saved[name] for name in ("step", "learning_rate")})
