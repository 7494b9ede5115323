"""Figures, drawn as they are saved."""

from matplotlib.backends.backend_agg import FigureCanvasAgg

#: Pixels by which matplotlib's layout may miss the edge.
SLACK = 1


def drawn(figure):
    """Draw a figure -> the texts on it, by axes; nothing may reach beyond the picture's edge."""
    FigureCanvasAgg(figure).draw()
    for axes in figure.axes:
        (left, bottom), (right, top) = axes.get_tightbbox().get_points()
        assert min(left, bottom) >= -SLACK
        assert right <= figure.bbox.x1 + SLACK
        assert top <= figure.bbox.y1 + SLACK
    return [[text.get_text() for text in axes.texts] for axes in figure.axes]
