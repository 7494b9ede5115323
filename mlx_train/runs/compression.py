"""Smaller files of trained networks: weights as integers of few bits, written as engine/network/quantized.py describes.

Rounding each weight by itself costs much (see docs/experiments.md). So the weights of a layer are rounded one input
after the other, and what the rounding of an input did to the outputs of the layer is made good by the inputs that are
still to come, as in GPTQ (Frantar and others, 2022). That needs positions; their inputs to a layer are those that the
already quantised layers below give.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.core.features import FEATURE_SCALES, FEATURE_SET
from engine.games.agents import Agent
from engine.games.teacher import policy_batch, value_batch
from engine.network.document import LAYOUT as FLAT_LAYOUT
from engine.network.document import read_document
from engine.network.quantized import LAYOUT, TOP, Layer, flat, top_level
from engine.solved.tablebase import Tablebase
from mlx_train.config import Config
from mlx_train.data.exact import ExactSource
from mlx_train.device.backend import mx, nn, optim
from mlx_train.device.memory import explained, set_limits
from mlx_train.measuring.measures import (
    DECISIONS,
    POSITIONS,
    gives_win_probabilities,
    microseconds_per_move,
    policy_regret,
    rounded_table_regret,
    value_error,
)
from mlx_train.networks.mlp import MLP
from mlx_train.networks.weights import compressed, document_content, from_document, save_document
from mlx_train.pictures.report import BytesPoint, bytes_table, markdown_table, regret_by_bytes, save_figure, short_name
from mlx_train.system.files import write_json, write_text
from mlx_train.system.progress import say
from mlx_train.training.trainer import policy_loss, to_mlx, value_loss

#: Share of the positions that the rounding and the training look at that are met in optimal play; the rest is uniform.
PLAY_SHARE = 0.5

#: The first layer's inputs are multiples of this: features are at most 1.
INPUT_STEP = 2.0**-14

# A layer's inputs may be larger in play than on the calibration positions, up to this factor.
_HEADROOM = 1.25

# Shares of a row's largest weight that its largest level may stand for; the best one is taken.
_CLIPS = (1.0, 0.9, 0.8, 0.7)

# What is added to the diagonals of Gram matrices, as a share of their mean: for the inverse, and for the fit.
_DAMPING = 0.001
_RIDGE = 0.01
_FLOOR = 1e-12  # for a layer whose inputs are never other than zero

# Outputs stand for sums up to this, well inside 32 bits.
_MAX_SUM = 2**29

#: Training on after the rounding: Adam's rate with no bits, from which a cosine goes to zero, and positions a step.
LEARNING_RATE = 2e-3
BATCH_SIZE = 4096

# How far from its level, in levels, a weight may be when the training on begins.
_INSIDE = 0.49

#: Bits a position of the exact table's reference curve.
TABLE_BITS = tuple(range(4, 13))


@dataclass(frozen=True, kw_only=True)
class Compressed:
    """One compressed file of one network, or the float32 one that it was made from (bits 32)."""

    file: str
    network: str  # value or policy
    bits: int
    pruned: float  # share of the weights that were set to zero
    bytes: int
    gzip_bytes: int
    regret: float  # points
    value_error: float | None  # mean, of win probabilities; None for a policy network
    microseconds_per_move: float


# Rounding


def quantize(network: MLP, inputs: NDArray[np.uint8], bits: int, prune: float = 0.0) -> list[Layer]:
    """The layers of a network with its weights rounded to levels of so many bits.

    inputs: (n, 150) features before scaling, on which the outputs of every layer are kept close. prune: the share of
    each layer's weights that become zero.
    """
    rounded = _copy(network)
    exact_inputs = rounded_inputs = inputs.astype(np.float32) * FEATURE_SCALES
    layers: list[Layer] = []
    step = INPUT_STEP
    for number, (source, target) in enumerate(zip(network.layers, rounded.layers, strict=True)):
        if number:
            exact_inputs = np.array(network.hidden(number - 1, mx.array(exact_inputs)))
            rounded_inputs = np.array(rounded.hidden(number - 1, mx.array(rounded_inputs)))
            step = _significant(_HEADROOM * float(np.abs(rounded_inputs).max()) / TOP)
        outputs = np.array(source(mx.array(exact_inputs)))
        layer = _round_layer(rounded_inputs, outputs, np.array(source.weight).T, step, bits, prune)
        layers.append(layer)
        restored = flat([layer])
        target.weight = mx.array(restored[: layer.levels.size].reshape(layer.levels.shape).T)
        target.bias = mx.array(restored[layer.levels.size :])
    return layers


def _copy(network: MLP) -> MLP:
    sizes = [network.layers[0].weight.shape[1], *(layer.weight.shape[0] for layer in network.layers)]
    made = MLP(sizes, network.activation)
    made.update(network.parameters())
    return made


def _significant(number: float) -> float:
    """Three digits are enough for what can be chosen freely, and take less room in the file."""
    return float(f"{number:.3g}") or 1.0


def _round_layer(
    x: NDArray[np.float32], outputs: NDArray[np.float32], weights: NDArray[np.float32], step: float, bits: int,
    prune: float,
) -> Layer:  # fmt: skip
    """One layer: x (n, inputs) are its inputs as they will be, outputs (n, outputs) what it should make of them."""
    x = x.astype(np.float64)
    gram = x.T @ x / len(x) + _FLOOR * np.eye(x.shape[1])
    mean = gram.diagonal().mean()
    # Before rounding, the weights make good what the inputs have lost in the layers below.
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
    """-> (levels (inputs, outputs), scales (outputs,)), the inputs taken by falling power, errors handed on.

    least: the smallest scale of each output, so that its bias stays an integer of 32 bits.
    """
    order = np.argsort(-gram.diagonal(), kind="stable")
    weights, gram = weights[order], gram[np.ix_(order, order)]
    factor = np.linalg.cholesky(np.linalg.inv(gram)).T  # its row i hands on the error of input i
    # What it costs to leave a weight out, the later ones making it good (Frantar and Alistarh, 2023).
    cost = np.square(weights / factor.diagonal()[:, None])
    kept = cost >= np.quantile(cost, prune) if prune else np.ones(cost.shape, dtype=bool)
    top = top_level(bits)
    largest = np.maximum(np.abs(weights).max(axis=0), 1e-12)
    best_error = np.full(weights.shape[1], np.inf)
    best_levels, best_scales = np.zeros(weights.shape), np.zeros(weights.shape[1])
    for clip in _CLIPS:
        wanted = np.maximum(largest * clip / top * step, least)
        scales = np.array([_significant(scale) for scale in wanted], dtype=np.float32)
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


# Training on


class RoundedLinear(nn.Module):
    """A dense layer that computes with the rounded weights and learns as if it had not rounded them."""

    def __init__(self, layer: Layer, source: nn.Linear, pruned: bool):
        """source: the layer before the rounding. Its weights are where the learning begins, as far as they round to
        the levels: those near a border are the first to change sides. pruned: whether levels of zero stay zero.
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
        """The layer with what was learned."""
        levels = np.array(self.levels()).T.astype(np.int8)
        biases = np.rint(np.array(self.bias) / like.scales).astype(np.int32)
        return like._replace(levels=np.ascontiguousarray(levels), biases=biases)


def finetune(network: MLP, layers: Sequence[Layer], source: ExactSource, head: str, pruned: bool) -> list[Layer]:
    """Train rounded layers on with exact labels; the scales stay, and zeros where weights were pruned.

    network: the one that was rounded. Each step takes the gradient at the rounded weights and applies it to unrounded
    ones beside them (the straight-through estimator of Bengio and others, 2013).
    """
    model = _copy(network)
    model.update_modules(
        {"layers": [RoundedLinear(*pair, pruned) for pair in zip(layers, network.layers, strict=True)]}
    )
    loss = partial(value_loss, model, kind="absolute") if head == "value" else partial(policy_loss, model)
    # A level is worth half as much with each further bit, and so is a step towards the next one.
    rate = LEARNING_RATE / 2 ** max(layer.bits for layer in layers)
    optimizer = optim.Adam(learning_rate=optim.cosine_decay(rate, source.steps_per_epoch), bias_correction=True)
    optimizer.init(model.trainable_parameters())
    state = [model.state, optimizer.state]
    gradient = nn.value_and_grad(model, loss)

    @partial(mx.compile, inputs=state, outputs=state)
    def step(arrays: list[mx.array]) -> mx.array:
        found, slope = gradient(*arrays)
        optimizer.update(model, slope)
        return found

    for batch in source.epoch(1):
        mx.eval(step(to_mlx(batch, head, source.device_table)), state)
    made: list[Any] = model.layers
    return [rounded.layer(like) for rounded, like in zip(made, layers, strict=True)]


# Files


def compress(
    model: Path,
    output: Path,
    table: Tablebase,
    *,
    bits: Sequence[int],
    calibration: int,
    prune: Sequence[float] = (0.0,),
    networks: str = "both",
    steps: int = 0,
    seed: int = 0,
    positions: int = POSITIONS,
    decisions: int = DECISIONS,
    workers: int | None = None,
) -> list[Compressed]:
    """Write a model's networks at each number of bits and share of pruned weights, as JSON and as its gzip.

    calibration: positions that the rounding looks at. networks: both, value or policy. steps: of training with exact
    labels after the rounding. Returns the measures: of the model itself first, then of every file, the value network's
    before the policy network's. Raises ValueError, OSError.
    """
    document = read_document(model)
    heads = [head for head in ("value", "policy") if networks in ("both", head)]
    heads = [head for head in heads if document[f"{head}_weights"] is not None]
    if not heads:
        raise ValueError(f"{model} has no {networks} network")
    if document.get("feature_set") != FEATURE_SET:
        raise ValueError(f"{model} was made for the feature set {document.get('feature_set')!r}, not {FEATURE_SET!r}")
    output.mkdir(parents=True, exist_ok=True)
    device, _ = set_limits("auto")
    name = model.name.removesuffix(".gz").removesuffix(".json")
    source = from_document(document)
    inputs = {head: calibration_inputs(table, head, calibration, seed) for head in heads}
    measured: Callable[..., list[Compressed]] = partial(
        _measured, table=table, positions=positions, decisions=decisions, workers=workers
    )
    batches = {head: _batches(table, head, steps, seed, workers) for head in heads} if steps else {}
    found = measured(model, heads, _float_content(document, heads), 32, 0.0)
    for share in prune:
        for count in bits:
            file = output / f"{name}-int{count}{f'-pruned{100 * share:.0f}' if share else ''}.json"
            say(f"{file.name}: rounding")
            made = {
                "bits": count, "pruned": share, "positions": calibration, "steps": steps, "seed": seed,
                "source": model.name,
            }  # fmt: skip
            layers = {head: quantize(source[head], inputs[head], count, share) for head in heads}
            if steps:
                say(f"{file.name}: {steps:,} steps of {BATCH_SIZE:,} positions")
                for head in heads:
                    with explained(device, "--steps 0 does without training"):
                        layers[head] = finetune(source[head], layers[head], batches[head], head, share > 0)
            small = _document(document, layers, made)
            for path in (file, file.with_name(f"{file.name}.gz")):
                save_document(path, small)
            found += measured(file, heads, document_content(small), count, share)
    return found


def calibration_inputs(table: Tablebase, head: str, n: int, seed: int) -> NDArray[np.uint8]:
    """(n, 150) features before scaling of positions for the "value" or "policy" network."""
    if head == "value":
        return value_batch(table, n, seed, 0, play_share=PLAY_SHARE)[0]
    rows = policy_batch(table, n, seed, 0, temperature=Config().temperature, play_share=PLAY_SHARE)[0]
    return rows.astype(np.uint8, copy=False)


def _batches(table: Tablebase, head: str, steps: int, seed: int, workers: int | None) -> ExactSource:
    """Batches of exact labels for one network."""
    config = Config(
        teacher="exact", networks=head, steps=steps, epochs=1, batch_size=BATCH_SIZE, play_share=PLAY_SHARE, seed=seed,
        workers=workers,
    )  # fmt: skip
    return ExactSource(config, table)


_SHARED = ("feature_set", "value_scale")


def _document(document: dict[str, Any], layers: dict[str, list[Layer]], made: dict[str, Any]) -> dict[str, Any]:
    """The quantised document of a model's networks."""
    return {
        "metadata": document["metadata"] | {"compression": made},
        **{key: document[key] for key in _SHARED},
        "layout": LAYOUT,
        "architecture": {"activation": document["architecture"]["activation"]},
        "network_config": document["network_config"],
        **{f"{head}_layers": rows for head, rows in layers.items()},
    }


def _float_content(document: dict[str, Any], heads: Sequence[str]) -> bytes:
    """The flat JSON text of these networks alone."""
    keys = ("metadata", *_SHARED, "architecture", "network_config", *(f"{head}_weights" for head in heads))
    return document_content({"layout": FLAT_LAYOUT} | {key: document[key] for key in keys})


# Measures


def _measured(
    file: Path, heads: Sequence[str], content: bytes, bits: int, pruned: float, *, table: Tablebase, positions: int,
    decisions: int, workers: int | None,
) -> list[Compressed]:  # fmt: skip
    found = []
    for head in heads:
        agent = Agent.parse(f"net:{file}" + (":policy" if head == "policy" else ""))
        error = value_error(agent, table, positions, workers=workers).mean if gives_win_probabilities(agent) else None
        found.append(
            Compressed(
                file=str(file),
                network=head,
                bits=bits,
                pruned=pruned,
                bytes=len(content),
                gzip_bytes=len(compressed(content)),
                regret=policy_regret(agent, table, decisions, workers=workers).mean,
                value_error=error,
                microseconds_per_move=microseconds_per_move(agent),
            )
        )
    return found


def reference_curve(table: Tablebase, decisions: int = DECISIONS) -> list[BytesPoint]:
    """The exact table with its values rounded: bytes without any compression, and regret, by bits a position."""
    return [
        BytesPoint(
            name=f"{bits} bits", bytes=math.ceil(table.count * bits / 8),
            regret=rounded_table_regret(table, bits, decisions),
        )
        for bits in TABLE_BITS
    ]  # fmt: skip


def points(found: Sequence[Compressed], head: str) -> list[BytesPoint]:
    """Where the files of one network stand in the picture."""
    return [
        BytesPoint(name=_name(result), bytes=result.gzip_bytes, regret=result.regret)
        for result in found
        if result.network == head
    ]


def _name(result: Compressed) -> str:
    if result.bits == 32:
        return "float32"
    return f"int{result.bits}" + (f", {100 * result.pruned:.0f}% pruned" if result.pruned else "")


def table_of(found: Sequence[Compressed]) -> str:
    """The files for a person, as a Markdown table."""
    header = (
        "network", "weights", "regret, points", "mean error", "bytes", "gzip", "microseconds a move", "file",
    )  # fmt: skip
    rows = [
        (
            result.network, _name(result), f"{result.regret:.4f}",
            "" if result.value_error is None else f"{result.value_error:.6f}",
            f"{result.bytes:,}", f"{result.gzip_bytes:,}", f"{result.microseconds_per_move:.2f}", result.file,
        )
        for result in found
    ]  # fmt: skip
    return markdown_table(header, rows)


def write_results(folder: Path, found: Sequence[Compressed], reference: Sequence[BytesPoint]) -> str:
    """Write compress.json, the picture and compress.md, which shows it -> the text. Raises OSError."""
    write_json(
        folder / "compress.json",
        {"files": [asdict(result) for result in found], "table": [asdict(point) for point in reference]},
    )
    heads = list(dict.fromkeys(result.network for result in found))
    model = short_name(f"net:{found[0].file}")
    save_figure(
        regret_by_bytes(model, {head: points(found, head) for head in heads}, reference), folder / "compress.png"
    )
    text = f"{table_of(found)}\n\n{bytes_table(reference)}\n"
    write_text(folder / "compress.md", f"{text}\n![Regret by bytes](compress.png)\n")
    return text
