"""The commands run, generate and train: through which phases each of them goes, in one run folder."""

import json
import time
from pathlib import Path
from typing import Any

from mlx_train.config import Config
from mlx_train.runs.generation import generate, solved_table
from mlx_train.runs.run_folder import Run
from mlx_train.system.progress import say
from mlx_train.training.ranks import ALONE, Ranks, join

#: Paths of what a command wrote, by what it is.
Files = dict[str, Path]


def begin(
    config: Config, command: str, name: str, output: Path | None, resume: Path | None, ranks: Ranks = ALONE, **more: Any
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
            opened.append(Run.create(config, name, output, made_by=command, **more))
        else:
            opened.append(Run.resume(resume))
        return str(opened[0].folder)

    folder = ranks.first(open_folder)
    if resume is not None:
        say(f"going on in {folder}")
    return opened[0] if opened else Run(folder)


def run_all(config: Config, preset: str, output: Path | None, resume: Path | None, tensorboard: bool) -> Files:
    """`run`: generate games, train, evaluate; prints the tables of the evaluation."""
    from mlx_train.runs import evaluation, training  # with MLX, which `generate` does without

    start = time.perf_counter()
    ranks = join()
    config = training.with_init(config, resume, ranks)
    _require_table(config, resume, ranks)
    run = begin(config, "run", preset, output, resume, ranks)
    if ranks.first(run.evaluation.exists):
        say(f"{run.folder}: this run is finished")
        ranks.leave()
        return run.files()
    if config.teacher == "exact":
        source, about = training.exact_data(config, ranks)
    else:
        source, about = training.search_data(config, generate(config, run, ranks), ranks)
    trained = training.train(config, source, run, about, ranks, tensorboard=tensorboard)
    ranks.leave()
    if ranks.leads:
        try:
            measured = evaluation.evaluate(config, run)
        except KeyboardInterrupt:
            say(f"interrupted: the networks are finished, not measured; go on with `{run.resume_command}`")
            raise
        print(evaluation.summary(measured, trained, time.perf_counter() - start, resume is not None))
    return run.files()


def generate_only(config: Config, output: Path | None, resume: Path | None) -> Files:
    """`generate`: prints the dataset's summary."""
    ranks = join()
    _require_table(config, resume, ranks)
    run = begin(config, "generate", "games", output, resume, ranks)
    generate(config, run, ranks)
    ranks.leave()
    if ranks.leads:
        print(run.dataset.read_text(), end="")
    return run.files()


def train_only(config: Config, data: Path | None, output: Path | None, resume: Path | None, tensorboard: bool) -> Files:
    """`train`: prints a summary of the training as JSON. data: a dataset; None for the resumed run's."""
    from mlx_train.runs import training

    ranks = join()
    config = training.with_init(config, resume, ranks)
    decisions, origin = training.read_games(data, resume, ranks)
    source, about = training.search_data(config, decisions, ranks)
    run = begin(config, "train", "training", output, resume, ranks, **origin)
    trained = training.train(config, source, run, about, ranks, tensorboard=tensorboard)
    ranks.leave()
    if ranks.leads:
        print(json.dumps(trained, indent=2))
    return run.files()


def _require_table(config: Config, resume: Path | None, ranks: Ranks) -> None:
    """Have the solved game where a new run needs it, before the run has a folder."""
    if config.teacher == "exact" and resume is None:
        solved_table(config, ranks)
