"""The shipped networks are found by name in a checkout and in an installed package."""

from pathlib import Path

import pytest

from engine.network import shipped
from engine.network.shipped import MANIFEST, is_weights_path, shipped_folder, shipped_models, weights_files


@pytest.mark.parametrize("text", ["model.json", "model.json.gz", "folder/model", "./model", "weights/model.json"])
def test_paths(text):
    assert is_weights_path(text)


@pytest.mark.parametrize("text", ["model", "model-3k", "model.jsonl", "model.gz"])
def test_names(text):
    assert not is_weights_path(text)


def test_the_files_of_a_folder(tmp_path):
    for name in ("b.json", "a.json.gz", "b.json.gz", MANIFEST, "c.jsonl", "d.txt"):
        (tmp_path / name).touch()
    assert weights_files(tmp_path) == {"a": tmp_path / "a.json.gz", "b": tmp_path / "b.json"}
    assert weights_files(tmp_path / "nowhere") == {}


def test_a_checkout_before_an_installed_package(tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, "_ROOT", tmp_path)
    assert shipped_models() == {}
    installed = tmp_path / "mlx_train" / "site" / "weights"
    installed.mkdir(parents=True)
    (installed / "model.json.gz").touch()
    assert shipped_models() == {"model": installed / "model.json.gz"}
    checkout = tmp_path / "weights"
    checkout.mkdir()
    (checkout / "other.json").touch()
    assert shipped_folder() == installed  # any folder may be called weights
    (checkout / MANIFEST).touch()
    assert shipped_models() == {"other": checkout / "other.json"}


def test_this_checkout_ships_what_its_manifest_lists():
    folder = Path(__file__).parents[3] / "weights"
    assert shipped_folder() == folder
    assert set(shipped_models()) == {path.stem for path in folder.glob("*.json") if path.name != MANIFEST}
