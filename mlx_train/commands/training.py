"""run, generate, train, export: from games to weights."""

from pathlib import Path
from typing import Annotated

import typer

from mlx_train.commands.options import RUN_FOLDER, Files, OutputFolder, ResumeFolder, config_options, usage
from mlx_train.config import RUN_TEACHER, Config, Group

TensorBoard = Annotated[
    bool,
    typer.Option(
        "--tensorboard",
        help="Also write each epoch as TensorBoard's events; needs the extra tensorboard.",
        rich_help_panel=RUN_FOLDER,
    ),
]


@config_options(teacher=RUN_TEACHER)
def run(
    config: Config,
    preset: str,
    output: OutputFolder = None,
    resume: ResumeFolder = None,
    tensorboard: TensorBoard = False,
) -> Files:
    """Generate games, train both networks, write their JSON, and measure how well they play."""
    from mlx_train.runs import pipeline

    with usage():
        config = pipeline.prepared(config, tensorboard)
    return pipeline.run_all(config, preset, output, resume, tensorboard)


@config_options(
    groups=(Group.GENERAL, Group.GAMES, Group.MACHINE),
    without=("device", "memory_limit", "checkpoint_seconds", "search_share"),
)
def generate(config: Config, preset: str, output: OutputFolder = None, resume: ResumeFolder = None) -> Files:
    """Play the games of the search against itself and write the dataset."""
    from mlx_train.runs.generation import generate_only

    return generate_only(config, output, resume)


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
    from mlx_train.runs import pipeline

    with usage():
        config = pipeline.prepared(config, tensorboard)
        pipeline.check_data(data, resume)
    return pipeline.train_only(config, data, output, resume, tensorboard)


def export(
    source: Annotated[Path, typer.Argument(help="A checkpoint, a folder of them, or a JSON weights file.")],
    target: Annotated[
        Path, typer.Argument(help="The file to write: .json, .json.gz, .safetensors, .onnx, or .mlpackage for Core ML.")
    ],
    policy: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="JSON weights file to take the policy network from; by default the source's own."
        ),
    ] = None,
) -> Files:
    """Convert a checkpoint to JSON, or weights to another format; or join two networks that were trained apart."""
    from mlx_train.runs.conversion import convert

    print(convert(source, target, policy))
    return {"weights": target}
