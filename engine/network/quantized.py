"""Quantised networks as text: rows of small integers in a JSON file (the format: docs/weights.md).

A weight is `level * scale of its output`, a level being an integer of 2 to 8 bits. The text of the levels is made so
that gzip, which counts characters, comes near their entropy: one character a weight for its upper six bits.
"""

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Layout and version of the file, in place of the flat lists' layout.
LAYOUT = "quantized-rows-v1"

#: The character of a number from 0 to 63: base64's alphabet.
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

#: Bits of a level, from and to.
MIN_BITS, MAX_BITS = 2, 8

#: The largest input of a layer: 16 bits with a sign.
TOP = 32767

_CHARACTER_BITS = 6
_CODES = np.frombuffer(ALPHABET.encode(), dtype=np.uint8)
_NUMBERS = np.full(256, 255, dtype=np.uint8)
_NUMBERS[_CODES] = np.arange(64)
_MIDDLE = 32  # what the upper bits of a level are raised by, so that they start at 0
_INT32 = 2**31 - 1


class Layer(NamedTuple):
    """One dense layer. With integers x for inputs, output j is `scales[j] * (biases[j] + x @ levels[:, j])`."""

    bits: int
    step: float  # what 1 stands for in the integers that are this layer's inputs
    levels: NDArray[np.int8]  # (inputs, outputs)
    biases: NDArray[np.int32]  # (outputs,)
    scales: NDArray[np.float32]  # (outputs,)


def top_level(bits: int) -> int:
    """The largest level of so many bits; the smallest is its negative."""
    return int(2 ** (bits - 1)) - 1


def encode(layers: Sequence[Layer], head: str) -> dict[str, Any]:
    """The layers of the "value" or the "policy" network as the keys of a document.

    Like stands by like, all numbers, all upper bits, all lower bits, so that gzip finds one distribution at a time.
    """
    numbers, upper, lower = [], "", ""
    for layer in layers:
        low = _low_bits(layer.bits)
        levels = layer.levels.ravel().astype(np.int16)
        upper += _text((levels >> low) + _MIDDLE)
        if low:
            lower += _text(_packed(levels & ((1 << low) - 1), low))
        scales = [float(text) for text in layer.scales.astype(str)]
        numbers.append({"bits": layer.bits, "step": layer.step, "scales": scales, "biases": layer.biases.tolist()})
    return {f"{head}_layers": numbers, f"{head}_levels": upper} | ({f"{head}_low": lower} if lower else {})


def _low_bits(bits: int) -> int:
    """How many bits of a level are not in its own character."""
    return max(0, bits - _CHARACTER_BITS)


def _low_characters(bits: int, weights: int) -> int:
    """How many characters the lower bits of so many weights take."""
    low = _low_bits(bits)
    return -(-weights // (_CHARACTER_BITS // low)) if low else 0


def _text(numbers: NDArray[Any]) -> str:
    return _CODES[numbers].tobytes().decode()


def _packed(numbers: NDArray[Any], bits: int) -> NDArray[Any]:
    """Numbers of a few bits, as many in each number of six bits as fit, the first in the lowest ones."""
    count = _CHARACTER_BITS // bits
    rows = np.zeros((-(-len(numbers) // count), count), dtype=np.int16)
    rows.ravel()[: len(numbers)] = numbers
    return (rows << (bits * np.arange(count))).sum(axis=1)


def _unpacked(numbers: NDArray[Any], bits: int, n: int) -> NDArray[Any]:
    """The inverse of `_packed` for n numbers."""
    count = _CHARACTER_BITS // bits
    return (numbers[:, None] >> (bits * np.arange(count)) & ((1 << bits) - 1)).ravel()[:n]


def decode(document: dict[str, Any], head: str, sizes: Sequence[int]) -> list[Layer] | None:
    """The checked layers of the "value" or the "policy" network of these sizes (inputs, hidden layers, outputs).

    None if the document has no such network. Raises ValueError, in one line that names what is wrong.
    """
    values = document.get(f"{head}_layers")
    if values is None:
        return None
    shapes = list(itertools.pairwise(sizes))
    if not isinstance(values, list) or len(values) != len(shapes):
        raise ValueError(f"{head}_layers must list {len(shapes)} layers, as its network_config says")
    bits = [_bits(layer, f"{head}_layers[{i}]") for i, layer in enumerate(values)]
    counts = [inputs * outputs for inputs, outputs in shapes]
    low_counts = [_low_characters(*pair) for pair in zip(bits, counts, strict=True)]
    upper = _characters(document.get(f"{head}_levels"), sum(counts), f"{head}_levels") - _MIDDLE
    lower = _characters(document.get(f"{head}_low", ""), sum(low_counts), f"{head}_low")
    layers = []
    for i, shape in enumerate(shapes):
        levels, upper = np.split(upper, [counts[i]])
        packed, lower = np.split(lower, [low_counts[i]])
        low = _low_bits(bits[i])
        if low:
            levels = (levels << low) + _unpacked(packed, low, counts[i])
        layers.append(_layer(values[i], levels.reshape(shape), f"{head}_layers[{i}]"))
    return layers


def _bits(values: Any, name: str) -> int:
    if not isinstance(values, dict):
        raise ValueError(f"{name} must be an object")
    bits = values.get("bits")
    if type(bits) is not int or not MIN_BITS <= bits <= MAX_BITS:
        raise ValueError(f"{name}.bits must be an integer from {MIN_BITS} to {MAX_BITS}, got {bits!r}")
    return bits


def _layer(values: dict[str, Any], levels: NDArray[np.int64], name: str) -> Layer:
    """A layer of levels that are not checked yet."""
    bits, outputs = values["bits"], levels.shape[1]
    step = float(_numbers([values.get("step")], 1, f"{name}.step")[0])
    scales = _numbers(values.get("scales"), outputs, f"{name}.scales")
    with np.errstate(over="ignore"):
        scales, single_step = scales.astype(np.float32), np.float32(step)
    if not (np.isfinite([single_step, *scales]).all() and min(single_step, *scales) > 0):
        raise ValueError(f"{name}: step and scales must be positive float32 numbers")
    biases = _numbers(values.get("biases"), outputs, f"{name}.biases")
    if biases.dtype.kind != "i" or not -_INT32 <= biases.min() <= biases.max() <= _INT32:
        raise ValueError(f"{name}.biases must be integers of 32 bits")
    if np.abs(levels).max() > top_level(bits):
        raise ValueError(f"{name} has a level beyond {bits} bits")
    if (np.abs(levels).sum(axis=0) * TOP + np.abs(biases)).max() > _INT32:
        raise ValueError(f"{name}: its sums may leave 32 bits")
    return Layer(bits, step, levels.astype(np.int8), biases.astype(np.int32), scales)


def _numbers(values: Any, expected: int, name: str) -> NDArray[Any]:
    """A list of numbers as float64 or int64."""
    if not isinstance(values, list) or not all(type(value) in (int, float) for value in values):
        raise ValueError(f"{name} must be numbers")
    if len(values) != expected:
        raise ValueError(f"{name} has {len(values)} numbers, its network_config needs {expected}")
    try:
        return np.array(values, dtype=np.float64 if float in map(type, values) else np.int64)
    except OverflowError:
        raise ValueError(f"{name} holds a number beyond 64 bits") from None


def _characters(text: Any, expected: int, name: str) -> NDArray[np.int64]:
    """The numbers of a text."""
    if not isinstance(text, str) or not text.isascii():
        raise ValueError(f"{name} must be a text of base64's characters")
    if len(text) != expected:
        raise ValueError(f"{name} has {len(text)} characters, its network_config needs {expected}")
    numbers = _NUMBERS[np.frombuffer(text.encode(), dtype=np.uint8)]
    if (numbers == 255).any():
        raise ValueError(f"{name} must be a text of base64's characters")
    return numbers.astype(np.int64)


def flat(layers: Sequence[Layer]) -> NDArray[np.float32]:
    """The same network in float32, as the flat list of the other layout; its outputs differ by what rounding the
    inputs of the layers costs.
    """
    parts: list[NDArray[Any]] = []
    for layer in layers:
        scales = layer.scales.astype(np.float64)
        parts += [(layer.levels * (scales / layer.step)).ravel(), layer.biases * scales]
    return np.concatenate(parts).astype(np.float32)


def padded(array: NDArray[Any], multiple: int) -> NDArray[Any]:
    """The array with zeros behind its last dimension, up to a multiple of this."""
    missing = -array.shape[-1] % multiple
    return np.ascontiguousarray(np.pad(array, [(0, 0)] * (array.ndim - 1) + [(0, missing)]))
