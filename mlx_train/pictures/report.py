"""Folders of pictures with a text that shows them: the commands `report` and `compare`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlx_train.measuring.calibration import Calibration
from mlx_train.measuring.regret import RegretShares
from mlx_train.measuring.round_robin import Comparison, markdown, pairs_csv, standings_csv
from mlx_train.pictures.models import (
    SizePoint,
    calibration_plot,
    matrix_picture,
    rate_distortion,
    regret_map,
    size_table,
)
from mlx_train.pictures.style import save_figure
from mlx_train.system.files import write_json, write_text
from mlx_train.system.text import file_name, short_names

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write_report(
    folder: Path,
    points: Sequence[SizePoint],
    regrets: Sequence[RegretShares],
    calibrations: Sequence[Calibration],
    losses: Mapping[str, "Figure"],
    note: str = "",
) -> str:
    """Write the pictures, and report.md, which shows them, into a folder -> the text of report.md. Raises OSError.

    losses: the loss curves of runs, by the runs' names. note: a sentence on all regrets and calibrations.
    """
    folder.mkdir(parents=True, exist_ok=True)
    agents = [regret.agent for regret in regrets]
    names = dict(zip(agents, short_names(agents), strict=True))
    pictures = {"rate-distortion": ("Regret and win rate by size", rate_distortion(points))}
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
    parts = [size_table(points), shown[0], *([note] if note else []), *shown[1:]]
    text = "\n\n".join(parts) + "\n"
    write_text(folder / "report.md", text)
    return text


def write_comparison(result: Comparison, folder: Path) -> None:
    """Write comparison.md, .csv, .json and .png, and standings.csv, into a folder, made if need be. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "comparison.md", markdown(result) + "\n")
    write_text(folder / "comparison.csv", pairs_csv(result))
    write_text(folder / "standings.csv", standings_csv(result))
    write_json(folder / "comparison.json", result.to_dict())
    save_figure(matrix_picture(result), folder / "comparison.png")
