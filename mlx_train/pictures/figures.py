"""Pictures of the game, its features and its exact solution: what the notebooks show and docs/figures/ holds.

A function here draws what another module measured, and gives a matplotlib figure. Okabe and Ito's colours, cividis and
purple to orange: colour-blind readers can tell them apart, and no picture says by colour alone what matters.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.core.features import FEATURE_NAMES, GROUPS
from mlx_train.measuring.facts import PATH, SquareFacts
from mlx_train.measuring.luck import Account, Shares
from mlx_train.measuring.measures import Importance
from mlx_train.pictures.report import BLUE, GREEN, GREY, ORANGE, short_name, write_values
from mlx_train.tools.feature_table import without_side

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# A group of fewer features has no room for a name of its own on a picture of all of them.
_NAMED_ALONE = 5
_AND_MORE = ", ..."

_LENGTH_BIN = 8  # turns

#: The colour maps of heat maps: from nothing to much, and around an even chance.
SEQUENTIAL, DIVERGING = "cividis", "PuOr_r"


def _figure(width: float, height: float) -> "Figure":
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _bare(axes: "Axes", grid: str = "both") -> None:
    axes.grid(alpha=0.25, axis=grid)  # type: ignore[arg-type]
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


# Features


class _Place(NamedTuple):
    """A group of features, or several: its name in pictures, its first feature, and the end."""

    name: str
    start: int
    end: int


def _group_places() -> list[_Place]:
    ends = np.cumsum([len(names) for _, names, _ in GROUPS])
    return [
        _Place(group.partition(".")[2], int(end) - len(names), int(end))
        for (group, names, _), end in zip(GROUPS, ends, strict=True)
    ]


def _joined(places: Sequence[_Place]) -> list[_Place]:
    """Neighbours of one side that are too small for a name each as one, by the name of the first."""
    joined: list[_Place] = []
    small = False
    for place in places:
        was_small, small = small, place.end - place.start < _NAMED_ALONE
        if small and was_small and joined[-1].name.partition(".")[0] == place.name.partition(".")[0]:
            first = joined.pop()
            place = _Place(f"{first.name.removesuffix(_AND_MORE)}{_AND_MORE}", first.start, place.end)
        joined.append(place)
    return joined


def _name_groups(set_ticks: Callable[..., object], places: Sequence[_Place], **style: Any) -> None:
    set_ticks([(place.start + place.end - 1) / 2 for place in places], [place.name for place in places],
              fontsize=8, **style)  # fmt: skip


def feature_ranges(features: NDArray[np.float32]) -> "Figure":
    """Every feature's mean, and the range of its middle 90 %, over (n, 150) rows; the groups side by side."""
    low, high = np.percentile(features, (5, 95), axis=0)
    means = features.mean(axis=0)
    figure = _figure(13, 7.2)
    board = sum(len(names) for group, names, _ in GROUPS if group.startswith("board."))
    for axes, first, end in zip(figure.subplots(2, 1), (0, board), (board, len(FEATURE_NAMES)), strict=True):
        places = np.arange(first, end)
        axes.vlines(places, low[first:end], high[first:end], color=BLUE, alpha=0.35, linewidth=4, label="middle 90%")
        axes.plot(places, means[first:end], "o", color=ORANGE, markersize=3.5, label="mean")
        inside = [place for place in _group_places() if first <= place[1] < end]
        for _, start, _ in inside:
            axes.axvline(start - 0.5, color=GREY, linewidth=0.6)
        _name_groups(axes.set_xticks, inside, rotation=45, ha="right", rotation_mode="anchor")
        axes.tick_params(axis="x", length=0)
        title = "Squares" if first == 0 else "State of the game"
        axes.set(xlim=(first - 0.5, end - 0.5), ylabel="feature", title=title)
        _bare(axes, "y")
    figure.axes[0].legend(frameon=False, loc="upper right", ncols=2, bbox_to_anchor=(1, 1.13))
    return figure


def feature_correlations(features: NDArray[np.float32]) -> "Figure":
    """The correlation of every pair of features over (n, 150) rows; one that never changes is left blank."""
    varied = features.std(axis=0) > 0
    correlations = np.full((features.shape[1],) * 2, np.nan)
    correlations[np.ix_(varied, varied)] = np.corrcoef(features[:, varied], rowvar=False)
    figure = _figure(9.4, 8)
    axes = figure.subplots()
    image = axes.imshow(correlations, cmap=DIVERGING, vmin=-1, vmax=1, interpolation="nearest")
    for _, start, _ in _group_places()[1:]:
        for line in (axes.axvline, axes.axhline):
            line(start - 0.5, color="white", linewidth=0.5)
    blocks = _joined(_group_places())
    _name_groups(axes.set_yticks, blocks)
    _name_groups(axes.set_xticks, blocks, rotation=60, ha="right", rotation_mode="anchor")
    axes.tick_params(length=0)
    figure.colorbar(image, ax=axes, label="correlation", shrink=0.7)
    return figure


def importance_chart(found: Importance) -> "Figure":
    """What shuffling each group costs, the groups of both sides in one line, the dearest on top."""
    from matplotlib.ticker import FuncFormatter

    names = sorted(
        dict.fromkeys(map(without_side, found.groups)),
        key=lambda name: max(_costs(found, name).values()),
    )
    figure = _figure(8.5, 0.8 + 0.34 * len(names))
    axes = figure.subplots()
    floor = 10.0 ** np.floor(np.log10(max(1e-4, found.regret / 10)))
    for side, label, marker, colour in (("own", "own", "o", BLUE), ("opponent", "the opponent's", "D", ORANGE)):
        costs = [_costs(found, name)[side] for name in names]
        axes.plot(np.maximum(costs, floor), range(len(names)), marker, color=colour, markersize=7, label=label)
    axes.axvline(found.regret, color=GREY, linestyle=":", label=f"regret without shuffling ({found.regret:.4f})")
    axes.set_yticks(range(len(names)), names)
    axes.set(
        xscale="log",
        xlabel=f"regret added by shuffling (points, at least {floor:g})",
        title=f"{short_name(found.agent)}: what each group of features is worth",
    )
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    _bare(axes)
    axes.legend(frameon=True, framealpha=0.9, edgecolor="none", loc="lower right")
    return figure


def _costs(found: Importance, name: str) -> dict[str, float]:
    """The mean cost of a group, by side."""
    means = dict(zip(found.groups, found.cost.mean(axis=1), strict=True))
    return {
        side: next(float(cost) for group, cost in means.items() if without_side(group) == name and f".{side}." in group)
        for side in ("own", "opponent")
    }


# Luck and skill


def game_chart(found: Account, names: tuple[str, str]) -> "Figure":
    """A game as its win probability, and what each roll and each move did to it; player 0 upwards."""
    figure = _figure(11, 6)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    turns = np.arange(1, len(found.luck) + 1)  # the end of each on the curve above
    top.axhline(50, color=GREY, linewidth=1)
    top.step(np.arange(len(found.win_probability)), 100 * found.win_probability, color="black", where="post")
    top.set(ylim=(0, 100), ylabel=f"win % of {names[0]}")
    for player, colour, marker in ((0, BLUE, "o"), (1, ORANGE, "D")):
        hers = found.player == player
        bottom.vlines(turns[hers], 0, 100 * found.luck[hers], color=colour, linewidth=1.2, alpha=0.6)
        wrong = hers & (np.abs(found.error) > 1e-9)
        sums = f"luck {100 * found.luck_of(player):+.1f}, errors {100 * found.error_of(player):.1f}"
        bottom.plot(
            turns[wrong], 100 * found.error[wrong], marker, color=colour, markersize=5, markeredgecolor="black",
            label=f"{names[player]}: {sums}",
        )  # fmt: skip
    bottom.axhline(0, color=GREY, linewidth=1)
    bottom.set(xlabel="turn", ylabel="points")
    top.set_title(f"Below: lines are the luck of a roll, marks the error of a move; upwards is good for {names[0]}")
    for axes in (top, bottom):
        _bare(axes)
    limit = 1.35 * max(map(abs, bottom.get_ylim()))
    bottom.set(ylim=(-limit, limit))
    bottom.legend(frameon=False, loc="upper left", ncols=2)
    return figure


def skill_chart(matches: Sequence[Shares]) -> "Figure":
    """Of each match: how far the dice and how far the moves carried the games, as the spread over games."""
    figure = _figure(9, 1.6 + 0.75 * len(matches))
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
    _bare(axes, "x")
    axes.legend(frameon=False, loc="lower left", ncols=2, bbox_to_anchor=(0, -0.02))
    return figure


# The solved game


def _heat(
    axes: "Axes",
    values: NDArray[np.float64],
    text: str,
    *,
    colours: str = SEQUENTIAL,
    low: float | None = None,
    high: float | None = None,
    size: float = 9,
) -> Any:
    """A heat map with its numbers on it, dark on light and light on dark; NaN is blank."""
    image = axes.imshow(values, cmap=colours, vmin=low, vmax=high)
    write_values(axes, image, values, text, size)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return image


def race_chart(wins: NDArray[np.float64]) -> "Figure":
    """The win probability map of `facts.race_map`, in percent."""
    figure = _figure(9.5, 8.2)
    axes = figure.subplots()
    image = _heat(axes, 100 * wins, ".0f", colours=DIVERGING, low=0, high=100, size=8)
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


def board_map(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(14,) by path square -> (2, 8): the side's own squares below the lane, as the board is drawn; NaN elsewhere."""
    board = np.full((2, 8), np.nan)
    board[0] = values[4:12]
    board[1, 3::-1] = values[:4]
    board[1, 7:5:-1] = values[12:]
    return board


def squares_chart(found: SquareFacts) -> "Figure":
    """How often a piece stands on each square in optimal play, its danger there, and what it is worth; three boards."""
    figure = _figure(7.5, 7.6)
    for axes, values, title in zip(
        figure.subplots(3, 1),
        (found.occupied, found.danger, found.worth),
        (
            "How often a side has a piece there (% of turns)",
            "Danger: the opponent's next move captures it (%)",
            "Worth: win probability lost if it were back in the hand (points)",
        ),
        strict=True,
    ):
        _heat(axes, board_map(100 * values), ".1f")
        for square in range(1, PATH + 1):
            row, column = np.argwhere(board_map(np.arange(1.0, PATH + 1)) == square)[0]
            mark = " rosette" if square in (4, 8, 14) else ""
            axes.text(
                column - 0.46, row - 0.46, f"{square}{mark}", fontsize=6.5, va="top",
                bbox={"boxstyle": "square,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.85},
            )  # fmt: skip
        axes.set_title(title, fontsize=10)
        axes.set(xticks=[], yticks=[])
    return figure


def score_chart(statistics: dict[str, Any]) -> "Figure":
    """By score, over all positions: the mean win probability of the side to move, and the mean regret of a second-best
    move. statistics: of `Tablebase.statistics`.
    """
    figure = _figure(12, 5.4)
    left, right = figure.subplots(1, 2)
    first = 7 - statistics["pieces"]
    wins, sharpness = (np.full((7, 7), np.nan) for _ in range(2))
    for score in statistics["scores"]:
        place = score["own_off"], score["opponent_off"]
        wins[place] = 100 * score["win_probability"]
        if score["own_off"] < 6:  # one piece leaves no choice
            sharpness[place] = 100 * score["sharpness"]
    for axes, values, text, title in (
        (left, wins, ".1f", "Win % of the side to move"),
        (right, sharpness, ".2f", "Regret of the second-best move (points)"),
    ):
        around = {"colours": DIVERGING, "low": 0.0, "high": 100.0} if axes is left else {}
        _heat(axes, values, text, **around)  # type: ignore[arg-type]
        axes.set(xlabel="opponent's pieces borne off", ylabel="own pieces borne off", title=title)
        axes.set_xlim(first - 0.5, 6.5)
        axes.set_ylim(first - 0.5, 6.5)
        axes.set_xticks(range(first, 7))
        axes.set_yticks(range(first, 7))
    return figure


def first_rolls_chart(rolls: Sequence[tuple[int, float, float]]) -> "Figure":
    """The first player's win probability after each first roll; the bars are as wide as the roll is probable."""
    figure = _figure(6.5, 4)
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
    axes.set(xlabel="first roll (width: its probability)", ylabel="first player's win %", xlim=(-0.03, 1.03))
    axes.margins(y=0.15)
    _bare(axes, "y")
    return figure


def lengths_chart(turns: NDArray[np.int32], expected: float) -> "Figure":
    """How long games lasted, beside the exact expectation."""
    figure = _figure(7.5, 3.8)
    axes = figure.subplots()
    axes.hist(turns, bins=[*range(turns.min(), turns.max() + _LENGTH_BIN, _LENGTH_BIN)], color=BLUE, alpha=0.75)
    axes.axvline(expected, color="black", linewidth=1.5, label=f"expected: {expected:.3f} turns")
    axes.axvline(float(turns.mean()), color=ORANGE, linestyle="--", label=f"mean of these games: {turns.mean():.3f}")
    axes.set(xlabel="turns (rolls)", ylabel="games", title=f"Length of {len(turns):,} games of optimal play")
    _bare(axes)
    axes.legend(frameon=False)
    return figure
