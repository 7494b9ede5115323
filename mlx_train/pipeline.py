"""The phases of a run, each from files to files: generate, train, export, evaluate."""

import datetime
import json
import resource
import sys
import time
from typing import TYPE_CHECKING, Any

from engine.agents import Agent, open_table
from engine.arena import Interrupted, selfplay
from engine.cores import detect, worker_count
from engine.network import VALUE_SCALE
from engine.search import Search
from engine.tablebase import Tablebase, default_path
from mlx_train.config import Config
from mlx_train.dataset import Decisions, SearchSource
from mlx_train.evaluate import WinRate, microseconds_per_move, win_rates
from mlx_train.files import write_json
from mlx_train.progress import duration, progress, say
from mlx_train.report import loss_curve
from mlx_train.runs import Run, source_revision
from mlx_train.solution import solve_game

if TYPE_CHECKING:
    from mlx_train.trainer import Source

PIECES = 7

#: Opponents of the table at the end of a run.
OPPONENTS = ("random", "greedy", "emm:1", "emm:2", "emm:3", "emm:4")

#: Version of the weights' metadata.
METADATA_VERSION = "1"


def process_peak_memory() -> int:
    """The most bytes of memory that this process has had resident."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def generate(config: Config, run: Run) -> Decisions:
    """Play the games and write the dataset. On Ctrl-C the finished games are written, then KeyboardInterrupt."""
    workers = worker_count(config.workers)
    player: Search | Tablebase
    info: dict[str, Any]
    if config.teacher == "exact":
        player = solved_table(config)
        info = {"unit": VALUE_SCALE, "playouts": 0}
    else:
        player = Search(config.depth, config.weights)
        playouts = config.playouts if config.teacher == "search" else 0
        info = {"unit": "points", "depth": config.depth, "weights": config.weights, "playouts": playouts}
    info |= {"requested_games": config.games, "exploration": config.exploration, "seed": config.seed}
    say(f"generating {config.games:,} games on {workers} of {detect().total} cores")
    start = time.perf_counter()
    interrupted = False
    with progress("games", config.games, "games") as update:
        try:
            records = selfplay(
                config.games,
                player,
                config.seed,
                exploration=config.exploration,
                playouts=info["playouts"],
                workers=config.workers,
                progress=lambda done: update(done, f"{workers} cores"),
            )
        except Interrupted as stop:
            records, interrupted = stop.partial, True
    data = Decisions(records, info | {"generation_seconds": round(time.perf_counter() - start, 3)})
    if len(data):
        data.save(run.games)
        write_json(run.dataset, data.summary())
    if interrupted:
        say(f"interrupted: {data.games} finished games are in {run.games}")
        raise KeyboardInterrupt
    return data


def search_data(config: Config, data: Decisions) -> "tuple[Source, dict[str, Any]]":
    """-> (batches of a dataset, what the metadata says of it)."""
    source = SearchSource(config, data)
    made = {"num_games": data.games, "num_training_samples": len(source.training), "depth": data.info.get("depth")}
    return source, made


def exact_data(config: Config) -> "tuple[Source, dict[str, Any]]":
    """-> (batches of the solved game, what the metadata says of them)."""
    from mlx_train.exact import ExactSource

    source = ExactSource(config, solved_table(config))
    samples = config.epochs * source.steps_per_epoch * source.batch_size  # distinct draws
    return source, {"num_games": 0, "num_training_samples": samples, "depth": None}


def solved_table(config: Config) -> Tablebase:
    """The solved game, from the cache folder; solved first where it is not there yet."""
    if not default_path().exists():
        say("the game is not solved here yet: solving it once")
        solve_game(PIECES, 1e-12, config.workers, describe=False)
    return open_table()


def train(config: Config, source: "Source", run: Run, made: dict[str, Any]) -> dict[str, Any]:
    """Train the networks; writes metrics, the loss curve, the checkpoint and the JSON weights.

    made: what the metadata says of the data. Returns a summary. On Ctrl-C the best epoch so far is written, then
    KeyboardInterrupt.
    """
    from mlx_train.backend import use_device
    from mlx_train.checkpoint import save_checkpoint
    from mlx_train.trainer import EpochMetrics, Trainer, best_epochs
    from mlx_train.trainer import train as train_networks
    from mlx_train.weights import save_document, to_document

    device = use_device(config.device)
    steps = config.epochs * source.steps_per_epoch * config.reuse
    trainer = Trainer(config, steps)
    say(f"training on the {device}: up to {steps:,} steps of {source.batch_size:,} samples")
    history: list[EpochMetrics] = []
    start = time.perf_counter()
    interrupted = False

    with progress("epochs", config.epochs, "epochs") as update:

        def on_epoch(metrics: EpochMetrics) -> None:
            history.append(metrics)
            run.append_metrics(metrics.to_dict())
            update(
                metrics.epoch,
                f"validation loss {metrics.validation_loss:.4f}, {metrics.samples_per_second:,.0f} samples/s",
            )

        try:
            train_networks(trainer, source, on_epoch)
        except KeyboardInterrupt:
            interrupted = True
    if not history:
        say("interrupted before the first epoch ended: no model was written")
        raise KeyboardInterrupt
    best = best_epochs(history)
    best_loss = sum(row.to_dict()[f"validation_{name}_loss"] for name, row in best.items())
    best_epoch = {name: row.epoch for name, row in best.items()}
    seconds = time.perf_counter() - start
    revision, committed = source_revision()
    metadata = {
        "training_date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "version": METADATA_VERSION,
        **made,
        "epochs": len(history),
        "learning_rate": config.learning_rate,
        "batch_size": config.batch_size,
        "validation_split": config.validation_split,
        "seed": config.seed,
        "source_revision": revision,
        "source_committed_at": committed,
        "training_time_seconds": round(seconds, 3),
        "best_validation_loss": best_loss,
        "best_epoch": best_epoch,
        "teacher": config.teacher,
        "device": device,
        "config": config.to_dict(),
    }
    save_checkpoint(run.checkpoint, trainer, {"epoch": best_epoch, "metadata": metadata})
    save_document(run.weights, to_document(trainer.model, metadata, config.networks))
    loss_curve([metrics.to_dict() for metrics in history], run.loss_curve)
    if interrupted:
        say(f"interrupted: the best of {len(history)} epochs is in {run.folder}")
        raise KeyboardInterrupt
    return {
        "epochs": len(history),
        "best_epoch": best_epoch,
        "best_validation_loss": best_loss,
        "training_seconds": seconds,
        "samples_per_second": sum(m.samples_per_second for m in history) / len(history),
        "peak_memory_bytes": {"mlx": history[-1].peak_memory_bytes, "process": process_peak_memory()},
    }


def evaluate(config: Config, run: Run) -> list[WinRate]:
    """Match the run's value network against every opponent; writes evaluation.json and the weights' metadata."""
    agent = Agent.parse(f"net:{run.weights}" + (":policy" if config.networks == "policy" else ""))
    opponents = [Agent.parse(name) for name in OPPONENTS]
    with progress("matches", config.evaluation_games * len(opponents), "games") as update:
        results = win_rates(
            agent, opponents, config.evaluation_games, seed=config.seed, workers=config.workers, progress=update
        )
    speed = microseconds_per_move(agent)
    evaluation = {
        "matches": [result.to_dict() for result in results],
        "microseconds_per_move": round(speed, 2),
    }
    write_json(run.evaluation, evaluation)
    _add_metadata(
        run,
        {
            "evaluation": {result.opponent: round(result.rate, 4) for result in results},
            "games": results[0].games,
        },
    )
    return results


def _add_metadata(run: Run, values: dict[str, Any]) -> None:
    """Put more into the metadata of a run's weights."""
    from engine.network import read_document
    from mlx_train.weights import save_document

    document = read_document(run.weights)
    evaluation = dict(values["evaluation"], games=values["games"])
    save_document(run.weights, document | {"metadata": document["metadata"] | {"evaluation": evaluation}})


def summary(run: Run, results: list[WinRate], trained: dict[str, Any], seconds: float) -> str:
    """What a person reads at the end of a run, as Markdown."""
    from mlx_train.report import win_rate_table

    memory = trained["peak_memory_bytes"]
    speed = json.loads(run.evaluation.read_text())["microseconds_per_move"]
    return "\n".join(
        [
            win_rate_table(results),
            "",
            f"best epochs {', '.join(f'{name} {n}' for name, n in trained['best_epoch'].items())} "
            f"of {trained['epochs']}, "
            f"validation loss {trained['best_validation_loss']:.4f}, "
            f"{trained['samples_per_second']:,.0f} samples/s, {speed:.1f} microseconds a move",
            f"peak memory {memory['process'] / 2**20:,.0f} MiB (MLX {memory['mlx'] / 2**20:,.0f} MiB), "
            f"{duration(seconds)} in all",
            f"loss curve  {run.loss_curve}",
            f"weights     {run.weights}",
            f"run folder  {run.folder}",
        ]
    )
