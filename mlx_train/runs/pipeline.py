"""The commands run and train: the phases that each of them goes through, in one run folder."""

import json
import time
from pathlib import Path

from mlx_train.config import Config
from mlx_train.device.memory import prepare
from mlx_train.runs import evaluation, training
from mlx_train.runs.generation import begin, generate, require_table
from mlx_train.system import event_files
from mlx_train.system.progress import say
from mlx_train.training.ranks import join


def prepared(config: Config, tensorboard: bool) -> Config:
    """Choose device and memory limits -> the settings with a batch size that fits.

    Raises ValueError for a device that is not there or a batch that is too large, RuntimeError for a missing extra.
    """
    if tensorboard:
        event_files.require()
    return prepare(config)


def check_data(data: Path | None, resume: Path | None) -> None:
    """Raise ValueError where `train` has neither a dataset nor a run to go on with, or a folder for a dataset."""
    if data is None and resume is None:
        raise ValueError("name the dataset to train on, a games.npz, or a run to go on with --resume")
    if data is not None and data.is_dir():
        games = data / "games.npz"
        raise ValueError(f"{data} is a folder; name the file of games{f', {games}' if games.exists() else ''}")


def run_all(
    config: Config, preset: str, output: Path | None, resume: Path | None, tensorboard: bool
) -> dict[str, Path]:
    """`run`: generate games, train, evaluate; prints the tables of the evaluation."""
    start = time.perf_counter()
    ranks = join()
    config = training.with_init(config, resume, ranks)
    require_table(config, resume, ranks)
    run = begin(config, "run", preset, output, resume, ranks)
    run.resume_options = ["--tensorboard"] if tensorboard else []
    if ranks.first(run.evaluation.exists):
        say(f"{run.folder}: this run is finished")
        ranks.leave()
        return run.files()
    table = (
        evaluation.solution(config.rules) if ranks.leads else None
    )  # before the work: what is missing can still be made
    source, about = training.training_data(config, lambda: generate(config, run, ranks), ranks)
    trained = training.train(config, source, run, about, ranks, tensorboard=tensorboard)
    ranks.leave()
    if ranks.leads:
        try:
            measured = evaluation.evaluate(config, run, table)
        except KeyboardInterrupt:
            say(f"interrupted: the networks are finished, not measured; go on with `{run.resume_command}`")
            raise
        print(evaluation.summary(measured, trained, time.perf_counter() - start, resume is not None))
    return run.files()


def train_only(
    config: Config, data: Path | None, output: Path | None, resume: Path | None, tensorboard: bool
) -> dict[str, Path]:
    """`train`: prints a summary of the training as JSON. data: a dataset; None for the resumed run's."""
    ranks = join()
    config = training.with_init(config, resume, ranks)
    decisions, origin = training.read_games(data, resume, ranks)
    source, about = training.search_data(config, decisions, ranks)
    run = begin(config, "train", "training", output, resume, ranks, **origin)
    run.resume_options = ["--tensorboard"] if tensorboard else []
    trained = training.train(config, source, run, about, ranks, tensorboard=tensorboard)
    ranks.leave()
    if ranks.leads:
        print(json.dumps(trained, indent=2))
    return run.files()
