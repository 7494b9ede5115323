"""The phases of a run, each from files to files: generate, train, export, evaluate."""

import dataclasses
import datetime
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.classic.search import Search
from engine.games.agents import Agent, MissingTable, open_table
from engine.games.arena import RECORD_DTYPE, Interrupted, selfplay
from engine.machine.cores import detect, worker_count
from engine.network.document import VALUE_SCALE
from engine.solved.tablebase import Tablebase, default_path
from mlx_train.config import Config
from mlx_train.data.dataset import Decisions, SearchSource
from mlx_train.data.solving import solve_whole_game
from mlx_train.device.memory import check, explained, peak_text, peaks, smaller_batch
from mlx_train.measuring.measures import Exactness, WinRate, exactness, microseconds_per_move, win_rates
from mlx_train.pictures.report import loss_curve, save_figure
from mlx_train.runs.run_folder import Run, mean_over_time, source_revision
from mlx_train.system.files import write_json
from mlx_train.system.kill_points import moment
from mlx_train.system.progress import CoreUse, duration, progress, say
from mlx_train.system.signals import held_back
from mlx_train.training.ranks import ALONE, Ranks

if TYPE_CHECKING:
    from mlx_train.training.trainer import EpochMetrics, Position, Source, Trainer


#: Games of the first block for each worker; later blocks take about so many seconds.
_FIRST_BLOCK = 64
_BLOCK_SECONDS = 15.0

#: Opponents of the table at the end of a run.
OPPONENTS = ("random", "greedy", "emm:1", "emm:2", "emm:3", "emm:4")


def begin(
    config: Config, made_by: str, name: str, output: Path | None, resume: Path | None, ranks: Ranks = ALONE, **more: Any
) -> Run:
    """The folder of a run: a fresh one (`Run.create`), or the one to go on in. `resume` is refused with `output`.

    Only rank 0 touches it. Raises ValueError if the processes have different configurations.
    """
    if resume is not None and output is not None:
        raise ValueError("--resume goes on in the run's own folder: leave --output out")
    ranks.agree(config.to_dict())
    opened: list[Run] = []

    def open_folder() -> str:
        if resume is None:
            opened.append(Run.create(config, name, output, made_by=made_by, **more))
        else:
            opened.append(Run.resume(resume))
        return str(opened[0].folder)

    folder = ranks.first(open_folder)
    if resume is not None:
        say(f"going on in {folder}")
    return opened[0] if opened else Run(folder)


def with_init(config: Config, resume: Path | None, ranks: Ranks = ALONE) -> Config:
    """The settings with `init` by its whole path, so that a run goes on from any folder. Only rank 0 reads the file.

    A run that has checkpoints needs it no more. Raises ValueError, OSError for what are no weights of these sizes.
    """
    from mlx_train.networks.mlp import Networks
    from mlx_train.networks.weights import load_into
    from mlx_train.training.checkpoint import checkpoints

    def where() -> str:
        if resume is not None and checkpoints(Run(resume).checkpoints):
            return config.init
        load_into(Networks(config.hidden_sizes, config.activation), config.init)
        return config.init if resume is not None else str(Path(config.init).absolute())

    return dataclasses.replace(config, init=ranks.first(where)) if config.init else config


def read_games(path: Path | None, resume: Path | None, ranks: Ranks = ALONE) -> tuple[Decisions | None, dict[str, Any]]:
    """-> (a dataset, where it was read and its checksum). A run that goes on needs the same one again.

    Only the first process reads it; the others get None.
    path: None for the file that the run began with. Raises ValueError for another dataset, or for what is none.
    """

    def where() -> dict[str, Any]:
        begun = {} if resume is None else Run(resume).read()
        file = Path(begun["data"]) if path is None else path
        found = {"data": str(file.absolute()), "data_checksum": Decisions.load(file).checksum()}
        if resume is not None and found["data_checksum"] != begun["data_checksum"]:
            raise ValueError(f"{file}: not the dataset that {resume} was begun with")
        return found

    found = ranks.first(where)
    return (Decisions.load(found["data"]) if ranks.leads else None), found


def generate(config: Config, run: Run, ranks: Ranks = ALONE) -> Decisions | None:
    """Play the games and write the dataset -> the dataset; None in all processes but the first.

    The games are played in blocks, each written when it is done, and every process plays its share of a block. What a
    run has already is not played again. On Ctrl-C or SIGTERM the finished games are written, then KeyboardInterrupt.
    """
    data = _read_dataset(run.games) if ranks.leads else None
    if ranks.first(lambda: data is not None):
        if ranks.leads:
            shutil.rmtree(run.parts, ignore_errors=True)
        return data
    workers = _own_workers(config, ranks)
    player: Search | Tablebase
    info: dict[str, Any]
    if config.teacher == "exact":
        player = solved_table(config, ranks)
        info = {"unit": VALUE_SCALE, "playouts": 0}
    else:
        player = Search(config.depth, config.weights)
        playouts = config.playouts if config.teacher == "search" else 0
        info = {"unit": "points", "depth": config.depth, "weights": config.weights, "playouts": playouts}
    info |= {"requested_games": config.games, "exploration": config.exploration, "seed": config.seed}
    parts = _read_parts(run.parts) if ranks.leads else []
    played = ranks.first(lambda: parts[-1].info["end"] if parts else 0)
    already = f", {played:,} of them there already" if played else ""
    together = f" in each of {ranks.share.size} processes" if ranks.share.size > 1 else ""
    say(f"generating {config.games:,} games{already} on {workers} of {detect().total} cores{together}")
    cores = CoreUse()
    smallest = block = _FIRST_BLOCK * workers * ranks.share.size

    def play(games: range) -> np.ndarray:
        """The records of some games, as far as they are this process's; fewer where it was interrupted."""

        def on_games(done: int) -> None:
            if asked():
                raise KeyboardInterrupt  # in one of the threads that play: it ends them all, in good order
            update(games[0] + done * ranks.share.size, cores)

        own = games[ranks.share.of(len(games))]
        if not own:
            return np.empty(0, dtype=RECORD_DTYPE)
        try:
            return selfplay(
                len(own),
                player,
                config.seed,
                exploration=config.exploration,
                playouts=info["playouts"],
                first=own[0],
                workers=workers,
                progress=on_games,
            )
        except Interrupted as stop:
            return stop.partial

    try:
        # Held back, so that no process leaves the others alone in the middle of an exchange.
        with held_back() as asked, progress("games", config.games, "games", played) as update:
            while played < config.games:
                games = range(played, min(played + block, config.games))
                start = time.perf_counter()
                own = play(games)
                seconds = max(ranks.gather(time.perf_counter() - start))
                everyone = ranks.gather_bytes(own.tobytes())
                records = np.concatenate([np.frombuffer(part, dtype=RECORD_DTYPE) for part in everyone])
                records, end = _whole_games(records, played, len(games))
                if ranks.leads and end > played:
                    part = {"first": played, "end": end, "generation_seconds": seconds}
                    parts.append(Decisions(records, info | part))
                    run.parts.mkdir(exist_ok=True)
                    parts[-1].save(run.parts / f"{played:010}.npz", compress=False)
                    moment("games written")
                played = end
                if any(ranks.gather(asked())):
                    raise KeyboardInterrupt
                block = max(smallest, round(len(games) * _BLOCK_SECONDS / seconds))
    except KeyboardInterrupt:
        if ranks.leads:
            say(f"interrupted: {played:,} finished games are kept; go on with `{run.resume_command}`")
        ranks.leave()
        raise
    if not ranks.leads:
        return None
    seconds = sum(part.info["generation_seconds"] for part in parts)
    data = Decisions(np.concatenate([part.records for part in parts]), info | {"generation_seconds": round(seconds, 3)})
    write_json(run.dataset, data.summary() | {"peak_memory_bytes": peaks()})
    data.save(run.games)
    moment("dataset written")
    shutil.rmtree(run.parts)
    return data


def _own_workers(config: Config, ranks: Ranks) -> int:
    """The threads of this process: where nobody says how many, the processes of one machine divide its cores."""
    return max(1, worker_count(config.workers) // (ranks.local_size if config.workers is None else 1))


def _whole_games(records: np.ndarray, first: int, count: int) -> tuple[np.ndarray, int]:
    """The records of the games from `first` on up to the first one that is missing -> (those records, its number).

    An interrupted block has gaps where games were not finished.
    """
    games = np.unique(records["game"])
    there = np.zeros(count + 1, dtype=np.bool_)
    there[games - first] = True
    end = first + int(np.argmin(there))
    return records[records["game"] < end], end


def _read_dataset(path: Path) -> Decisions | None:
    """The dataset of a run, or None where there is none or, which is said, it is damaged."""
    if not path.exists():
        return None
    try:
        return Decisions.load(path)
    except ValueError as error:
        say(f"{error}; it is made again")
        return None


def _read_parts(folder: Path) -> list[Decisions]:
    """The blocks of games in a folder, in order, up to the first that is missing or, which is said, damaged."""
    parts: list[Decisions] = []
    for path in sorted(folder.glob("*.npz")):
        part = _read_dataset(path)
        if part is None or part.info["first"] != (parts[-1].info["end"] if parts else 0):
            break
        parts.append(part)
    return parts


def search_data(config: Config, data: Decisions | None, ranks: Ranks = ALONE) -> "tuple[Source, dict[str, Any]]":
    """-> (batches of a dataset, what the metadata says of it). Only the first process needs to have the dataset."""
    if ranks.share.size > 1:
        info = ranks.first(lambda: data.info if data is not None else None)
        records = ranks.first_bytes(b"" if data is None else data.records.tobytes())
        data = Decisions(np.frombuffer(records, dtype=RECORD_DTYPE), info)
    assert data is not None
    made_of = "exact" if data.info.get("unit") == VALUE_SCALE else "search"
    if config.teacher not in ("outcome", made_of):
        raise ValueError(f"these games have labels of the teacher {made_of}: say --teacher {made_of}, or outcome")
    source = SearchSource(config, data, ranks.share)
    made = {"num_games": data.games, "num_training_samples": len(source.training), "depth": data.info.get("depth")}
    return source, made


def exact_data(config: Config, ranks: Ranks = ALONE) -> "tuple[Source, dict[str, Any]]":
    """-> (batches of the solved game, what the metadata says of them)."""
    from mlx_train.data.exact import ExactSource

    own = dataclasses.replace(config, workers=_own_workers(config, ranks))
    source = ExactSource(own, solved_table(config, ranks), ranks.share)
    return source, {"num_games": 0, "num_training_samples": None, "depth": None}  # drawn as long as it trains


def solved_table(config: Config, ranks: Ranks = ALONE) -> Tablebase:
    """The solved game, from the cache folder; solved first where it is not there yet, by one process a machine."""
    if ranks.local_rank == 0 and not default_path().exists():
        say("the game is not solved here yet: solving it once")
        solve_whole_game(config.workers)
    ranks.gather(None)  # the others wait
    return open_table()


def _losses(history: "Sequence[EpochMetrics]", config: Config) -> str:
    """Which epoch it is, and what the last one measured, in a few words."""
    if not history:
        return f"epoch 1/{config.epochs}"
    last = history[-1]
    return (
        f"epoch {min(last.epoch + 1, config.epochs)}/{config.epochs}, loss {last.validation_loss:.4f}, "
        f"{last.samples_per_second:,.0f} samples/s"
    )


def train(
    config: Config,
    source: "Source",
    run: Run,
    made: dict[str, Any],
    ranks: Ranks = ALONE,
    *,
    tensorboard: bool = False,
    watch: "Callable[[Sequence[EpochMetrics]], object]" = lambda history: None,
) -> dict[str, Any]:
    """Train the networks, from the run's newest checkpoint if it has one, and write their JSON.

    Metrics are written after each epoch, checkpoints every `checkpoint_seconds`, all by the first process. made: what
    the metadata says of the data; tensorboard: whether to write event files too; watch: told all epochs so far after
    each. Returns a summary. On Ctrl-C or SIGTERM a checkpoint and the best epoch so far are written, then
    KeyboardInterrupt.
    """
    from mlx_train.device.backend import peak_memory, use_device
    from mlx_train.system.event_files import Events
    from mlx_train.training.checkpoint import restore, resume_from, save_checkpoint
    from mlx_train.training.trainer import Trainer
    from mlx_train.training.trainer import train as train_networks

    device = use_device(config.device)
    steps = config.epochs * source.steps_per_epoch * config.reuse
    metadata: dict[str, Any] = {}
    found = resume_from(run.checkpoints) if ranks.leads else None
    data = ranks.first_bytes(found[1] if found else b"")
    trainer = Trainer(config, steps, ranks, restored=bool(data))
    position = trainer.position
    if data:
        name = ranks.first(lambda: str(found[0]) if found else "")
        metadata = restore(trainer, data, name)
        position = trainer.position
        say(f"going on from {name}: epoch {position.epoch}, {position.step:,} of {source.steps_per_epoch:,} batches")
    if ranks.leads:
        run.write_metrics([metrics.to_dict() for metrics in position.history])
    say(f"training on the {device}: up to {steps:,} steps of {source.batch_size:,} samples")
    before = position.seconds
    start = saved = time.perf_counter()

    def save() -> None:
        nonlocal saved
        if ranks.leads:
            position.seconds = before + time.perf_counter() - start
            save_checkpoint(run.checkpoints, trainer)
        saved = time.perf_counter()

    with (
        held_back() as asked,
        progress("training", steps, "steps", position.updates) as update,
        Events(run.events) if tensorboard and ranks.leads else nullcontext() as events,
    ):

        def on_batch() -> None:
            update(position.updates, _losses(position.history, config))
            check(config, peak_memory())
            if time.perf_counter() - saved >= config.checkpoint_seconds:
                save()

        def on_epoch(metrics: "EpochMetrics") -> None:
            if ranks.leads:
                run.append_metrics(metrics.to_dict())
            if events is not None:
                events.add(metrics.to_dict())
            watch(position.history)
            on_batch()

        with explained(device, smaller_batch(config)):
            train_networks(trainer, source, on_epoch, stopping=asked, on_batch=on_batch)
        position.seconds = before + time.perf_counter() - start
        if not position.finished:
            save()
            trainer.use_best()
        if position.history and ranks.leads:
            metadata = metadata or _metadata(config, position, made, device)
            if position.finished:
                moment("training done")
                save_checkpoint(run.checkpoints, trainer, metadata)
                moment("training saved")
            _write_networks(config, trainer, run, metadata)
    if not position.finished or asked():  # also while the last epoch was validated or the weights were written
        if ranks.leads:
            say(f"interrupted in epoch {min(position.epoch, config.epochs)}: go on with `{run.resume_command}`")
        ranks.leave()
        raise KeyboardInterrupt
    history = position.history
    return {
        "epochs": len(history),
        "best_epoch": metadata.get("best_epoch"),
        "best_validation_loss": metadata.get("best_validation_loss"),
        "training_seconds": position.seconds,
        **_speeds(history, config),
        "peak_memory_bytes": peaks(history),
    }


def _speeds(history: "Sequence[EpochMetrics]", config: Config) -> dict[str, float]:
    """Samples a second, of the exact teacher also those drawn afresh; the share of the time that the steps waited."""
    rows = [metrics.to_dict() for metrics in history]
    found = {name: mean_over_time(rows, name) for name in ("samples_per_second", "waiting")}
    if config.teacher == "exact":
        found["drawn_per_second"] = found["samples_per_second"] / config.reuse
    return found


def _metadata(config: Config, position: "Position", made: dict[str, Any], device: str) -> dict[str, Any]:
    """What the weights' file says of the training."""
    from mlx_train.networks.weights import METADATA_VERSION
    from mlx_train.training.trainer import best_epochs

    best = best_epochs(position.history)
    revision, committed = source_revision()
    if config.teacher == "exact":
        made = made | {"num_training_samples": position.updates // config.reuse * config.batch_size}
    return {
        "training_date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "version": METADATA_VERSION,
        **made,
        "epochs": len(position.history),
        "learning_rate": config.learning_rate,
        "batch_size": config.batch_size,
        "validation_split": config.validation_split,
        "seed": config.seed,
        "source_revision": revision,
        "source_committed_at": committed,
        "training_time_seconds": round(position.seconds, 3),
        "best_validation_loss": sum(row.to_dict()[f"validation_{name}_loss"] for name, row in best.items()),
        "best_epoch": {name: row.epoch for name, row in best.items()},
        "teacher": config.teacher,
        "device": device,
        "config": config.to_dict(),
    }


def _write_networks(config: Config, trainer: "Trainer", run: Run, metadata: dict[str, Any]) -> None:
    """The JSON weights of the model as it is, and the curves of the epochs so far."""
    from mlx_train.networks.weights import save_document, to_document

    save_document(run.weights, to_document(trainer.model, metadata, config.networks))
    moment("weights written")
    history = [metrics.to_dict() for metrics in trainer.position.history]
    save_figure(loss_curve(history, config.value_loss), run.loss_curve)


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """How well a run's network plays: matches, and the measures against the solved game where that is there."""

    matches: list[WinRate]
    exact: Exactness | None
    microseconds_per_move: float

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values: evaluation.json."""
        return {
            "matches": [match.to_dict() for match in self.matches],
            "exact": self.exact and self.exact.to_dict(),
            "microseconds_per_move": round(self.microseconds_per_move, 2),
        }

    def metadata(self) -> dict[str, Any]:
        """What the weights' file says of it: win rates as shares, errors as in `exactness`."""
        found: dict[str, Any] = {match.opponent: round(match.rate, 4) for match in self.matches}
        if self.exact is not None:
            error, regret = self.exact.value_error, self.exact.regret
            found["perfect"] = round(self.exact.estimate.rate / 100, 6)
            found["regret_points"] = round(regret.mean, 6)
            found["value_error"] = error and round(error.mean, 8)
        return found | {"games": self.matches[0].games}


def evaluate(config: Config, run: Run) -> Evaluation:
    """Measure the run's network; writes evaluation.json and the weights' metadata."""
    agent = Agent.parse(f"net:{run.weights}" + (":policy" if config.networks == "policy" else ""))
    opponents = [Agent.parse(name) for name in OPPONENTS]
    with progress("matches", config.evaluation_games * len(opponents), "games") as update:
        results = win_rates(
            agent, opponents, config.evaluation_games, seed=config.seed, workers=config.workers, progress=update
        )
    table = _solution()
    exact = None
    if table is not None:
        games = max(4, config.evaluation_games // 2 * 2)
        exact = exactness(agent, table, games=games, seed=config.seed, workers=config.workers)
    speed = microseconds_per_move(agent) if exact is None else exact.microseconds_per_move
    evaluation = Evaluation(matches=results, exact=exact, microseconds_per_move=speed)
    _add_metadata(run, {"evaluation": evaluation.metadata()})
    moment("weights measured")
    write_json(run.evaluation, evaluation.to_dict())  # last: it says that the run is finished
    return evaluation


def _solution() -> Tablebase | None:
    """The solved game, if it is at its usual place."""
    try:
        return open_table()
    except MissingTable:
        say("not measured against perfect play: the game is not solved here (`python -m mlx_train solve`)")
    except ValueError as error:  # the run is as good as done: it should not fail for this
        say(f"not measured against perfect play: {error}")
    return None


def _add_metadata(run: Run, values: dict[str, Any]) -> None:
    """Put more into the metadata of a run's weights."""
    from engine.network.document import read_document
    from mlx_train.networks.weights import save_document

    document = read_document(run.weights)
    save_document(run.weights, document | {"metadata": document["metadata"] | values})


def _drawn(trained: dict[str, Any]) -> str:
    return f" ({trained['drawn_per_second']:,.0f} drawn afresh)" if "drawn_per_second" in trained else ""


def summary(evaluation: Evaluation, trained: dict[str, Any], seconds: float, resumed: bool = False) -> str:
    """What a person reads at the end of a run, as Markdown. seconds: of this call; resumed: it was not the first."""
    from mlx_train.pictures.report import exactness_table, win_rate_table

    tables = [win_rate_table(evaluation.matches)]
    if evaluation.exact is not None:
        tables.append(exactness_table([evaluation.exact]))
    return "\n".join(
        [
            "\n\n".join(tables),
            "",
            f"best epochs {', '.join(f'{name} {n}' for name, n in trained['best_epoch'].items())} "
            f"of {trained['epochs']}, validation loss {trained['best_validation_loss']:.4f}, "
            f"{evaluation.microseconds_per_move:.1f} microseconds a move",
            f"{trained['samples_per_second']:,.0f} samples/s{_drawn(trained)}, "
            f"waiting for data {100 * trained['waiting']:.1f} % of the time",
            f"{peak_text(trained['peak_memory_bytes'])}, {duration(seconds)} {'this time' if resumed else 'in all'}",
        ]
    )
