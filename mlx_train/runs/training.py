"""The second phase of a run: a source of batches, the trainer with its checkpoints and metrics, and the weights."""

import dataclasses
import datetime
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from engine.core.rules import check_same
from engine.games.agents import Agent
from engine.games.decisions import DECISION_DTYPE
from engine.network.document import VALUE_SCALE
from engine.network.network import Network
from mlx_train.config import Config, SelfplayConfig
from mlx_train.data.exact import ExactSource
from mlx_train.data.games import DATASET_VERSION, Decisions, rules_of
from mlx_train.data.iteration import IterationSource
from mlx_train.data.search import SearchSource
from mlx_train.data.source import Source
from mlx_train.device.backend import peak_memory, use_device
from mlx_train.device.gpus import named
from mlx_train.device.memory import check, explained, smaller_batch
from mlx_train.measuring.matches import win_rate
from mlx_train.networks.mlp import Networks
from mlx_train.networks.weights import METADATA_VERSION, load_into, save_document, to_document
from mlx_train.pictures.style import save_figure
from mlx_train.pictures.training import loss_curve
from mlx_train.runs.generation import process_workers, solved_table
from mlx_train.runs.run_folder import Run
from mlx_train.runs.run_record import mean_over_time
from mlx_train.system.event_files import Events
from mlx_train.system.kill_points import moment
from mlx_train.system.peak_memory import peaks
from mlx_train.system.progress import progress, say
from mlx_train.system.provenance import source_revision
from mlx_train.system.signals import held_back
from mlx_train.training.checkpoint import checkpoints, restore, resume_from, save_checkpoint
from mlx_train.training.ranks import ALONE, Ranks
from mlx_train.training.state import EpochMetrics, TrainingState, best_epochs
from mlx_train.training.trainer import Trainer
from mlx_train.training.trainer import train as train_networks

#: Games of the match that decides whether the network plays better than the search.
_MATCH_GAMES = 1000

# What is trained on


def with_init(config: Config, resume: Path | None, ranks: Ranks = ALONE) -> Config:
    """The settings with the absolute path of `init`, so that a run can be resumed in any folder.

    Only rank 0 reads the file. A run that has a checkpoint does not need the file any more. Raises ValueError for a
    file that has no weights of these sizes, OSError for a file that can't be read.
    """

    def whole_path() -> str:
        if resume is not None and checkpoints(Run(resume).checkpoints):
            return config.init
        load_into(Networks(config.hidden_sizes, config.activation, rules=config.rules), config.init)
        return config.init if resume is not None else str(Path(config.init).absolute())

    return dataclasses.replace(config, init=ranks.first(whole_path)) if config.init else config


def read_games(path: Path | None, resume: Path | None, ranks: Ranks = ALONE) -> tuple[Decisions | None, dict[str, Any]]:
    """-> (a dataset, its path and its checksum). A resumed run needs the dataset with which it began.

    Only the first process reads the file; the other processes get None as the dataset.
    path: the file; None for the file with which the run began. Raises ValueError if the file is no dataset, or not the
    dataset with which the run began.
    """

    def origin() -> dict[str, Any]:
        begun = {} if resume is None else Run(resume).read()
        file = Path(begun["data"]) if path is None else path
        checksum = Decisions.load(file).checksum()
        if resume is not None and checksum != begun["data_checksum"]:
            raise ValueError(f"{file}: not the dataset that {resume} was begun with")
        return {"data": str(file.absolute()), "data_checksum": checksum}

    read = ranks.first(origin)
    return (Decisions.load(read["data"]) if ranks.leads else None), read


def search_data(config: Config, data: Decisions | None, ranks: Ranks = ALONE) -> tuple[SearchSource, dict[str, Any]]:
    """-> (batches of a dataset, what the weights' metadata says of them). Only rank 0 needs to have the dataset."""
    if ranks.share.size > 1:
        ranks.agree({"dataset version": DATASET_VERSION})
        info = ranks.first(lambda: data.info if data is not None else None)
        records = ranks.first_bytes(b"" if data is None else data.records.tobytes())
        data = Decisions(np.frombuffer(records, dtype=DECISION_DTYPE), info)
    assert data is not None
    teacher = "exact" if data.info.get("unit") == VALUE_SCALE else "search"
    if config.teacher not in ("outcome", teacher) and not (config.plays and teacher == "search"):
        raise ValueError(f"these games have labels of the teacher {teacher}: say --teacher {teacher}, or outcome")
    check_same(rules_of(data.info), config.rules, "the dataset", "the training")
    source = SearchSource(config, data, ranks.share)
    about = {"num_games": data.games, "num_training_samples": len(source.training), "depth": data.info.get("depth")}
    return source, about


def exact_data(config: Config, ranks: Ranks = ALONE) -> tuple[Source, dict[str, Any]]:
    """-> (batches of the solved game, what the weights' metadata says of them)."""
    workers = dataclasses.replace(config, workers=process_workers(config, ranks))
    source = ExactSource(workers, solved_table(config, ranks), ranks.share)
    return source, {"num_games": 0, "num_training_samples": None, "depth": None}


#: Gives the games that a dataset holds; None in all processes but the first.
Games = Callable[[], Decisions | None]


def _labelled_games(config: Config, games: Games, ranks: Ranks) -> tuple[Source, dict[str, Any]]:
    return search_data(config, games(), ranks)


def _solved_game(config: Config, games: Games, ranks: Ranks) -> tuple[Source, dict[str, Any]]:
    return exact_data(config, ranks)


def _iterated_games(config: Config, games: Games, ranks: Ranks) -> tuple[Source, dict[str, Any]]:
    search, about = search_data(config, games(), ranks)
    better = partial(beats_search, config)
    return IterationSource(config, search, better, share=ranks.share, exchange=ranks.gather_bytes), about


def beats_search(config: Config, network: Network) -> bool:
    """Whether a network wins significantly more than half of its games against the search that plays and labels."""
    search = Agent.parse(f"emm{'-evolved' if config.weights == 'evolved' else ''}:{config.depth}", config.rules)
    match = win_rate(Agent.from_network(network), search, _MATCH_GAMES, seed=config.seed, workers=config.workers)
    low, high = (100 * bound for bound in match.interval)
    known = f"{100 * match.rate:.1f} % of {match.games:,} games against {search.name} ({low:.1f} - {high:.1f})"
    if low > 50:
        say(f"the network plays better than the search, and goes on with its own games: it wins {known}")
    else:
        say(f"the search remains the teacher: the network wins {known}")
    return low > 50


#: The function that builds the batches of each teacher.
SOURCES = {"iteration": _iterated_games, "search": _labelled_games, "outcome": _labelled_games, "exact": _solved_game}


def training_data(config: Config, games: Games, ranks: Ranks = ALONE) -> tuple[Source, dict[str, Any]]:
    """-> (the batches of the configuration's teacher, what the weights' metadata says of them).

    games: called only for a teacher that learns from games.
    """
    return SOURCES[config.teacher](config, games, ranks)


# The trainer and its checkpoints


class Session:
    """A trainer in a run folder: its source, its device, and its checkpoints, which the first process writes."""

    def __init__(
        self,
        config: Config | SelfplayConfig,
        source: Source,
        run: Run,
        ranks: Ranks = ALONE,
        *,
        chunks: int | None = None,
    ):
        """Make the trainer. If the run has a checkpoint, restore the trainer and the source from the newest one.

        chunks: as for `Trainer`. Raises ValueError for a device that does not exist, or for a checkpoint of another
        configuration.
        """
        self.config, self.source, self.run, self.ranks = config, source, run, ranks
        self.device = use_device(config.device)
        checkpoint = resume_from(run.checkpoints) if ranks.leads else None
        data = ranks.first_bytes(checkpoint[1] if checkpoint else b"")
        self.trainer = Trainer(config, source.total_steps, ranks, restored=bool(data), chunks=chunks)
        #: The metadata of the weights, once the training is over.
        self.metadata: dict[str, Any] = {}
        if data:
            name = ranks.first(lambda: str(checkpoint[0]) if checkpoint else "")
            self.metadata = restore(self.trainer, data, name, source)
            state = self.trainer.state
            say(f"going on from {name}: epoch {state.epoch}, {state.step:,} of {source.steps_per_epoch:,} batches")
        self._saved = time.perf_counter()

    def save(self) -> None:
        """Write a checkpoint."""
        if self.ranks.leads:
            save_checkpoint(self.run.checkpoints, self.trainer, self.metadata, self.source)
        self._saved = time.perf_counter()

    def on_batch(self) -> None:
        """After each batch: refuse more memory than the limit, and write a checkpoint where one is due."""
        check(self.config, peak_memory())
        if time.perf_counter() - self._saved >= self.config.checkpoint_seconds:
            self.save()

    def train(
        self,
        on_epoch: Callable[[EpochMetrics], None],
        stop_requested: Callable[[], bool],
        on_batch: Callable[[], None] = lambda: None,
    ) -> None:
        """Train until the end or until a stop is requested; a training that is not finished is saved."""

        def after_batch() -> None:
            on_batch()
            self.on_batch()

        with explained(self.device, smaller_batch(self.config)):
            train_networks(self.trainer, self.source, on_epoch, stopping=stop_requested, on_batch=after_batch)
        self.trainer.state.count_time()
        if not self.trainer.state.finished:
            self.save()


def train(
    config: Config,
    source: Source,
    run: Run,
    about: dict[str, Any],
    ranks: Ranks = ALONE,
    *,
    tensorboard: bool = False,
    watch: Callable[[Sequence[EpochMetrics]], object] = lambda history: None,
) -> dict[str, Any]:
    """Train the networks, from the run's newest checkpoint if it has one, and write their JSON.

    Metrics are written after each epoch, checkpoints every `checkpoint_seconds`, all by the first process. about: what
    the metadata says of the data; tensorboard: whether to write event files too; watch: called with all epochs so far
    after each. Returns a summary. On Ctrl-C or SIGTERM a checkpoint and the best epoch so far are written, then
    KeyboardInterrupt.
    """
    session = Session(config, source, run, ranks)
    trainer, state = session.trainer, session.trainer.state
    rows = [metrics.to_dict() for metrics in state.history]
    if ranks.leads:
        run.write_metrics(rows)
    say(f"training on the {named(session.device)}: up to {source.total_steps:,} steps of {source.batch_size:,} samples")
    with (
        held_back() as stop_requested,
        progress("training", source.total_steps, "steps", state.updates) as update,
        Events(run.events, rows) if tensorboard and ranks.leads else nullcontext() as events,
    ):

        def on_batch() -> None:
            update(state.updates, _note(state.history, config))

        def on_epoch(metrics: EpochMetrics) -> None:
            if ranks.leads:
                run.append_metrics(metrics.to_dict())
            if events is not None:
                events.add(metrics.to_dict())
            watch(state.history)
            on_batch()
            session.on_batch()

        session.train(on_epoch, stop_requested, on_batch)
        trainer.use_best()
        if state.history and ranks.leads:
            session.metadata = session.metadata or _metadata(config, state, about | source.facts(), session.device)
            if state.finished:
                moment("training done")
                session.save()
                moment("training saved")
            _write_networks(config, trainer, run, session.metadata)
    if not state.finished or stop_requested():  # also while the last epoch was validated or the weights were written
        if ranks.leads:
            say(f"interrupted in epoch {min(state.epoch, config.epochs)}: go on with `{run.resume_command}`")
        ranks.leave()
        raise KeyboardInterrupt
    return _summary(state, session.metadata)


def _summary(state: TrainingState, metadata: dict[str, Any]) -> dict[str, Any]:
    """What `train` prints and `run` takes its last lines from."""
    rows = [metrics.to_dict() for metrics in state.history]
    return {
        "epochs": len(rows),
        "best_epoch": metadata.get("best_epoch"),
        "best_validation_loss": metadata.get("best_validation_loss"),
        "training_seconds": state.seconds,
        **{name: mean_over_time(rows, name) for name in ("samples_per_second", "waiting")},
        "peak_memory_bytes": peaks(state.peak_memory_bytes),
    }


def _note(history: Sequence[EpochMetrics], config: Config) -> str:
    """The number of the epoch, and the loss and the speed of the last finished epoch."""
    if not history:
        return f"epoch 1/{config.epochs}"
    last = history[-1]
    return (
        f"epoch {min(last.epoch + 1, config.epochs)}/{config.epochs}, loss {last.validation_loss:.4f}, "
        f"{last.samples_per_second:,.0f} samples/s"
    )


def weights_metadata(config: Config | SelfplayConfig, state: TrainingState, device: str) -> dict[str, Any]:
    """What every training writes into its weights file."""
    revision, committed = source_revision()
    return {
        "training_date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "version": METADATA_VERSION,
        "teacher": config.teacher,
        "learning_rate": config.learning_rate,
        "batch_size": config.batch_size,
        "seed": config.seed,
        "source_revision": revision,
        "source_committed_at": committed,
        "training_time_seconds": round(state.seconds, 3),
        "device": device,
        "config": config.to_dict(),
    }


def _metadata(config: Config, state: TrainingState, about: dict[str, Any], device: str) -> dict[str, Any]:
    """What the weights file says of the training."""
    best = best_epochs(state.history)
    if about["num_training_samples"] is None:  # the batches are drawn as long as the training runs
        about = about | {"num_training_samples": state.updates * config.batch_size}
    return {
        **weights_metadata(config, state, device),
        **about,
        "epochs": len(state.history),
        "validation_split": config.validation_split,
        "best_validation_loss": sum(row.to_dict()[f"validation_{name}_loss"] for name, row in best.items()),
        "best_epoch": {name: row.epoch for name, row in best.items()},
    }


def _write_networks(config: Config, trainer: Trainer, run: Run, metadata: dict[str, Any]) -> None:
    """The JSON weights of the model as it is, and the curves of the epochs so far."""
    save_document(run.weights, to_document(trainer.model, metadata, config.networks))
    moment("weights written")
    history = [metrics.to_dict() for metrics in trainer.state.history]
    save_figure(loss_curve(history, config.value_loss), run.loss_curve)
