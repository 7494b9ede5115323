"""Pictures that compare the games of several rule sets."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mlx_train.measuring.rule_sets import COSTS, RuleSetFacts
from mlx_train.pictures.games import draw_board
from mlx_train.pictures.style import BLUE, GREEN, GREY, ORANGE, legend_on_data, new_figure, plain_ticks, style_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Colour and marker of each rule set, in the order of the facts.
_LINES = ((BLUE, "o"), (ORANGE, "D"), (GREEN, "s"), (GREY, "^"))

_ROSETTE = "*"  # after the number of a rosette
_LENGTH_BIN = 20  # turns
_BESIDE = 0.12  # between the marks of two rule sets at one opponent
_LEAST_COST = 0.1  # points; smaller costs are beyond the left end of the picture


def rule_sets_chart(facts: Sequence[RuleSetFacts]) -> "Figure":
    """First rolls, lengths of games, perfect play against other players, and what the second-best move gives away."""
    figure = new_figure(11, 8)
    (rolls, lengths), (skill, costs) = figure.subplots(2, 2)
    _draw_first_rolls(rolls, facts)
    _draw_lengths(lengths, facts)
    _draw_skill(skill, facts)
    _draw_costs(costs, facts)
    style_axes(rolls, lengths, skill, costs)
    for axes in (rolls, lengths, skill, costs):
        legend_on_data(axes)
    return figure


def _draw_first_rolls(axes: "Axes", facts: Sequence[RuleSetFacts]) -> None:
    for (colour, marker), each in zip(_LINES, facts, strict=False):
        rolls = [roll for roll, *_ in each.first_rolls]
        wins = [100 * value for *_, value in each.first_rolls]
        label = f"{each.rules}: {100 * each.first_player_wins:.2f} before the roll"
        axes.plot(rolls, wins, color=colour, marker=marker, label=label)
    axes.set_xticks(sorted({roll for each in facts for roll, *_ in each.first_rolls}))
    axes.set(xlabel="first roll", ylabel="first player's win %", title="What the first roll is worth")


def _draw_lengths(axes: "Axes", facts: Sequence[RuleSetFacts]) -> None:
    longest = max(int(each.play.turns.max()) for each in facts)
    edges = np.arange(0, longest + 2 * _LENGTH_BIN, _LENGTH_BIN)
    for (colour, marker), each in zip(_LINES, facts, strict=False):
        counts, _ = np.histogram(each.play.turns, edges)
        shares = 100 * counts / len(each.play.turns)
        label = f"{each.rules}: {each.play.turns.mean():.0f} on average"
        axes.plot(edges[:-1] + _LENGTH_BIN / 2, shares, color=colour, marker=marker, markersize=4, label=label)
    axes.set(xlabel=f"turns (rolls), in steps of {_LENGTH_BIN}", ylabel="% of games", title="How long a game lasts")


def _draw_skill(axes: "Axes", facts: Sequence[RuleSetFacts]) -> None:
    agents = [opponent.agent for opponent in facts[0].opponents]
    for number, ((colour, marker), each) in enumerate(zip(_LINES, facts, strict=False)):
        wins = [opponent.perfect_wins for opponent in each.opponents]
        places = np.arange(len(agents)) + _BESIDE * (number - (len(facts) - 1) / 2)
        axes.plot(places, wins, marker, color=colour, markersize=8, label=each.rules)
    axes.axhline(50, color="black", linewidth=0.8)
    axes.set_xticks(range(len(agents)), agents)
    axes.set(xlabel="opponent", ylabel="perfect play wins, %", title="How far skill decides")


def _draw_costs(axes: "Axes", facts: Sequence[RuleSetFacts]) -> None:
    for (colour, marker), each in zip(_LINES, facts, strict=False):
        costs = np.sort(each.blunders.second)
        shares = 100 * (1 - np.arange(len(costs)) / len(costs))
        axes.plot(costs, shares, color=colour)
        marked = [100 * float((costs >= least).mean()) for least in COSTS]
        axes.plot(COSTS, marked, marker, color=colour, label=f"{each.rules}: {costs.mean():.2f} on average")
    axes.set(
        xscale="log", xlim=(_LEAST_COST, max(float(each.blunders.second.max()) for each in facts)), ylim=(0, 100),
        xlabel="points or more", ylabel="% of decisions", title="What the second-best move gives away",
    )  # fmt: skip
    plain_ticks(axes.xaxis)


def rule_set_squares_chart(facts: Sequence[RuleSetFacts]) -> "Figure":
    """The board of each rule set with the captures on its squares, the danger there, and the worth of a piece there."""
    figure = new_figure(16, 1 + 2 * len(facts))
    figure.suptitle(f"The squares in optimal play; {_ROSETTE} rosette")
    for row, each in zip(figure.subplots(len(facts), 3, squeeze=False), facts, strict=True):
        for axes, values, title in zip(
            row,
            (each.squares.captures, 100 * each.squares.danger, 100 * each.squares.worth),
            ("pieces captured in a game", "captured by the next move, %", "worth, points"),
            strict=True,
        ):
            draw_board(axes, values, each.rules, size=8, rosette=_ROSETTE)
            axes.set_title(f"{each.rules}: {title}", fontsize=10)
    return figure
