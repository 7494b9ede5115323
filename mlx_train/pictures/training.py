"""Pictures of trainings: losses, the learning curve of self-play, a search for settings."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from mlx_train.config import Config
from mlx_train.measuring.learning_curve import LearningPoint
from mlx_train.pictures.style import (
    BLUE,
    GREY,
    ORANGE,
    legend_on_data,
    new_figure,
    plain_ticks,
    style_axes,
    whole_ticks,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def loss_curve(history: Sequence[Mapping[str, float]], value_loss: str = Config.value_loss) -> "Figure":
    """Training and validation losses by epoch of each network that was trained.

    The best epoch is marked, or the first epoch with games of the network against itself: later losses do not compare.
    history: the metrics of each epoch. value_loss: what the value network minimised, as in Config.
    """
    own = next((row["epoch"] for row in history if "own_games" in row), None)
    epochs = [row["epoch"] for row in history]
    units = {"value": f"mean {value_loss} error of 2p - 1", "policy": "cross entropy (nats)"}
    trained = [name for name in units if f"train_{name}_loss" in history[0]]
    figure = new_figure(4.5 * len(trained), 4)
    figure.suptitle("Losses by epoch")
    for axes, name in zip(figure.subplots(1, len(trained), squeeze=False)[0], trained, strict=True):
        best = min(history, key=lambda row, key=f"validation_{name}_loss": row[key])["epoch"]  # type: ignore[misc]
        marked = (best, f"best epoch ({best})") if own is None else (own, f"its own games (from {own} on)")
        axes.plot(epochs, [row[f"train_{name}_loss"] for row in history], color=ORANGE, label="training")
        axes.plot(epochs, [row[f"validation_{name}_loss"] for row in history], color=BLUE, label="validation")
        axes.axvline(marked[0], color=GREY, linewidth=1, linestyle=":", label=marked[1])
        axes.set(title=f"{name.capitalize()} network", xlabel="epoch", ylabel=units[name])
        whole_ticks(axes.xaxis)
        style_axes(axes)
        legend_on_data(axes)
    return figure


def learning_curve(points: Sequence[LearningPoint]) -> "Figure":
    """Regret and win rate against perfect play while a network learns, over games and over processor time."""
    figure = new_figure(10, 6.8)
    figure.suptitle("Strength while a network learns from its own games")
    panels = figure.subplots(2, 2, sharex="col", sharey="row")
    work = {
        "games of self-play": [point.games for point in points],
        "minutes of one core": [point.cpu_seconds / 60 for point in points],
    }
    for (upper, lower), (unit, amounts) in zip(panels.T, work.items(), strict=True):
        upper.plot(amounts, [point.regret for point in points], "o-", color=BLUE, markersize=3)
        upper.set(xscale="log", yscale="log")
        plain_ticks(upper.xaxis, upper.yaxis, text=",g")
        lower.axhline(50, color=GREY, linewidth=1, linestyle=":")
        lower.plot(amounts, [point.win_rate for point in points], "o-", color=ORANGE, markersize=3)
        low, high = zip(*(point.interval for point in points), strict=True)
        lower.fill_between(amounts, low, high, color=ORANGE, alpha=0.25, linewidth=0)
        lower.set(xlabel=unit, ylim=(0, 52))
    panels[0, 0].set(ylabel="regret (points a decision)")
    panels[1, 0].set(ylabel="win % against perfect play")
    style_axes(*panels.flat)
    return figure


def search_plot(trials: Sequence[tuple[int, float, bool]], importances: Mapping[str, float], measure: str) -> "Figure":
    """A search for settings: the measure of each trial, the best so far, and the importance of the settings.

    trials: (number, measure, whether it was stopped early). importances: share of each setting, the largest first;
    empty if unknown.
    """
    figure = new_figure(10, 3.8)
    left, *rest = figure.subplots(1, 2, width_ratios=(3, 2)) if importances else [figure.subplots()]
    for stopped, colour, label in ((False, BLUE, "finished"), (True, GREY, "stopped early")):
        rows = [(number, value) for number, value, early in trials if early == stopped]
        if rows:
            left.plot(*zip(*rows, strict=True), "o", color=colour, markersize=4, label=label)
    finished = [(number, value) for number, value, early in trials if not early]
    best = np.minimum.accumulate([value for _, value in finished])
    left.step([number for number, _ in finished], best, where="post", color=ORANGE, label="best so far")
    left.set(title="Trials", xlabel="trial", ylabel=measure, yscale="log")
    whole_ticks(left.xaxis)
    left.legend(frameon=False)
    for right in rest:
        names = list(importances)[::-1]
        right.barh(range(len(names)), [importances[name] for name in names], color=BLUE)
        right.set_yticks(range(len(names)), names)
        right.set(title="Importance", xlabel="share")
    style_axes(left, *rest)
    return figure
