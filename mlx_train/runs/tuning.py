"""Searching for good settings with Optuna: many short trainings, of which those that fall behind are broken off.

A run folder holds the search: config.json (the settings that all trials share, and the measure), study.db (Optuna's
SQLite database: every trial), games.npz where the teacher plays games, and after each call best.json (the best
settings, for `--config`), tune.md and tune.png. A search that has ended, in whatever way, goes on in its folder.
"""

import multiprocessing
import os
import signal
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlx_train.config import Config
from mlx_train.device.memory import explained, peak_text, peaks, prepare
from mlx_train.pictures.style import save_figure
from mlx_train.pictures.training import search_plot
from mlx_train.runs.run_folder import Run
from mlx_train.system.errors import EXPECTED, tell
from mlx_train.system.files import write_json, write_text
from mlx_train.system.progress import progress, say
from mlx_train.system.text import markdown_table

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

    from engine.solved.tablebase import Tablebase
    from mlx_train.training.trainer import Source, Trainer

MISSING = "Optuna is not installed here: pip install 'mlx-ur[tune]'"

#: What a search can minimise, and what it is called in tables. The losses are those of the networks that are trained;
#: the others are the value network's (the policy network's regret where it alone is trained).
MEASURES = {
    "validation_loss": "validation loss",
    "regret": "regret, points",
    "value_error": "mean error of the win probability",
}

# Where each setting is looked for. Widths are the first hidden layer's; each further layer has half of it.
LEARNING_RATES = (1e-4, 2e-2)
BATCH_SIZES = (128, 256, 512, 1024, 2048)
WIDTHS = (16, 32, 64, 128, 256)
DEPTHS = (1, 4)
DROPOUTS = (0.0, 0.3)
NARROWEST = 8

# Positions or decisions that a measure against the solved game takes, after every epoch.
_MEASURED = 10_000

# Trials that are not broken off: the first ones, and those of which the medians are of too few.
_STARTUP_TRIALS = 5

# Finished trials from which importances mean something.
_ENOUGH = 8

_DATABASE_SECONDS = 30.0  # that a process waits for another one's transaction


@dataclass(frozen=True, kw_only=True)
class Search:
    """What all trials of a search have in common."""

    config: Config
    measure: str
    table: Path | None = None  # the solved game; None for the one in the cache folder

    def __post_init__(self) -> None:
        if self.measure == "value_error" and self.config.networks == "policy":
            raise ValueError("the value error needs a value network: --networks policy has none")

    @property
    def blend(self) -> str | None:
        """The setting that blends the targets or what they are about; None where it is not looked for.

        The validation loss is taken against the blended targets: it would tell which are easy to learn, not which are
        good. The outcome of the game as the only teacher has nothing to blend.
        """
        if self.measure == "validation_loss":
            return None
        return {"search": "outcome_blend", "exact": "play_share", "outcome": None}[self.config.teacher]

    def suggest(self, trial: "optuna.Trial") -> Config:
        """The settings of a trial."""
        config = self.config
        batch_size = trial.suggest_categorical("batch_size", BATCH_SIZES)
        width = trial.suggest_categorical("width", WIDTHS)
        layers = trial.suggest_int("depth", *DEPTHS)
        changes: dict[str, Any] = {
            "learning_rate": trial.suggest_float("learning_rate", *LEARNING_RATES, log=True),
            "batch_size": batch_size,
            "hidden_sizes": tuple(max(NARROWEST, width >> layer) for layer in range(layers)),
            "dropout": trial.suggest_float("dropout", *DROPOUTS),
        }
        if config.teacher == "exact":  # each trial gets as many positions
            changes["steps"] = max(config.epochs * config.reuse, config.steps * config.batch_size // batch_size)
        if self.blend is not None:
            changes[self.blend] = trial.suggest_float(self.blend, 0.0, 1.0)
        return replace(config, **changes)


class Folder:
    """The files of a search, and its study."""

    def __init__(self, run: Run):
        self.run = run
        self.database = run.folder / "study.db"
        self.best = run.folder / "best.json"
        self.table = run.folder / "tune.md"
        self.picture = run.folder / "tune.png"

    def study(self, seed: int) -> "optuna.Study":
        """The study, made where it is not there yet. seed: of what is suggested from now on."""
        optuna = require()
        options = {"connect_args": {"timeout": _DATABASE_SECONDS}}
        storage = optuna.storages.RDBStorage(f"sqlite:///{self.database}", engine_kwargs=options)
        return optuna.create_study(
            study_name="tune",
            storage=storage,
            sampler=optuna.samplers.TPESampler(seed=seed),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=_STARTUP_TRIALS, n_warmup_steps=1),
            load_if_exists=True,
        )

    def files(self) -> dict[str, Path]:
        """What a person may want, by what it is."""
        known = {"best settings": self.best, "table": self.table, "picture": self.picture}
        return {what: path for what, path in known.items() if path.exists()} | {"run folder": self.run.folder}


def require() -> Any:
    """Optuna. Raises RuntimeError, saying how to install it, where it is missing."""
    try:
        import optuna
    except ImportError:
        raise RuntimeError(MISSING) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def check_database(path: Path, seconds: float = 1.0) -> None:
    """Raises ValueError, in one line, for a database that another process is writing to, or for a file that is none."""
    if not path.exists():
        return
    connection = sqlite3.connect(path, timeout=seconds, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        raise ValueError(f"{path} is in use by another process ({error})") from None
    except sqlite3.DatabaseError as error:
        raise ValueError(f"{path} is not a tuning database ({error})") from None
    finally:
        connection.close()


@contextmanager
def usable(folder: Folder) -> Iterator[None]:
    """Turn what Optuna and SQLAlchemy raise where the database fails, or stays locked, into a RuntimeError."""
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (require().exceptions.StorageInternalError, SQLAlchemyError) as error:
        cause = error.__cause__ or error
        reason = getattr(cause, "orig", None) or cause
        raise RuntimeError(f"{folder.database}: {reason}; go on with `{folder.run.resume_command}`") from None


# A search


def tune(folder: Folder, search: Search, trials: int, parallel: int = 1) -> "optuna.Study":
    """Run trials until so many are finished or broken off, then write the results -> the study.

    What was left unfinished by a process that ended is tried again first. On Ctrl-C the results so far are written.
    parallel: processes, each with a trial of its own. Raises ValueError, RuntimeError, OSError.
    """
    check_database(folder.database)
    with usable(folder):
        study = folder.study(0)  # suggests nothing
        retry(study)
        _prepare(folder, search)
        try:
            with progress("trials", trials, "trials", len(finished(study))) as update:

                def report() -> None:
                    update(len(finished(study)), note(study, search.measure))

                report()
                if parallel == 1:
                    _work(folder, search, trials, 0, nullcontext(), report)
                else:
                    _work_in_processes(folder, search, trials, parallel, report)
        finally:
            if any(trial.state.name == "COMPLETE" for trial in finished(study)):
                write_results(folder, search, study)
    return study


def retry(study: "optuna.Study") -> None:
    """Have the trials that were interrupted fail, and tried again. No other process may be at work."""
    state = require().trial.TrialState
    for trial in study.get_trials(states=(state.RUNNING,)):
        study.tell(trial.number, state=state.FAIL)
        if trial.params:
            study.enqueue_trial(trial.params)


def finished(study: "optuna.Study") -> "list[FrozenTrial]":
    """The trials that count: at their end, or broken off for good."""
    state = require().trial.TrialState
    return study.get_trials(deepcopy=False, states=(state.COMPLETE, state.PRUNED))


def note(study: "optuna.Study", measure: str) -> str:
    """The best so far, in a few words."""
    complete = [trial.value for trial in finished(study) if trial.state.name == "COMPLETE" and trial.value is not None]
    return f"best {MEASURES[measure]} {min(complete):.5g}" if complete else ""


def _prepare(folder: Folder, search: Search) -> None:
    """Play the games once, and have the solved game there, before several processes need them."""
    from mlx_train.runs import phases

    if search.config.teacher == "exact":
        phases.solved_table(search.config)
    else:
        phases.generate(search.config, folder.run)


def _work_in_processes(folder: Folder, search: Search, trials: int, parallel: int, report: Callable[[], None]) -> None:
    """Have several processes work on a search. Raises RuntimeError as soon as one of them has failed."""
    with _workers(folder, search, trials, parallel) as processes:
        while any(process.is_alive() for process in processes):
            time.sleep(0.5)
            report()
            if any(process.exitcode for process in processes):
                raise RuntimeError(f"a trial failed: see above; go on with `{folder.run.resume_command}`")


@contextmanager
def _workers(
    folder: Folder, search: Search, trials: int, parallel: int
) -> Iterator[list[multiprocessing.process.BaseProcess]]:
    """Processes that work on a search; none of them outlives the block."""
    context = multiprocessing.get_context("spawn")  # MLX and the engine's threads do not survive a fork
    turn = context.Lock()
    processes: list[multiprocessing.process.BaseProcess] = [
        context.Process(target=_worker, args=(folder, search, trials, number, turn), daemon=True)
        for number in range(1, parallel + 1)
    ]
    try:
        # A terminal's Ctrl-C goes to all processes. They inherit that it is blocked, and are ended by this one.
        unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
        try:
            for process in processes:
                process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)
        yield processes
    finally:
        for process in processes:
            if process.is_alive():
                process.terminate()
            if process.pid is not None:
                process.join()


def _worker(folder: Folder, search: Search, trials: int, worker: int, turn: AbstractContextManager[object]) -> None:
    """`_work` in a process of its own: an expected failure is one line, as in the command itself."""
    _end_with_parent()
    try:
        with usable(folder):
            _work(folder, search, trials, worker, turn)
    except EXPECTED as error:
        tell(error)
        raise SystemExit(1) from None


def _end_with_parent() -> None:
    """Have this process end as soon as the one that has started it is gone, in whatever way."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _work(
    folder: Folder,
    search: Search,
    trials: int,
    worker: int,
    turn: AbstractContextManager[object],
    report: Callable[[], None] = lambda: None,
) -> None:
    """Run trials one after the other until all of them are finished or somebody's. turn: as for `next_trial`."""
    prepare(search.config)
    # Another seed for each process and each call: the same one would suggest the same again.
    begun = len(folder.study(0).trials)
    study = folder.study((search.config.seed + 1_000_003 * begun + worker) % 2**32)
    objective = Objective(folder, search)
    while (trial := next_trial(study, trials, turn)) is not None:
        run_trial(study, trial, objective)
        report()


def next_trial(study: "optuna.Study", trials: int, turn: AbstractContextManager[object]) -> "optuna.Trial | None":
    """A trial to run; None where all are finished or somebody's. turn: a lock that all processes have in common."""
    state = require().trial.TrialState
    with turn:  # between counting and asking, another process would count the same
        taken = study.get_trials(deepcopy=False, states=(state.COMPLETE, state.PRUNED, state.RUNNING))
        return study.ask() if len(taken) < trials else None


def run_trial(study: "optuna.Study", trial: "optuna.Trial", objective: "Callable[[optuna.Trial], float]") -> None:
    """Run a trial and tell the study what came of it. One that is interrupted stays as it is, for `retry`."""
    optuna = require()
    try:
        value = objective(trial)
    except optuna.TrialPruned:
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)
    except EXPECTED:
        study.tell(trial, state=optuna.trial.TrialState.FAIL)  # it would fail again
        raise
    else:
        study.tell(trial, value)


class Objective:
    """One trial: a training with the suggested settings -> its measure."""

    def __init__(self, folder: Folder, search: Search):
        from mlx_train.device.backend import use_device

        self.search = search
        self.device = use_device(search.config.device)
        self.table: Tablebase | None = None
        if search.measure != "validation_loss":
            from engine.games.agents import open_table

            self.table = open_table(search.table)
        self.games: Any = None
        if search.config.teacher != "exact":
            from mlx_train.data.dataset import Decisions

            self.games = Decisions.load(folder.run.games)

    def source(self, config: Config) -> "Source":
        """The batches of a trial."""
        from mlx_train.runs import phases

        return (phases.exact_data(config) if self.games is None else phases.search_data(config, self.games))[0]

    def __call__(self, trial: "optuna.Trial") -> float:
        """Raises optuna.TrialPruned for a trial that falls behind, or whose loss is no number any more."""
        from mlx_train.training.trainer import EpochMetrics, Trainer, best_epochs, train

        optuna = require()
        config = self.search.suggest(trial)
        source = self.source(config)
        trainer = Trainer(config, config.epochs * source.steps_per_epoch * config.reuse)

        def on_epoch(metrics: EpochMetrics) -> None:
            trial.set_user_attr("peak_memory_bytes", peaks(trainer.position.history))
            trial.report(self.measured(trainer, metrics.validation_loss), metrics.epoch)
            if trial.should_prune():
                raise optuna.TrialPruned

        try:
            with explained(self.device, "lower --parallel"):
                history = train(trainer, source, on_epoch)
        except FloatingPointError as error:
            raise optuna.TrialPruned(str(error)) from None
        best = sum(row.to_dict()[f"validation_{name}_loss"] for name, row in best_epochs(history).items())
        return self.measured(trainer, best)

    def measured(self, trainer: "Trainer", loss: float) -> float:
        """The measure of the networks as they are; `loss` where it is that."""
        if self.table is None:
            return loss
        from engine.games.agents import Agent
        from mlx_train.measuring.regret import policy_regret
        from mlx_train.measuring.value_error import value_error
        from mlx_train.networks.weights import save_document, to_document

        config = self.search.config
        with tempfile.TemporaryDirectory() as place:
            path = Path(place) / "trial.json"
            save_document(path, to_document(trainer.model, {}, config.networks))
            agent = Agent.parse(f"net:{path}" + (":policy" if config.networks == "policy" else ""))
            if self.search.measure == "regret":
                return policy_regret(agent, self.table, _MEASURED, workers=config.workers).mean
            return value_error(agent, self.table, _MEASURED, workers=config.workers).mean


# Results


def importances(study: "optuna.Study") -> dict[str, float]:
    """How much each setting matters for being among the better trials, largest first; empty with too few trials.

    By PED-ANOVA (Watanabe and others, 2023), whose shares sum to 1.
    """
    optuna = require()
    complete = [trial for trial in finished(study) if trial.state.name == "COMPLETE"]
    if len(complete) < _ENOUGH:
        return {}
    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))


def best_config(search: Search, study: "optuna.Study") -> Config:
    """The settings of the best trial."""
    return search.suggest(require().trial.FixedTrial(study.best_params))


def write_results(folder: Folder, search: Search, study: "optuna.Study") -> str:
    """Write best.json, tune.md and tune.png -> the text. Raises OSError."""
    config = best_config(search, study)
    write_json(
        folder.best,
        {
            "measure": search.measure, "value": study.best_value, "trial": study.best_trial.number,
            "config": config.to_dict(),
        },
    )  # fmt: skip
    weights = importances(study)
    save_figure(search_plot(values_by_trial(study), weights, MEASURES[search.measure]), folder.picture)
    text = summary(folder, search, study, weights)
    write_text(folder.table, f"{text}\n\n![Trials and importances](tune.png)\n")
    return text


def values_by_trial(study: "optuna.Study") -> list[tuple[int, float, bool]]:
    """(number, measure, whether it was broken off) of each trial that counts; the last measure of those broken off."""
    rows = []
    for trial in finished(study):
        value = trial.value if trial.state.name == "COMPLETE" else None
        if value is None and trial.intermediate_values:
            value = trial.intermediate_values[max(trial.intermediate_values)]
        if value is not None:
            rows.append((trial.number, value, trial.state.name != "COMPLETE"))
    return rows


def summary(folder: Folder, search: Search, study: "optuna.Study", weights: dict[str, float], best: int = 10) -> str:
    """What a person reads at the end: the best trials, and what mattered; as Markdown."""
    trials = finished(study)
    complete = [trial for trial in trials if trial.state.name == "COMPLETE"]
    complete.sort(key=lambda trial: trial.values[0])
    names = list(complete[0].params)
    rows = [
        (trial.number, f"{trial.value:.6g}", *(_text(trial.params[name]) for name in names))
        for trial in complete[:best]
    ]
    parts = [
        f"{len(trials)} trials, {len(trials) - len(complete)} of them broken off",
        markdown_table(("trial", MEASURES[search.measure], *names), rows),
    ]
    if weights:
        parts.append(markdown_table(("setting", "importance"), [(k, f"{v:.2f}") for k, v in weights.items()]))
    else:
        parts.append(f"importances need {_ENOUGH} trials that were not broken off")
    memory = [trial.user_attrs["peak_memory_bytes"] for trial in trials if "peak_memory_bytes" in trial.user_attrs]
    if memory:
        parts.append(f"{peak_text({whose: max(found[whose] for found in memory) for whose in memory[0]})} in a process")
    parts.append(f"the best settings: python -m mlx_train run --config {folder.best}")
    return "\n\n".join(parts)


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def begin(search: Search, output: Path | None) -> Folder:
    """A fresh folder for a search. Raises ValueError, OSError."""
    return Folder(Run.create(search.config, "tune", output, made_by="tune", measure=search.measure))


def resume(
    place: Path, table: Path | None = None, config: Config | None = None, measure: str | None = None
) -> tuple[Folder, Search]:
    """The folder of an earlier search, and what it is about.

    config: its settings, where device or workers are to be other ones. Raises ValueError for a folder of something
    else or in use, and for another measure than the search has.
    """
    run = Run.resume(place)
    found = run.read()
    if found.get("made_by") != "tune":
        raise ValueError(f"{place} was not made by `tune`")
    if measure not in (None, found["measure"]):
        raise ValueError(f"measure is {found['measure']} in {place}, and stays so")
    say(f"going on in {run.folder}")
    return Folder(run), Search(config=config or found["config"], measure=found["measure"], table=table)
