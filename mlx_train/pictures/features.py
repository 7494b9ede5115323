"""Pictures of the features: their ranges, their correlations, and their importance to a network."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.core.features import FEATURE_NAMES
from mlx_train.measuring.importance import Importance, columns
from mlx_train.pictures.style import (
    BLUE,
    DIVERGING,
    GREY,
    ORANGE,
    SIDES,
    heat_map,
    legend_on_data,
    new_figure,
    plain_ticks,
    style_axes,
)
from mlx_train.system.text import short_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# The first groups of the rows of the picture of all features.
_ROWS = ("board.own.piece", "board.own.reach", "board.own.threat", "state.own.hand", "state.opponent.mobility")

# A group of fewer features has no room for a name of its own on a picture of all features.
_NAMED_ALONE = 5
_AND_MORE = ", ..."


def without_side(group: str) -> str:
    """The name of a group of features without its side, under which both sides' groups are defined."""
    return group.replace(".own.", ".").replace(".opponent.", ".")


class _Place(NamedTuple):
    """One or several groups of features: the name in pictures, the first feature, and the end."""

    name: str
    start: int
    end: int


def _group_places() -> list[_Place]:
    return [_Place(group, places.start, places.stop) for group, places in columns().items()]


def _side(group: str) -> str:
    """The part of a group's name that says whose features they are: own, opponent, or roll."""
    return group.split(".")[1]


def _joined(places: Sequence[_Place]) -> list[_Place]:
    """Join neighbours of one side that are too small for a name each; the first gives the name."""
    joined: list[_Place] = []
    small = False
    for place in places:
        was_small, small = small, place.end - place.start < _NAMED_ALONE
        if small and was_small and _side(joined[-1].name) == _side(place.name):
            first = joined.pop()
            place = _Place(f"{first.name.removesuffix(_AND_MORE)}{_AND_MORE}", first.start, place.end)
        joined.append(place)
    return joined


def _name_groups(set_ticks: Callable[..., object], places: Sequence[_Place], **style: Any) -> None:
    set_ticks([(place.start + place.end - 1) / 2 for place in places], [place.name for place in places],
              fontsize=8, **style)  # fmt: skip


def feature_ranges(features: NDArray[np.float32]) -> "Figure":
    """The mean of every feature and the range of its middle 90 %, over (n, 150) rows; the groups side by side."""
    low, high = np.percentile(features, (5, 95), axis=0)
    means = features.mean(axis=0)
    figure = new_figure(8.5, 12.5)
    figure.suptitle(f"The {len(FEATURE_NAMES)} features in {len(features):,} decisions of optimal play")
    starts = [columns()[group].start for group in _ROWS]
    for axes, first, end in zip(
        figure.subplots(len(starts), 1), starts, [*starts[1:], len(FEATURE_NAMES)], strict=True
    ):
        places = np.arange(first, end)
        axes.vlines(places, low[first:end], high[first:end], color=BLUE, alpha=0.35, linewidth=4, label="middle 90%")
        axes.plot(places, means[first:end], "o", color=ORANGE, markersize=3.5, label="mean")
        inside = [place for place in _group_places() if first <= place.start < end]
        for place in inside:
            axes.axvline(place.start - 0.5, color=GREY, linewidth=0.6)
        wide = all(place.end - place.start > _NAMED_ALONE for place in inside)
        turned: dict[str, Any] = {} if wide else {"rotation": 40, "ha": "right", "rotation_mode": "anchor"}
        _name_groups(axes.set_xticks, inside, **turned)
        axes.tick_params(axis="x", length=0)
        axes.set(xlim=(first - 0.5, end - 0.5), ylim=(-0.05, 1.05), ylabel="feature")
        style_axes(axes, grid="y")
    figure.axes[0].legend(frameon=False, loc="lower right", ncols=2, bbox_to_anchor=(1, 1))
    return figure


def feature_correlations(features: NDArray[np.float32]) -> "Figure":
    """The correlation of every pair of features over (n, 150) rows; a feature that never changes is left blank."""
    varied = features.std(axis=0) > 0
    correlations = np.full((features.shape[1],) * 2, np.nan)
    correlations[np.ix_(varied, varied)] = np.corrcoef(features[:, varied], rowvar=False)
    figure = new_figure(9.4, 8.4)
    axes = figure.subplots()
    axes.set_title("The correlation of every pair of features")
    image = heat_map(axes, correlations, None, colours=DIVERGING, low=-1, high=1)
    for place in _group_places()[1:]:
        for line in (axes.axvline, axes.axhline):
            line(place.start - 0.5, color="white", linewidth=0.5)
    blocks = _joined(_group_places())
    _name_groups(axes.set_yticks, blocks)
    _name_groups(axes.set_xticks, blocks, rotation=60, ha="right", rotation_mode="anchor")
    figure.colorbar(image, ax=axes, label="correlation", shrink=0.7)
    return figure


def importance_chart(result: Importance) -> "Figure":
    """What shuffling each group costs, the groups of both sides in one line, the most costly on top."""
    names = sorted(dict.fromkeys(map(without_side, result.groups)), key=lambda name: max(_costs(result, name).values()))
    figure = new_figure(8.5, 0.8 + 0.34 * len(names))
    axes = figure.subplots()
    floor = 10.0 ** np.floor(np.log10(max(1e-4, result.regret / 10)))
    labels = {"own": "own", "opponent": "the opponent's"}
    for (side, label), (colour, marker) in zip(labels.items(), SIDES, strict=True):
        costs = [_costs(result, name)[side] for name in names]
        axes.plot(np.maximum(costs, floor), range(len(names)), marker, color=colour, markersize=7, label=label)
    axes.axvline(result.regret, color=GREY, linestyle=":", label=f"regret without shuffling ({result.regret:.4f})")
    axes.set_yticks(range(len(names)), names)
    axes.set(
        xscale="log",
        xlabel=f"regret added by shuffling (points, at least {floor:g})",
        title=f"What each group of features is worth to {short_name(result.agent)}",
    )
    plain_ticks(axes.xaxis)
    style_axes(axes)
    legend_on_data(axes, loc="lower right")
    return figure


def _costs(result: Importance, name: str) -> dict[str, float]:
    """The mean cost of a group, by side."""
    means = dict(zip(result.groups, result.cost.mean(axis=1), strict=True))
    return {
        side: next(float(cost) for group, cost in means.items() if without_side(group) == name and f".{side}." in group)
        for side in ("own", "opponent")
    }
