"""run, generate, train, export: from games to weights."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlx_train.commands.options import RUN_FOLDER, Files, OutputFolder, ResumeFolder, config_options, usage
from mlx_train.config import Config, Group

if TYPE_CHECKING:
    from mlx_train.training.ranks import Ranks

TensorBoard = Annotated[
    bool,
    typer.Option(
        "--tensorboard",
        help="Also write each epoch as TensorBoard's events; needs the extra tensorboard.",
        rich_help_panel=RUN_FOLDER,
    ),
]


@config_options()
def run(
    config: Config,
    preset: str,
    output: OutputFolder = None,
    resume: ResumeFolder = None,
    tensorboard: TensorBoard = False,
) -> Files:
    """Generate games, train both networks, write their JSON, and measure how well they play."""
    import time

    from mlx_train.runs import phases
    from mlx_train.system.progress import say
    from mlx_train.training.ranks import join

    config = _prepare(config, tensorboard)
    start = time.perf_counter()
    ranks = join()
    config = phases.with_init(config, resume, ranks)
    _require_table(config, resume, ranks)
    folder = phases.begin(config, "run", preset, output, resume, ranks)
    if ranks.first(folder.evaluation.exists):
        say(f"{folder.folder}: this run is finished")
        ranks.leave()
        return folder.files()
    if config.teacher == "exact":
        source, made = phases.exact_data(config, ranks)
    else:
        source, made = phases.search_data(config, phases.generate(config, folder, ranks), ranks)
    trained = phases.train(config, source, folder, made, ranks, tensorboard=tensorboard)
    ranks.leave()
    if ranks.leads:
        try:
            evaluation = phases.evaluate(config, folder)
        except KeyboardInterrupt:
            say(f"interrupted: the networks are finished, not measured; go on with `{folder.resume_command}`")
            raise
        print(phases.summary(evaluation, trained, time.perf_counter() - start, resume is not None))
    return folder.files()


@config_options(
    groups=(Group.GENERAL, Group.GAMES, Group.MACHINE), without=("device", "memory_limit", "checkpoint_seconds")
)
def generate(config: Config, preset: str, output: OutputFolder = None, resume: ResumeFolder = None) -> Files:
    """Play the games of the search against itself and write the dataset."""
    from mlx_train.runs import phases
    from mlx_train.training.ranks import join

    ranks = join()
    _require_table(config, resume, ranks)
    folder = phases.begin(config, "generate", "games", output, resume, ranks)
    phases.generate(config, folder, ranks)
    ranks.leave()
    if ranks.leads:
        print(folder.dataset.read_text(), end="")
    return folder.files()


@config_options(groups=[group for group in Group if group not in (Group.GAMES, Group.MEASURING)])
def train(
    config: Config,
    preset: str,
    data: Annotated[
        Path | None,
        typer.Argument(
            metavar="GAMES", help="A games.npz of `generate` or `run`; with --resume, by default the run's."
        ),
    ] = None,
    output: OutputFolder = None,
    resume: ResumeFolder = None,
    tensorboard: TensorBoard = False,
) -> Files:
    """Train both networks on a dataset and write their JSON."""
    from mlx_train.runs import phases
    from mlx_train.training.ranks import join

    config = _prepare(config, tensorboard)
    with usage():
        if data is None and resume is None:
            raise ValueError("name the dataset to train on, a games.npz, or a run to go on with --resume")
    ranks = join()
    config = phases.with_init(config, resume, ranks)
    decisions, where = phases.read_games(data, resume, ranks)
    source, made = phases.search_data(config, decisions, ranks)
    folder = phases.begin(config, "train", "training", output, resume, ranks, **where)
    trained = phases.train(config, source, folder, made, ranks, tensorboard=tensorboard)
    ranks.leave()
    if ranks.leads:
        print(json.dumps(trained, indent=2))
    return folder.files()


def _require_table(config: Config, resume: Path | None, ranks: "Ranks") -> None:
    """Have the solved game where a new run needs it, before the run has a folder."""
    from mlx_train.runs import phases

    if config.teacher == "exact" and resume is None:
        phases.solved_table(config, ranks)


def _prepare(config: Config, tensorboard: bool) -> Config:
    """Choose device and memory limits -> the settings with what depends on them.

    Refuses, before any work is done, a device or an extra that is not there, and a batch that is too large.
    """
    from mlx_train.device import memory
    from mlx_train.system import event_files

    if tensorboard:
        event_files.require()
    with usage():
        return memory.prepare(config)


def export(
    source: Annotated[Path, typer.Argument(help="A checkpoint, a folder of them, or a JSON weights file.")],
    target: Annotated[Path, typer.Argument(help="The JSON file (.json, .json.gz) or .safetensors file to write.")],
    policy: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="JSON weights file to take the policy network from; by default the source's own."
        ),
    ] = None,
) -> Files:
    """Convert a checkpoint to JSON, or JSON to safetensors; or join two networks that were trained apart."""
    from mlx_train.runs.conversion import convert

    print(convert(source, target, policy))
    return {"weights": target}
