"""`tune`: a search for good settings by many short trainings; the pruner stops the trials that fall behind.

The search has a run folder, with config.json (the settings that all trials share, and the measure), games.npz where the
teacher plays games, and the files of `SearchFolder`. A search that has ended, however it ended, goes on in its folder.
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
    Search,
    SearchFolder,
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

#: The most processes that run trials.
MAX_PARALLEL = 64


def check_request(
    config: Config, trials: int, measure: str | None, parallel: int, output: Path | None, resume: Path | None,
    table: Path | None,
) -> Search:  # fmt: skip
    """Choose device and memory limits -> the search, by default for the first of `MEASURES`.

    Raises ValueError for a wrong setting, RuntimeError where Optuna is missing.
    """
    require()
    if measure is not None:
        check_choice("measure", measure, MEASURES)
    if trials < 1 or not 1 <= parallel <= MAX_PARALLEL:
        raise ValueError(f"trials must be at least 1 and parallel 1 to {MAX_PARALLEL}, got {trials} and {parallel}")
    refuse_output(output, resume, "search")
    return Search(config=prepare(config), measure=measure or next(iter(MEASURES)), table=table)


def search_into(
    search: Search, trials: int, measure: str | None, parallel: int, output: Path | None, resumed: Path | None
) -> dict[str, Path]:
    """`tune`: search in a new folder or in that of an earlier search, and print its results -> its files."""
    if resumed is None:
        folder = begin(search, output)
    else:
        folder, search = resume(resumed, search.table, search.config, measure)
    try:
        tune(folder, search, trials, parallel)
    finally:
        if folder.summary.exists():
            print(folder.summary.read_text().rpartition("\n\n!")[0])
    return folder.files()


def begin(search: Search, output: Path | None) -> SearchFolder:
    """A new folder for a search. Raises ValueError, OSError."""
    return SearchFolder(Run.create(search.config, "tune", output, made_by="tune", measure=search.measure))


def resume(
    place: Path, table: Path | None = None, config: Config | None = None, measure: str | None = None
) -> tuple[SearchFolder, Search]:
    """The folder of an earlier search, and its search.

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
    return SearchFolder(run), Search(config=config or origin["config"], measure=origin["measure"], table=table)


def tune(folder: SearchFolder, search: Search, trials: int, parallel: int = 1) -> "optuna.Study":
    """Run trials until `trials` are complete or stopped by the pruner, then write the results -> the study.

    Trials that an earlier process left unfinished are tried again first. After Ctrl-C the results so far are written.
    parallel: processes, each with a trial of its own. Raises ValueError, RuntimeError, OSError.
    """
    check_database(folder.database)
    with folder.usable_database():
        study = folder.study(0)  # suggests nothing
        retry_interrupted(study)
        _prepare(folder, search)
        try:
            with progress("trials", trials, "trials", len(finished_trials(study))) as update:

                def report() -> None:
                    update(len(finished_trials(study)), best_so_far(study, search.measure))

                report()
                if parallel == 1:
                    run_trials(folder, search, trials, 0, nullcontext(), report)
                else:
                    run_in_processes(folder, search, trials, parallel, report)
        finally:
            if complete_trials(study):
                write_results(folder, search, study)
    return study


def _prepare(folder: SearchFolder, search: Search) -> None:
    """Play the games, or solve the game, once: before several processes need them."""
    if search.config.teacher == "exact":
        solved_table(search.config)
    else:
        generate(search.config, folder.run)
