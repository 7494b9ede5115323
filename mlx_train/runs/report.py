"""The command `report`: a folder of pictures of models and runs, with a text that shows them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from engine.games.agents import Agent, open_table
from engine.network.shipped import shipped_folder
from mlx_train.measuring.calibration import Calibration, calibration
from mlx_train.measuring.exactness import SolvedGame
from mlx_train.measuring.regret import RegretShares, regret_shares
from mlx_train.measuring.value_error import gives_win_probabilities
from mlx_train.networks.manifest import read_manifest
from mlx_train.pictures.models import SizePoint, calibration_plot, rate_distortion, regret_map, size_table
from mlx_train.pictures.style import save_figure
from mlx_train.runs.run_record import RunRecord, find_run, read_record
from mlx_train.runs.run_views import run_losses
from mlx_train.runs.shipped import size_point
from mlx_train.system.files import make_folder, own_folder, write_text
from mlx_train.system.progress import say
from mlx_train.system.text import file_name, short_names

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def check_request(agents: Sequence[str], runs: Sequence[str], rules: str) -> tuple[list[Agent], list[RunRecord]]:
    """The agents by their spellings and the runs by their names. Raises ValueError."""
    return [Agent.parse(name, rules) for name in agents], [read_record(find_run(name)) for name in runs]


def report(
    folder: Path,
    agents: Sequence[Agent],
    runs: Sequence[RunRecord],
    *,
    rules: str,
    models: Path | None,
    table_file: Path | None,
    seed: int,
    workers: int | None,
) -> str:
    """Measure agents, by default the rule set's shipped models, and write the report into a folder -> its text.

    models: a folder of models and their manifest, by default the shipped ones. Raises ValueError, OSError.
    """
    models = models or shipped_folder()
    shipped = read_manifest(models) if (models / "manifest.json").exists() else []
    shipped = [model for model in shipped if model.rules == rules]
    agents = agents or [model.agent(models) for model in shipped]
    if not agents:
        raise ValueError(f"no models in {models}: name the agents to look into")
    table = open_table(table_file, rules)
    with own_folder(folder):
        regrets, calibrations = [], []
        for agent in agents:
            say(f"measuring {agent.name}")
            regrets.append(regret_shares(agent, table, seed=seed, workers=workers))
            if gives_win_probabilities(agent):
                calibrations.append(calibration(agent, table, seed=seed))
        losses = {run.name: run_losses(run) for run in runs}
        points = [size_point(model) for model in shipped]
        return write_report(folder, points, regrets, calibrations, losses, SolvedGame.of(table).note, rules)


def write_report(
    folder: Path,
    points: Sequence[SizePoint],
    regrets: Sequence[RegretShares],
    calibrations: Sequence[Calibration],
    losses: Mapping[str, "Figure"],
    note: str = "",
    rules: str = "finkel",
) -> str:
    """Write the pictures, and report.md, which shows them, into a folder -> the text of report.md. Raises OSError.

    losses: the loss curves of runs, by the runs' names. note: a sentence on all regrets and calibrations. rules: the
    rule set of the points, whose published networks are shown beside them.
    """
    make_folder(folder)
    agents = [regret.agent for regret in regrets]
    names = dict(zip(agents, short_names(agents), strict=True))
    pictures = {"rate-distortion": ("Regret and win rate by size", rate_distortion(points, rules))}
    for regret in regrets:
        name = names[regret.agent]
        pictures[f"{file_name(name)}-regret"] = (f"Where the regret of {name} lies", regret_map(regret))
    for result in calibrations:
        name = names[result.agent]
        pictures[f"{file_name(name)}-calibration"] = (f"Calibration of {name}", calibration_plot(result))
    for name, curve in losses.items():
        pictures[f"{name}-loss"] = (f"Losses of {name}", curve)
    shown = []
    for file, (title, figure) in pictures.items():
        save_figure(figure, folder / f"{file}.png")
        shown.append(f"![{title}]({file}.png)")
    parts = [size_table(points, rules), shown[0], *([note] if note else []), *shown[1:]]
    text = "\n\n".join(parts) + "\n"
    write_text(folder / "report.md", text)
    return text
