"""A search for settings with Optuna: its request, its folder, and its study in an SQLite database.

Everything here can be used without MLX. Optuna is imported when it is first needed.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.machine.installation import install_advice
from mlx_train.config import Config
from mlx_train.runs.run_folder import Run

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

#: What a search can minimise, and its name in tables. The losses are of the trained networks; the other
#: measures are the value network's (the policy network's regret where it alone is trained).
MEASURES = {
    "validation_loss": "validation loss",
    "regret": "regret, points",
    "value_error": "mean error of the win probability",
}

# The range or the choices of each setting. A width is the first hidden layer's; each further layer has half of it.
LEARNING_RATES = (1e-4, 2e-2)
BATCH_SIZES = (128, 256, 512, 1024, 2048)
WIDTHS = (16, 32, 64, 128, 256)
LAYERS = (1, 4)
DROPOUTS = (0.0, 0.3)
NARROWEST = 8

# The pruner stops no trial before this many have finished: medians of fewer mean little.
_STARTUP_TRIALS = 5

_DATABASE_SECONDS = 30.0  # how long a process waits for another one's transaction


@dataclass(frozen=True, kw_only=True)
class TuningRequest:
    """The settings that all trials of a search share, and its measure."""

    config: Config
    measure: str
    table: Path | None = None  # the solved game; None for the one in the cache folder

    def __post_init__(self) -> None:
        if self.measure == "value_error" and self.config.networks == "policy":
            raise ValueError("the value error needs a value network: --networks policy has none")

    @property
    def blend(self) -> str | None:
        """The setting that blends the targets or the positions; None if it is not varied.

        The validation loss compares with the blended targets. It would show which targets are easy to learn, not
        which targets train good networks. The teacher `outcome` blends nothing.
        """
        if self.measure == "validation_loss":
            return None
        return {"search": "outcome_blend", "exact": "play_share", "outcome": None}[self.config.teacher]

    def suggest(self, trial: "optuna.Trial") -> Config:
        """The settings of a trial."""
        config = self.config
        batch_size = trial.suggest_categorical("batch_size", BATCH_SIZES)
        width = trial.suggest_categorical("width", WIDTHS)
        layers = trial.suggest_int("depth", *LAYERS)  # the studies of older searches have this name
        changes: dict[str, Any] = {
            "learning_rate": trial.suggest_float("learning_rate", *LEARNING_RATES, log=True),
            "batch_size": batch_size,
            "hidden_sizes": tuple(max(NARROWEST, width >> layer) for layer in range(layers)),
            "dropout": trial.suggest_float("dropout", *DROPOUTS),
        }
        if config.teacher == "exact":  # each trial gets as many positions
            changes["steps"] = max(config.epochs, config.steps * config.batch_size // batch_size)
        if self.blend is not None:
            changes[self.blend] = trial.suggest_float(self.blend, 0.0, 1.0)
        return replace(config, **changes)


class TuningFolder:
    """The files of a search, beside those of a run folder.

    study.db   Optuna's database: every trial
    best.json  the best settings, for `--config`
    tune.md    the best trials and the importance of each setting;  tune.png  their picture
    """

    def __init__(self, run: Run):
        self.run = run
        self.database = run.folder / "study.db"
        self.best = run.folder / "best.json"
        self.summary = run.folder / "tune.md"
        self.picture = run.folder / "tune.png"

    def study(self, seed: int) -> "optuna.Study":
        """The study; a new one if the database has none. seed: the seed of the suggestions from now on."""
        optuna = require()
        # Not by a URL, in which a question mark or a percent sign of a folder's name would mean something else.
        connect = partial(sqlite3.connect, self.database, timeout=_DATABASE_SECONDS, check_same_thread=False)
        storage = optuna.storages.RDBStorage("sqlite:///study.db", engine_kwargs={"creator": connect})
        return optuna.create_study(
            study_name="tune",
            storage=storage,
            sampler=optuna.samplers.TPESampler(seed=seed),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=_STARTUP_TRIALS, n_warmup_steps=1),
            load_if_exists=True,
        )

    def files(self) -> dict[str, Path]:
        """The files for a person that exist, by what they are; the folder last."""
        known = {"best settings": self.best, "table": self.summary, "picture": self.picture}
        return {what: path for what, path in known.items() if path.exists()} | {"run folder": self.run.folder}

    @contextmanager
    def usable_database(self) -> Iterator[None]:
        """Turn the errors of Optuna and SQLAlchemy for a database that fails, or stays locked, into a RuntimeError."""
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except (require().exceptions.StorageInternalError, SQLAlchemyError) as error:
            cause = error.__cause__ or error
            reason = getattr(cause, "orig", None) or cause
            raise RuntimeError(f"{self.database}: {reason}; go on with `{self.run.resume_command}`") from None


def require() -> Any:
    """The module optuna. Raises RuntimeError, saying how to install it, where it is missing."""
    try:
        import optuna
    except ModuleNotFoundError:
        raise RuntimeError(install_advice("optuna")) from None
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


def finished_trials(study: "optuna.Study") -> "list[FrozenTrial]":
    """The trials that count: complete, or stopped by the pruner."""
    state = require().trial.TrialState
    return study.get_trials(deepcopy=False, states=(state.COMPLETE, state.PRUNED))


def complete_trials(study: "optuna.Study") -> "list[FrozenTrial]":
    """The trials that trained to their end."""
    return study.get_trials(deepcopy=False, states=(require().trial.TrialState.COMPLETE,))
