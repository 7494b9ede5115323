"""SOAP: Adam in the eigenbasis of Shampoo's preconditioners (Vyas and others, 2024, arXiv 2409.11321, algorithm 3).

A matrix of gradients G has two preconditioners, running averages of G G' (left) and G' G (right). Their eigenvectors Q
turn the gradient, Q_l' G Q_r, in which Adam's first and second moments are kept; the step is turned back. Here the
moments stay in that basis, and the first one is turned with it whenever the eigenvectors change. Vectors, and matrices
of one row or one column, are Adam's alone.

Eigenvectors cost far more than a step, so they are renewed at fixed steps only: by `eigh` at the first, by one power
iteration and a QR decomposition later. A thread computes them in float64 while the steps go on with the former ones,
and they are swapped in a fixed number of steps later. All depends on the number of the step, never on a clock: a
resumed run is the undisturbed one, and every rank has the same eigenvectors.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np

from mlx_train.device.backend import mx, optim
from mlx_train.device.blas import numpy_on_one_thread

#: Steps between the beginning of new eigenvectors and their use.
DELAY = 25

#: The first renewals, and then from step to step, how many steps lie between two: the basis settles as the rate falls.
_FIRST = (1, 30, 60, 100)
_INTERVALS = ((2000, 100), (8000, 250), (1 << 62, 1000))

#: Steps between two updates of the preconditioners, which change slowly.
GATHERING = 10

#: The two preconditioners of a matrix as they were when new eigenvectors were begun, each with its former eigenvectors.
_Sides = list[tuple[np.ndarray, np.ndarray]]

_SIDES = ("left", "right")


def renews(step: int) -> bool:
    """Whether new eigenvectors are begun after the step of this number, counted from 1."""
    if step <= _FIRST[-1]:
        return step in _FIRST
    return step % next(interval for end, interval in _INTERVALS if step <= end) == 0


def gathers(step: int) -> bool:
    """Whether the step of this number, counted from 1, adds its gradient to the preconditioners."""
    return step == 1 or step % GATHERING == 0


class Soap(optim.Optimizer):
    """SOAP with bias correction and without weight decay.

    Call `renew` after every step, outside the compiled function. Attributes:
        gathering: whether a step adds to the preconditioners; a compiled step has to be traced for either.
    """

    def __init__(
        self,
        learning_rate: float | Callable[[mx.array], mx.array],
        betas: tuple[float, float] = (0.95, 0.99),
        eps: float = 1e-8,
        decay: float = 0.9,
    ):
        """betas: decay of the two moments; decay: of the preconditioners, at each of their updates."""
        super().__init__()
        self._maybe_schedule("learning_rate", learning_rate)
        self.betas, self.eps, self.decay = betas, eps, decay
        self.gathering = True
        self._coming: Future[list[list[np.ndarray]]] | None = None

    def init_single(self, parameter: mx.array, state: dict[str, Any]) -> None:
        """Moments of zero; for a matrix, of either side: preconditioner, its copy at the last renewal, eigenvectors."""
        state["mean"], state["square"] = mx.zeros_like(parameter), mx.zeros_like(parameter)
        if parameter.ndim == 2 and min(parameter.shape) > 1:
            for side, size in zip(_SIDES, parameter.shape, strict=True):
                state[side] = mx.zeros((size, size))
                state[f"{side}_begun"] = mx.zeros((size, size))
                state[f"{side}_basis"] = mx.eye(size)

    def apply_single(self, gradient: mx.array, parameter: mx.array, state: dict[str, Any]) -> mx.array:
        """The parameter after a step."""
        first, second = self.betas
        turned = "left" in state
        if turned:
            gradient = mx.contiguous(gradient)  # the order in memory decides the last bits of a product
            if self.gathering:
                state["left"] = self.decay * state["left"] + (1 - self.decay) * (gradient @ gradient.T)
                state["right"] = self.decay * state["right"] + (1 - self.decay) * (gradient.T @ gradient)
            gradient = state["left_basis"].T @ gradient @ state["right_basis"]
        mean = state["mean"] = first * state["mean"] + (1 - first) * gradient
        square = state["square"] = second * state["square"] + (1 - second) * mx.square(gradient)
        rate = (self.learning_rate / (1 - first**self.step)).astype(gradient.dtype)
        scale = mx.rsqrt(1 - second**self.step).astype(gradient.dtype)
        change = rate * mean / (mx.sqrt(square) * scale + self.eps)
        if turned:
            return mx.addmm(parameter, state["left_basis"] @ change, state["right_basis"].T, alpha=-1.0)
        return parameter - change

    def renew(self, step: int) -> None:
        """Begin new eigenvectors after the step of this number, or use those that were begun `DELAY` steps ago.

        The first ones are used at once: in another basis the second moments of the steps before would be far too small
        for the directions in which the gradient is large.
        """
        if renews(step):
            for state in self._matrices():
                state |= {f"{side}_begun": state[side] for side in _SIDES}
            self._coming = _thread().submit(_eigenvectors, self._begun(), first=step == 1)
        if step == 1 or (step > 1 + DELAY and renews(step - DELAY)):
            coming = self._coming.result() if self._coming else _eigenvectors(self._begun(), first=False)  # resumed
            for state, bases in zip(self._matrices(), coming, strict=True):
                former = [state[f"{side}_basis"] for side in _SIDES]
                state |= {f"{side}_basis": mx.array(basis) for side, basis in zip(_SIDES, bases, strict=True)}
                left, right = (state[f"{side}_basis"].T @ old for side, old in zip(_SIDES, former, strict=True))
                state["mean"] = left @ state["mean"] @ right.T
                if step == 1:
                    state["square"] = (1 - self.betas[1]) * mx.square(state["mean"] / (1 - self.betas[0]))
            self._coming = None

    def _begun(self) -> list[_Sides]:
        """For each matrix, what its next eigenvectors follow from."""
        return [
            [(np.array(state[f"{side}_begun"]), np.array(state[f"{side}_basis"])) for side in _SIDES]
            for state in self._matrices()
        ]

    def _matrices(self) -> Iterator[dict[str, Any]]:
        """The states of the matrices that have preconditioners, always in the same order."""
        waiting: list[Any] = [self.state]
        while waiting:
            state = waiting.pop()
            if isinstance(state, dict) and "left" in state:
                yield state
            elif isinstance(state, dict | list):
                waiting.extend(state.values() if isinstance(state, dict) else state)


@cache
def _thread() -> ThreadPoolExecutor:
    """The thread on which eigenvectors are computed, one optimizer's after another's."""
    numpy_on_one_thread()
    return ThreadPoolExecutor(1, thread_name_prefix="eigenvectors")


def _eigenvectors(matrices: list[_Sides], *, first: bool) -> list[list[np.ndarray]]:
    """New eigenvectors of both sides of each matrix, as columns in float32.

    first: whether these are the first ones; later ones are one power iteration away from the former ones.
    """

    def of(matrix: np.ndarray, former: np.ndarray) -> np.ndarray:
        wide = matrix.astype(np.float64)
        vectors = np.linalg.eigh(wide)[1][:, ::-1] if first else np.linalg.qr(wide @ former)[0]
        return vectors.astype(np.float32, order="C")  # the order in memory decides the last bits of a product

    return [[of(*side) for side in sides] for sides in matrices]
