"""Pictures and tables of results."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from engine.machine.files import atomic_file
from mlx_train.config import Config
from mlx_train.measuring.measures import KINDS, Calibration, Exactness, RegretShares, WinRate
from mlx_train.runs.run_record import RunRecord, changed_settings
from mlx_train.system.files import write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mlx_train.measuring.learning_curve import LearningPoint

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


@dataclass(frozen=True, kw_only=True)
class BytesPoint:
    """Something that plays, its bytes, and its mean regret in points."""

    name: str
    bytes: int
    regret: float


#: The published regrets of the exact table with every position's value in so many bits, and the bytes that takes.
PUBLISHED_TABLES = (
    BytesPoint(name="6 bits", bytes=103_402_573, regret=0.0842),
    BytesPoint(name="8 bits", bytes=137_870_097, regret=0.0076),
)


def save_figure(figure: "Figure", path: Path) -> None:
    """Write a figure as PNG, atomically. Raises OSError."""
    with atomic_file(path) as file:
        figure.savefig(file, format="png", dpi=144)


def loss_curve(history: Sequence[dict[str, float]], value_loss: str = Config.value_loss) -> "Figure":
    """Losses by epoch of each network that was trained, in training and validation, the best epoch marked.

    value_loss: what the value network minimised, as in Config.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    epochs = [row["epoch"] for row in history]
    units = {"value": f"mean {value_loss} error of 2p - 1", "policy": "cross entropy (nats)"}
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
        axes.legend(framealpha=0.9, edgecolor="none")  # the best epoch's line may be behind it
    return figure


def run_losses(record: RunRecord) -> "Figure":
    """The loss curve of a run folder. Raises ValueError for a run that has no epochs of training."""
    if not any(name.startswith("train_") for row in record.epochs for name in row):
        raise ValueError(f"{record.files.folder} has no losses to draw")
    return loss_curve(record.epochs, record.config.get("value_loss", Config.value_loss))  # older runs had no choice


def learning_curve(points: Sequence["LearningPoint"]) -> "Figure":
    """Regret and win rate against perfect play while a network learns, over games and over processor time."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter

    figure = Figure(figsize=(10, 6.4), layout="constrained")
    panels = figure.subplots(2, 2, sharex="col", sharey="row")
    plain = FuncFormatter(lambda value, _: f"{value:,g}")
    for column, (unit, spent) in enumerate(
        (
            ("games of self-play", [p.games for p in points]),
            ("minutes of one core", [p.cpu_seconds / 60 for p in points]),
        )
    ):
        upper, lower = panels[:, column]
        upper.plot(spent, [p.regret for p in points], "o-", color=BLUE, markersize=3)
        upper.set(xscale="log", yscale="log")
        upper.xaxis.set_major_formatter(plain)
        upper.yaxis.set_major_formatter(plain)
        lower.axhline(50, color=GREY, linewidth=1, linestyle=":")
        lower.plot(spent, [p.win_rate for p in points], "o-", color=ORANGE, markersize=3)
        lower.fill_between(
            spent,
            [p.interval[0] for p in points],
            [p.interval[1] for p in points],
            color=ORANGE,
            alpha=0.25,
            linewidth=0,
        )
        lower.set(xlabel=unit, ylim=(0, 52))
    panels[0, 0].set(ylabel="regret (points a decision)")
    panels[1, 0].set(ylabel="win % against perfect play")
    for axes in panels.flat:
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table, columns padded."""
    cells = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    lines = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) + " |" for row in cells]
    lines.insert(1, "| " + " | ".join("-" * w for w in widths) + " |")
    return "\n".join(lines)


#: The figures that the list of runs has a column for, where a run has them.
_RUN_FIGURES = (
    "epochs", "rounds", "value loss", "policy loss", "loss", "samples/s", "win % emm:3", "win % emm:4",
    "value error", "regret, points", "win % perfect",
)  # fmt: skip


def runs_table(records: Sequence[RunRecord]) -> str:
    """Runs with how far they came, what they were made of, and their figures, as a Markdown table."""
    figures = [record.figures() for record in records]
    shown = [name for name in _RUN_FIGURES if any(found.get(name) is not None for found in figures)]
    rows = []
    for record, found in zip(records, figures, strict=True):
        plays = record.teacher != "exact" and record.origin.get("made_by") != "train"
        games = record.config.get("games", "") if plays else ""
        sizes = "-".join(map(str, record.config.get("hidden_sizes", ())))
        known = [figure(name, found.get(name)) for name in shown]
        rows.append((record.name, record.state, record.teacher, games, sizes, *known))
    return markdown_table(("run", "state", "teacher", "games", "hidden sizes", *shown), rows)


def run_page(record: RunRecord) -> str:
    """One run in full, as Markdown."""
    origin = record.origin
    versions = origin.get("versions", {})
    facts = [
        ("state", record.state),
        ("command", " ".join(map(str, origin.get("command", ())))),
        ("source revision", origin.get("source_revision") or ""),
        ("system", origin.get("system", "")),
        ("versions", ", ".join(f"{name} {version}" for name, version in versions.items() if version)),
    ]
    settings = [(name, setting_text(value)) for name, value in changed_settings(record).items()]
    figures = [
        (name, figure(name, value) + (f" ± {figure(name, margin)}" if (margin := record.margin(name)) else ""))
        for name, value in record.figures().items()
        if value is not None
    ]
    parts = [
        markdown_table((record.name, ""), facts),
        markdown_table(("setting", "not the default"), settings) if settings else "Every setting is the default.",
        markdown_table(("figure", ""), figures) if figures else "No figures yet.",
    ]
    return "\n\n".join(parts)


def difference_table(first: str, second: str, rows: Sequence[dict[str, Any]]) -> str:
    """What `runs.difference` found, as a Markdown table; figures with how much the second has more."""
    cells = []
    for row in rows:
        values = (row["first"], row["second"])
        more = ""
        if row["kind"] == "figure":
            if None not in values:
                more = figure(row["name"], values[1] - values[0], sign="+")
            if "margin" in row:
                more += f" ± {figure(row['name'], row['margin'])}"
            values = (figure(row["name"], values[0]), figure(row["name"], values[1]))
        else:
            values = (setting_text(values[0]), setting_text(values[1]))
        cells.append((row["kind"], row["name"], *values, more))
    return markdown_table(("", "", first, second, "more"), cells)


def figure(name: str, value: float | None, sign: str = "") -> str:
    """A figure of a run as a person reads it; empty for None. sign: "+" to show that of positive ones too."""
    if value is None:
        return ""
    whole, fine = ("epochs", "rounds", "games played", "samples/s"), ("loss", "error", "points")
    digits = 0 if name in whole else 4 if name.endswith(fine) else 2
    return f"{value:{sign},.{digits}f}"


def setting_text(value: Any) -> str:
    """A setting as it is typed; empty for None."""
    return "" if value is None else ",".join(map(str, value)) if isinstance(value, list) else str(value)


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
        "agent", "parameters", "mean error", "error p95", "error max", "regret, points", "regret p95", "best moves %",
        "win % against perfect", "95% interval", "microseconds a move",
    )  # fmt: skip
    table = markdown_table(header, [_exactness_row(result) for result in results])
    return "\n\n".join([table, *sorted({result.table.note for result in results} - {""})])


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


def short_names(agents: Sequence[str]) -> list[str]:
    """`short_name` of each, with as many of the file's folders as tell it from the others."""
    found = [short_name(agent) for agent in agents]
    folders = 1
    while len(set(found)) < len(set(agents)) and folders <= max(agent.count("/") for agent in agents):
        longer = ["/".join([*agent.split("/")[-1 - folders : -1], short_name(agent)]) for agent in agents]
        found = [long if found.count(short) > 1 else short for long, short in zip(longer, found, strict=True)]
        folders += 1
    return [name.removeprefix("net:") for name in found]


def win_matrix(agents: Sequence[str], rates: NDArray[np.float64]) -> "Figure":
    """A heat map of win rates in percent, the row's against the column, NaN where nothing was played."""
    from matplotlib.figure import Figure

    names = short_names(agents)
    side = 1.2 + 0.72 * len(names)
    figure = Figure(figsize=(side + 1.2, side), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(rates, cmap="PuOr_r", vmin=0, vmax=100)
    write_values(axes, image, rates, ".1f")
    axes.set_xticks(range(len(names)), names, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="opponent", title="Win % of the row against the column")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    figure.colorbar(image, ax=axes, label="win %", shrink=0.8)
    return figure


def write_values(axes: Any, image: Any, values: NDArray[np.float64], text: str, size: float = 9) -> None:
    """The numbers of a heat map on its cells, black on light ones and white on dark ones; none where NaN."""
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            red, green, blue, _ = image.cmap(image.norm(value))
            dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.5  # luma of ITU-R BT.601
            colour = "white" if dark else "black"
            axes.text(column, row, format(value, text), ha="center", va="center", fontsize=size, color=colour)


def rate_distortion(ours: Sequence[SizePoint]) -> "Figure":
    """Regret and win rate against the number of parameters, our networks and the published ones."""
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
    figure.draw_without_rendering()  # settles where the points are
    _name_points(left, [(point.name, point.parameters, point.regret) for point in ours])
    _name_points(right, [(point.name, point.parameters, 50 - point.win_rate) for point in ours])
    return figure


def _by_size(
    axes: Any, ours: Sequence[SizePoint], worth: Callable[[SizePoint], float], label: Callable[[float], str]
) -> None:
    """Plot `worth`, of which less is better, by size on logarithmic scales, its ticks written by `label`."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    # The rings are smaller than the squares and upon them, so that both are seen where they meet.
    ring = {"marker": "o", "markersize": 5, "markerfacecolor": "white", "zorder": 3, "color": ORANGE}
    square = {"marker": "s", "markersize": 7, "linestyle": "none", "color": BLUE}
    for points, style in (
        (PUBLISHED, ring | {"label": "published"}),
        (ours, square | {"label": "this project"}),
    ):
        axes.plot([point.parameters for point in points], [worth(point) for point in points], **style)
    axes.set(xscale="log", yscale="log", xlabel="parameters")
    axes.margins(x=0.15, y=0.1)
    for axis, text in ((axes.xaxis, lambda count: f"{count:,.0f}"), (axes.yaxis, label)):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if axis is axes.yaxis else (1, 3)))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda value, _, text=text: text(value)))
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


#: Where a name may stand at its point, the best place first: points of type to the right and upwards, its alignment.
_PLACES = ((-8, -3, "right"), (8, -3, "left"), (0, 7, "center"), (0, -13, "center"))


def _name_points(axes: Any, points: Sequence[tuple[str, float, float]]) -> None:
    """Write names at points (name, x, y), each where it meets the fewest markers, lines and other names.

    The layout has to be settled.
    """
    taken, lines = _obstacles(axes)

    def met(text: Any) -> int:
        box = text.get_window_extent()
        return int(box.count_overlaps(taken)) + sum(line.intersects_bbox(box, filled=False) for line in lines)

    for name, *place in sorted(points, key=lambda point: -point[1]):  # a name stands to the left where it can
        tried = [
            axes.annotate(name, place, offset, textcoords="offset points", ha=alignment, color=BLUE, fontsize=8)
            for *offset, alignment in _PLACES
        ]
        chosen = min(tried, key=met)
        taken.append(chosen.get_window_extent())
        for text in tried:
            if text is not chosen:
                text.remove()


def _obstacles(axes: Any) -> tuple[list[Any], list[Any]]:
    """What a name should not meet, in pixels: the boxes of the legend and of the markers, and the lines' paths."""
    from matplotlib.transforms import Bbox

    boxes, paths = [axes.get_legend().get_window_extent()], []
    for line in axes.lines:
        path = line.get_transform().transform_path(line.get_path())
        half = line.get_markersize() / 2 * axes.figure.dpi / 72  # a point of type is the 72nd part of an inch
        boxes += [Bbox.from_extents(x - half, y - half, x + half, y + half) for x, y in path.vertices]
        if line.get_linestyle() != "None":
            paths.append(path)
    return boxes, paths


def regret_by_bytes(model: str, files: Mapping[str, Sequence[BytesPoint]], table: Sequence[BytesPoint]) -> "Figure":
    """Regret against bytes: the gzipped files of a model's networks, by their names, and the table in fewer bits."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    series: list[tuple[str, Sequence[BytesPoint], dict[str, Any]]] = [
        (f"{model}'s {name} network", points, {"marker": "s", "color": colour, "linestyle": "none"})
        for (name, points), colour in zip(files.items(), (BLUE, GREEN), strict=False)
    ]
    series += [
        ("exact table, rounded", table, {"marker": "o", "color": GREY}),
        ("the same, published", PUBLISHED_TABLES, {"marker": "o", "color": ORANGE, "markerfacecolor": "white",
                                                   "linestyle": "none"}),
    ]  # fmt: skip
    for label, points, style in series:
        axes.plot([point.bytes for point in points], [point.regret for point in points], label=label, **style)
        for point in points if points is not PUBLISHED_TABLES else ():
            axes.annotate(
                point.name, (point.bytes, point.regret), xytext=(7, 3), textcoords="offset points",
                color=style["color"], fontsize=8,
            )  # fmt: skip
    axes.set(xscale="log", yscale="log", xlabel="bytes", ylabel="mean regret (points)",
             title=f"{model} in fewer bits a weight, and the exact table in fewer bits a position")  # fmt: skip
    axes.margins(x=0.12)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure


def bytes_table(table: Sequence[BytesPoint]) -> str:
    """The exact table in fewer bits, as a Markdown table."""
    published = {point.name: f"{point.regret:.4f}" for point in PUBLISHED_TABLES}
    rows = [(p.name, f"{p.bytes:,}", f"{p.regret:.4f}", published.get(p.name, "")) for p in table]
    return markdown_table(("exact table", "bytes", "regret, points", "published"), rows)


def search_plot(trials: Sequence[tuple[int, float, bool]], importances: Mapping[str, float], measure: str) -> "Figure":
    """A search for settings: the measure of each trial, the best so far, and what mattered, where that is known.

    trials: (number, measure, whether it was broken off). importances: shares by setting, largest first.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(10, 3.8), layout="constrained")
    left, *rest = figure.subplots(1, 2, width_ratios=(3, 2)) if importances else [figure.subplots()]
    for broken, colour, label in ((False, BLUE, "at its end"), (True, GREY, "broken off")):
        rows = [(number, value) for number, value, off in trials if off == broken]
        if rows:
            left.plot(*zip(*rows, strict=True), "o", color=colour, markersize=4, label=label)
    ended = [(number, value) for number, value, off in trials if not off]
    best = np.minimum.accumulate([value for _, value in ended])
    left.step([number for number, _ in ended], best, where="post", color=ORANGE, label="best so far")
    left.set(title="Trials", xlabel="trial", ylabel=measure, yscale="log")
    left.xaxis.set_major_locator(MaxNLocator(integer=True))
    left.legend(frameon=False)
    for right in rest:
        names = list(importances)[::-1]
        right.barh(range(len(names)), [importances[name] for name in names], color=BLUE)
        right.set_yticks(range(len(names)), names)
        right.set(title="Importance", xlabel="share")
    for axes in (left, *rest):
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def calibration_plot(found: Calibration) -> "Figure":
    """A player's win probabilities against the exact ones: the means, and how far single positions lie off."""
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
    return figure


def regret_map(found: RegretShares) -> "Figure":
    """Where an agent's regret sits: by score, and by the kinds of the best and of the played move."""
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
    return figure


def _shares(axes: Any, shares: NDArray[np.float64], rows: Sequence[str], columns: Sequence[str]) -> None:
    """A heat map of shares in percent, the parts below 0.05% left blank."""
    image = axes.imshow(100 * shares, cmap="cividis", vmin=0)
    write_values(axes, image, np.where(100 * shares >= 0.05, 100 * shares, np.nan), ".1f")
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
    runs: Sequence[RunRecord] = (),
    note: str = "",
) -> str:
    """Write the pictures and report.md, which shows them, into a folder -> the text. Raises OSError.

    note: what a reader has to know of all regrets and calibrations.
    """
    folder.mkdir(parents=True, exist_ok=True)
    save_figure(rate_distortion(points), folder / "rate-distortion.png")
    parts = [size_table(points), "![Regret and win rate by size](rate-distortion.png)"]
    if note:
        parts.append(note)
    agents = [regret.agent for regret in regrets]
    names = dict(zip(agents, short_names(agents), strict=True))
    for regret in regrets:
        file = f"{file_name(names[regret.agent])}-regret.png"
        save_figure(regret_map(regret), folder / file)
        parts.append(f"![Where the regret of {names[regret.agent]} sits]({file})")
    for found in calibrations:
        file = f"{file_name(names[found.agent])}-calibration.png"
        save_figure(calibration_plot(found), folder / file)
        parts.append(f"![Calibration of {names[found.agent]}]({file})")
    for run in runs:
        save_figure(run_losses(run), folder / f"{run.name}-loss.png")
        parts.append(f"![Losses of {run.name}]({run.name}-loss.png)")
    text = "\n\n".join(parts) + "\n"
    write_text(folder / "report.md", text)
    return text


def file_name(name: str) -> str:
    """An agent's short name for a file."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name)
