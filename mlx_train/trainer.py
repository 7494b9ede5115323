"""The training loop: batches in, better weights out. Nothing here saves, draws or plays."""

import math
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import TypeVar

from mlx.utils import tree_map

from mlx_train.backend import mx, nn, optim, peak_memory
from mlx_train.config import Config
from mlx_train.dataset import Batch, Labels
from mlx_train.networks import MLP, Networks, log_policies, values

T = TypeVar("T")

_PREFETCHED = 16  # batches made ahead of the step
_VALIDATION_BATCH = 8192


@dataclass(frozen=True, kw_only=True)
class EpochMetrics:
    """One epoch, as it is written to metrics.jsonl. Losses are means over the decisions."""

    epoch: int
    step: int
    learning_rate: float
    train_value_loss: float  # mean squared error of 2 p - 1
    train_policy_loss: float  # cross entropy, nats
    validation_value_loss: float
    validation_policy_loss: float
    validation_policy_accuracy: float  # share of decisions whose best move is the most probable
    validation_loss: float  # value and policy together
    samples_per_second: float  # decisions trained on
    waiting: float  # share of the epoch that the step waited for data
    seconds: float
    peak_memory_bytes: int  # MLX's

    def to_dict(self) -> dict[str, float]:
        """As plain JSON values."""
        return asdict(self)


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


def to_mlx(batch: Batch) -> tuple[mx.array, ...]:
    """The batch's arrays on MLX's device."""
    return tuple(mx.array(array) for array in batch)


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
        """Make a fresh model for `steps` steps of `config`; its initial weights follow from the seed."""
        mx.random.seed(config.seed)
        self.config = config
        self.model = Networks(config.hidden_sizes, config.activation, config.dropout)
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
        self._step: Callable[[tuple[mx.array, ...]], tuple[mx.array, mx.array]] | None = None

    def step(self, batch: Batch) -> tuple[mx.array, mx.array]:
        """One update of both networks -> (value loss, policy loss) of the batch, evaluated."""
        if self._step is None:
            self._step = self._compile()
        result = self._step(to_mlx(batch))
        mx.eval(result, self.state)
        return result

    def _compile(self) -> Callable[[tuple[mx.array, ...]], tuple[mx.array, mx.array]]:
        model = self.model
        value_gradient = nn.value_and_grad(model.value, partial(value_loss, model.value))
        policy_gradient = nn.value_and_grad(model.policy, partial(policy_loss, model.policy))
        value_stream, policy_stream = network_streams()

        @partial(mx.compile, inputs=self.state, outputs=self.state)
        def step(batch: tuple[mx.array, ...]) -> tuple[mx.array, mx.array]:
            with mx.stream(value_stream):
                value, gradients = value_gradient(*batch[:2])
                self.value_optimizer.update(model.value, gradients)
            with mx.stream(policy_stream):
                policy, gradients = policy_gradient(*batch[2:])
                self.policy_optimizer.update(model.policy, gradients)
            return value, policy

        return step

    def train_epoch(self, epoch: int, labels: Labels, batch_size: int) -> dict[str, float]:
        """One pass over the labels -> the training part of the metrics."""
        start = time.perf_counter()
        waited = value_sum = policy_sum = 0.0
        steps = 0
        self.model.train()
        mx.random.seed((self.config.seed * 1_000_003 + epoch) % 2**63)
        batches = ahead(labels.epoch(batch_size, (self.config.seed, 2, epoch)))
        while True:
            asked = time.perf_counter()
            batch = next(batches, None)
            waited += time.perf_counter() - asked
            if batch is None:
                break
            value, policy = self.step(batch)
            value_sum += value.item()
            policy_sum += policy.item()
            steps += 1
        seconds = time.perf_counter() - start
        return {
            "train_value_loss": value_sum / steps,
            "train_policy_loss": policy_sum / steps,
            "samples_per_second": steps * batch_size / seconds,
            "waiting": waited / seconds,
            "seconds": seconds,
        }

    def validate(self, labels: Labels) -> dict[str, float]:
        """Losses over all of the labels -> the validation part of the metrics."""
        self.model.eval()
        value_sum = policy_sum = right = 0.0
        for batch in labels.all(_VALIDATION_BATCH, (self.config.seed, 3)):
            count = len(batch.value_targets)
            arrays = to_mlx(batch)
            value = value_loss(self.model.value, *arrays[:2])
            policy = policy_loss(self.model.policy, *arrays[2:])
            choice = mx.argmax(log_policies(self.model.policy, arrays[2], arrays[4]), axis=1, keepdims=True)
            best = mx.max(arrays[3], axis=1, keepdims=True)
            hits = mx.sum(mx.take_along_axis(arrays[3], choice, axis=1) >= best)
            value_sum += value.item() * count
            policy_sum += policy.item() * count
            right += hits.item()
        return {
            "validation_value_loss": value_sum / len(labels),
            "validation_policy_loss": policy_sum / len(labels),
            "validation_policy_accuracy": right / len(labels),
            "validation_loss": (value_sum + policy_sum) / len(labels),
        }


def train(
    trainer: Trainer,
    training: Labels,
    validation: Labels,
    on_epoch: Callable[[EpochMetrics], None] = lambda metrics: None,
) -> list[EpochMetrics]:
    """Train until the last epoch or until `patience` epochs brought nothing; the best epoch's weights are kept.

    on_epoch: called after every epoch. KeyboardInterrupt leaves the best weights in the model and goes on to the
    caller.
    """
    config = trainer.config
    batch_size = effective_batch_size(config, training)
    history: list[EpochMetrics] = []
    best = math.inf
    best_weights = None
    best_epoch = 0
    try:
        for epoch in range(1, config.epochs + 1):
            measured = trainer.train_epoch(epoch, training, batch_size) | trainer.validate(validation)
            metrics = EpochMetrics(
                epoch=epoch,
                step=int(trainer.value_optimizer.step.item()),
                learning_rate=trainer.value_optimizer.learning_rate.item(),
                peak_memory_bytes=peak_memory(),
                **measured,
            )
            if not math.isfinite(metrics.validation_loss):
                raise FloatingPointError(
                    f"the validation loss is {metrics.validation_loss} after epoch {epoch}: lower the learning rate"
                )
            history.append(metrics)
            on_epoch(metrics)
            if metrics.validation_loss < best:
                best, best_epoch = metrics.validation_loss, epoch
                best_weights = tree_map(mx.array, trainer.model.parameters())
                mx.eval(best_weights)
            elif config.patience and epoch - best_epoch >= config.patience:
                break
    finally:
        if best_weights is not None:
            trainer.model.update(best_weights)
        trainer.model.eval()
    return history


def effective_batch_size(config: Config, training: Labels) -> int:
    """The configured batch size, or all of the decisions where there are fewer."""
    return min(config.batch_size, len(training))


def total_steps(config: Config, training: Labels) -> int:
    """Steps of all epochs."""
    return config.epochs * (len(training) // effective_batch_size(config, training))


def ahead(items: Iterable[T], depth: int = _PREFETCHED) -> Iterator[T]:
    """The same items, made by a thread of their own up to `depth` ahead. They must be numpy's: MLX arrays that were
    not evaluated fail in another thread.
    """
    waiting: queue.Queue[tuple[bool, T | BaseException | None]] = queue.Queue(maxsize=depth)
    stop = threading.Event()

    def put(entry: tuple[bool, T | BaseException | None]) -> None:
        while not stop.is_set():
            try:
                return waiting.put(entry, timeout=0.1)
            except queue.Full:
                continue

    def produce() -> None:
        try:
            for item in items:
                put((True, item))
                if stop.is_set():
                    return
            put((False, None))
        except BaseException as error:  # handed to the consumer
            put((False, error))

    thread = threading.Thread(target=produce, daemon=True)
    thread.start()
    try:
        while True:
            more, item = waiting.get()
            if not more:
                if item is not None:
                    raise item  # type: ignore[misc]
                return
            yield item  # type: ignore[misc]
    finally:
        stop.set()
        thread.join()
