"""Pictures and tables of results."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlx_train.evaluate import Exactness, WinRate
from mlx_train.files import atomic_file

# Okabe and Ito's colours, which colour-blind readers can tell apart.
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#999999"


def save_figure(figure: Any, path: Path) -> None:
    """Write a matplotlib figure as PNG, atomically."""
    with atomic_file(path) as file:
        figure.savefig(file, format="png", dpi=144)


def loss_curve(history: Sequence[dict[str, float]], path: Path) -> None:
    """Losses of both networks by epoch, training and validation, the best epoch marked; as PNG."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    epochs = [row["epoch"] for row in history]
    best = min(history, key=lambda row: row["validation_loss"])["epoch"]
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    for axes, name, unit in zip(
        figure.subplots(1, 2),
        ("value", "policy"),
        ("mean squared error of 2p - 1", "cross entropy (nats)"),
        strict=True,
    ):
        axes.plot(epochs, [row[f"train_{name}_loss"] for row in history], color=ORANGE, label="training")
        axes.plot(epochs, [row[f"validation_{name}_loss"] for row in history], color=BLUE, label="validation")
        axes.axvline(best, color=GREY, linewidth=1, linestyle=":", label=f"best epoch ({best})")
        axes.set(title=f"{name.capitalize()} network", xlabel="epoch", ylabel=unit)
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
