"""What the pictures show, worked out by slow Python, and that they are written."""

from pathlib import Path

import numpy as np
import pytest
import random_networks
from commandline import call

from engine import Agent, Position
from mlx_train.measuring.measures import KINDS, calibration, decision_regrets, move_kinds, regret_shares
from mlx_train.networks.manifest import MeasureSettings, read_manifest
from mlx_train.pictures import report
from mlx_train.pictures.report import (
    PUBLISHED,
    BytesPoint,
    SizePoint,
    file_name,
    markdown_table,
    short_name,
    short_names,
    size_table,
    write_report,
)
from mlx_train.runs.promotion import promote
from mlx_train.runs.shipped import size_point

ROOT = Path(__file__).parents[3]
PNG = b"\x89PNG"


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "tiny.json"
    return random_networks.write(path, random_networks.random_document(seed=4))


@pytest.mark.parametrize(
    ("position", "roll", "square", "kind"),
    [
        ("...x..........:0|......x.......:0", 3, 4, "capture"),
        ("...x..........:0|......x.......:0", 4, 4, "rosette"),
        ("..............:0|...x..........:0", 4, 0, "rosette"),  # private squares are not shared
        ("..............:0|..x...........:0", 3, 0, "entering"),
        ("............x.:0|............x.:0", 2, 13, "bearing off"),
        ("...........x..:0|............x.:0", 1, 12, "other"),
        ("...........x..:0|............x.:0", 3, 12, "bearing off"),
    ],
)
def test_kinds_of_moves(position, roll, square, kind):
    packed = np.array([Position.from_notation(position).packed], dtype=np.uint64)
    found = move_kinds(packed, np.array([roll], dtype=np.uint8), np.array([square], dtype=np.int8))
    assert KINDS[found[0]] == kind


def test_regret_is_divided_by_score_and_kind(table):
    agent = Agent.parse("greedy")
    found = regret_shares(agent, table, 500, 1)
    packed, rolls, squares, regret = decision_regrets(agent, table, 500, 1)
    score, kind = np.zeros((7, 7)), np.zeros((5, 5))
    for p, roll, square, lost in zip(packed, rolls, squares, regret, strict=True):
        position = Position.from_packed(int(p))
        best = table.best_move(position, int(roll))
        score[position.own_off, position.opponent_off] += lost
        kinds = [
            move_kinds(np.array([p]), np.array([roll]), np.array([moved], dtype=np.int8))[0] for moved in (best, square)
        ]
        kind[kinds[0], kinds[1]] += lost
    assert found.score == pytest.approx(score / regret.sum(), abs=1e-12)
    assert found.kind == pytest.approx(kind / regret.sum(), abs=1e-12)
    assert found.score.sum() == pytest.approx(1)
    assert found.regret.decisions == 500
    assert not found.score[:5].any()  # two pieces: five are off


def test_calibration_by_steps(table, network):
    agent = Agent.parse(f"net:{network}")
    found = calibration(agent, table, 2000, 3, steps=4)
    packed = table.sample(2000, 3)
    predicted, exact = agent.player.values(packed), table.values(packed)
    lower = predicted < 0.25
    assert found.count[0] == lower.sum()
    assert found.count.sum() == 2000
    assert found.predicted[0] == pytest.approx(predicted[lower].mean())
    assert found.exact[0] == pytest.approx(exact[lower].mean())
    inside = (exact - predicted)[lower]
    assert ((inside >= found.low[0]) & (inside <= found.high[0])).mean() == pytest.approx(0.9, abs=0.01)
    with pytest.raises(ValueError, match="no win probabilities"):
        calibration(Agent.parse("greedy"), table)


def test_names():
    assert short_name("net:weights/standard.json") == "standard"
    assert short_name("net:weights/standard.json.gz:policy") == "standard:policy"
    assert short_name("emm:3") == "emm:3"
    assert file_name(short_name("net:a b/c d.json@2")) == "c-d-2"


def test_short_names_tell_the_agents_apart():
    agents = ["net:a/x/weights.json", "emm:2", "net:b/x/weights.json:policy", "net:b/x/weights.json", "net:c.json"]
    assert short_names(agents) == ["a/x/weights", "emm:2", "weights:policy", "b/x/weights", "c"]
    assert short_names(["net:weights.json", "net:b/weights.json"]) == ["weights", "b/weights"]
    assert short_names(["net:weights.json", "net:/weights.json.gz"]) == ["weights", "/weights"]
    assert short_names(["greedy"]) == ["greedy"]


def test_markdown():
    assert markdown_table(("a", "bb"), [(1, 2)]) == "| a | bb |\n| - | -- |\n| 1 | 2  |"
    ours = SizePoint(name="standard", parameters=81_921, regret=0.0085, win_rate=49.2)
    lines = size_table([ours]).splitlines()
    assert len(lines) == 2 + len(PUBLISHED) + 1
    assert "this project" in lines[5]
    assert "0.0085" in lines[5]


def test_every_picture_is_written(table, network, tmp_path):
    agents = [Agent.parse("greedy"), Agent.parse(f"net:{network}")]
    ours = [SizePoint(name="standard", parameters=81_921, regret=0.0085, win_rate=49.2)]
    shares = [regret_shares(agent, table, 200) for agent in agents]
    text = write_report(tmp_path / "new", ours, shares, [calibration(agents[1], table, 500)])
    pictures = {"rate-distortion.png", "greedy-regret.png", "tiny-regret.png", "tiny-calibration.png"}
    assert {path.name for path in (tmp_path / "new").iterdir()} == pictures | {"report.md"}
    for name in pictures:
        assert (tmp_path / "new" / name).read_bytes().startswith(PNG)
        assert f"({name})" in text


def test_pictures_without_anything_to_show(table, tmp_path):
    report.save_figure(report.rate_distortion([]), tmp_path / "empty.png")
    flawless = regret_shares(Agent.parse("greedy"), table, 1, seed=2)
    flawless.kind[:] = 0
    flawless.score[:] = 0
    report.save_figure(report.regret_map(flawless), tmp_path / "flawless.png")
    assert (tmp_path / "flawless.png").read_bytes().startswith(PNG)


def test_loss_curve(tmp_path):
    row = {f"{part}_{name}loss": 0.5 for part in ("train", "validation") for name in ("", "value_", "policy_")}
    curve = report.loss_curve([row | {"epoch": 1}, row | {"epoch": 2, "validation_loss": 0.4}])
    report.save_figure(curve, tmp_path / "loss.png")
    assert (tmp_path / "loss.png").read_bytes().startswith(PNG)


def test_the_unit_of_the_value_loss():
    row = {"epoch": 1, "train_value_loss": 0.5, "validation_value_loss": 0.5}
    for options, label in (((), "squared"), (("absolute",), "absolute")):
        assert report.loss_curve([row], *options).axes[0].get_ylabel() == f"mean {label} error of 2p - 1"


def test_names_by_size_meet_nothing():
    """Of the shipped models: neither each other nor the published line, its rings, our squares or the legend."""
    models = read_manifest(ROOT / "weights")
    figure = report.rate_distortion([size_point(model) for model in models])
    figure.draw_without_rendering()
    for axes in figure.axes:
        published, ours = axes.lines
        assert len(axes.texts) == len(models)
        boxes = [text.get_window_extent() for text in axes.texts]
        path = published.get_transform().transform_path(published.get_path())
        places = [*path.vertices, *axes.transData.transform(ours.get_xydata())]
        for box in boxes:
            assert box.count_overlaps([*boxes, axes.get_legend().get_window_extent()]) == 1
            assert not path.intersects_bbox(box, filled=False)
            assert not any(box.contains(x, y) for x, y in places)


def test_a_ring_is_seen_upon_a_square():
    published, ours = report.rate_distortion([]).axes[0].lines
    assert published.get_zorder() > ours.get_zorder()
    assert published.get_markersize() < ours.get_markersize()


def test_the_sizes_in_bytes_say_whose_they_are():
    points = [BytesPoint(name="int8", bytes=60_000, regret=0.006)]
    axes = report.regret_by_bytes("standard", {"value": points, "policy": points}, points).axes[0]
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels[:3] == ["standard's value network", "standard's policy network", "exact table, rounded"]
    assert axes.get_title().startswith("standard in fewer bits a weight")


def test_the_command(table, network, tmp_path):
    table.save(tmp_path / "two.table")
    settings = MeasureSettings(positions=100, decisions=100, games=4, pieces=table.pieces)
    folder = tmp_path / "weights"
    promote(network, "tiny", table, what="tiny", command="by hand", folder=folder, settings=settings)
    common = ("--folder", folder, "--table", tmp_path / "two.table", "--output", tmp_path / "out")
    shown = call("report", *common)
    assert shown.returncode == 0, shown.stderr
    assert "| tiny " in shown.stdout
    assert "The solved game measured against has 2 pieces a side instead of 7." in shown.stdout
    assert (tmp_path / "out/tiny-calibration.png").exists()
    nothing = call("report", "--folder", tmp_path / "nowhere")
    assert nothing.returncode == 1
    assert nothing.stderr.startswith("error: no models in")
