"""SOAP: Adam in the eigenbasis of Shampoo's preconditioners (Vyas and others, 2024, arXiv 2409.11321, algorithm 3).

A matrix of gradients G has two preconditioners, running averages of G G' (left) and G' G (right). Their eigenvectors Q
rotate the gradient to Q_l' G Q_r. Adam's two moments are those of the rotated gradient, and Adam's step is rotated
back. When the eigenvectors change, the first moment is rotated into the new basis. Vectors, and matrices of one row or
one column, are trained by plain Adam.

Computing eigenvectors takes far longer than a step, so they are renewed at fixed steps only: by `eigh` at the first
step, by one power iteration and a QR decomposition later. A thread computes them in float64, and the steps use the
former eigenvectors until a fixed number of steps later. The number of the step decides all of this, never a clock: a
resumed run has the results of an undisturbed one, and every rank has the same eigenvectors.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
from mlx.utils import tree_flatten, tree_map, tree_unflatten

from mlx_train.device.backend import mx, optim
from mlx_train.device.blas import numpy_on_one_thread
from mlx_train.device.product_kernel import products

#: Steps between the step that starts the computation of new eigenvectors and their first use.
DELAY = 25

#: The steps of the first renewals. Then (last step, steps between two renewals): the basis changes ever more slowly.
_FIRST = (1, 30, 60, 100)
_INTERVALS = ((2000, 100), (8000, 250), (1 << 62, 1000))

#: Steps between two updates of the preconditioners, which change slowly.
GATHERING = 10

#: (preconditioner, former eigenvectors) of both sides of a matrix, when the computation of new ones was started.
_Sides = list[tuple[np.ndarray, np.ndarray]]

#: Smaller numbers become zero. The running averages of a unit without gradient would end in denormal numbers, with
#: which a processor multiplies many times more slowly, and rounding would keep them there for ever.
LEAST = 1e-30

_SIDES = ("left", "right")


def renews(step: int) -> bool:
    """Whether the computation of new eigenvectors is started after the step of this number, counted from 1."""
    if step <= _FIRST[-1]:
        return step in _FIRST
    return step % next(interval for end, interval in _INTERVALS if step <= end) == 0


def gathers(step: int) -> bool:
    """Whether the step of this number, counted from 1, adds its gradient to the preconditioners."""
    return step == 1 or step % GATHERING == 0


class Soap(optim.Optimizer):
    """SOAP with bias correction and without weight decay.

    Call `renew` after every step, outside the compiled function. Attributes:
        gathering: whether a step adds its gradient to the preconditioners. A compiled step is traced once for either.
    """

    def __init__(
        self,
        learning_rate: float | Callable[[mx.array], mx.array],
        betas: tuple[float, float] = (0.95, 0.99),
        eps: float = 1e-8,
        decay: float = 0.9,
    ):
        """betas: the decay of each moment; decay: the decay of the preconditioners at each of their updates."""
        super().__init__()
        self._maybe_schedule("learning_rate", learning_rate)
        self.betas, self.eps, self.decay = betas, eps, decay
        self.gathering = True
        self._coming: Future[list[list[np.ndarray]]] | None = None

    def init_single(self, parameter: mx.array, state: dict[str, Any]) -> None:
        """Moments of zero; for each side of a matrix a preconditioner, its copy at the last renewal, eigenvectors."""
        state["mean"], state["square"] = mx.zeros_like(parameter), mx.zeros_like(parameter)
        if parameter.ndim == 2 and min(parameter.shape) > 1:
            for side, size in zip(_SIDES, parameter.shape, strict=True):
                state[side] = mx.zeros((size, size))
                state[f"{side}_begun"] = mx.zeros((size, size))
                state[f"{side}_basis"] = mx.eye(size)

    def apply_gradients(self, gradients: dict[str, Any], parameters: dict[str, Any]) -> dict[str, Any]:
        """The parameters after a step. The rotations of all matrices go together: on a GPU they are four kernels."""
        matrices = self._matrices()
        lefts, rights = ([state[f"{side}_basis"] for state in matrices.values()] for side in _SIDES)
        slopes = dict(tree_flatten(gradients))
        for name, state in matrices.items():
            slopes[name] = gradient = mx.contiguous(slopes[name])  # order in memory decides the last bits of a product
            if self.gathering:
                sides = zip(_SIDES, (gradient @ gradient.T, gradient.T @ gradient), strict=True)
                state |= {side: _average(state[side], new, self.decay) for side, new in sides}
        turned = products(products(lefts, [slopes[name] for name in matrices], transposed="left"), rights)
        slopes.update(zip(matrices, turned, strict=True))
        steps = dict(tree_flatten(super().apply_gradients(tree_unflatten(list(slopes.items())), parameters)))
        turned = products(products(lefts, [steps[name] for name in matrices]), rights, transposed="right")
        steps.update(zip(matrices, turned, strict=True))
        return tree_map(lambda step, parameter: parameter - step, tree_unflatten(list(steps.items())), parameters)

    def apply_single(self, gradient: mx.array, parameter: mx.array, state: dict[str, Any]) -> mx.array:
        """What a step subtracts from a parameter, both rotated where the parameter is a matrix."""
        first, second = self.betas
        mean = state["mean"] = _average(state["mean"], gradient, first)
        square = state["square"] = _average(state["square"], mx.square(gradient), second)
        rate = (self.learning_rate / (1 - first**self.step)).astype(gradient.dtype)
        scale = mx.rsqrt(1 - second**self.step).astype(gradient.dtype)
        return rate * mean / (mx.sqrt(square) * scale + self.eps)

    def renew(self, step: int) -> None:
        """Start the computation of new eigenvectors, or start to use those begun `DELAY` steps ago.

        step: the number of the last step. The first eigenvectors are used at once: second moments that were gathered in
        another basis would be far too small in the directions in which the gradient is large.
        """
        if renews(step):
            for state in self._matrices().values():
                state |= {f"{side}_begun": state[side] for side in _SIDES}
            self._coming = _thread().submit(_eigenvectors, self._begun(), first=step == 1)
        if step == 1 or (step > 1 + DELAY and renews(step - DELAY)):
            if self._coming is None:  # resumed; on the same thread, since the number of threads decides the last bits
                self._coming = _thread().submit(_eigenvectors, self._begun(), first=False)
            for state, bases in zip(self._matrices().values(), self._coming.result(), strict=True):
                former = [state[f"{side}_basis"] for side in _SIDES]
                state |= {f"{side}_basis": mx.array(basis) for side, basis in zip(_SIDES, bases, strict=True)}
                left, right = (state[f"{side}_basis"].T @ old for side, old in zip(_SIDES, former, strict=True))
                state["mean"] = left @ state["mean"] @ right.T
                if step == 1:
                    state["square"] = (1 - self.betas[1]) * mx.square(state["mean"] / (1 - self.betas[0]))
            self._coming = None

    def take(self, parameters: Any) -> None:
        """Go on from these parameters. SOAP has no copy of them, so there is nothing to do."""

    def saved(self, parameters: Any) -> dict[str, Any]:
        """What a checkpoint keeps beside the parameters: the state."""
        return self.state

    def restore(self, saved: dict[str, Any], parameters: Any) -> None:
        """Go on from a result of `saved`."""
        self.state.update(saved)

    def _begun(self) -> list[_Sides]:
        """The input of `_eigenvectors`: both sides of each matrix."""
        return [
            [(np.array(state[f"{side}_begun"]), np.array(state[f"{side}_basis"])) for side in _SIDES]
            for state in self._matrices().values()
        ]

    def _matrices(self) -> dict[str, dict[str, Any]]:
        """The state of each matrix that has preconditioners, by its name, always in the same order."""
        states: list[tuple[str, Any]] = tree_flatten(self.state, is_leaf=_is_of_matrix)  # type: ignore[assignment]
        return {name: state for name, state in states if _is_of_matrix(state)}


def _is_of_matrix(state: Any) -> bool:
    """Whether a part of the optimizer's state is that of one matrix with preconditioners."""
    return isinstance(state, dict) and "left" in state


def _average(former: mx.array, new: mx.array, decay: float) -> mx.array:
    """A running average, without numbers below `LEAST`."""
    average = decay * former + (1 - decay) * new
    return mx.where(mx.abs(average) < LEAST, 0.0, average)


@cache
def _thread() -> ThreadPoolExecutor:
    """The thread on which eigenvectors are computed, one optimizer's after another's."""
    numpy_on_one_thread()
    return ThreadPoolExecutor(1, thread_name_prefix="eigenvectors")


def _eigenvectors(matrices: list[_Sides], *, first: bool) -> list[list[np.ndarray]]:
    """New eigenvectors of both sides of each matrix, as columns in float32.

    first: whether they are the first ones, by `eigh`; later ones are one power iteration from the former ones.
    """

    def of(matrix: np.ndarray, former: np.ndarray) -> np.ndarray:
        wide = matrix.astype(np.float64)
        vectors = np.linalg.eigh(wide)[1][:, ::-1] if first else np.linalg.qr(wide @ former)[0]
        vectors[np.abs(vectors) < LEAST] = 0
        return vectors.astype(np.float32, order="C")  # the order in memory decides the last bits of a product

    return [[of(*side) for side in sides] for sides in matrices]
