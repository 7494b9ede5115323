"""The weights of one layer rounded to integers of few bits, with numpy.

Rounding each weight by itself costs much (see docs/experiments.md). So the weights are rounded one input after the
other, and the weights of the inputs still to come correct the change of the outputs, as in GPTQ (Frantar and others,
2022). That needs the layer's inputs at some positions; the layers below, already rounded, give them.
"""

import numpy as np
from numpy.typing import NDArray

from engine.network.quantized import TOP, Layer, top_level

# A layer's inputs may be larger in play than on the calibration positions, up to this factor.
_HEADROOM = 1.25

# Shares of a row's largest weight that its largest level may stand for; the best one is taken.
_CLIPS = (1.0, 0.9, 0.8, 0.7)

# Added to the diagonals of Gram matrices, as a share of their mean: before the inverse, and before the fit.
_DAMPING = 0.001
_RIDGE = 0.01
_FLOOR = 1e-12  # for a layer whose inputs are all zero

# The largest integer sum of a layer, well inside 32 bits.
_MAX_SUM = 2**29


def input_step(inputs: NDArray[np.float32]) -> float:
    """The step of a layer's integer inputs, for inputs as large as these."""
    return significant(_HEADROOM * float(np.abs(inputs).max()) / TOP)


def significant(number: float) -> float:
    """A number of three digits: enough for steps and scales, and shorter in the file."""
    return float(f"{number:.3g}") or 1.0


def round_layer(
    x: NDArray[np.float32], outputs: NDArray[np.float32], weights: NDArray[np.float32], step: float, bits: int,
    prune: float,
) -> Layer:  # fmt: skip
    """Round one layer, so that its outputs for `x` are as near to `outputs` as possible.

    x: (n, inputs), the outputs of the rounded layers below. outputs: (n, outputs), this layer's outputs in the
    unrounded network. weights: (inputs, outputs), unrounded. step: the step of the integer inputs. prune: the share of
    the weights that become zero.
    """
    x = x.astype(np.float64)
    gram = x.T @ x / len(x) + _FLOOR * np.eye(x.shape[1])
    mean = gram.diagonal().mean()
    # Before the rounding, a least-squares fit of the weights corrects the loss of the layers below.
    residual = outputs - x @ weights
    residual -= residual.mean(axis=0)
    fitted = weights.astype(np.float64) + np.linalg.solve(
        gram + _RIDGE * mean * np.eye(len(gram)), x.T @ residual / len(x)
    )
    damped = gram + _DAMPING * mean * np.eye(len(gram))
    least = np.abs(outputs).max(axis=0) / _MAX_SUM
    levels, scales = _round_rows(fitted, damped, step, bits, prune, least)
    bias = (outputs - x @ (levels * (scales / step))).mean(axis=0)
    return Layer(bits, step, levels.astype(np.int8), np.rint(bias / scales).astype(np.int32), scales.astype(np.float32))


def _round_rows(
    weights: NDArray[np.float64], gram: NDArray[np.float64], step: float, bits: int, prune: float,
    least: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:  # fmt: skip
    """Round the weights of one input after the other -> (levels (inputs, outputs), scales (outputs,)).

    The input with the largest mean square is rounded first. The weights of the inputs that are not rounded yet
    compensate for each error.


    gram: (inputs, inputs), the mean products of the inputs. least: the smallest scale of each output, so that its bias
    stays an integer of 32 bits.
    """
    order = np.argsort(-gram.diagonal(), kind="stable")
    weights, gram = weights[order], gram[np.ix_(order, order)]
    factor = np.linalg.cholesky(np.linalg.inv(gram)).T  # its row i passes on the error of input i
    # The cost of leaving a weight out, if the later ones correct it (Frantar and Alistarh, 2023).
    cost = np.square(weights / factor.diagonal()[:, None])
    kept = cost >= np.quantile(cost, prune) if prune else np.ones(cost.shape, dtype=bool)
    top = top_level(bits)
    largest = np.maximum(np.abs(weights).max(axis=0), 1e-12)
    best_error = np.full(weights.shape[1], np.inf)
    best_levels, best_scales = np.zeros(weights.shape), np.zeros(weights.shape[1])
    for clip in _CLIPS:
        wanted = np.maximum(largest * clip / top * step, least)
        scales = np.array([significant(scale) for scale in wanted], dtype=np.float32)
        unit = scales.astype(np.float64) / step
        left, levels, error = weights.copy(), np.zeros(weights.shape), np.zeros(weights.shape[1])
        for i in range(len(weights)):
            levels[i] = np.where(kept[i], np.clip(np.rint(left[i] / unit), -top, top), 0)
            missed = (left[i] - levels[i] * unit) / factor[i, i]
            left[i + 1 :] -= factor[i, i + 1 :, None] * missed
            error += missed * missed
        better = error < best_error
        best_error[better], best_scales[better] = error[better], scales[better]
        best_levels[np.ix_(order, better)] = levels[:, better]
    return best_levels, best_scales
