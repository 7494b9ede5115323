"""The results of a search for settings: the best ones, the importance of each setting, the text and the picture."""

from typing import TYPE_CHECKING, Any

from engine.machine.installation import command
from mlx_train.config import Config
from mlx_train.pictures.style import save_figure
from mlx_train.pictures.training import search_plot
from mlx_train.runs.tuning_study import MEASURES, TuningFolder, TuningRequest, complete_trials, finished_trials, require
from mlx_train.system.files import write_json, write_text
from mlx_train.system.peak_memory import peak_text
from mlx_train.system.text import markdown_table

if TYPE_CHECKING:
    import optuna

# Importances need at least this many complete trials.
_ENOUGH = 8

# Trials in the text.
_BEST = 10


def write_results(folder: TuningFolder, request: TuningRequest, study: "optuna.Study") -> None:
    """Write best.json, tune.md and tune.png. The study has a complete trial. Raises OSError."""
    best = {
        "measure": request.measure,
        "value": study.best_value,
        "trial": study.best_trial.number,
        "config": best_config(request, study).to_dict(),
    }
    write_json(folder.best, best)
    shares = importances(study)
    save_figure(search_plot(values_by_trial(study), shares, MEASURES[request.measure]), folder.picture)
    write_text(folder.summary, f"{summary(folder, request, study, shares)}\n\n![Trials and importances](tune.png)\n")


def best_config(request: TuningRequest, study: "optuna.Study") -> Config:
    """The settings of the best trial."""
    return request.suggest(require().trial.FixedTrial(study.best_params))


def best_so_far(study: "optuna.Study", measure: str) -> str:
    """The best measure so far, in a few words; empty where no trial is complete."""
    values = [trial.value for trial in complete_trials(study) if trial.value is not None]
    return f"best {MEASURES[measure]} {min(values):.5g}" if values else ""


def importances(study: "optuna.Study") -> dict[str, float]:
    """How much each setting matters for being among the better trials, largest first; empty with too few trials.

    By PED-ANOVA (Watanabe and others, 2023), whose shares sum to 1.
    """
    optuna = require()
    if len(complete_trials(study)) < _ENOUGH:
        return {}
    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))


def values_by_trial(study: "optuna.Study") -> list[tuple[int, float, bool]]:
    """(number, measure, whether the pruner stopped it) of each trial that counts; a stopped trial's last measure."""
    rows = []
    for trial in finished_trials(study):
        value = trial.value if trial.state.name == "COMPLETE" else None
        if value is None and trial.intermediate_values:
            value = trial.intermediate_values[max(trial.intermediate_values)]
        if value is not None:
            rows.append((trial.number, value, trial.state.name != "COMPLETE"))
    return rows


def summary(folder: TuningFolder, request: TuningRequest, study: "optuna.Study", shares: dict[str, float]) -> str:
    """The best trials, the importances (`shares`) and the memory, as Markdown."""
    trials = finished_trials(study)
    complete = sorted(complete_trials(study), key=lambda trial: trial.values[0])
    names = list(complete[0].params)
    rows = [
        (trial.number, f"{trial.value:.6g}", *(_text(trial.params[name]) for name in names))
        for trial in complete[:_BEST]
    ]
    parts = [
        f"{len(trials)} trials, {len(trials) - len(complete)} of them broken off",
        markdown_table(("trial", MEASURES[request.measure], *names), rows),
    ]
    if shares:
        parts.append(markdown_table(("setting", "importance"), [(k, f"{v:.2f}") for k, v in shares.items()]))
    else:
        parts.append(f"importances need {_ENOUGH} trials that were not broken off")
    memory = [trial.user_attrs["peak_memory_bytes"] for trial in trials if "peak_memory_bytes" in trial.user_attrs]
    if memory:
        largest = {kind: max(bytes_by_kind[kind] for bytes_by_kind in memory) for kind in memory[0]}
        parts.append(f"{peak_text(largest)} in a process")
    parts.append(f"the best settings: {command('run', '--config', folder.best)}")
    return "\n\n".join(parts)


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
