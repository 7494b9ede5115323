"""Pictures of models: regret by parameters and by bytes, calibration, where the regret lies, the win matrix."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlx_train.measuring.calibration import Calibration
from mlx_train.measuring.matches import Z95
from mlx_train.measuring.moves import KINDS
from mlx_train.measuring.regret import RegretShares
from mlx_train.measuring.round_robin import Comparison
from mlx_train.pictures.labels import label_points
from mlx_train.pictures.style import (
    BLUE,
    DIVERGING,
    GREEN,
    GREY,
    heat_map,
    name_ticks,
    new_figure,
    plain_ticks,
    style_axes,
)
from mlx_train.system.text import markdown_table, short_name, short_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True, kw_only=True)
class SizePoint:
    """A network's size and strength: parameters, mean regret in points, win rate against perfect play in percent.

    A win rate of NaN is not published.
    """

    name: str
    parameters: int
    regret: float
    win_rate: float = math.nan


#: The sizes of the published networks.
_SIZES = {"3.5k": 3_500, "9k": 9_000, "26k": 26_000, "86k": 86_000, "302k": 302_000, "1.13M": 1_130_000}


def _published(regrets: Sequence[float], win_rates: Sequence[float] = (math.nan,) * len(_SIZES)) -> list[SizePoint]:
    """The published networks of a rule set, by their regrets and win rates in the order of `_SIZES`."""
    return [
        SizePoint(name=name, parameters=parameters, regret=regret, win_rate=win_rate)
        for (name, parameters), regret, win_rate in zip(_SIZES.items(), regrets, win_rates, strict=True)
    ]


#: The published networks by rule set: trained on the exact solution for 240,000 steps of 16,384 positions
#: (JeroenOlieslagers/game_of_ur, docs/stage2-compression.md).
PUBLISHED = {
    "finkel": _published((0.0783, 0.0399, 0.0215, 0.0100, 0.0047, 0.0024), (42.98, 46.75, 48.09, 48.94, 49.56, 49.78)),
    "blitz": _published((0.0799, 0.0470, 0.0235, 0.0110, 0.0066, 0.0033)),
    "masters": _published((0.0649, 0.0336, 0.0161, 0.0092, 0.0049, 0.0033)),
    "aseb": [],
}


@dataclass(frozen=True, kw_only=True)
class BytesPoint:
    """The bytes and the mean regret, in points, of a network's file or of a table."""

    name: str
    bytes: int
    regret: float


# Size


def rate_distortion(ours: Sequence[SizePoint], rules: str = "finkel") -> "Figure":
    """Regret and win rate against the number of parameters, of our networks of a rule set and the published ones."""
    figure = new_figure(11, 5.2)
    figure.suptitle("Strength by number of parameters, on logarithmic axes")
    left, right = figure.subplots(1, 2)
    _by_size(left, PUBLISHED[rules], ours, lambda point: point.regret, lambda regret: f"{regret:g}")
    left.set(title="Regret: lower is better, perfect play is 0", ylabel="mean regret (points)")
    left.legend(frameon=False, loc="lower left")
    _by_size(right, PUBLISHED[rules], ours, lambda point: 50 - point.win_rate, lambda short: f"{50 - short:g}")
    right.set(title="Win rate against perfect play: higher is better", ylabel="win %, spaced by its distance to 50")
    right.invert_yaxis()
    right.legend(frameon=False, loc="upper left")
    figure.draw_without_rendering()  # fixes the places of the points
    label_points(left, [(point.name, point.parameters, point.regret) for point in ours])
    label_points(right, [(point.name, point.parameters, 50 - point.win_rate) for point in ours])
    return figure


def _by_size(
    axes: "Axes",
    published: Sequence[SizePoint],
    ours: Sequence[SizePoint],
    loss: Callable[[SizePoint], float],
    label: Callable[[float], str],
) -> None:
    """Plot `loss` by the number of parameters on logarithmic scales; `label` gives the text of a tick of `loss`."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    # The rings are smaller than the squares and drawn over them, so that both are seen where they overlap.
    ring: dict[str, Any] = {"marker": "o", "markersize": 5, "markerfacecolor": "white", "zorder": 3, "color": GREY}
    square: dict[str, Any] = {"marker": "s", "markersize": 7, "linestyle": "none", "color": BLUE}
    axes.set(xscale="log", yscale="log", xlabel="parameters")
    for points, style in ((published, ring | {"label": "published"}), (ours, square | {"label": "this project"})):
        shown = [(point.parameters, loss(point)) for point in points if not math.isnan(loss(point))]
        axes.plot([parameters for parameters, _ in shown], [lost for _, lost in shown], **style)
    axes.margins(x=0.15, y=0.1)
    for axis, steps, text in ((axes.xaxis, (1, 3), "{:,.0f}".format), (axes.yaxis, (1, 2, 5), label)):
        axis.set_major_locator(LogLocator(subs=steps))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda value, _, text=text: text(value)))
    style_axes(axes)


def size_table(ours: Sequence[SizePoint], rules: str = "finkel") -> str:
    """Our networks of a rule set and the published ones, by size, as a Markdown table."""
    labelled = [(point, "published") for point in PUBLISHED[rules]] + [(point, "this project") for point in ours]
    rows = [
        (
            point.name,
            source,
            f"{point.parameters:,}",
            f"{point.regret:.4f}",
            "" if math.isnan(point.win_rate) else f"{point.win_rate:.2f}",
        )
        for point, source in sorted(labelled, key=lambda pair: pair[0].parameters)
    ]
    return markdown_table(("network", "whose", "parameters", "regret, points", "win % against perfect"), rows)


def regret_by_bytes(what: str, files: Mapping[str, Sequence[BytesPoint]], table: Sequence[BytesPoint]) -> "Figure":
    """Regret against bytes: series of gzipped files, by their names, and the table in fewer bits.

    what: the files, for the title.
    """
    figure = new_figure(8, 5)
    axes = figure.subplots()
    series: list[tuple[str, Sequence[BytesPoint], dict[str, Any]]] = [
        (name, points, {"marker": "s", "color": colour, "linestyle": "none"})
        for (name, points), colour in zip(files.items(), (BLUE, GREEN), strict=False)
    ]
    series.append(("exact table, rounded", table, {"marker": "o", "color": GREY}))
    for label, points, style in series:
        axes.plot([point.bytes for point in points], [point.regret for point in points], label=label, **style)
    axes.set(xscale="log", yscale="log", xlabel="bytes", ylabel="mean regret (points)",
             title=f"{what}, and the exact table in fewer bits a position")  # fmt: skip
    axes.margins(x=0.12)
    plain_ticks(axes.yaxis)
    style_axes(axes)
    axes.legend(frameon=False)
    label_points(axes, [(point.name, point.bytes, point.regret) for _, points, _ in series for point in points])
    return figure


def bytes_table(table: Sequence[BytesPoint]) -> str:
    """The exact table in fewer bits, as a Markdown table."""
    rows = [(point.name, f"{point.bytes:,}", f"{point.regret:.4f}") for point in table]
    return markdown_table(("exact table", "bytes", "regret, points"), rows)


# Exactness


def calibration_plot(result: Calibration) -> "Figure":
    """A player's win probabilities against the exact ones: the means, and the errors of single positions."""
    figure = new_figure(10, 4.8)
    figure.suptitle(f"Calibration of {short_name(result.agent)}")
    left, right = figure.subplots(1, 2)
    left.plot([0, 1], [0, 1], color=GREY, linewidth=1, label="exact")
    left.plot(result.predicted, result.exact, "o", color=BLUE, label=short_name(result.agent))
    left.set(
        title="Means by step of the prediction",
        xlabel="predicted win probability",
        ylabel="exact win probability",
        aspect="equal",
    )
    right.axhline(0, color=GREY, linewidth=1)
    right.fill_between(
        result.predicted, 100 * result.low, 100 * result.high,
        color=BLUE, alpha=0.2, linewidth=0, label="90% of positions",
    )  # fmt: skip
    right.plot(result.predicted, 100 * (result.exact - result.predicted), "o-", color=BLUE, label="mean")
    right.set(
        title=f"{result.positions:,} positions drawn uniformly",
        xlabel="predicted win probability",
        ylabel="exact less predicted (points)",
    )
    for axes in (left, right):
        axes.legend(frameon=False)
        style_axes(axes)
    return figure


def regret_map(shares: RegretShares) -> "Figure":
    """The shares of an agent's regret: by score, and by the kinds of the best and of the played move."""
    figure = new_figure(11.5, 5)
    left, right = figure.subplots(1, 2)
    scores = list(map(str, range(len(shares.score))))
    for axes, values, names in ((left, shares.score, scores), (right, shares.kind, KINDS)):
        heat_map(axes, 100 * values, ".1f", low=0, least=0.05)
        name_ticks(axes, names, names)
    left.set(title="By score", xlabel="opponent's pieces borne off", ylabel="own pieces borne off")
    left.invert_yaxis()
    right.set(title="By kind of move", xlabel="played", ylabel="best")
    figure.suptitle(
        f"{short_name(shares.agent)}: % of its regret ({shares.regret.mean:.4f} points a decision, "
        f"{100 * shares.regret.best_share:.1f}% best moves)"
    )
    return figure


# Matches


def win_matrix(agents: Sequence[str], rates: NDArray[np.float64], tied: int = 0, games: int = 0) -> "Figure":
    """A heat map of win rates in percent, the row's agent against the column's, NaN where no game was played.

    tied: how many of the first agents the games do not tell apart. games: of each pair, for the note on the noise.
    """
    from matplotlib.patches import Rectangle

    names = short_names(agents)
    side = 1.2 + 0.72 * len(names)
    figure = new_figure(side + 1.2, side)
    axes = figure.subplots()
    image = heat_map(axes, rates, ".1f", colours=DIVERGING, low=0, high=100)
    name_ticks(axes, names, names, rotation=40, ha="right", rotation_mode="anchor")
    axes.set(xlabel="opponent", title="Win % of the row against the column")
    if games:
        axes.set_title(f"{axes.get_title()}, the strongest first{_noise(names, tied, games)}")
    if tied > 1:
        axes.add_patch(Rectangle((-0.5, -0.5), tied, tied, fill=False, edgecolor="black", linewidth=2))
    figure.colorbar(image, ax=axes, label="win %", shrink=0.8)
    return figure


def _noise(names: Sequence[str], tied: int, games: int) -> str:
    """What the noise of a round robin means for its order, as the next line of a title."""
    half = 50 * Z95 / math.sqrt(games)
    text = f"\n{games:,} games a pair: a cell is right to ±{half:.1f} points (95%)"
    if tied < 2:
        return text
    return f"{text}; the order of the {tied} agents in the frame is noise"


def matrix_picture(result: Comparison) -> "Figure":
    """The win matrix of a round robin as a heat map, the strongest agent first."""
    order = np.argsort([-standing.elo for standing in result.standings])
    played = result.wins + result.wins.T
    rates = np.divide(100 * result.wins, played, out=np.full(played.shape, np.nan), where=played > 0)
    ranked = [result.standings[i] for i in order]
    strongest = ranked[0].elo - ranked[0].elo_margin
    tied = sum(standing.elo + standing.elo_margin >= strongest for standing in ranked)
    return win_matrix([result.agents[i] for i in order], rates[np.ix_(order, order)], tied, result.games)
