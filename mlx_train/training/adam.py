"""Adam (Kingma and Ba, 2015, arXiv 1412.6980) as MLX has it, without subnormal numbers in its moments."""

from typing import Any

from mlx_train.device.backend import mx, optim

#: What is added to every moment at every step: too little to change a moment of an ordinary size by a bit. The moments
#: of a unit without gradient would end in subnormal numbers, with which a processor multiplies ten times more slowly,
#: and rounding would keep them there for ever.
LEAST = 1e-30


class Adam(optim.Adam):
    """MLX's Adam with bias correction. The moments of a weight whose gradient has become zero end near `LEAST`."""

    def __init__(self, learning_rate: Any):
        """learning_rate: a number, or a function of the number of steps."""
        super().__init__(learning_rate=learning_rate, bias_correction=True)

    def apply_single(self, gradient: mx.array, parameter: mx.array, state: dict[str, Any]) -> mx.array:
        """The parameter after a step; `state` gets the new moments. MLX makes one kernel of all this."""
        first, second = self.betas
        mean = state["m"] = first * state["m"] + (1 - first) * gradient + LEAST
        square = state["v"] = second * state["v"] + (1 - second) * mx.square(gradient) + LEAST
        rate = (self.learning_rate / (1 - first**self.step)).astype(gradient.dtype)
        scale = mx.rsqrt(1 - second**self.step).astype(gradient.dtype)
        return parameter - rate * mean / (mx.sqrt(square) * scale + self.eps)
