"""The training loop: batches in, better weights out. Nothing here saves, draws or plays."""

import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
from mlx.utils import tree_map

from mlx_train.backend import mx, nn, optim, peak_memory
from mlx_train.config import Config
from mlx_train.dataset import Batch
from mlx_train.networks import MLP, Networks, log_policies, values
from mlx_train.weights import load_into


@dataclass(frozen=True, kw_only=True)
class EpochMetrics:
    """One epoch, as it is written to metrics.jsonl. Losses are means over the decisions."""

    epoch: int
    step: int
    learning_rate: float
    validation_loss: float  # of the networks that are trained, together
    samples_per_second: float  # decisions trained on
    waiting: float  # share of the epoch that the step waited for data
    seconds: float
    peak_memory_bytes: int  # MLX's
    train_value_loss: float | None = None  # mean squared error of 2 p - 1
    train_policy_loss: float | None = None  # cross entropy, nats
    validation_value_loss: float | None = None
    validation_policy_loss: float | None = None
    validation_policy_accuracy: float | None = None  # share of decisions whose best move is the most probable

    def to_dict(self) -> dict[str, float]:
        """As plain JSON values; what was not trained is left out."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def learning_rate_schedule(config: Config, steps: int) -> Callable[[mx.array], mx.array]:
    """Linear warm-up, then a cosine down to zero at the last of `steps`."""
    warmup = max(1, round(config.warmup * steps))
    rise = optim.linear_schedule(0.0, config.learning_rate, warmup)
    fall = optim.cosine_decay(config.learning_rate, max(1, steps - warmup))
    return optim.join_schedules([rise, fall], [warmup])


def value_loss(network: MLP, inputs: mx.array, targets: mx.array) -> mx.array:
    """Mean squared error of 2 p - 1."""
    return mx.mean(mx.square(values(network, inputs) - targets))


def policy_loss(network: MLP, inputs: mx.array, targets: mx.array, legal: mx.array) -> mx.array:
    """Cross entropy against the target policy, in nats."""
    return -mx.mean(mx.sum(targets * log_policies(network, inputs, legal), axis=1))


class Source(Protocol):
    """Where batches come from: numpy arrays, all of one size but for the last of the validation."""

    batch_size: int
    steps_per_epoch: int

    def epoch(self, number: int) -> Iterator[Batch]:
        """The training batches of an epoch, counted from 1; the same for the same number."""

    def validation(self) -> Iterator[Batch]:
        """The validation batches, the same each time."""


_RECENT = 64  # batches kept on the device to be trained on again

#: The networks that each choice of `Config.networks` trains.
TRAINED = {"both": ("value", "policy"), "value": ("value",), "policy": ("policy",)}


def to_mlx(batch: Batch, network: str) -> list[mx.array]:
    """The batch's arrays for the "value" or the "policy" network, on MLX's device."""
    arrays = batch[:2] if network == "value" else batch[2:]
    return [mx.array(array) for array in arrays if array is not None]


def network_streams() -> tuple[mx.Stream, mx.Stream]:
    """Where the value and the policy network are trained. Two streams on the CPU, so that each has a core (measured:
    110,000 samples/s against 62,000 on one); one on a GPU, which is filled by either network alone.
    """
    device = mx.default_device()
    if device == mx.Device(mx.gpu):
        return mx.default_stream(device), mx.default_stream(device)
    return mx.new_stream(device), mx.new_stream(device)


class Trainer:
    """A model, its optimizers and the compiled step. Restore a checkpoint into them before the first call of `step`:
    what is replaced afterwards is silently not what is trained.
    """

    def __init__(self, config: Config, steps: int):
        """Make a model for `steps` steps of `config`; its weights follow from the seed, or are read from `init`.

        Raises ValueError if that file is no weights file or of other sizes.
        """
        mx.random.seed(config.seed)
        self.config = config
        self.model = Networks(config.hidden_sizes, config.activation, config.dropout)
        if config.init:
            load_into(self.model, config.init)
        schedule = learning_rate_schedule(config, steps)
        self.value_optimizer = optim.Adam(learning_rate=schedule, bias_correction=True)
        self.policy_optimizer = optim.Adam(learning_rate=schedule, bias_correction=True)
        self.value_optimizer.init(self.model.value.trainable_parameters())
        self.policy_optimizer.init(self.model.policy.trainable_parameters())
        # Everything that a step changes. The compiled step has it as input and as output: what is left out there
        # would silently stay as it is.
        self.state = [
            self.model.state,
            self.value_optimizer.state,
            self.policy_optimizer.state,
            mx.random.state,
        ]
        mx.eval(self.state)
        self._step: Callable[[list[list[mx.array]]], list[mx.array]] | None = None

    @property
    def learning_rate(self) -> float:
        """Adam's learning rate at the last step."""
        optimizer = self.policy_optimizer if self.config.networks == "policy" else self.value_optimizer
        return optimizer.learning_rate.item()

    def step(self, batch: Batch) -> list[mx.array]:
        """One update -> [value loss, policy loss] of the networks that are trained. The work goes on while it returns;
        `mx.eval` of the losses waits for it.
        """
        return self._step_on([to_mlx(batch, name) for name in TRAINED[self.config.networks]])

    def _step_on(self, arrays: list[list[mx.array]]) -> list[mx.array]:
        """The same for arrays that are on the device already."""
        if self._step is None:
            self._step = self._compile()
        losses = self._step(arrays)
        mx.async_eval(losses, self.state)
        return losses

    def _compile(self) -> Callable[[list[list[mx.array]]], list[mx.array]]:
        model = self.model
        value_stream, policy_stream = network_streams()
        known = {
            "value": (value_stream, model.value, self.value_optimizer, partial(value_loss, model.value)),
            "policy": (policy_stream, model.policy, self.policy_optimizer, partial(policy_loss, model.policy)),
        }
        parts = [
            (stream, network, optimizer, nn.value_and_grad(network, loss))
            for stream, network, optimizer, loss in (known[name] for name in TRAINED[self.config.networks])
        ]

        @partial(mx.compile, inputs=self.state, outputs=self.state)
        def step(batches: list[list[mx.array]]) -> list[mx.array]:
            losses = []
            for (stream, network, optimizer, gradient), arrays in zip(parts, batches, strict=True):
                with mx.stream(stream):
                    loss, gradients = gradient(*arrays)
                    optimizer.update(network, gradients)
                losses.append(loss)
            return losses

        return step

    def train_epoch(self, epoch: int, source: Source) -> dict[str, float]:
        """One epoch -> the training part of the metrics."""
        start = time.perf_counter()
        waited = 0.0
        losses: list[list[mx.array]] = []
        recent: deque[list[list[mx.array]]] = deque(maxlen=_RECENT)
        rng = np.random.default_rng((self.config.seed, 5, epoch))
        self.model.train()
        mx.random.seed((self.config.seed * 1_000_003 + epoch) % 2**63)
        batches = source.epoch(epoch)
        while True:
            asked = time.perf_counter()
            batch = next(batches, None)
            waited += time.perf_counter() - asked
            if batch is None:
                break
            arrays = [to_mlx(batch, name) for name in TRAINED[self.config.networks]]
            losses.append(self._step_on(arrays))
            for _ in range(self.config.reuse - 1):
                recent.append(arrays)
                self._step_on(recent[rng.integers(len(recent))])
            if len(losses) > 1:
                mx.eval(losses[-2])  # not much ahead of the device
        mx.eval(losses[-1], self.state)
        seconds = time.perf_counter() - start
        means = [sum(loss.item() for loss in column) / len(losses) for column in zip(*losses, strict=True)]
        return self._named("train", means) | {
            "samples_per_second": len(losses) * self.config.reuse * source.batch_size / seconds,
            "waiting": waited / seconds,
            "seconds": seconds,
        }

    def _named(self, phase: str, losses: list[float]) -> dict[str, float]:
        """The losses of the networks that are trained, by their names in the metrics."""
        names = TRAINED[self.config.networks]
        return {f"{phase}_{name}_loss": loss for name, loss in zip(names, losses, strict=True)}

    def validate(self, source: Source) -> dict[str, float]:
        """Losses over all of the validation batches -> the validation part of the metrics."""
        self.model.eval()
        sums = dict.fromkeys(TRAINED[self.config.networks], 0.0)
        hits = rows = 0
        for batch in source.validation():
            for name in sums:
                arrays = to_mlx(batch, name)
                count = len(arrays[0])
                if name == "value":
                    sums[name] += float(np.array(value_loss(self.model.value, *arrays))) * count
                else:
                    sums[name] += float(np.array(policy_loss(self.model.policy, *arrays))) * count
                    hits += self._hits(*arrays)
            rows += count
        means = [total / rows for total in sums.values()]
        measured = self._named("validation", means) | {"validation_loss": sum(means)}
        if "policy" in sums:
            measured["validation_policy_accuracy"] = hits / rows
        return measured

    def _hits(self, inputs: mx.array, targets: mx.array, legal: mx.array) -> int:
        """In how many rows the most probable move is one of the target's best."""
        choice = mx.argmax(log_policies(self.model.policy, inputs, legal), axis=1, keepdims=True)
        chosen = mx.take_along_axis(targets, choice, axis=1)
        return int(np.array(mx.sum(chosen >= mx.max(targets, axis=1, keepdims=True))))


def train(
    trainer: Trainer, source: Source, on_epoch: Callable[[EpochMetrics], None] = lambda metrics: None
) -> list[EpochMetrics]:
    """Train until the last epoch, or until no network has become better for `patience` epochs.

    The networks share nothing, so each ends with the weights of its own best epoch (`best_epochs`). on_epoch: called
    after every epoch. KeyboardInterrupt leaves the best weights in the model and goes on to the caller. Raises
    FloatingPointError if the loss is no number any more.
    """
    config = trainer.config
    history: list[EpochMetrics] = []
    best_weights: dict[str, Any] = {}
    try:
        for epoch in range(1, config.epochs + 1):
            measured = trainer.train_epoch(epoch, source) | trainer.validate(source)
            metrics = EpochMetrics(
                epoch=epoch,
                step=epoch * source.steps_per_epoch * config.reuse,
                learning_rate=trainer.learning_rate,
                peak_memory_bytes=peak_memory(),
                **measured,
            )
            if not math.isfinite(metrics.validation_loss):
                raise FloatingPointError(
                    f"the validation loss is {metrics.validation_loss} after epoch {epoch}: lower the learning rate"
                )
            history.append(metrics)
            on_epoch(metrics)
            best = best_epochs(history)
            for name, row in best.items():
                if row.epoch == epoch:
                    best_weights[name] = tree_map(mx.array, trainer.model[name].parameters())
            mx.eval(best_weights)
            if config.patience and epoch - max(row.epoch for row in best.values()) >= config.patience:
                break
    finally:
        for name, weights in best_weights.items():
            trainer.model[name].update(weights)
        trainer.model.eval()
    return history


def best_epochs(history: Sequence[EpochMetrics]) -> dict[str, EpochMetrics]:
    """The epoch of the lowest validation loss of each network that is trained, the first among equals."""
    rows = [row.to_dict() for row in history]
    return {
        name: history[min(range(len(rows)), key=lambda i, key=key: rows[i][key])]  # type: ignore[misc]
        for name in ("value", "policy")
        if (key := f"validation_{name}_loss") in rows[0]
    }
