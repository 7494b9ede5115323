"""Where a result comes from."""

import json
import subprocess
from pathlib import Path

from mlx_train.system import provenance as module
from mlx_train.system.provenance import processor, provenance, source_revision

ROOT = Path(__file__).parents[3]


def test_provenance_is_plain_json_with_every_version():
    origin = provenance()
    assert json.loads(json.dumps(origin)) == origin
    assert set(origin["versions"]) == {"python", "mlx", "numpy", "mlx-ur"}
    assert origin["versions"]["numpy"].count(".") >= 1


def test_the_source_revision_is_of_git():
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    revision, committed = source_revision()
    assert (revision or "").removesuffix("-dirty") == head
    assert (committed is None) == (head == "")


def test_without_git_there_is_no_revision(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    assert source_revision() == (None, None)


def test_a_package_that_is_missing_has_no_version(monkeypatch):
    monkeypatch.setattr(module, "_PACKAGES", ("no-such-package",))
    assert provenance()["versions"]["no-such-package"] is None


def test_the_processor_has_a_name():
    assert processor()
