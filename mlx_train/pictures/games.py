"""Pictures of games and of the solved game: a game's curve, luck and skill, openings, squares, races."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from engine.core.rules import rules
from mlx_train.measuring.facts import SquareFacts
from mlx_train.measuring.luck import Account, Shares
from mlx_train.measuring.marks import MARKS, mark_of
from mlx_train.measuring.regret import TIE
from mlx_train.pictures.style import BLUE, DIVERGING, GREEN, GREY, ORANGE, SIDES, heat_map, new_figure, style_axes
from mlx_train.system.text import short_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LENGTH_BIN = 8  # turns
_CLOSE = 5  # turns between two mistakes whose signs would overlap
_HIGH = 75  # win probability in percent above which a curve has more room below

#: Squares of a path of Finkel's game, whose board the pictures show.
PATH = rules().squares


def game_chart(account: Account, names: tuple[str, str]) -> "Figure":
    """The win probability of player 0 through a game, and its change by each roll and each move."""
    figure = new_figure(11, 6.4)
    figure.suptitle(f"{names[0]} against {names[1]}: win probability, luck and errors")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    turns = np.arange(1, len(account.luck) + 1)  # the end of each on the curve above
    top.axhline(50, color=GREY, linewidth=1)
    top.step(np.arange(len(account.win_probability)), 100 * account.win_probability, color="black", where="post")
    top.set(ylim=(0, 102), ylabel=f"win % of {names[0]}")
    _mark_mistakes(top, account)
    for player, (colour, marker) in enumerate(SIDES):
        by_player = account.player == player
        bottom.vlines(turns[by_player], 0, 100 * account.luck[by_player], color=colour, linewidth=1.2, alpha=0.6)
        wrong = by_player & (np.abs(account.error) > TIE)
        sums = f"luck {100 * account.luck_of(player):+.1f}, errors {100 * account.error_of(player):.1f}"
        bottom.plot(
            turns[wrong], 100 * account.error[wrong], marker, color=colour, markersize=5, markeredgecolor="black",
            label=f"{names[player]}: {sums}",
        )  # fmt: skip
    bottom.axhline(0, color=GREY, linewidth=1)
    bottom.set(xlabel="turn", ylabel="points")
    signs = ", ".join(f"{sign} {name}" for _, sign, name in reversed(MARKS))
    top.set_title(f"Mistakes, in the colour of who made them: {signs}", fontsize=10)
    bottom.set_title(
        f"Lines: the luck of a roll. Marks: the error of a move. Upwards is good for {names[0]}", fontsize=10
    )
    style_axes(top, bottom)
    limit = 1.35 * max(map(abs, bottom.get_ylim()))
    bottom.set(ylim=(-limit, limit))
    bottom.legend(frameon=False, loc="upper left", ncols=2)
    return figure


def _mark_mistakes(axes: "Axes", account: Account) -> None:
    """The signs of the marked moves at the curve of the win probability, where there is room above it, else below.

    Signs of neighbouring turns stand at different heights, so that they do not overlap.
    """
    before, height = -_CLOSE, 0
    for turn in map(int, np.flatnonzero(np.abs(account.error) > TIE)):
        sign, _ = mark_of(100 * abs(account.error[turn]))
        if not sign:
            continue
        height = (height + 1) % 3 if turn - before < _CLOSE else 0
        before, chance = turn, 100 * float(account.win_probability[turn + 1])
        distance, up = 8 + 12 * height, chance < _HIGH
        axes.annotate(
            sign, (turn + 1, chance), xytext=(0, distance if up else -distance),
            textcoords="offset points", ha="center", va="bottom" if up else "top", fontweight="bold",
            color=SIDES[account.player[turn]][0],
        )  # fmt: skip


def skill_chart(matches: Sequence[Shares]) -> "Figure":
    """Of each match, how much the dice and how much the moves decided the games, as the spread over games."""
    figure = new_figure(9, 1.6 + 0.75 * len(matches))
    axes = figure.subplots()
    for part, offset, colour, hatch in (("luck", 0.17, GREY, ""), ("skill", -0.17, GREEN, "//")):
        boxes = axes.boxplot(
            [100 * getattr(match, part) for match in matches],
            positions=np.arange(len(matches))[::-1] + offset,
            orientation="horizontal", widths=0.28, whis=(5, 95), showfliers=False, patch_artist=True, showmeans=True,
            medianprops={"color": "black"},
            meanprops={"marker": "D", "markerfacecolor": "white", "markeredgecolor": "black", "markersize": 5},
        )  # fmt: skip
        for box in boxes["boxes"]:
            box.set(facecolor=colour, alpha=0.6, hatch=hatch)
        boxes["boxes"][0].set_label(part)
    axes.axvline(0, color="black", linewidth=0.8)
    labels = [
        f"{short_name(match.agent)}\nagainst {short_name(match.opponent)}\nwins {100 * match.won.mean():.0f}%"
        for match in matches
    ]
    axes.set_yticks(np.arange(len(matches))[::-1], labels, fontsize=9)
    axes.set(
        xlabel="win probability gained over a game (points); box: half of the games, line: 90%, diamond: mean",
        title=f"Luck and skill, {len(matches[0].luck):,} games each",
    )
    style_axes(axes, grid="x")
    axes.legend(frameon=False, loc="lower left", ncols=2, bbox_to_anchor=(0, -0.02))
    return figure


# The solved game


def race_chart(wins: NDArray[np.float64]) -> "Figure":
    """The win probabilities of `facts.race_map`, in percent."""
    figure = new_figure(9.5, 8.2)
    axes = figure.subplots()
    image = heat_map(axes, 100 * wins, ".0f", colours=DIVERGING, low=0, high=100, size=8)
    names = ["hand", *map(str, range(1, PATH + 1))]
    axes.set_xticks(range(PATH + 1), names)
    axes.set_yticks(range(PATH + 1), names)
    axes.set(
        xlabel="square of the opponent's last piece",
        ylabel="square of the mover's last piece",
        title="Win % of the side to move, one piece left on each side",
    )
    figure.colorbar(image, ax=axes, label="win %", shrink=0.8)
    return figure


def board_map(values: NDArray[np.float64], name: str = "finkel") -> NDArray[np.float64]:
    """(squares,) by path square of a rule set -> the board as it is drawn, (2, 8), (2, 12) or (3, 8); NaN elsewhere.

    The side's own squares are in the last row. The opponent's row is left out where the path does not enter it.
    """
    game = rules(name)
    board = np.full((3, game.rows), np.nan)
    for tile, value in zip(game.paths[0], values, strict=True):
        board["CBA".index(tile[0]), int(tile[1:]) - 1] = value
    return board if any(tile[0] == "C" for tile in game.paths[0]) else board[1:]


def squares_chart(facts: SquareFacts) -> "Figure":
    """How often a piece stands on each square in optimal play, its danger there, and its worth: three boards."""
    figure = new_figure(7.5, 6.6)
    figure.suptitle("The squares in optimal play")
    for axes, values, title in zip(
        figure.subplots(3, 1),
        (facts.occupied, facts.danger, facts.worth),
        (
            "How often a side has a piece there (% of turns)",
            "Danger: the opponent's next move captures it (%)",
            "Worth: win probability lost if it were back in the hand (points)",
        ),
        strict=True,
    ):
        draw_board(axes, 100 * values, facts.rules)
        axes.set_title(title, fontsize=10)
    return figure


def draw_board(
    axes: "Axes", values: NDArray[np.float64], name: str = "finkel", *, size: float = 9, rosette: str = " rosette"
) -> None:
    """A heat map of values by path square, (squares,), on the board of a rule set, its squares numbered.

    size: font size of the values, in points. rosette: what follows the number of a rosette.
    """
    heat_map(axes, board_map(values, name), ".1f", size=size)
    numbers = board_map(np.arange(1.0, len(values) + 1), name)
    for (row, column), square in np.ndenumerate(numbers):
        if np.isfinite(square):
            mark = rosette if square in rules(name).rosettes else ""
            axes.text(
                column - 0.46, row - 0.46, f"{square:.0f}{mark}", fontsize=0.72 * size, va="top",
                bbox={"boxstyle": "square,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.85},
            )  # fmt: skip
    axes.set(xticks=[], yticks=[])


def score_chart(statistics: dict[str, Any]) -> "Figure":
    """The mean win probability of the side to move and the mean regret of the second-best move, by score.

    statistics: as `Tablebase.statistics` gives them, over all positions.
    """
    figure = new_figure(12, 5.8)
    figure.suptitle("Every position of the game, by score")
    left, right = figure.subplots(1, 2)
    first = 7 - statistics["pieces"]
    wins, sharpness = (np.full((7, 7), np.nan) for _ in range(2))
    for score in statistics["scores"]:
        place = score["own_off"], score["opponent_off"]
        wins[place] = 100 * score["win_probability"]
        if score["own_off"] < 6:  # one piece leaves no choice
            sharpness[place] = 100 * score["sharpness"]
    heat_map(left, wins, ".1f", colours=DIVERGING, low=0, high=100)
    heat_map(right, sharpness, ".2f")
    for axes, title in ((left, "Win % of the side to move"), (right, "Regret of the second-best move (points)")):
        axes.set(xlabel="opponent's pieces borne off", ylabel="own pieces borne off", title=title)
        axes.set_xlim(first - 0.5, 6.5)
        axes.set_ylim(first - 0.5, 6.5)
        axes.set_xticks(range(first, 7))
        axes.set_yticks(range(first, 7))
    return figure


def first_rolls_chart(rolls: Sequence[tuple[int, float, float]]) -> "Figure":
    """The first player's win probability after each first roll; the width of a bar is the roll's probability."""
    figure = new_figure(6.5, 4)
    axes = figure.subplots()
    widths = np.array([probability for _, probability, _ in rolls])
    centres = np.cumsum(widths) - widths / 2
    wins = 100 * np.array([value for *_, value in rolls])
    mean = float(widths @ wins)
    bars = axes.bar(centres, wins - mean, widths, bottom=mean, color=BLUE, alpha=0.75, edgecolor="white")
    for bar, win in zip(bars, wins, strict=True):
        above = win >= mean
        axes.annotate(
            f"{win:.2f}", (bar.get_x() + bar.get_width() / 2, win), xytext=(0, 3 if above else -3),
            textcoords="offset points", ha="center", va="bottom" if above else "top",
        )  # fmt: skip
    axes.axhline(mean, color="black", linewidth=1)
    axes.annotate(f"before the roll: {mean:.2f}", (1.0, mean), xytext=(0, -3), textcoords="offset points",
                  ha="right", va="top", fontsize=9)  # fmt: skip
    axes.set_xticks(centres, [str(roll) for roll, *_ in rolls])
    axes.set(xlabel="first roll (width: its probability)", ylabel="first player's win %", xlim=(-0.03, 1.03),
             title="What the first roll is worth")  # fmt: skip
    axes.margins(y=0.15)
    style_axes(axes, grid="y")
    return figure


def lengths_chart(turns: NDArray[np.int32], expected: float) -> "Figure":
    """A histogram of the lengths of games, with the exact expectation."""
    figure = new_figure(7.5, 3.8)
    axes = figure.subplots()
    axes.hist(turns, bins=[*range(turns.min(), turns.max() + _LENGTH_BIN, _LENGTH_BIN)], color=BLUE, alpha=0.75)
    axes.axvline(expected, color="black", linewidth=1.5, label=f"expected: {expected:.3f} turns")
    axes.axvline(float(turns.mean()), color=ORANGE, linestyle="--", label=f"mean of these games: {turns.mean():.3f}")
    axes.set(xlabel="turns (rolls)", ylabel="games", title=f"Length of {len(turns):,} games of optimal play")
    style_axes(axes)
    axes.legend(frameon=False)
    return figure
