"""The training loop: batches in, better weights out. Nothing here saves, draws or plays."""

import itertools
import math
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from functools import cache, partial
from typing import Any, Protocol

import numpy as np
from mlx.utils import tree_flatten, tree_map, tree_unflatten

from mlx_train.config import Config
from mlx_train.data.dataset import Batch, Share, joined
from mlx_train.device.backend import mx, nn, optim, peak_memory
from mlx_train.device.feature_kernel import feature_bytes
from mlx_train.device.memory import process_peak_memory
from mlx_train.device.table_kernel import DeviceTable
from mlx_train.networks.mlp import MLP, Networks, log_policies, values
from mlx_train.networks.weights import load_into
from mlx_train.system.kill_points import moment
from mlx_train.training.ranks import ALONE, Ranks
from mlx_train.training.soap import Soap, gathers


@dataclass(frozen=True, kw_only=True)
class EpochMetrics:
    """One epoch, as it is written to metrics.jsonl. Losses are means over the decisions."""

    epoch: int
    step: int
    learning_rate: float
    validation_loss: float  # of the networks that are trained, together
    samples_per_second: float  # decisions trained on
    waiting: float  # share of the epoch in which data were waited for and handed over to MLX
    seconds: float
    peak_memory_bytes: int  # MLX's
    process_peak_memory_bytes: int  # all that was resident
    train_value_loss: float | None = None  # mean squared (or absolute, by configuration) error of 2 p - 1
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


def make_optimizer(config: Config, schedule: Callable[[mx.array], mx.array]) -> optim.Optimizer:
    """The optimizer of one network."""
    if config.optimizer == "soap":
        return Soap(schedule)
    return optim.Adam(learning_rate=schedule, bias_correction=True)


def value_loss(
    network: MLP, inputs: mx.array, targets: mx.array, kind: str = "squared", keys: mx.array | None = None
) -> mx.array:
    """Mean squared, or mean absolute, error of 2 p - 1. keys: (n, 2) uint32, for dropout."""
    error = values(network, inputs, keys) - targets
    return mx.mean(mx.square(error) if kind == "squared" else mx.abs(error))


def policy_loss(
    network: MLP, inputs: mx.array, targets: mx.array, legal: mx.array, keys: mx.array | None = None
) -> mx.array:
    """Cross entropy against the target policy, in nats. keys: (n, 2) uint32, for dropout."""
    return -mx.mean(mx.sum(targets * log_policies(network, inputs, legal, keys), axis=1))


class Source(Protocol):
    """Where batches come from: numpy arrays, all of one size but for the last of the validation.

    With several processes each makes its `share` of the rows of every batch, in order.
    """

    batch_size: int  # of all processes together
    steps_per_epoch: int
    share: Share
    together: int  # batches that cross to the device at once

    @property
    def device_table(self) -> DeviceTable | None:
        """The table in which the value inputs are places; None if they are not."""

    def epoch(self, number: int, first: int = 0) -> Generator[Batch, None, None]:
        """The training batches of an epoch, counted from 1; the same for the same number. first: batches left out."""

    def validation(self) -> Iterator[Batch]:
        """The validation batches, the same each time."""


_CPU_PIECES = 2  # of a batch, unless told
_RECENT = 64  # batches kept on the device to be trained on again

#: The networks that each choice of `Config.networks` trains.
TRAINED = {"both": ("value", "policy"), "value": ("value",), "policy": ("policy",)}


def to_mlx(batch: Batch, network: str, table: DeviceTable | None = None) -> list[mx.array]:
    """The batch's arrays for the "value" or the "policy" network, on MLX's device, all inputs as features.

    table: of a batch whose value inputs are places in it.
    """
    return _as_features([mx.array(array) for array in _columns(batch, network)], table)


def handed_over(batches: Iterable[Batch], networks: Sequence[str], together: int) -> Iterator[list[list[mx.array]]]:
    """For each batch its arrays for each of the networks, in MLX; inputs of a GPU are not features yet.

    together: how many batches cross to the device at once; each crossing to a GPU has its own cost.
    """
    rest = iter(batches)
    while group := list(itertools.islice(rest, together)):
        parts = [[_columns(batch, name) for name in networks] for batch in group]
        crossed = [
            [mx.array(joined(column)) for column in zip(*network, strict=True)] for network in zip(*parts, strict=True)
        ]
        ends = itertools.accumulate((len(part[0][0]) for part in parts), initial=0)
        for start, end in itertools.pairwise(ends):
            yield [[array[start:end] for array in arrays] for arrays in crossed]


def _columns(batch: Batch, network: str) -> list[np.ndarray]:
    """A network's part of a batch."""
    return [array for array in (batch[:2] if network == "value" else batch[2:]) if array is not None]


def _as_features(arrays: list[mx.array], table: DeviceTable | None) -> list[mx.array]:
    """A batch whose inputs become features if they are not, by a stream of its own beside the step before."""
    if arrays[0].dtype != mx.uint32:
        return arrays
    if arrays[0].ndim == 1:
        if table is None:
            raise ValueError("rows that are places in the table of the solved game need the table")
        moved = table.rows(arrays[0], transfer_stream())
    else:
        stream = transfer_stream()
        rest = [mx.where(True, array, array, stream=stream) for array in arrays[1:]]
        moved = [feature_bytes(arrays[0], stream), *rest]
    mx.async_eval(moved)
    return moved


@cache
def transfer_stream() -> mx.Stream:
    """Where rows become features on a GPU."""
    return mx.new_stream(mx.gpu)


def network_streams() -> tuple[mx.Stream, mx.Stream]:
    """Where the value and the policy network are trained. Two streams on the CPU, so that each has a core (measured:
    110,000 samples/s against 62,000 on one); one on a GPU, which is filled by either network alone.
    """
    device = mx.default_device()
    if device == mx.Device(mx.gpu):
        return mx.default_stream(device), mx.default_stream(device)
    return mx.new_stream(device), mx.new_stream(device)


@dataclass(kw_only=True)
class Position:
    """How far the training is. With the trainer's arrays and the best weights, all that the rest of it depends on."""

    epoch: int = 1  # under way, counted from 1
    step: int = 0  # batches of it that were trained on
    updates: int = 0  # steps of the optimizers in all
    loss_sums: list[float] = field(default_factory=list)  # of each network, over those batches
    history: list[EpochMetrics] = field(default_factory=list)  # of the epochs that are done
    seconds: float = 0.0  # that the training has taken
    finished: bool = False

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self) | {"history": [metrics.to_dict() for metrics in self.history]}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Position":
        """The inverse of `to_dict`. Raises TypeError for anything else."""
        return cls(**values | {"history": [EpochMetrics(**row) for row in values["history"]]})


class Trainer:
    """A model, its optimizers, the compiled step, and how far the training is.

    Restore a checkpoint into them before the first call of `step`: what is replaced afterwards is silently not what is
    trained.
    """

    def __init__(self, config: Config, steps: int, ranks: Ranks = ALONE, *, restored: bool = False):
        """Make a model for `steps` steps of `config`; its weights follow from the seed, or are read from `init`.

        ranks: the processes that train it together, each on its share of every batch. restored: whether a checkpoint
        will be put in, which has all weights. Raises ValueError if `init` is no weights file or of other sizes.
        """
        mx.random.seed(config.seed)
        self.config = config
        self.pieces = config.pieces or (1 if mx.default_device() == mx.Device(mx.gpu) else _CPU_PIECES)
        self.ranks = ranks
        self.model = Networks(config.hidden_sizes, config.activation, config.dropout)
        if config.init and ranks.leads and not restored:
            load_into(self.model, config.init)
        if ranks.share.size > 1:  # the random numbers of one device are not quite those of another
            self.model.update(ranks.first_arrays(self.model.parameters()))
        schedule = learning_rate_schedule(config, steps)
        self.value_optimizer = make_optimizer(config, schedule)
        self.policy_optimizer = make_optimizer(config, schedule)
        self.value_optimizer.init(self.model.value.trainable_parameters())
        self.policy_optimizer.init(self.model.policy.trainable_parameters())
        # Everything that a step changes. The compiled step has it as input and as output: what is left out there
        # would silently stay as it is.
        self.optimizers = {"value": self.value_optimizer, "policy": self.policy_optimizer}
        self.state = [(self.model[name].state, self.optimizers[name].state) for name in TRAINED[config.networks]]
        self.position = Position(loss_sums=[0.0] * len(TRAINED[config.networks]))
        #: The weights of each network's best epoch so far.
        self.best: dict[str, Any] = {}
        mx.eval(self.state)
        self._step: Callable[..., list[mx.array]] | None = None
        self._losses: list[list[mx.array]] = []  # of batches that are not in the position's sums yet

    @property
    def learning_rate(self) -> float:
        """The optimizer's learning rate at the last step."""
        optimizer = self.policy_optimizer if self.config.networks == "policy" else self.value_optimizer
        return optimizer.learning_rate.item()

    def step(self, batch: Batch, rows: int | None = None, stop: bool = False) -> list[mx.array]:
        """One update -> [value loss, policy loss] of the networks that are trained. The work goes on while it returns;
        `mx.eval` of the result waits for it.

        batch: this process's share of `rows` rows. Among several processes the result ends with the number of those
        that said `stop`.
        """
        return self._step_on([to_mlx(batch, name) for name in TRAINED[self.config.networks]], rows, stop)

    def _step_on(self, arrays: list[list[mx.array]], rows: int | None = None, stop: bool = False) -> list[mx.array]:
        """The same for arrays that are on the device already."""
        if self._step is None:
            self._step = self._compile()
        key = None
        if self.config.dropout:
            key = mx.random.key((self.config.seed * 1_000_003 + self.position.updates) % 2**63)
        flag = mx.array([float(stop)]) if self.ranks.share.size > 1 else None
        gathering = self.config.optimizer == "soap" and gathers(self.position.updates + 1)
        results = self._step(arrays, rows or len(arrays[0][0]), key, flag, gathering)
        self.position.updates += 1
        mx.async_eval(results, self.state)
        for name in TRAINED[self.config.networks]:
            if isinstance(optimizer := self.optimizers[name], Soap):
                optimizer.renew(self.position.updates)
        return results

    def _compile(self) -> Callable[..., list[mx.array]]:
        model = self.model
        value_stream, policy_stream = network_streams()
        known = {
            "value": (
                value_stream,
                model.value,
                self.value_optimizer,
                partial(value_loss, model.value, kind=self.config.value_loss),
            ),
            "policy": (policy_stream, model.policy, self.policy_optimizer, partial(policy_loss, model.policy)),
        }
        parts = [
            (stream, network, optimizer, nn.value_and_grad(network, loss))
            for stream, network, optimizer, loss in (known[name] for name in TRAINED[self.config.networks])
        ]

        @partial(mx.compile, inputs=self.state, outputs=self.state)
        def step(
            batches: list[list[mx.array]],
            rows: int,
            key: mx.array | None,
            stop: mx.array | None,
            gathering: bool,
        ) -> list[mx.array]:
            losses, slopes = [], []
            for (stream, _, _, gradient), arrays, keys in zip(parts, batches, self._keys(rows, key), strict=True):
                with mx.stream(stream):
                    loss, slope = self._in_pieces(gradient, arrays, keys, rows)
                losses.append(loss)
                slopes.append(slope)
            results = losses
            if stop is not None:
                results, slopes = self._over_all_ranks(losses, slopes, stop)
            for (stream, network, optimizer, _), slope in zip(parts, slopes, strict=True):
                if isinstance(optimizer, Soap):
                    optimizer.gathering = gathering
                with mx.stream(stream):
                    optimizer.update(network, slope)
            return results

        return step

    def _in_pieces(
        self, gradient: Callable[..., tuple[mx.array, Any]], arrays: list[mx.array], keys: mx.array | None, rows: int
    ) -> tuple[mx.array, Any]:
        """-> (loss, gradient) of `rows` rows, as far as they are this process's, summed over pieces of them.

        The order of a sum decides its last bit, the last bit whether a ReLU is above zero, and that, by and by, a
        thousandth of a weight. So a process that works alone sums over the pieces that two processes would have.
        """
        count = len(arrays[0])
        pieces = min(count, max(1, self.pieces // self.ranks.share.size))
        if count == rows and pieces == 1:
            return gradient(*arrays, keys=keys)
        total: Any = None
        for piece in range(pieces):
            own = Share(piece, pieces).of(count)
            found = gradient(*(array[own] for array in arrays), keys=None if keys is None else keys[own])
            weight = (own.stop - own.start) / rows
            found = tree_map(lambda array, weight=weight: array * weight, found)
            total = found if total is None else tree_map(mx.add, total, found)
        return total

    def _keys(self, rows: int, key: mx.array | None) -> list[mx.array | None]:
        """For each network, (n, 2) random keys of this process's rows: a row's follows from its place in the batch."""
        names = TRAINED[self.config.networks]
        if key is None:
            return [None] * len(names)
        return [mx.random.split(own, rows)[self.ranks.share.of(rows)] for own in mx.random.split(key, len(names))]

    def _over_all_ranks(
        self, losses: list[mx.array], slopes: list[Any], stop: mx.array
    ) -> tuple[list[mx.array], list[Any]]:
        """Losses and gradients of the whole batch from those of the shares -> ([*losses, stops], gradients).

        One sum over the processes for all of it: two at a time might meet in another order elsewhere.
        """
        trees: list[list[tuple[str, mx.array]]] = [tree_flatten(slope) for slope in slopes]  # type: ignore[misc]
        arrays = [array for tree in trees for _, array in tree] + losses
        flat = mx.concatenate([*(array.reshape(-1) for array in arrays), stop])
        ends = np.cumsum([array.size for array in arrays]).tolist()
        *summed, stops = mx.split(self.ranks.sum(flat), ends)
        shaped = [one.reshape(array.shape) for one, array in zip(summed, arrays, strict=True)]
        rest = iter(shaped)
        slopes = [tree_unflatten([(name, next(rest)) for name, _ in tree]) for tree in trees]
        # Copies: a part of the sum would keep all gradients of the step in memory, and under CUDA bring them all to
        # the host when its one number is read.
        return [mx.contiguous(part) for part in (*rest, stops)], slopes

    def train_epoch(
        self,
        source: Source,
        *,
        stopping: Callable[[], bool] = lambda: False,
        on_batch: Callable[[], None] = lambda: None,
    ) -> dict[str, float] | None:
        """The rest of the epoch under way -> the training part of its metrics, or None where it was left early.

        stopping: asked at each batch whether to leave; of several processes, all leave after the same batch.
        on_batch: called after each batch.
        """
        start = time.perf_counter()
        waited = 0.0
        position, config = self.position, self.config
        alone = self.ranks.share.size == 1
        stopped = False
        former: list[mx.array] | None = None
        latest: list[mx.array] | None = None
        first = position.step
        # What is trained on again after the first batches are the batches before them.
        begin = max(0, first - _RECENT) if config.reuse > 1 else first
        recent: deque[list[list[mx.array]]] = deque(maxlen=_RECENT)
        with closing(source.epoch(position.epoch, begin)) as batches:
            crossed = handed_over(batches, TRAINED[config.networks], source.together)
            for number in itertools.count(begin):
                asked = time.perf_counter()
                rows = next(crossed, None)
                waited += time.perf_counter() - asked
                if rows is None:
                    break
                arrays = [_as_features(network, source.device_table) for network in rows]
                if config.reuse > 1:
                    recent.append(arrays)
                if number < first:
                    continue
                former, latest = latest, self._step_on(arrays, source.batch_size, stopping())
                self._losses.append(latest)
                if config.reuse > 1:
                    rng = np.random.default_rng((config.seed, 5, position.epoch, number))
                    for _ in range(config.reuse - 1):
                        self._step_on(recent[rng.integers(len(recent))], source.batch_size)
                position.step += 1
                on_batch()
                if former is not None:
                    mx.eval(former)  # not much ahead of the device
                    stopped = not alone and bool(former[-1].item())
                if stopped or (alone and stopping()):
                    stopped = True
                    break
        self.settle()
        if stopped:
            return None
        seconds = time.perf_counter() - start
        means = [total / position.step for total in position.loss_sums]
        return self._named("train", means) | {
            "samples_per_second": (position.step - first) * config.reuse * source.batch_size / seconds,
            "waiting": waited / seconds,
            "seconds": seconds,
        }

    def settle(self) -> None:
        """Wait for the steps that are under way; the position then says all that they did."""
        mx.eval(self._losses, self.state)
        for losses in self._losses:
            for number, loss in enumerate(losses[: len(TRAINED[self.config.networks])]):
                self.position.loss_sums[number] += float(np.array(loss))
        self._losses.clear()

    def end_epoch(self, metrics: EpochMetrics) -> None:
        """Note what an epoch has brought and go to the next one."""
        position = self.position
        position.history.append(metrics)
        position.epoch, position.step = metrics.epoch + 1, 0
        position.loss_sums = [0.0] * len(position.loss_sums)
        for name, row in best_epochs(position.history).items():
            if row.epoch == metrics.epoch:
                self.best[name] = tree_map(mx.array, self.model[name].parameters())
        mx.eval(self.best)
        moment("epoch ended")

    def use_best(self) -> None:
        """Put the weights of the best epochs into the model."""
        for name, weights in self.best.items():
            self.model[name].update(weights)

    def is_over(self) -> bool:
        """Whether the last epoch is done, or no network has become better for `patience` epochs."""
        config, position = self.config, self.position
        if position.epoch > config.epochs:
            return True
        if not config.patience or not position.history:
            return False
        best = max(row.epoch for row in best_epochs(position.history).values())
        return position.epoch - 1 - best >= config.patience

    def _named(self, phase: str, losses: list[float]) -> dict[str, float]:
        """The losses of the networks that are trained, by their names in the metrics."""
        names = TRAINED[self.config.networks]
        return {f"{phase}_{name}_loss": loss for name, loss in zip(names, losses, strict=True)}

    def validate(self, source: Source) -> dict[str, float]:
        """Losses over all of the validation batches -> the validation part of the metrics."""
        sums = dict.fromkeys(TRAINED[self.config.networks], 0.0)
        hits = rows = 0
        for batch in source.validation():
            count = 0
            for name in sums:
                arrays = to_mlx(batch, name, source.device_table)
                count = len(arrays[0])
                if count == 0:  # a small last batch among many processes
                    continue
                if name == "value":
                    loss = value_loss(self.model.value, arrays[0], arrays[1], self.config.value_loss)
                    sums[name] += float(np.array(loss)) * count
                else:
                    sums[name] += float(np.array(policy_loss(self.model.policy, *arrays))) * count
                    hits += self._hits(*arrays)
            rows += count
        *totals, hits, rows = map(sum, zip(*self.ranks.gather([*sums.values(), hits, rows]), strict=True))
        means = [total / rows for total in totals]
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
    trainer: Trainer,
    source: Source,
    on_epoch: Callable[[EpochMetrics], None] = lambda metrics: None,
    *,
    stopping: Callable[[], bool] = lambda: False,
    on_batch: Callable[[], None] = lambda: None,
) -> list[EpochMetrics]:
    """Train from the trainer's position until the last epoch, or until no network has become better for `patience`.

    The networks share nothing, so each ends with the weights of its own best epoch (`best_epochs`). on_epoch: called
    after every epoch; on_batch: after every batch, a place where the trainer can be saved. stopping: whether to leave
    before the end; the trainer then stays as it is, not finished. Raises FloatingPointError if the loss is no number
    any more.
    """
    position = trainer.position
    while not trainer.is_over():
        trained = trainer.train_epoch(source, stopping=stopping, on_batch=on_batch)
        if trained is None:
            return position.history
        measured = trained | trainer.validate(source)
        metrics = EpochMetrics(
            epoch=position.epoch,
            step=position.updates,
            learning_rate=trainer.learning_rate,
            peak_memory_bytes=peak_memory(),
            process_peak_memory_bytes=process_peak_memory(),
            **measured,
        )
        if not math.isfinite(metrics.validation_loss):
            raise FloatingPointError(
                f"the validation loss is {metrics.validation_loss} after epoch {metrics.epoch}: lower the learning rate"
            )
        trainer.end_epoch(metrics)
        on_epoch(metrics)
    trainer.use_best()
    position.finished = True
    return position.history


def best_epochs(history: Sequence[EpochMetrics]) -> dict[str, EpochMetrics]:
    """The epoch of the lowest validation loss of each network that is trained, the first among equals."""
    rows = [row.to_dict() for row in history]
    return {
        name: history[min(range(len(rows)), key=lambda i, key=key: rows[i][key])]  # type: ignore[misc]
        for name in ("value", "policy")
        if (key := f"validation_{name}_loss") in rows[0]
    }
