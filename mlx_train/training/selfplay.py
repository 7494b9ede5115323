"""Learning from nothing: the value network plays itself and learns from the returns of its own games.

A round plays games with the averaged weights of the last round while the network is trained on the positions of the
rounds before. Everything follows from the seed: whatever the number of threads, and however often the run was killed
and resumed, the same weights come out. Neither the exact solution nor the classic evaluation is anywhere in here.
"""

import datetime
import json
import math
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from mlx.utils import tree_flatten, tree_map, tree_unflatten
from numpy.typing import NDArray

from engine.core.features import extract_features_bytes
from engine.games.returns import play_games
from engine.machine.cores import worker_count
from engine.machine.files import atomic_file
from engine.network.network import Network
from mlx_train.config import CHANGEABLE, SelfplayConfig
from mlx_train.device.backend import mx, nn, optim, peak_memory, use_device
from mlx_train.device.memory import process_peak_memory
from mlx_train.networks.mlp import Networks, values
from mlx_train.networks.weights import METADATA_VERSION, save_document, to_document
from mlx_train.runs.run_folder import Run
from mlx_train.system.files import write_text
from mlx_train.system.progress import say
from mlx_train.system.provenance import source_revision

#: Version of the checkpoint's layout; others are refused.
CHECKPOINT_VERSION = 1

# Games that a thread plays at a time; part of no result.
_CHUNK = 8

# The learner's counts, as they are called there and in a checkpoint.
_COUNTS = ("rounds", "games", "positions", "seconds", "cpu_seconds")

# Snapshots for each factor e of rounds.
_SNAPSHOTS = 5.5

Positions = tuple[NDArray[np.uint64], NDArray[np.float32]]


@dataclass(frozen=True, kw_only=True)
class RoundMetrics:
    """One round, as it is written to metrics.jsonl."""

    round: int
    games: int  # so far
    positions: int  # learnt from so far
    step: int
    mean_turns: float  # of this round's games
    learning_rate: float
    loss: float | None  # mean squared error of 2 p - 1 against the returns; None before the first step
    seconds: float  # so far, pauses left out
    cpu_seconds: float  # so far, of all threads
    peak_memory_bytes: int  # MLX's
    process_peak_memory_bytes: int  # all that was resident


class Learner:
    """The network, the average of its weights, its optimizer and the positions that it learns from.

    State that is restored has to be in place before the first round.
    """

    def __init__(self, config: SelfplayConfig):
        """A network of random weights, which follow from the seed. Raises ValueError for a device that is not there."""
        self.device = use_device(config.device)
        mx.random.seed(config.seed)
        self.config = config
        self.networks = Networks(config.hidden_sizes, config.activation)
        self.model = self.networks.value
        self.optimizer = optim.Adam(learning_rate=self._schedule(), bias_correction=True)
        self.optimizer.init(self.model.trainable_parameters())
        self.average = {"weights": tree_map(mx.array, self.model.parameters())}
        self.window: deque[Positions] = deque(maxlen=config.window)
        self.rounds = self.games = self.positions = 0
        self.seconds = self.cpu_seconds = 0.0
        mx.eval(self._arrays())
        self._step: Callable[[mx.array, mx.array], mx.array] | None = None

    def _schedule(self) -> Callable[[mx.array], mx.array]:
        config = self.config
        steps = max(1, config.steps * (config.rounds - 1))  # the first round has nothing to learn from
        warmup = max(1, round(config.warmup * steps))
        rise = optim.linear_schedule(0.0, config.learning_rate, warmup)
        fall = optim.cosine_decay(config.learning_rate, max(1, steps - warmup))
        return optim.join_schedules([rise, fall], [warmup])

    @property
    def trace_decay(self) -> float:
        """Lambda of the next round's returns."""
        config = self.config
        passed = self.rounds / max(1, config.rounds - 1)
        return config.trace_decay + passed * (config.final_trace_decay - config.trace_decay)

    def _arrays(self) -> list[Any]:
        """Everything that a step changes; the compiled step has it as input and as output."""
        return [self.model.state, self.optimizer.state, self.average]

    def _compile(self) -> Callable[[mx.array, mx.array], mx.array]:
        model, optimizer, average = self.model, self.optimizer, self.average
        gradient = nn.value_and_grad(
            model, lambda inputs, targets: nn.losses.mse_loss(values(model, inputs), targets, reduction="mean")
        )
        state = self._arrays()

        @partial(mx.compile, inputs=state, outputs=state)
        def step(inputs: mx.array, targets: mx.array) -> mx.array:
            loss, gradients = gradient(inputs, targets)
            optimizer.update(model, gradients)
            done = optimizer.state["step"].astype(mx.float32)
            decay = mx.minimum(self.config.averaging, (1 + done) / (10 + done))  # forgets the random start
            average["weights"] = tree_map(
                lambda old, new: new + decay * (old - new), average["weights"], model.parameters()
            )
            return loss

        return step

    def document(self, metadata: dict[str, Any] | None = None) -> dict[str, Any]:
        """The averaged weights as a JSON document; see `weights.to_document`."""
        player = Networks(self.config.hidden_sizes, self.config.activation)
        player.value.update(self.average["weights"])
        return to_document(player, metadata or {}, "value")

    def round(self, pool: ThreadPoolExecutor) -> RoundMetrics:
        """Play the next round's games on the pool's threads, and train meanwhile."""
        start, cpu = time.perf_counter(), time.process_time()
        config = self.config
        network = Network.from_document(self.document())
        jobs = [
            pool.submit(
                play_games,
                network,
                min(_CHUNK, config.games - first),
                config.seed,
                self.games + first,
                trace_decay=self.trace_decay,
                depth=config.depth,
                exploration=config.exploration,
                siblings=config.siblings,
            )
            for first in range(0, config.games, _CHUNK)
        ]
        try:
            loss = self._train() if self.window else None
            turns = self._take(jobs)
        finally:
            for job in jobs:
                job.cancel()
        self.rounds += 1
        self.games += config.games
        self.seconds += time.perf_counter() - start
        self.cpu_seconds += time.process_time() - cpu
        return RoundMetrics(
            round=self.rounds,
            games=self.games,
            positions=self.positions,
            step=self.optimizer.step.item(),
            mean_turns=turns / config.games,
            learning_rate=self.optimizer.learning_rate.item(),
            loss=loss,
            seconds=round(self.seconds, 3),
            cpu_seconds=round(self.cpu_seconds, 3),
            peak_memory_bytes=peak_memory(),
            process_peak_memory_bytes=process_peak_memory(),
        )

    def _take(self, jobs: list[Future[tuple[NDArray[np.uint64], NDArray[np.float32], int]]]) -> int:
        """Put the positions of all games into the window, in order -> turns."""
        parts = [job.result() for job in jobs]
        packed = np.concatenate([part[0] for part in parts])
        self.window.append((packed, np.concatenate([part[1] for part in parts])))
        self.positions += len(packed)
        return sum(part[2] for part in parts)

    def _train(self) -> float:
        """The steps of a round -> the mean loss. Raises FloatingPointError if it is no number any more."""
        if self._step is None:
            self._step = self._compile()
        packed = np.concatenate([positions for positions, _ in self.window])
        returns = np.concatenate([known for _, known in self.window])
        rng = np.random.default_rng((self.config.seed, self.rounds))
        losses: list[mx.array] = []
        for _ in range(self.config.steps):
            rows = rng.integers(len(packed), size=self.config.batch_size)
            losses.append(self._step(mx.array(extract_features_bytes(packed[rows])), mx.array(returns[rows])))
            mx.async_eval(losses[-1], self._arrays())
            if len(losses) > 1:
                mx.eval(losses[-2])  # not much ahead of the device
        mx.eval(losses[-1], self._arrays())
        loss = sum(float(np.array(loss)) for loss in losses) / len(losses)
        if not math.isfinite(loss):
            raise FloatingPointError(f"the loss is {loss} in round {self.rounds + 1}: lower the learning rate")
        return loss

    # What a checkpoint holds

    def state(self) -> dict[str, Any]:
        """All that decides how it goes on, by name. What is there now stays as it is when rounds follow."""
        trees = {"model": self.model.parameters(), "optimizer": self.optimizer.state, "average": self.average}
        flat: list[tuple[str, mx.array]] = tree_flatten(trees)  # type: ignore[assignment]
        state: dict[str, Any] = {f"mlx.{name}": array for name, array in flat}
        for i, (packed, returns) in enumerate(self.window):
            state[f"window.{i}.packed"], state[f"window.{i}.returns"] = packed, returns
        meta = {"version": CHECKPOINT_VERSION, "config": self.config.to_dict(), "window": len(self.window)}
        return state | {"meta": json.dumps(meta | {name: getattr(self, name) for name in _COUNTS})}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `state` gave. Raises ValueError for that of other settings."""
        meta = json.loads(str(state["meta"]))
        if meta["version"] != CHECKPOINT_VERSION:
            raise ValueError("its version is unknown")
        if _decisive(meta["config"]) != _decisive(self.config.to_dict()):
            raise ValueError("it was made with other settings")
        trees = tree_unflatten(
            [(name[4:], mx.array(array)) for name, array in state.items() if name.startswith("mlx.")]
        )
        self.model.update(trees["model"])
        self.optimizer.state = trees["optimizer"]
        self.average["weights"] = trees["average"]["weights"]
        for i in range(meta["window"]):
            self.window.append((state[f"window.{i}.packed"], state[f"window.{i}.returns"]))
        for name in _COUNTS:
            setattr(self, name, meta[name])
        mx.eval(self._arrays())


def _decisive(config: dict[str, Any]) -> dict[str, Any]:
    """The settings that decide what is learnt."""
    return {name: value for name, value in config.items() if name not in CHANGEABLE}


def write_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write the state of a learner atomically. Raises OSError."""
    with atomic_file(path) as file:
        np.savez(file, allow_pickle=False, **{name: np.array(value) for name, value in state.items()})


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The inverse of `write_checkpoint`. Raises ValueError for a damaged file, OSError."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)
    except OSError:
        raise
    except Exception as error:  # zipfile and numpy have many
        raise ValueError(f"{path}: not a usable checkpoint: {error}") from None


def learn(
    learner: Learner,
    on_round: Callable[[RoundMetrics], None] = lambda metrics: None,
    save: Callable[[dict[str, Any]], None] = lambda state: None,
) -> None:
    """Play and train until the last round. on_round: called after each. On Ctrl-C `save` gets the state after the last
    whole round, and KeyboardInterrupt goes on to the caller.
    """
    with ThreadPoolExecutor(worker_count(learner.config.workers)) as pool:
        while learner.rounds < learner.config.rounds:
            state = learner.state()
            try:
                on_round(learner.round(pool))
            except KeyboardInterrupt:
                save(state)
                raise


class Journal:
    """What learning leaves in a run folder: metrics, weights, checkpoints, and snapshots of the weights.

    The snapshots are of `is_milestone`'s rounds and of the last one, to be measured afterwards.
    """

    def __init__(self, run: Run, learner: Learner):
        self.run = run
        self.learner = learner
        self._saved = time.monotonic()

    def resume(self) -> None:
        """Put the newest checkpoint that is whole into the learner, and delete what came after it.

        A run that was killed before its first checkpoint begins again. Raises ValueError where all are damaged, or the
        newest was made with other settings.
        """
        found = self._checkpoints()
        for path in reversed(found):
            try:
                state = read_checkpoint(path)
            except ValueError as error:
                say(f"skipped: {error}")
                continue
            try:
                self.learner.restore(state)
            except (KeyError, ValueError) as error:
                raise ValueError(f"{path}: {error}") from None
            break
        else:
            if found:
                raise ValueError(f"{self.run.folder} has no usable checkpoint to go on from")
        done = self.learner.rounds
        for path in found:
            if _number(path) > done:
                path.unlink()  # damaged: it would be kept in a whole one's place
        if self.run.metrics.exists():
            lines = self.run.metrics.read_text().splitlines(keepends=True)
            write_text(self.run.metrics, "".join(lines[:done]))
        for number, path in self.snapshots().items():
            if number > done:
                path.unlink()

    def snapshots(self) -> dict[int, Path]:
        """The weights files of some rounds, by round."""
        return {_number(path): path for path in self.run.snapshots.glob("round-*.json.gz")}

    def _checkpoints(self) -> list[Path]:
        return sorted(self.run.checkpoints.glob("round-*.npz"), key=_number)

    def write(self, metrics: RoundMetrics) -> None:
        """Keep what a round has come to; a checkpoint only now and then, and at the end."""
        self.run.append_metrics({name: value for name, value in asdict(metrics).items() if value is not None})
        if is_milestone(metrics.round) or metrics.round == self.learner.config.rounds:
            self.run.snapshots.mkdir(exist_ok=True)
            save_document(self.run.snapshots / f"round-{metrics.round}.json.gz", self.learner.document())
        if (
            time.monotonic() - self._saved >= self.learner.config.checkpoint_seconds
            or metrics.round == self.learner.config.rounds
        ):
            self.save(self.learner.state())

    def save(self, state: dict[str, Any]) -> None:
        """Write a checkpoint, and delete all others but the one before."""
        self.run.checkpoints.mkdir(exist_ok=True)
        rounds = json.loads(state["meta"])["rounds"]
        write_checkpoint(self.run.checkpoints / f"round-{rounds}.npz", state)
        for path in self._checkpoints()[:-2]:
            path.unlink()
        self._saved = time.monotonic()

    def finish(self) -> None:
        """Write the JSON weights, with what made them."""
        save_document(self.run.weights, self.learner.document(self._metadata()))

    def _metadata(self) -> dict[str, Any]:
        learner, config = self.learner, self.learner.config
        revision, committed = source_revision()
        return {
            "training_date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "version": METADATA_VERSION,
            "teacher": "self-play",
            "num_games": learner.games,
            "num_training_samples": learner.positions,
            "epochs": learner.rounds,
            "learning_rate": config.learning_rate,
            "batch_size": config.batch_size,
            "seed": config.seed,
            "source_revision": revision,
            "source_committed_at": committed,
            "training_time_seconds": round(learner.seconds, 3),
            "training_cpu_seconds": round(learner.cpu_seconds, 3),
            "device": learner.device,
            "config": config.to_dict(),
        }


def is_milestone(number: int) -> bool:
    """Whether a round is one of 1, 2, 3, ..., each about a fifth later than the one before."""
    return math.ceil(math.log(number) * _SNAPSHOTS) != math.ceil(math.log(number + 1) * _SNAPSHOTS)


def _number(path: Path) -> int:
    """The round that a file is named after."""
    return int(path.name.removeprefix("round-").partition(".")[0])
