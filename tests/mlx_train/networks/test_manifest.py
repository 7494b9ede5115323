"""The manifest of the shipped models."""

import dataclasses
import gzip
import hashlib
from pathlib import Path

import pytest
from random_networks import random_document, write

from mlx_train.networks.manifest import MeasureSettings, ModelEntry, file_problem, read_manifest, write_manifest
from mlx_train.tools.quantized import is_current

ROOT = Path(__file__).parents[3]


MEASURES = {
    "value_error": {"mean": 0.1},
    "regret": {"mean": 0.2},
    "estimate": {"rate": 49.0, "interval": [48.0, 50.0]},
    "microseconds_per_move": 3.5,
}


@pytest.fixture
def entry(tmp_path):
    """The only model of `tmp_path`, as its manifest has it."""
    write(tmp_path / "tiny.json", random_document())
    content = (tmp_path / "tiny.json").read_bytes()
    entry = ModelEntry(
        name="tiny",
        what="a tiny network",
        how={},
        command="python -m mlx_train run",
        seed=0,
        architecture={"hidden_sizes": [8, 5], "activation": "relu"},
        parameters={"value": 1259, "policy": 1295},
        bytes=len(content),
        sha256={"tiny.json": hashlib.sha256(content).hexdigest()},
        settings=MeasureSettings(positions=1, decisions=1, games=1, pieces=2),
        measures={"value": MEASURES, "policy": MEASURES | {"value_error": None}},
    )
    write_manifest(tmp_path, [entry])
    return entry


def test_what_is_written_is_read(tmp_path, entry):
    assert read_manifest(tmp_path) == [entry]
    assert file_problem(entry, tmp_path) is None
    assert entry.agent(tmp_path).name.endswith("tiny.json")
    assert entry.agent(tmp_path, "policy").name.endswith("tiny.json:policy")


def test_an_installed_package_has_the_file_in_gzip(tmp_path, entry):
    content = (tmp_path / "tiny.json").read_bytes()
    packed = tmp_path / "tiny.json.gz"
    packed.write_bytes(gzip.compress(content))
    (tmp_path / "tiny.json").unlink()
    assert file_problem(entry, tmp_path) is None
    assert entry.agent(tmp_path).name.endswith("tiny.json.gz")
    packed.write_bytes(gzip.compress(content + b" "))
    assert "SHA-256" in file_problem(entry, tmp_path)
    for damaged in (b"", b"no gzip", gzip.compress(content)[:-9]):
        packed.write_bytes(damaged)
        assert file_problem(entry, tmp_path).startswith("tiny.json.gz: ")


def test_an_older_manifest_has_the_hash_of_the_gzip_too(tmp_path, entry):
    write_manifest(tmp_path, [dataclasses.replace(entry, sha256=entry.sha256 | {"tiny.json.gz": "0" * 64})])
    (older,) = read_manifest(tmp_path)
    assert file_problem(older, tmp_path) is None


def test_damage_is_found(tmp_path, entry):
    content = (tmp_path / "tiny.json").read_bytes()
    (tmp_path / "tiny.json").write_bytes(content + b" ")
    assert "SHA-256" in file_problem(entry, tmp_path)
    (tmp_path / "tiny.json").unlink()
    assert "No such file" in file_problem(entry, tmp_path)


@pytest.mark.parametrize(
    ("name", "value"), [("parameters", {"value": 5}), ("bytes", 3), ("architecture", {"hidden_sizes": [1]})]
)
def test_an_entry_that_is_not_of_its_file_is_found(tmp_path, entry, name, value):
    assert f"its {name} are" in file_problem(dataclasses.replace(entry, **{name: value}), tmp_path)


@pytest.mark.parametrize(
    "text", ["", "[]", '{"version": 9, "models": []}', '{"version": 1, "models": [{"name": "x"}]}', '{"version": 1}']
)
def test_a_damaged_manifest_is_refused(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(ValueError, match="not a usable manifest"):
        read_manifest(tmp_path)


def test_every_shipped_file_is_the_one_of_its_entry():
    entries = read_manifest(ROOT / "weights")
    names = {path.name for path in (ROOT / "weights").iterdir()}
    assert names == {"manifest.json", "quantized", *(entry.file for entry in entries)}
    assert [file_problem(entry, ROOT / "weights") for entry in entries] == [None] * len(entries)
    assert [entry.name for entry in entries if entry.quantized and not is_current(entry, ROOT / "weights")] == []
