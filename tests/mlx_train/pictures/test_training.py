"""The pictures of trainings."""

from mlx_train.pictures.style import save_figure
from mlx_train.pictures.training import loss_curve


def test_the_own_games_are_marked():
    row = {"epoch": 1, "train_value_loss": 0.5, "validation_value_loss": 0.4}
    rows = [row, row | {"epoch": 2, "validation_value_loss": 0.9, "own_games": 10}]
    assert "its own games (from 2 on)" in loss_curve(rows).axes[0].get_legend_handles_labels()[1]
    assert "best epoch (1)" in loss_curve(rows[:1]).axes[0].get_legend_handles_labels()[1]


def test_loss_curve(tmp_path):
    row = {f"{part}_{name}loss": 0.5 for part in ("train", "validation") for name in ("", "value_", "policy_")}
    curve = loss_curve([row | {"epoch": 1}, row | {"epoch": 2, "validation_loss": 0.4}])
    save_figure(curve, tmp_path / "loss.png")
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")


def test_the_unit_of_the_value_loss():
    row = {"epoch": 1, "train_value_loss": 0.5, "validation_value_loss": 0.5}
    for options, label in (((), "squared"), (("absolute",), "absolute")):
        assert loss_curve([row], *options).axes[0].get_ylabel() == f"mean {label} error of 2p - 1"
