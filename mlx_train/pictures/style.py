"""The colours of the pictures, and functions for figures, axes, ticks, legends, heat maps and PNG files.

The colours are Okabe and Ito's; the colour maps are cividis and purple to orange. Colour-blind readers can distinguish
them.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from engine.machine.files import atomic_file
from mlx_train.system.text import printable_lines, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#999999"

#: Colour and marker of player 0 and player 1, or of the side to move and its opponent.
SIDES = ((BLUE, "o"), (ORANGE, "D"))

#: The colour maps of heat maps: from nothing to much, and around an even chance.
SEQUENTIAL, DIVERGING = "cividis", "PuOr_r"

_DOTS_PER_INCH = 144

#: The most signs of a line of a title or an axis's name, and of any other line: longer ones, with names from outside,
#: leave no room for the axes.
_LONGEST_TITLE, _LONGEST = 120, 50


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure; width and height in inches.

    A text may have a name from outside: a dollar sign begins no formula, broken signs are escapes, long lines are cut.
    """
    from matplotlib.figure import Figure
    from matplotlib.text import Text

    class PlainFigure(Figure):
        def draw(self, renderer: Any) -> None:
            powers = _power_labels(self)
            titles = {text for axes in self.axes for text in (axes.title, axes.xaxis.label, axes.yaxis.label)}
            for text in self.findobj(Text):
                if text not in powers:
                    text.set_parse_math(False)
                    wide = text in titles or text.get_text() == self.get_suptitle()
                    text.set_text(drawable(text.get_text(), _LONGEST_TITLE if wide else _LONGEST))
            super().draw(renderer)

    return PlainFigure(figsize=(width, height), layout="constrained")


def drawable(text: str, longest: int = _LONGEST) -> str:
    """A text as it can be drawn, with so many signs a line at most. Texts of ticks need it before they are set."""
    return "\n".join(shortened(line, longest) for line in printable_lines(text).split("\n"))


def _power_labels(figure: "Figure") -> set[Any]:
    """The tick labels that matplotlib itself writes as formulas: powers on logarithmic axes."""
    from matplotlib.ticker import LogFormatterMathtext

    ticks: list[Any] = []
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        if isinstance(axis.get_major_formatter(), LogFormatterMathtext):
            ticks += axis.get_major_ticks()
        if isinstance(axis.get_minor_formatter(), LogFormatterMathtext):
            ticks += axis.get_minor_ticks()
    return {label for tick in ticks for label in (tick.label1, tick.label2)}


def save_figure(figure: "Figure", path: Path) -> None:
    """Write a figure as PNG, atomically. Raises OSError."""
    with atomic_file(path) as file:
        figure.savefig(file, format="png", dpi=_DOTS_PER_INCH)


def style_axes(*panels: "Axes", grid: str = "both") -> None:
    """Axes without a frame, with a light grid along "both" axes, "x" or "y", beneath the data."""
    for axes in panels:
        axes.grid(alpha=0.25, axis=grid)  # type: ignore[arg-type]
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)


def legend_on_data(axes: "Axes", **place: Any) -> None:
    """A legend that stays readable where lines run beneath it. place: `loc` of matplotlib, by default the best."""
    axes.legend(framealpha=0.9, edgecolor="none", **place)


def whole_ticks(axis: "Axis") -> None:
    """Ticks at whole numbers only."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True))


def plain_ticks(*axes: "Axis", text: str = "g") -> None:
    """Ticks of a logarithmic axis as plain numbers, in the format `text`, not as powers of ten."""
    for axis in axes:
        axis.set_major_formatter(lambda value, _: format(value, text))


def heat_map(
    axes: "Axes",
    values: NDArray[np.float64],
    text: str | None,
    *,
    colours: str = SEQUENTIAL,
    low: float | None = None,
    high: float | None = None,
    least: float = -np.inf,
    size: float = 9,
) -> "AxesImage":
    """A heat map without a frame; NaN is blank.

    text: format of the numbers on the cells, which are black on light cells and white on dark ones; None for no
    numbers. low, high: the values at the ends of the colour map, by default the least and the largest of `values`.
    least: smaller values have no number. size: font size of the numbers, in points.
    """
    smoothing = "nearest" if text is None else None
    image: Any = axes.imshow(values, cmap=colours, vmin=low, vmax=high, interpolation=smoothing)
    for (row, column), value in np.ndenumerate(values):
        if text is not None and np.isfinite(value) and value >= least:
            red, green, blue, _ = image.cmap(image.norm(value))
            dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.5  # luma of ITU-R BT.601
            colour = "white" if dark else "black"
            axes.text(column, row, format(value, text), ha="center", va="center", fontsize=size, color=colour)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return image


def name_ticks(axes: "Axes", columns: Sequence[str], rows: Sequence[str], **column_style: Any) -> None:
    """Name the columns and the rows of a heat map."""
    axes.set_xticks(range(len(columns)), list(map(drawable, columns)), **column_style)
    axes.set_yticks(range(len(rows)), list(map(drawable, rows)))
