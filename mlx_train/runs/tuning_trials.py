"""The trials of a search for settings: which one is next, its training, and its measure."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache
from typing import TYPE_CHECKING

from engine.games.agents import Agent, open_table
from engine.network.network import Network
from mlx_train.data.games import Decisions
from mlx_train.device.backend import use_device
from mlx_train.device.memory import explained, prepare
from mlx_train.measuring.regret import policy_regret
from mlx_train.measuring.value_error import value_error
from mlx_train.networks.weights import to_document
from mlx_train.runs.training import training_data
from mlx_train.runs.tuning_study import TuningFolder, TuningRequest, require
from mlx_train.system.errors import EXPECTED
from mlx_train.system.peak_memory import peaks
from mlx_train.training.state import EpochMetrics, best_epochs
from mlx_train.training.trainer import Trainer, train

if TYPE_CHECKING:
    import optuna

# Positions or decisions of a measure against the solved game, after every epoch.
_MEASURED = 10_000


class Objective:
    """One trial: a training with the suggested settings -> its measure."""

    def __init__(self, folder: TuningFolder, request: TuningRequest):
        self.request = request
        self.device = use_device(request.config.device)
        self.table = None if request.measure == "validation_loss" else open_table(request.table, request.config.rules)
        self.games = cache(lambda: Decisions.load(folder.run.games))  # read once, for all trials

    def __call__(self, trial: "optuna.Trial") -> float:
        """Raises optuna.TrialPruned for a trial that the pruner stops, or whose loss is no longer a number."""
        optuna = require()
        config = self.request.suggest(trial)
        source, _ = training_data(config, self.games)
        trainer = Trainer(config, source.total_steps)

        def on_epoch(metrics: EpochMetrics) -> None:
            trial.set_user_attr("peak_memory_bytes", peaks(trainer.state.peak_memory_bytes))
            assert metrics.validation_loss is not None  # every teacher's source has validation batches
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

    def measured(self, trainer: Trainer, loss: float) -> float:
        """The measure of the networks as they are; `loss` where the validation loss is the measure."""
        if self.table is None:
            return loss
        config = self.request.config
        network = Network.from_document(to_document(trainer.model, {}, config.networks))
        agent = Agent.from_network(network, policy=config.networks == "policy")
        measure = policy_regret if self.request.measure == "regret" else value_error
        return measure(agent, self.table, _MEASURED, workers=config.workers).mean


def retry_interrupted(study: "optuna.Study") -> None:
    """Mark interrupted trials as failed, and enqueue their settings again. No other process may run trials."""
    state = require().trial.TrialState
    for trial in study.get_trials(states=(state.RUNNING,)):
        study.tell(trial.number, state=state.FAIL)
        if trial.params:
            study.enqueue_trial(trial.params)


def next_trial(study: "optuna.Study", trials: int, turn: AbstractContextManager[object]) -> "optuna.Trial | None":
    """A trial to run; None where `trials` are finished or running. turn: a lock that all processes share."""
    state = require().trial.TrialState
    with turn:  # otherwise two processes could count the same trials, and start one too many
        taken = study.get_trials(deepcopy=False, states=(state.COMPLETE, state.PRUNED, state.RUNNING))
        return study.ask() if len(taken) < trials else None


def run_trial(study: "optuna.Study", trial: "optuna.Trial", objective: "Callable[[optuna.Trial], float]") -> None:
    """Run a trial and record its result in the study. An interrupted one stays unfinished, for `retry_interrupted`."""
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


def run_trials(
    folder: TuningFolder,
    request: TuningRequest,
    trials: int,
    worker: int,
    turn: AbstractContextManager[object],
    report: Callable[[], None] = lambda: None,
) -> None:
    """Run trials one after the other until `trials` are finished or running in other processes.

    worker: the number of this process in the search. turn: as for `next_trial`. report: called after each.
    """
    prepare(request.config)
    # A seed for each process and each call: with the same seed, the sampler would suggest the same settings again.
    earlier = len(folder.study(0).trials)
    study = folder.study((request.config.seed + 1_000_003 * earlier + worker) % 2**32)
    objective = Objective(folder, request)
    while (trial := next_trial(study, trials, turn)) is not None:
        run_trial(study, trial, objective)
        report()
