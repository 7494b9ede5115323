"""Adam (Kingma and Ba, 2015, arXiv 1412.6980) as MLX has it, without subnormal numbers in its moments."""

from typing import Any

from mlx_train.device.backend import mx, optim

#: Smaller numbers become zero. The moments of a unit without gradient would end in subnormal numbers, with which a
#: processor multiplies many times more slowly, and rounding would keep them there for ever.
LEAST = 1e-30


class Adam(optim.Adam):
    """MLX's Adam with bias correction. The moments of a weight whose gradient has become zero end at zero."""

    def __init__(self, learning_rate: Any):
        """learning_rate: a number, or a function of the number of steps."""
        super().__init__(learning_rate=learning_rate, bias_correction=True)

    def apply_single(self, gradient: mx.array, parameter: mx.array, state: dict[str, Any]) -> mx.array:
        """The parameter after a step; `state` gets the new moments."""
        parameter = super().apply_single(gradient, parameter, state)
        state |= {name: without_subnormals(state[name]) for name in ("m", "v")}
        return parameter


def without_subnormals(array: mx.array) -> mx.array:
    """The array with zero in the place of numbers below `LEAST` in size."""
    return mx.where(mx.abs(array) < LEAST, 0.0, array)
