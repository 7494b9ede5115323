"""The pictures of models: what they show, and that nothing overlaps."""

from pathlib import Path

import pytest

from engine import Agent
from engine.core.rules import RULE_SETS
from mlx_train.measuring.regret import regret_shares
from mlx_train.networks.manifest import read_manifest
from mlx_train.pictures.models import BytesPoint, rate_distortion, regret_by_bytes, regret_map
from mlx_train.pictures.style import save_figure
from mlx_train.runs.shipped import size_point

ROOT = Path(__file__).parents[3]


def test_pictures_without_anything_to_show(table, tmp_path):
    for rules in RULE_SETS:
        save_figure(rate_distortion([], rules), tmp_path / "empty.png")
    flawless = regret_shares(Agent.parse("greedy"), table, 1, seed=2)
    flawless.kind[:] = 0
    flawless.score[:] = 0
    save_figure(regret_map(flawless), tmp_path / "flawless.png")
    assert (tmp_path / "flawless.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("rules", RULE_SETS)
def test_names_by_size_meet_nothing(rules):
    """Of the shipped models: neither each other nor the published line, its rings, our squares or the legend."""
    entries = [entry for entry in read_manifest(ROOT / "weights") if entry.rules == rules]
    figure = rate_distortion([size_point(entry) for entry in entries], rules)
    figure.draw_without_rendering()
    for axes in figure.axes:
        published, ours = axes.lines
        assert len(axes.texts) == len(entries)
        boxes = [text.get_window_extent() for text in axes.texts]
        path = published.get_transform().transform_path(published.get_path())
        places = [*path.vertices, *axes.transData.transform(ours.get_xydata())]
        for box in boxes:
            assert box.count_overlaps([*boxes, axes.get_legend().get_window_extent()]) == 1
            assert not path.intersects_bbox(box, filled=False)
            assert not any(box.contains(x, y) for x, y in places)


def test_a_ring_is_seen_upon_a_square():
    published, ours = rate_distortion([]).axes[0].lines
    assert published.get_zorder() > ours.get_zorder()
    assert published.get_markersize() < ours.get_markersize()


def test_the_sizes_in_bytes_say_whose_they_are():
    points = [BytesPoint(name="int8", bytes=60_000, regret=0.006)]
    axes = regret_by_bytes("Two networks", {"one": points, "the other": points}, points).axes[0]
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels[:3] == ["one", "the other", "exact table, rounded"]
    assert axes.get_title().startswith("Two networks, and the exact table")
