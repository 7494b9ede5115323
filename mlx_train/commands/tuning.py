"""tune: the search for good settings."""

from typing import Annotated

import typer

from mlx_train.commands.options import Files, OutputFolder, ResumeFolder, TableFile, config_options, one_of, usage
from mlx_train.config import Config

#: What a search can minimise, the default first; `mlx_train.runs.tuning_study` names them.
MEASURES = ("validation_loss", "regret", "value_error")

#: Settings without an option here: the search chooses them, or they belong to a single run.
_WITHOUT = (
    "learning_rate", "hidden_sizes", "dropout", "init", "checkpoint_seconds", "memory_limit", "evaluation_games",
)  # fmt: skip


@config_options(without=_WITHOUT)
def tune(
    config: Config,
    preset: str,
    trials: Annotated[
        int, typer.Option(help="Trials in all, with the ones that were stopped early and the ones of earlier calls.")
    ] = 50,
    measure: Annotated[
        str | None,
        one_of(MEASURES, "What to minimise.", show_default=f"{MEASURES[0]}; with --resume that of the search"),
    ] = None,
    parallel: Annotated[int, typer.Option(help="Processes, each of which runs one trial at a time.")] = 1,
    output: OutputFolder = None,
    resume: ResumeFolder = None,
    table: TableFile = None,
) -> Files:
    """Search for the best learning rate, batch size, width, depth, dropout and blend; leaves a file for --config."""
    from mlx_train.runs import tuning

    with usage():
        request = tuning.check_request(config, trials, measure, parallel, output, resume, table)
    return tuning.search_into(request, trials, measure, parallel, output, resume)
