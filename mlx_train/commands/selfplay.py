"""selfplay: from nothing to weights, without a teacher."""

from typing import Annotated

import typer

from mlx_train.commands.options import Files, OutputFolder, ResumeFolder, TableFile, config_options, usage
from mlx_train.config import SelfplayConfig


@config_options(SelfplayConfig)
def selfplay(
    config: SelfplayConfig,
    preset: str,
    output: OutputFolder = None,
    resume: ResumeFolder = None,
    measured: Annotated[
        bool, typer.Option("--measure/--no-measure", help="Measure the snapshots against the solved game at the end.")
    ] = True,
    table: TableFile = None,
) -> Files:
    """Learn from nothing: a value network that plays itself, without a teacher."""
    from mlx_train.runs import selfplay as worker

    with usage():
        config = worker.check_request(config, output, resume)
    return worker.learn_from_nothing(config, output, resume, measured, table)
