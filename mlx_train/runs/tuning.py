"""`tune`: a search for good settings by many short trainings; the pruner stops the trials that fall behind.

The search has a run folder, with config.json (the settings that all trials share, and the measure), games.npz where the
teacher plays games, and the files of `TuningFolder`. A finished, interrupted or killed search can be resumed there.
"""

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from mlx_train.config import Config, check_choice
from mlx_train.device.memory import prepare
from mlx_train.runs.generation import generate, solved_table
from mlx_train.runs.run_folder import Run, refuse_output
from mlx_train.runs.tuning_results import best_so_far, write_results
from mlx_train.runs.tuning_study import (
    MEASURES,
    TuningFolder,
    TuningRequest,
    check_database,
    complete_trials,
    finished_trials,
    require,
)
from mlx_train.runs.tuning_trials import retry_interrupted, run_trials
from mlx_train.runs.tuning_workers import run_in_processes
from mlx_train.system.progress import progress, say

if TYPE_CHECKING:
    import optuna

#: The most trials of a search.
MAX_TRIALS = 1_000_000

#: The most processes that run trials.
MAX_PARALLEL = 64


def check_request(
    config: Config, trials: int, measure: str | None, parallel: int, output: Path | None, resume: Path | None,
    table: Path | None,
) -> TuningRequest:  # fmt: skip
    """Choose device and memory limits -> the request. measure: by default the first of `MEASURES`.

    Raises ValueError for a wrong setting, RuntimeError where Optuna is missing.
    """
    require()
    if measure is not None:
        check_choice("measure", measure, MEASURES)
    if not 1 <= trials <= MAX_TRIALS or not 1 <= parallel <= MAX_PARALLEL:
        raise ValueError(
            f"trials must be 1 to {MAX_TRIALS} and parallel 1 to {MAX_PARALLEL}, got {trials} and {parallel}"
        )
    refuse_output(output, resume, "search")
    return TuningRequest(config=prepare(config), measure=measure or next(iter(MEASURES)), table=table)


def search_into(
    request: TuningRequest, trials: int, measure: str | None, parallel: int, output: Path | None, resumed: Path | None
) -> dict[str, Path]:
    """`tune`: search in a new folder or in that of an earlier search, and print its results -> its files."""
    if resumed is None:
        folder = begin(request, output)
    else:
        folder, request = resume(resumed, request.table, request.config, measure)
    options = {"--trials": trials, "--parallel": parallel, "--table": request.table}
    folder.run.resume_options = [str(word) for option in options.items() if option[1] is not None for word in option]
    try:
        tune(folder, request, trials, parallel)
    except KeyboardInterrupt:
        say(f"interrupted: the finished trials are kept; go on with `{folder.run.resume_command}`")
        raise
    finally:
        if folder.summary.exists():
            print(folder.summary.read_text().rpartition("\n\n!")[0])
    return folder.files()


def begin(request: TuningRequest, output: Path | None) -> TuningFolder:
    """A new folder for a search. Raises ValueError, OSError."""
    return TuningFolder(Run.create(request.config, "tune", output, made_by="tune", measure=request.measure))


def resume(
    place: Path, table: Path | None = None, config: Config | None = None, measure: str | None = None
) -> tuple[TuningFolder, TuningRequest]:
    """The folder of an earlier search -> (its files, its request).

    config: the search's settings, with another device or other workers. Raises ValueError for a folder of another
    command or in use, and for another measure than the search has.
    """
    run = Run.resume(place)
    origin = run.read()
    if origin.get("made_by") != "tune":
        raise ValueError(f"{place} was not made by `tune`")
    if measure not in (None, origin["measure"]):
        raise ValueError(f"measure is {origin['measure']} in {place}, and stays so")
    say(f"going on in {run.folder}")
    return TuningFolder(run), TuningRequest(config=config or origin["config"], measure=origin["measure"], table=table)


def tune(folder: TuningFolder, request: TuningRequest, trials: int, parallel: int = 1) -> "optuna.Study":
    """Run trials until `trials` are complete or stopped by the pruner, then write the results -> the study.

    Trials that an earlier process left unfinished are run again first. After Ctrl-C the results so far are written.
    parallel: processes, each with a trial of its own. Raises ValueError, RuntimeError, OSError.
    """
    check_database(folder.database)
    with folder.usable_database():
        study = folder.study(0)  # suggests nothing
        retry_interrupted(study)
        _prepare(folder, request)
        try:
            with progress("trials", trials, "trials", len(finished_trials(study))) as update:

                def report() -> None:
                    update(len(finished_trials(study)), best_so_far(study, request.measure))

                report()
                if parallel == 1:
                    run_trials(folder, request, trials, 0, nullcontext(), report)
                else:
                    run_in_processes(folder, request, trials, parallel, report)
        finally:
            if complete_trials(study):
                write_results(folder, request, study)
    return study


def _prepare(folder: TuningFolder, request: TuningRequest) -> None:
    """Play the games, or solve the game, once: before several processes need them."""
    if request.config.teacher == "exact":
        solved_table(request.config)
    else:
        generate(request.config, folder.run)
