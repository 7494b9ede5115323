"""Every picture of the documents is made by one command."""

import re
from pathlib import Path

import pytest
import random_networks
from commandline import call

from mlx_train.config import Config
from mlx_train.networks.manifest import MeasureSettings
from mlx_train.runs.promotion import promote
from mlx_train.runs.run_folder import Run
from mlx_train.tools.gallery import FIGURES, LOSSES, PICTURES, SKILLED, Sources, write_losses, write_pictures

ROOT = Path(__file__).parents[3]
# Positions with more pieces than the small game has are the boards.
SMALL = [name for name in PICTURES if name.endswith(".png")]


@pytest.fixture(scope="module")
def folder(table, tmp_path_factory):
    """Weights of two tiny networks, under the names of the shipped ones that the pictures show."""
    folder = tmp_path_factory.mktemp("gallery")
    settings = MeasureSettings(positions=100, decisions=100, games=4, pieces=table.pieces)
    for seed, name in enumerate(("standard", "search")):
        path = random_networks.write(folder / f"{name}-source.json", random_networks.random_document(seed=seed + 4))
        promote(
            Path(path), name, table, what="tiny", command="by hand", folder=folder / "weights", settings=settings
        )  # fmt: skip
    return folder / "weights"


def test_every_picture_is_in_the_folder():
    assert {path.name for path in (ROOT / FIGURES).iterdir()} >= set(PICTURES) | {LOSSES}


def test_every_picture_is_shown():
    pages = "".join(path.read_text() for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))))
    shown = set(re.findall(r"!\[[^\]]+\]\((?:docs/)?figures/([^)]+)\)", pages))
    assert shown >= set(PICTURES) | {LOSSES}


@pytest.fixture(scope="module")
def sources(table_file, folder):
    return Sources(table_file=table_file, folder=folder, games=4, decisions=200, positions=300)


def test_every_picture_is_drawn(sources, tmp_path):
    written = write_pictures(sources, tmp_path / "new", SMALL)
    assert [path.name for path in written] == SMALL
    assert {path.name for path in (tmp_path / "new").iterdir()} == set(SMALL)
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in written)


@pytest.mark.parametrize("name", ["board-masters.svg", "board-aseb.svg"])
def test_boards_of_other_rule_sets_need_no_table(name, tmp_path):
    assert write_pictures(Sources(), tmp_path, [name])[0].read_text() == (ROOT / FIGURES / name).read_text()


def test_agents_of_the_manifest_and_others(sources):
    agents = [sources.agent(name) for name in SKILLED]
    assert agents[0].name.endswith("standard.json")
    assert agents[-1].name == "random"
    assert sources.agent("standard") is agents[0]
    with pytest.raises(ValueError, match="gready"):
        sources.agent("gready")


def test_a_table_of_too_few_pieces(sources, tmp_path):
    with pytest.raises(ValueError, match="2 pieces a side"):
        write_pictures(sources, tmp_path, ["board.svg"])
    assert not list(tmp_path.iterdir())


def test_the_losses_of_a_run(tmp_path):
    run = Run.create(Config(), "test", tmp_path / "run")
    row = {f"{part}_{name}_loss": 0.5 for part in ("train", "validation") for name in ("value", "policy")}
    for epoch in (1, 2):
        run.append_metrics(row | {"epoch": epoch})
    assert write_losses(run.folder, tmp_path / "pictures").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="no run folder"):
        write_losses(tmp_path / "nowhere", tmp_path)


def test_the_unit_of_the_losses_is_the_runs(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr("mlx_train.tools.gallery.save_figure", lambda figure, path: drawn.append(figure))
    for value_loss in ("squared", "absolute"):
        run = Run.create(Config(value_loss=value_loss), "test", tmp_path / value_loss)
        run.append_metrics({"epoch": 1, "train_value_loss": 0.5, "validation_value_loss": 0.5})
        write_losses(run.folder, tmp_path)
    assert [figure.axes[0].get_ylabel() for figure in drawn] == [
        "mean squared error of 2p - 1", "mean absolute error of 2p - 1",
    ]  # fmt: skip


def test_the_sizes_need_no_table(folder, tmp_path):
    sources = Sources(table_file=tmp_path / "no.table", folder=folder)
    assert write_pictures(sources, tmp_path / "new", ["rate-distortion.png"])
    with pytest.raises(FileNotFoundError, match=r"no\.table"):
        write_pictures(sources, tmp_path / "new", ["races.png"])


def test_a_smaller_game_does_not_replace_the_documents_pictures(folder, table_file, tmp_path):
    common = ("figures", "races.png", "--folder", folder, "--table", table_file)
    refused = call(*common, cwd=tmp_path)
    assert refused.returncode == 2
    assert "give --output" in " ".join(refused.stderr.replace("│", " ").split())
    assert list(tmp_path.iterdir()) == []
    assert call(*common, "--output", FIGURES, cwd=tmp_path).returncode == 0
    assert (tmp_path / FIGURES / "races.png").exists()


def test_the_command(table_file, folder, tmp_path):
    common = ("--folder", folder, "--table", table_file, "--output", tmp_path / "out")
    done = call("figures", "races.png", "first-rolls.png", *common)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"races.png", "first-rolls.png"}
    wrong = call("figures", "race.png", *common)
    assert wrong.returncode == 2
    assert "did you mean races.png" in " ".join(wrong.stderr.replace("│", " ").split())
    assert call("figures", "--games", 0, *common).returncode == 2


def test_the_losses_alone(tmp_path):
    run = Run.create(Config(), "test", tmp_path / "run")
    run.append_metrics({"epoch": 1, "train_value_loss": 0.5, "validation_value_loss": 0.5})
    done = call("figures", "--run", run.folder, "--output", tmp_path / "out", "--folder", tmp_path / "nowhere")
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == [LOSSES]
