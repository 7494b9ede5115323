"""Making a run folder."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

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


def at_once(count, call):
    """The results of so many calls at the same moment; a call that raises ValueError has its text."""
    barrier = Barrier(count)

    def one(number):
        barrier.wait()
        try:
            return call(number)
        except ValueError as error:
            return str(error)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def test_of_several_at_once_one_gets_the_folder(tmp_path):
    for race in range(5):
        folder = tmp_path / str(race)
        results = at_once(4, lambda number, folder=folder: Run.create(Config(seed=number), "run", folder))
        (winner,) = (result for result in results if isinstance(result, Run))
        assert winner.read()["config"].seed == results.index(winner)
        assert results.count(f"{folder} is in use by another process") == 3
        del results, winner
    Run.resume(folder)


def test_dated_folders_of_several_at_once_are_distinct(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runs = at_once(8, lambda number: Run.create(Config(seed=number), "run"))
    assert len({run.folder for run in runs}) == 8
    assert [run.read()["config"].seed for run in runs] == list(range(8))


def test_a_replaced_file_frees_no_folder(tmp_path):
    """An editor, and `atomic_file`, replace config.json by another file of its name."""
    run = Run.create(Config(), "run", tmp_path / "run")
    text = run.config.read_bytes()
    run.config.unlink()
    Path(run.config).write_bytes(text)
    with pytest.raises(ValueError, match="in use by another process"):
        Run.resume(run.folder)


def test_settings_of_a_preset_are_kept(tmp_path):
    run = Run.create(resolve("quick"), "quick", tmp_path / "run")
    assert run.read()["config"] == resolve("quick")
