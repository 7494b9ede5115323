"""Making a run folder."""

import pytest

from mlx_train.config import Config, resolve
from mlx_train.runs.run_folder import Run


def test_a_folder_that_a_kill_left_without_a_run_can_be_used(tmp_path):
    left = tmp_path / "run" / ".config.json.abcdefgh"
    left.parent.mkdir()
    left.write_text("{")
    Run.create(Config(), "run", tmp_path / "run")
    assert [path.name for path in left.parent.iterdir()] == ["config.json"]
    for file in ("config.json", "file"):
        other = tmp_path / file / file
        other.parent.mkdir()
        other.touch()
        with pytest.raises(ValueError, match="not an empty folder"):
            Run.create(Config(), "run", other.parent)


def test_settings_of_a_preset_are_kept(tmp_path):
    run = Run.create(resolve("quick"), "quick", tmp_path / "run")
    assert run.read()["config"] == resolve("quick")
