"""Names of points on a plot, each placed where it overlaps least."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mlx_train.pictures.style import BLUE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Where a name may stand at its point, the best place first: points of type to the right and upwards, its alignment.
_PLACES = (
    (-8, -3, "right"),
    (8, -3, "left"),
    (0, 7, "center"),
    (0, -13, "center"),
    (-8, -11, "right"),
    (8, -11, "left"),
    (-8, 5, "right"),
    (8, 5, "left"),
)


def label_points(axes: "Axes", points: Sequence[tuple[str, float, float]]) -> None:
    """Write names at points (name, x, y), each where it overlaps the fewest markers, lines and other names.

    The figure's layout must be fixed, and the axes must have a legend.
    """
    boxes, lines = _obstacles(axes)

    def overlaps(text: Any) -> int:
        box = text.get_window_extent()
        return int(box.count_overlaps(boxes)) + sum(line.intersects_bbox(box, filled=False) for line in lines)

    for name, x, y in sorted(points, key=lambda point: -point[1]):  # so that more names stand to the left
        candidates = [
            axes.annotate(name, (x, y), (right, up), textcoords="offset points", ha=alignment, color=BLUE, fontsize=8)
            for right, up, alignment in _PLACES
        ]
        best = min(candidates, key=overlaps)
        boxes.append(best.get_window_extent())
        for text in candidates:
            if text is not best:
                text.remove()


def _obstacles(axes: Any) -> tuple[list[Any], list[Any]]:
    """What a name should not overlap, in pixels: the boxes of the legend and of the markers, and the lines' paths."""
    legend = axes.get_legend().get_window_extent()
    boxes, paths = [legend], []
    for line in axes.lines:
        path = line.get_transform().transform_path(line.get_path())
        half = line.get_markersize() / 2 * axes.figure.dpi / 72  # a point of type is the 72nd part of an inch
        boxes += [legend.from_extents(x - half, y - half, x + half, y + half) for x, y in path.vertices]
        if line.get_linestyle() != "None":
            paths.append(path)
    return boxes, paths
