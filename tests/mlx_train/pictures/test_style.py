"""Names from outside in pictures."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from mlx_train.pictures.style import name_ticks, new_figure, save_figure

HOSTILE = "a $\\x$ b"


def drawn(*names, log=False):
    """The PNG of a picture that has names as title, label, tick and note."""
    figure = new_figure(6, 5)
    axes = figure.subplots()
    if log:
        axes.set(xscale="log", yscale="log", xlim=(1, 1e6), ylim=(1, 3))
    else:
        name_ticks(axes, names[:1], names[:1])
    axes.plot([1, 10], [1, 2], label=names[0])
    axes.legend()
    axes.annotate(names[0], (1, 1))
    axes.set(title=names[0], xlabel=names[0])
    figure.draw_without_rendering()  # as a notebook draws a picture more than once
    FigureCanvasAgg(figure).draw()
    return np.asarray(figure.canvas.buffer_rgba()), figure


@pytest.mark.parametrize("log", [False, True])
def test_a_dollar_sign_begins_no_formula(log, tmp_path):
    _, figure = drawn(HOSTILE, log=log)
    save_figure(figure, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 1000
    assert not np.array_equal(drawn("$a$", log=log)[0], drawn("a", log=log)[0])


def titled(name):
    """The PNG of a picture with a name as its title and as a row's."""
    figure = new_figure(8, 3)
    axes = figure.subplots()
    name_ticks(axes, ["a"], [name])
    axes.set_title(name, fontsize=6)
    FigureCanvasAgg(figure).draw()
    return np.asarray(figure.canvas.buffer_rgba())


def test_names_that_no_font_has_are_drawn():
    assert np.array_equal(titled("bad\udcff"), titled("bad\\udcff"))


def test_of_a_long_name_the_beginning_is_drawn():
    long = titled("x" * 100_000)
    assert np.array_equal(long, titled("x" * 130))
    assert not np.array_equal(long, titled("x" * 119))


def test_powers_on_a_logarithmic_axis_stay_formulas():
    _, figure = drawn("a", log=True)
    labels = [label for label in figure.axes[0].get_xticklabels() if label.get_text()]
    assert labels
    assert all(label.get_parse_math() for label in labels)
