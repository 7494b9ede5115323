"""Pictures and tables of results."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlx_train.evaluate import KINDS, Calibration, Exactness, RegretShares, WinRate
from mlx_train.files import atomic_file, write_text

# Okabe and Ito's colours, which colour-blind readers can tell apart.
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#999999"


@dataclass(frozen=True, kw_only=True)
class SizePoint:
    """A network's size and strength: parameters, mean regret in points, win rate against perfect play in percent."""

    name: str
    parameters: int
    regret: float
    win_rate: float


#: The published networks: trained on the exact solution for 240,000 steps of 16,384 positions.
PUBLISHED = (
    SizePoint(name="3.5k", parameters=3_500, regret=0.0783, win_rate=42.98),
    SizePoint(name="9k", parameters=9_000, regret=0.0399, win_rate=46.75),
    SizePoint(name="26k", parameters=26_000, regret=0.0215, win_rate=48.09),
    SizePoint(name="86k", parameters=86_000, regret=0.0100, win_rate=48.94),
    SizePoint(name="302k", parameters=302_000, regret=0.0047, win_rate=49.56),
    SizePoint(name="1.13M", parameters=1_130_000, regret=0.0024, win_rate=49.78),
)


def save_figure(figure: Any, path: Path) -> None:
    """Write a matplotlib figure as PNG, atomically."""
    with atomic_file(path) as file:
        figure.savefig(file, format="png", dpi=144)


def loss_curve(history: Sequence[dict[str, float]], path: Path) -> None:
    """Losses by epoch of each network that was trained, in training and validation, the best epoch marked; a PNG."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    epochs = [row["epoch"] for row in history]
    units = {"value": "mean squared error of 2p - 1", "policy": "cross entropy (nats)"}
    trained = [name for name in units if f"train_{name}_loss" in history[0]]
    figure = Figure(figsize=(4.5 * len(trained), 3.6), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(trained), squeeze=False)[0], trained, strict=True):
        best = min(history, key=lambda row, key=f"validation_{name}_loss": row[key])["epoch"]  # type: ignore[misc]
        axes.plot(epochs, [row[f"train_{name}_loss"] for row in history], color=ORANGE, label="training")
        axes.plot(epochs, [row[f"validation_{name}_loss"] for row in history], color=BLUE, label="validation")
        axes.axvline(best, color=GREY, linewidth=1, linestyle=":", label=f"best epoch ({best})")
        axes.set(title=f"{name.capitalize()} network", xlabel="epoch", ylabel=units[name])
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    save_figure(figure, path)


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table, columns padded."""
    cells = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    lines = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) + " |" for row in cells]
    lines.insert(1, "| " + " | ".join("-" * w for w in widths) + " |")
    return "\n".join(lines)


def win_rate_table(results: Sequence[WinRate]) -> str:
    """Win rates in percent with their 95 % intervals, as a Markdown table."""
    rows = [
        (r.opponent, r.games, f"{100 * r.rate:.2f}", f"{100 * r.interval[0]:.2f} - {100 * r.interval[1]:.2f}")
        for r in results
    ]
    return markdown_table(("opponent", "games", "win %", "95% interval"), rows)


def exactness_table(results: Sequence[Exactness]) -> str:
    """Agents against the exact solution, as a Markdown table: errors of the win probability, the rest in points."""
    header = (
        "agent", "parameters", "mean error", "p95", "max", "regret, points", "p95", "best moves %",
        "win % against perfect", "95% interval", "microseconds a move",
    )  # fmt: skip
    return markdown_table(header, [_exactness_row(result) for result in results])


def _exactness_row(result: Exactness) -> tuple[object, ...]:
    error, regret, estimate = result.value_error, result.regret, result.estimate
    parameters = result.size.parameters
    return (
        result.agent,
        "" if parameters is None else f"{parameters:,}",
        *(("", "", "") if error is None else (f"{error.mean:.6f}", f"{error.p95:.5f}", f"{error.max:.4f}")),
        f"{regret.mean:.4f}",
        f"{regret.p95:.4f}",
        f"{100 * regret.best_share:.2f}",
        f"{estimate.rate:.2f}",
        f"{estimate.interval[0]:.2f} - {estimate.interval[1]:.2f}",
        f"{result.microseconds_per_move:.2f}",
    )


def short_name(agent: str) -> str:
    """An agent's name for a picture: of a network, its file's name without folder and ending."""
    kind, _, rest = agent.partition(":")
    if kind != "net":
        return agent
    name = rest.rpartition("/")[2]
    for ending in (".json.gz", ".json"):
        name = name.replace(ending, "")
    return name


def win_matrix(agents: Sequence[str], rates: NDArray[np.float64], path: Path) -> None:
    """A heat map of win rates in percent, the row's against the column, NaN where nothing was played; as PNG."""
    from matplotlib.figure import Figure

    names = [short_name(agent) for agent in agents]
    side = 1.2 + 0.72 * len(names)
    figure = Figure(figsize=(side + 1.2, side), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(rates, cmap="PuOr_r", vmin=0, vmax=100)
    for (row, column), rate in np.ndenumerate(rates):
        if np.isfinite(rate):
            colour = "white" if abs(rate - 50) > 35 else "black"
            axes.text(column, row, f"{rate:.1f}", ha="center", va="center", color=colour, fontsize=9)
    axes.set_xticks(range(len(names)), names, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="opponent", title="Win % of the row against the column")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    figure.colorbar(image, ax=axes, label="win %", shrink=0.8)
    save_figure(figure, path)


def rate_distortion(ours: Sequence[SizePoint], path: Path) -> None:
    """Regret and win rate against the number of parameters, our networks and the published ones; as PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    _by_size(left, ours, lambda point: point.regret, lambda regret: f"{regret:g}")
    left.set(title="Regret", ylabel="mean regret (points)")
    left.legend(frameon=False, loc="lower left")
    _by_size(right, ours, lambda point: 50 - point.win_rate, lambda short: f"{50 - short:g}")
    right.set(title="Win rate against perfect play", ylabel="win % (50 is perfect)")
    right.invert_yaxis()
    right.legend(frameon=False, loc="upper left")
    save_figure(figure, path)


def _by_size(
    axes: Any, ours: Sequence[SizePoint], worth: Callable[[SizePoint], float], label: Callable[[float], str]
) -> None:
    """Plot `worth`, of which less is better, by size on logarithmic scales, its ticks written by `label`."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    for points, style in (
        (PUBLISHED, {"marker": "o", "color": ORANGE, "markerfacecolor": "white", "label": "published"}),
        (ours, {"marker": "s", "color": BLUE, "linestyle": "none", "label": "this project"}),
    ):
        axes.plot([point.parameters for point in points], [worth(point) for point in points], **style)
    for point in ours:
        place = (point.parameters, worth(point))
        # Names stand to the left, but for a point whose left neighbour is so near that they would meet.
        crowded = any(point.parameters / 1.3 < other.parameters < point.parameters for other in ours)
        offset, side = (8, "left") if crowded else (-8, "right")
        axes.annotate(
            point.name, place, xytext=(offset, -3), textcoords="offset points", ha=side, color=BLUE, fontsize=8
        )
    axes.set(xscale="log", yscale="log", xlabel="parameters")
    axes.margins(x=0.15, y=0.1)
    for axis, text in ((axes.xaxis, lambda count: f"{count:,.0f}"), (axes.yaxis, label)):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if axis is axes.yaxis else (1, 3)))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda value, _, text=text: text(value)))
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def calibration_plot(found: Calibration, path: Path) -> None:
    """A player's win probabilities against the exact ones: the means, and how far single positions lie off; as PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot([0, 1], [0, 1], color=GREY, linewidth=1, label="exact")
    left.plot(found.predicted, found.exact, "o", color=BLUE, label=short_name(found.agent))
    left.set(
        title="Means by step of the prediction",
        xlabel="predicted win probability",
        ylabel="exact win probability",
        aspect="equal",
    )
    left.legend(frameon=False)
    right.axhline(0, color=GREY, linewidth=1)
    right.fill_between(
        found.predicted, 100 * found.low, 100 * found.high, color=BLUE, alpha=0.2, linewidth=0, label="90% of positions"
    )
    right.plot(found.predicted, 100 * (found.exact - found.predicted), "o-", color=BLUE, label="mean")
    right.set(
        title=f"{found.positions:,} positions drawn uniformly",
        xlabel="predicted win probability",
        ylabel="exact less predicted (points)",
    )
    right.legend(frameon=False)
    for axes in (left, right):
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    save_figure(figure, path)


def regret_map(found: RegretShares, path: Path) -> None:
    """Where an agent's regret sits: by score, and by the kinds of the best and of the played move; as PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11.5, 5), layout="constrained")
    left, right = figure.subplots(1, 2)
    _shares(left, found.score, [str(i) for i in range(7)], [str(i) for i in range(7)])
    left.set(title="By score", xlabel="opponent's pieces borne off", ylabel="own pieces borne off")
    left.invert_yaxis()
    _shares(right, found.kind, KINDS, KINDS)
    right.set(title="By kind of move", xlabel="played", ylabel="best")
    figure.suptitle(
        f"{short_name(found.agent)}: % of its regret ({found.regret.mean:.4f} points a decision, "
        f"{100 * found.regret.best_share:.1f}% best moves)"
    )
    save_figure(figure, path)


def _shares(axes: Any, shares: NDArray[np.float64], rows: Sequence[str], columns: Sequence[str]) -> None:
    """A heat map of shares in percent, the parts below 0.05% left blank."""
    axes.imshow(100 * shares, cmap="cividis", vmin=0)
    for (row, column), share in np.ndenumerate(100 * shares):
        if share >= 0.05:
            colour = "black" if share > 60 * shares.max() else "white"
            axes.text(column, row, f"{share:.1f}", ha="center", va="center", color=colour, fontsize=9)
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def size_table(ours: Sequence[SizePoint]) -> str:
    """Our networks among the published ones, by size, as a Markdown table."""
    labelled = [(point, "published") for point in PUBLISHED] + [(point, "this project") for point in ours]
    rows = [
        (point.name, whose, f"{point.parameters:,}", f"{point.regret:.4f}", f"{point.win_rate:.2f}")
        for point, whose in sorted(labelled, key=lambda pair: pair[0].parameters)
    ]
    return markdown_table(("network", "whose", "parameters", "regret, points", "win % against perfect"), rows)


def write_report(
    folder: Path,
    points: Sequence[SizePoint],
    regrets: Sequence[RegretShares],
    calibrations: Sequence[Calibration],
) -> str:
    """Write the pictures and report.md, which shows them, into a folder -> the text. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    rate_distortion(points, folder / "rate-distortion.png")
    parts = [size_table(points), "![Regret and win rate by size](rate-distortion.png)"]
    for regret in regrets:
        name = file_name(regret.agent)
        regret_map(regret, folder / f"{name}-regret.png")
        parts.append(f"![Where the regret of {short_name(regret.agent)} sits]({name}-regret.png)")
    for found in calibrations:
        name = file_name(found.agent)
        calibration_plot(found, folder / f"{name}-calibration.png")
        parts.append(f"![Calibration of {short_name(found.agent)}]({name}-calibration.png)")
    text = "\n\n".join(parts) + "\n"
    write_text(folder / "report.md", text)
    return text


def file_name(agent: str) -> str:
    """An agent's name for a file."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", short_name(agent))
