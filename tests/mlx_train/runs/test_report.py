"""The command `report`."""

import pytest
import random_networks
from commandline import call

from engine import Agent
from mlx_train.measuring.calibration import calibration
from mlx_train.measuring.regret import regret_shares
from mlx_train.networks.manifest import MeasureSettings
from mlx_train.pictures.models import SizePoint
from mlx_train.pictures.training import loss_curve
from mlx_train.runs.promotion import promote
from mlx_train.runs.report import write_report

PNG = b"\x89PNG"
LOSSES = {"epoch": 1, "train_value_loss": 0.5, "validation_value_loss": 0.5}


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "tiny.json"
    return random_networks.write(path, random_networks.random_document(seed=4))


def test_every_picture_is_written(table, network, tmp_path):
    agents = [Agent.parse("greedy"), Agent.parse(f"net:{network}")]
    ours = [SizePoint(name="card", parameters=81_921, regret=0.0085, win_rate=49.2)]
    shares = [regret_shares(agent, table, 200) for agent in agents]
    text = write_report(
        tmp_path / "new", ours, shares, [calibration(agents[1], table, 500)], {"a-run": loss_curve([LOSSES])}
    )
    pictures = {"rate-distortion.png", "greedy-regret.png", "tiny-regret.png", "tiny-calibration.png"}
    pictures.add("a-run-loss.png")
    assert {path.name for path in (tmp_path / "new").iterdir()} == pictures | {"report.md"}
    for name in pictures:
        assert (tmp_path / "new" / name).read_bytes().startswith(PNG)
        assert f"({name})" in text


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
