"""The training loop: batches in, better weights out. Nothing here saves, draws or plays."""

import math
import time
from collections import deque
from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import Any

import numpy as np
from mlx.utils import tree_map

from engine.network.network import Network
from mlx_train.config import Config, SelfplayConfig
from mlx_train.data.batches import Batch, Share
from mlx_train.data.source import Source
from mlx_train.data.transfer import crossing, to_mlx
from mlx_train.device.backend import mx, nn, peak_memory
from mlx_train.networks.mlp import Networks, centre_outputs
from mlx_train.networks.weights import load_into, to_document
from mlx_train.system.kill_points import moment
from mlx_train.system.peak_memory import process_peak_memory
from mlx_train.training.adam import Adam, as_tree, as_vector
from mlx_train.training.losses import policy_hits, policy_loss, value_loss
from mlx_train.training.ranks import ALONE, Ranks
from mlx_train.training.schedule import learning_rate_schedule
from mlx_train.training.soap import Soap, gathers
from mlx_train.training.state import EpochMetrics, TrainingState, best_epochs

#: Chunks of a batch whose gradients are summed on the CPU, so that two processes equal one. A GPU takes it whole.
CPU_CHUNKS = 2

#: Steps on a GPU from one look at whether a process said stop to the next: a look takes longer than a step, because
#: the page that the number is in moves to the host and back.
GPU_LOOKS = 64

#: Steps that wait for the device while the host makes the next one. Under CUDA more: another thread's hold on Python's
#: lock stops the host for longer than a GPU takes for a step, and other processes would wait for this one.
AHEAD, CUDA_AHEAD = 1, 4

#: The networks that each choice of `Config.networks` trains.
TRAINED = {"both": ("value", "policy"), "value": ("value",), "policy": ("policy",)}


def make_optimizer(config: Config | SelfplayConfig, schedule: Callable[[mx.array], mx.array]) -> Adam | Soap:
    """The optimizer of one network. A checkpoint holds what it has `saved`."""
    if config.optimizer == "soap":
        return Soap(schedule)
    return Adam(schedule)


def network_streams() -> tuple[mx.Stream, mx.Stream]:
    """Where the value and the policy network are trained. Two streams on the CPU, so that each has a core (measured:
    110,000 samples/s against 62,000 on one); one on a GPU, which is filled by either network alone.
    """
    device = mx.default_device()
    if device == mx.Device(mx.gpu):
        return mx.default_stream(device), mx.default_stream(device)
    return mx.new_stream(device), mx.new_stream(device)


class Trainer:
    """Networks, their optimizers, the compiled step, and how far the training is.

    A checkpoint must be restored before the first call of `step`: the compiled step keeps the arrays that it finds
    then, and would not train arrays that replace them later.

    Attributes:
        names: the networks that are trained, "value" or "policy" or both.
        model: the networks.
        optimizers: the optimizer of each network that is trained, by the network's name.
        best: the weights of each network's best epoch so far; empty without validation.
        average: the running average of the weights of each network that is trained; empty without `averaging`.
        player: a copy of the averaged weights, taken when the epoch begins; these weights play the games of the epoch.
        arrays: everything that a step changes.
        state: how far the training is.
    """

    def __init__(
        self,
        config: Config | SelfplayConfig,
        steps: int,
        ranks: Ranks = ALONE,
        *,
        restored: bool = False,
        chunks: int | None = None,
    ):
        """Make a model for `steps` steps of `config`; its weights follow from the seed, or are read from `init`.

        ranks: the processes that train the model together, each on its share of every batch. restored: whether a
        checkpoint, which has all weights, will be restored afterwards. chunks: into how many chunks a batch is divided
        for its gradient; by default CPU_CHUNKS on the CPU, 1 on a GPU. Raises ValueError if `init` is no weights file,
        or has networks of other sizes.
        """
        mx.random.seed(config.seed)
        self.config = config
        self.names = TRAINED[config.networks]
        self.chunks = chunks or (1 if mx.default_device() == mx.Device(mx.gpu) else CPU_CHUNKS)
        self.ranks = ranks
        self.model = Networks(config.hidden_sizes, config.activation, config.dropout, rules=config.rules)
        if config.init and ranks.leads and not restored:
            load_into(self.model, config.init)
        if ranks.share.size > 1:  # the random numbers of one device are not quite those of another
            self.model.update(ranks.first_arrays(self.model.parameters()))
        schedule = learning_rate_schedule(config, steps)
        self.optimizers = {name: make_optimizer(config, schedule) for name in self.names}
        for name, optimizer in self.optimizers.items():
            optimizer.init(self.model[name].trainable_parameters())
        self.best: dict[str, Any] = {}
        self.average: dict[str, Any] = {}
        if config.averaging or config.plays:
            self.average |= {name: tree_map(mx.array, self.model[name].parameters()) for name in self.names}
        self.player: dict[str, Any] = {}
        # The compiled step has the arrays as input and as output: an array that is missing would silently stay.
        self.arrays = [(self.model[name].state, self.optimizers[name].state) for name in self.names] + [self.average]
        self.state = TrainingState(loss_sums=[0.0] * len(self.names))
        mx.eval(self.arrays)
        self._compiled: Callable[..., list[mx.array]] | None = None
        # Made once: an array that the host makes at a step has MLX's small arrays move to the host and back under CUDA.
        self._flags = {stop: mx.full(2, float(stop)) for stop in (False, True)}
        mx.eval(list(self._flags.values()))
        self._losses: list[list[mx.array]] = []  # losses that `settle` has not added to the sums yet

    @property
    def learning_rate(self) -> float:
        """The learning rate at the last step."""
        return self.optimizers[self.names[0]].learning_rate.item()

    # A step

    def step(self, batch: Batch, rows: int | None = None, stop: bool = False) -> list[mx.array]:
        """One update -> [value loss, policy loss] of the networks that are trained. The work goes on while it returns;
        `mx.eval` of the result waits for it.

        batch: this process's share of `rows` rows. Among several processes the result is one array: the losses, and
        two numbers that are above 0 where a process said `stop`.
        """
        return self.step_on([to_mlx(batch, name, rules=self.config.rules) for name in self.names], rows, stop)

    def step_on(self, arrays: list[list[mx.array]], rows: int | None = None, stop: bool = False) -> list[mx.array]:
        """`step` for rows on the device: the features and labels of each network."""
        if self._compiled is None:
            self._compiled = self._compile()
        key = None
        if self.config.dropout:
            key = mx.random.key((self.config.seed * 1_000_003 + self.state.updates) % 2**63)
        flag = self._flags[stop] if self.ranks.share.size > 1 else None
        gathering = self.config.optimizer == "soap" and gathers(self.state.updates + 1)
        results = self._compiled(arrays, rows or len(arrays[0][0]), key, flag, gathering)
        self._after_step(results)
        return results

    def _after_step(self, results: list[mx.array]) -> None:
        """Between two calls of the compiled step: count it, have the device begin, and renew SOAP's eigenvectors."""
        self.state.updates += 1
        mx.async_eval(results, self.arrays)
        for optimizer in self.optimizers.values():
            if isinstance(optimizer, Soap):
                optimizer.renew(self.state.updates)

    def _compile(self) -> Callable[..., list[mx.array]]:
        losses: dict[str, Callable[..., mx.array]] = {
            "value": partial(value_loss, self.model.value, kind=self.config.value_loss),
            "policy": partial(policy_loss, self.model.policy),
        }
        streams = dict(zip(("value", "policy"), network_streams(), strict=True))
        gradients = {name: nn.value_and_grad(self.model[name], losses[name]) for name in self.names}

        @partial(mx.compile, inputs=self.arrays, outputs=self.arrays)
        def step(
            batches: list[list[mx.array]], rows: int, key: mx.array | None, stop: mx.array | None, gathering: bool
        ) -> list[mx.array]:
            results, slopes = [], []
            for name, arrays, keys in zip(self.names, batches, self._keys(rows, key), strict=True):
                with mx.stream(streams[name]):
                    loss, slope = self._in_chunks(gradients[name], arrays, keys, rows)
                results.append(loss)
                slopes.append(slope)
            if stop is not None:
                weight = len(batches[0][0]) / rows
                results, slopes = self._over_all_ranks(results, slopes, stop, weight)
            for name, slope in zip(self.names, slopes, strict=True):
                optimizer = self.optimizers[name]
                if isinstance(optimizer, Soap):
                    optimizer.gathering = gathering
                with mx.stream(streams[name]):
                    optimizer.update(self.model[name], slope)
                    if name == "policy":
                        centre_outputs(self.model.policy)
                        optimizer.take(self.model.policy.parameters())
                    if self.average:
                        self._follow(name)
            return results

        return step

    def _follow(self, name: str) -> None:
        """Move a network's average towards its weights; faster in the first steps, to forget the random start."""
        steps = self.optimizers[name].state["step"].astype(mx.float32)
        decay = mx.minimum(self.config.averaging, (1 + steps) / (10 + steps))
        self.average[name] = tree_map(
            lambda old, new: new + decay * (old - new), self.average[name], self.model[name].parameters()
        )

    def _in_chunks(
        self, gradient: Callable[..., tuple[mx.array, Any]], arrays: list[mx.array], keys: mx.array | None, rows: int
    ) -> tuple[mx.array, Any]:
        """-> (loss, gradient) of this process's share of `rows` rows, the means over it, summed over chunks.

        The order of the terms changes the last bit of a sum. Such a bit can decide whether a ReLU is above zero, and
        after many steps the weights differ by a thousandth. So a process that works alone adds the sums of the chunks
        that two processes would have.
        """
        count = len(arrays[0])
        chunks = min(count, max(1, self.chunks // self.ranks.share.size))
        if chunks == 1:
            return gradient(*arrays, keys=keys)
        total: Any = None
        for chunk in range(chunks):
            part = Share(chunk, chunks).of(count)
            results = gradient(*(array[part] for array in arrays), keys=None if keys is None else keys[part])
            weight = (part.stop - part.start) / count
            results = tree_map(lambda array, weight=weight: array * weight, results)
            total = results if total is None else tree_map(mx.add, total, results)
        return total

    def _keys(self, rows: int, key: mx.array | None) -> list[mx.array | None]:
        """For each network, (n, 2) random keys of this process's rows: a row's follows from its place in the batch."""
        if key is None:
            return [None] * len(self.names)
        keys = mx.random.split(key, len(self.names))
        return [mx.random.split(one, rows)[self.ranks.share.of(rows)] for one in keys]

    def _over_all_ranks(
        self, losses: list[mx.array], slopes: list[Any], stop: mx.array, weight: float
    ) -> tuple[list[mx.array], list[Any]]:
        """Sum the losses and the gradients of the shares to the whole batch's -> ([losses and stops], gradients).

        weight: this process's share of the rows. All values go through one all_sum: two could start in opposite order
        in another process, and deadlock.
        """
        vectors = [as_vector(slope) for slope in slopes]
        flat = weight * mx.concatenate([*vectors, *(loss[None] for loss in losses), stop])
        *summed, last = mx.split(self.ranks.sum(flat), np.cumsum([vector.size for vector in vectors]).tolist())
        slopes = [
            vector if isinstance(self.optimizers[name], Adam) else as_tree(vector, slope)
            for name, vector, slope in zip(self.names, summed, slopes, strict=True)
        ]
        # A copy: a part of the sum would keep all gradients of the step in memory, and under CUDA bring them all to
        # the host when it is read. Under CUDA arrays of up to eight bytes lie in pages that move between the host and
        # the device, with the optimizers' numbers; this array is larger, because the host reads it between steps.
        return [mx.contiguous(last)], slopes

    # An epoch

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
        state = self.state
        alone = self.ranks.share.size == 1
        on_gpu = mx.default_device() == mx.Device(mx.gpu)
        looks = GPU_LOOKS if on_gpu else 1
        ahead = CUDA_AHEAD if on_gpu and mx.cuda.is_available() else AHEAD
        stopped = False
        under_way: deque[list[mx.array]] = deque()
        first = state.step
        if self.average and not first:
            self.player = tree_map(mx.array, self.average)
        with (
            closing(source.epoch(state.epoch, first, self.playing_network)) as batches,
            closing(
                crossing(batches, self.names, source.batches_per_transfer, source.device_table, self.config.rules)
            ) as crossed,
        ):
            while not stopped:
                before = time.perf_counter()
                arrays = next(crossed, None)
                waited += time.perf_counter() - before
                if arrays is None:
                    stopped = alone and stopping()
                    break
                under_way.append(self.step_on(arrays, source.batch_size, stopping()))
                self._losses.append(under_way[-1])
                state.step += 1
                on_batch()
                if len(under_way) > ahead:
                    oldest = under_way.popleft()
                    mx.eval(oldest)
                    stopped = not alone and state.updates % looks == 0 and bool(np.array(oldest[-1])[-1])
                stopped = stopped or (alone and stopping())
        self.settle()
        if stopped:
            return None
        seconds = time.perf_counter() - start
        losses = [total / state.step for total in state.loss_sums] if state.step else []
        return self._named("train", losses) | {
            "samples_per_second": (state.step - first) * source.batch_size / seconds,
            "waiting": waited / seconds,
            "seconds": seconds,
        }

    def settle(self) -> None:
        """Wait for the steps that are under way, and add their losses and their time to the state."""
        mx.eval(self._losses, self.arrays)
        if self._losses:
            # One array for the host to read: under CUDA each array that it reads moves to memory of another kind.
            together = mx.concatenate([part.reshape(-1) for losses in self._losses for part in losses])
            rows = np.array(together, dtype=np.float64).reshape(len(self._losses), -1)
            for row in rows[:, : len(self.names)]:
                for number, loss in enumerate(row):
                    self.state.loss_sums[number] += float(loss)
        self._losses.clear()
        self.state.count_time()

    def end_epoch(self, metrics: EpochMetrics) -> None:
        """Add an epoch's metrics to the history, keep its weights if they are the best, and go to the next epoch."""
        state = self.state
        if metrics.validation_loss is not None:
            state.history.append(metrics)
        state.epoch, state.step = metrics.epoch + 1, 0
        state.loss_sums = [0.0] * len(state.loss_sums)
        for name, row in best_epochs(state.history).items():
            if row.epoch == metrics.epoch:
                weights = self.average[name] if self.average else self.model[name].parameters()
                self.best[name] = tree_map(mx.array, weights)
        mx.eval(self.best)
        moment("epoch ended")

    def use_best(self) -> None:
        """Put the weights of the best epochs into the model."""
        for name, weights in self.best.items():
            self.model[name].update(weights)
            self.optimizers[name].take(weights)

    def is_over(self) -> bool:
        """Whether the last epoch is done, or no network has become better for `patience` epochs."""
        config, state = self.config, self.state
        if state.epoch > config.epochs:
            return True
        if not config.patience or not state.history:
            return False
        best = max(row.epoch for row in best_epochs(state.history).values())
        return state.epoch - 1 - best >= config.patience

    def _named(self, phase: str, losses: list[float]) -> dict[str, float]:
        """The losses of the networks that are trained, by their names in the metrics."""
        return {f"{phase}_{name}_loss": loss for name, loss in zip(self.names, losses, strict=False)}

    def validate(self, source: Source) -> dict[str, float]:
        """Losses over all of the validation batches -> the validation part of the metrics; empty without batches.

        Of the averaged weights, where there is an average.
        """
        model = self._networks(self.average) if self.average else self.model
        sums = dict.fromkeys(self.names, 0.0)
        hits = rows = 0
        for batch in source.validation():
            count = 0
            for name in sums:
                arrays = to_mlx(batch, name, source.device_table, self.config.rules)
                count = len(arrays[0])
                if count == 0:  # a small last batch among many processes
                    continue
                if name == "value":
                    loss = value_loss(model.value, arrays[0], arrays[1], self.config.value_loss)
                else:
                    loss = policy_loss(model.policy, *arrays)
                    hits += int(np.array(policy_hits(model.policy, *arrays)))
                sums[name] += float(np.array(loss)) * count
            rows += count
        *totals, hits, rows = map(sum, zip(*self.ranks.gather([*sums.values(), hits, rows]), strict=True))
        if not rows:
            return {}
        means = [total / rows for total in totals]
        measured = self._named("validation", means) | {"validation_loss": sum(means)}
        if "policy" in sums:
            measured["validation_policy_accuracy"] = hits / rows
        return measured

    # The averaged weights

    def averaged_document(self, metadata: dict[str, Any]) -> dict[str, Any]:
        """The running average of the weights as a JSON document (`weights.to_document`)."""
        return self._document(self.average, metadata)

    def playing_network(self) -> Network:
        """The network that plays during this epoch, as the engine's."""
        return Network.from_document(self._document(self.player, {}))

    def _document(self, weights: dict[str, Any], metadata: dict[str, Any]) -> dict[str, Any]:
        return to_document(self._networks(weights), metadata, self.config.networks)

    def _networks(self, weights: dict[str, Any]) -> Networks:
        """Networks of the configuration's sizes with weights in the trained networks' place."""
        networks = Networks(self.config.hidden_sizes, self.config.activation, rules=self.config.rules)
        networks.update(weights)
        return networks


def train(
    trainer: Trainer,
    source: Source,
    on_epoch: Callable[[EpochMetrics], None] = lambda metrics: None,
    *,
    stopping: Callable[[], bool] = lambda: False,
    on_batch: Callable[[], None] = lambda: None,
) -> list[EpochMetrics]:
    """Train from the trainer's state until the last epoch, or until no network has become better for `patience`.

    The networks share nothing, so each ends with the weights of its own best epoch (`best_epochs`). on_epoch: called
    after every epoch; on_batch: after every batch, a place where the trainer can be saved. stopping: whether to leave
    before the end; the trainer then stays as it is, not finished. Returns the validated epochs. Raises
    FloatingPointError if a loss is NaN or infinite.
    """
    state = trainer.state
    state.start_clock()
    while not trainer.is_over():
        trained = trainer.train_epoch(source, stopping=stopping, on_batch=on_batch)
        if trained is None:
            return state.history
        measured = trained | trainer.validate(source)
        state.count_time()
        metrics = EpochMetrics(
            epoch=state.epoch,
            step=state.updates,
            learning_rate=trainer.learning_rate,
            peak_memory_bytes=peak_memory(),
            process_peak_memory_bytes=process_peak_memory(),
            own_games=source.metrics().get("own_games"),
            **measured,
        )
        _check_finite(metrics)
        trainer.end_epoch(metrics)
        on_epoch(metrics)
    trainer.use_best()
    state.finished = True
    return state.history


def _check_finite(metrics: EpochMetrics) -> None:
    """Raises FloatingPointError if the validation loss (without a validation: a training loss) is NaN or infinite."""
    phase = "training" if metrics.validation_loss is None else "validation"
    losses = [metrics.train_value_loss, metrics.train_policy_loss] if phase == "training" else [metrics.validation_loss]
    for loss in losses:
        if loss is not None and not math.isfinite(loss):
            raise FloatingPointError(f"the {phase} loss is {loss} after epoch {metrics.epoch}: lower the learning rate")
