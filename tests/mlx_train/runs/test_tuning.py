import contextlib
import gc
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from engine import Tablebase
from mlx_train import cli
from mlx_train.config import Config, read_settings, resolve_as
from mlx_train.pictures.training import search_plot
from mlx_train.runs import tuning, tuning_results, tuning_study, tuning_trials
from mlx_train.runs.run_folder import Run
from mlx_train.runs.tuning_study import TuningRequest

optuna = pytest.importorskip("optuna")
FixedTrial = optuna.trial.FixedTrial
State = optuna.trial.TrialState

PARAMS = {"batch_size": 256, "width": 32, "depth": 3, "learning_rate": 0.001, "dropout": 0.1}
TINY = Config(games=8, depth=1, playouts=1, epochs=2, device="cpu", workers=1)


@pytest.fixture
def search(monkeypatch):
    """A search whose trials take a moment."""
    monkeypatch.setattr(tuning_study, "WIDTHS", (8, 16))
    monkeypatch.setattr(tuning_trials, "_MEASURED", 200)
    return TuningRequest(config=TINY, measure="validation_loss")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a search of three trials."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tuning_study, "WIDTHS", (8, 16))
        found = TuningRequest(config=TINY, measure="validation_loss")
        folder = tuning.begin(found, tmp_path_factory.mktemp("tune") / "search")
        tuning.tune(folder, found, 3)
    return folder


class TestSuggestions:
    def test_what_a_trial_has(self):
        config = TuningRequest(config=Config(epochs=7), measure="validation_loss").suggest(FixedTrial(PARAMS))
        assert config == Config(epochs=7, batch_size=256, hidden_sizes=(32, 16, 8), learning_rate=0.001, dropout=0.1)

    def test_no_layer_is_narrower_than_the_narrowest(self):
        config = TuningRequest(config=Config(), measure="validation_loss").suggest(FixedTrial(PARAMS | {"width": 16}))
        assert config.hidden_sizes == (16, 8, 8)

    def test_the_exact_teacher_gives_each_trial_as_many_positions(self):
        search = TuningRequest(config=Config(teacher="exact", steps=1000, batch_size=512), measure="validation_loss")
        for batch_size in tuning_study.BATCH_SIZES:
            config = search.suggest(FixedTrial(PARAMS | {"batch_size": batch_size}))
            assert config.steps * batch_size == 512_000

    @pytest.mark.parametrize(
        ("teacher", "measure", "blend"),
        [
            ("search", "validation_loss", None),
            ("exact", "validation_loss", None),
            ("search", "regret", "outcome_blend"),
            ("exact", "value_error", "play_share"),
            ("outcome", "regret", None),
        ],
    )
    def test_the_blend_is_no_matter_of_the_loss(self, teacher, measure, blend):
        search = TuningRequest(config=Config(teacher=teacher), measure=measure)
        assert search.blend == blend
        if blend:
            config = search.suggest(FixedTrial(PARAMS | {blend: 0.25}))
            assert getattr(config, blend) == 0.25

    def test_a_policy_has_no_value_error(self):
        with pytest.raises(ValueError, match="needs a value network"):
            TuningRequest(config=Config(networks="policy"), measure="value_error")


class TestSearch:
    def test_it_leaves_its_results(self, finished):
        names = {path.name for path in finished.run.folder.iterdir()}
        assert {"config.json", "games.npz", "study.db", "best.json", "tune.md", "tune.png"} <= names
        trials = finished.study(0).trials
        assert [trial.number for trial in trials] == [0, 1, 2]
        assert len({json.dumps(trial.params, sort_keys=True) for trial in trials}) == 3
        best = json.loads(finished.best.read_text())
        complete = [trial.value for trial in trials if trial.state == State.COMPLETE]
        assert best["value"] == min(complete)
        assert best["measure"] == "validation_loss"
        text = finished.summary.read_text()
        assert f"| {best['trial']} " in text
        assert "importances need 8 trials" in text
        assert "peak memory" in text
        assert finished.picture.read_bytes().startswith(b"\x89PNG")

    def test_its_best_settings_are_a_file_for_config(self, finished):
        best = json.loads(finished.best.read_text())
        config = resolve_as(Config, "production", {"epochs": 5}, finished.best)
        params = finished.study(0).best_params
        assert config.learning_rate == params["learning_rate"]
        assert config.hidden_sizes[0] == params["width"]
        assert (config.epochs, config.games) == (5, 8)
        assert config == Config.from_dict(best["config"] | {"epochs": 5})

    def test_it_goes_on_and_tries_again_what_was_killed(self, search, tmp_path):
        folder = tuning.begin(search, tmp_path / "search")
        tuning.tune(folder, search, 1)
        killed = folder.study(0).ask()
        search.suggest(killed)
        params = killed.params
        place = folder.run.folder
        del folder, killed
        gc.collect()  # gives the folder free
        again, found = tuning.resume(place)
        assert found == search
        tuning.tune(again, found, 3)
        trials = again.study(0).trials
        assert trials[1].state == State.FAIL
        assert trials[2].params == params
        assert len(tuning_study.finished_trials(again.study(0))) == 3
        tuning.tune(again, found, 3)
        assert len(again.study(0).trials) == len(trials)

    def test_going_on_it_takes_other_workers_and_no_other_measure(self, search, tmp_path):
        folder = tuning.begin(search, tmp_path / "search")
        place = folder.run.folder
        del folder
        gc.collect()
        config = replace(search.config, workers=3)
        again, found = tuning.resume(place, config=config)
        assert found == replace(search, config=config)
        del again
        gc.collect()
        with pytest.raises(ValueError, match=r"measure is validation_loss in .*, and stays so"):
            tuning.resume(place, measure="regret")

    def test_by_regret(self, search, tmp_path):
        Tablebase.solve(2, workers=1).save(tmp_path / "two.table")
        regret = TuningRequest(config=search.config, measure="regret", table=tmp_path / "two.table")
        folder = tuning.begin(regret, tmp_path / "search")
        study = tuning.tune(folder, regret, 1)
        assert 0 < study.best_value < 10
        assert "outcome_blend" in study.best_params
        assert len(study.best_trial.intermediate_values) == TINY.epochs

    def test_a_loss_that_is_no_number_ends_a_trial(self, search, tmp_path, monkeypatch):
        monkeypatch.setattr("mlx_train.training.trainer.Trainer.validate", lambda *_: {"validation_loss": float("nan")})
        folder = tuning.begin(search, tmp_path / "search")
        tuning.tune(folder, search, 1)
        (trial,) = folder.study(0).trials
        assert trial.state == State.PRUNED
        assert not folder.best.exists()

    def test_trials_that_fall_behind_are_broken_off(self, search, tmp_path):
        study = tuning.begin(search, tmp_path / "search").study(0)
        for value in (*[1.0] * tuning_study._STARTUP_TRIALS, 9.0):
            trial = study.ask()
            search.suggest(trial)
            for epoch in range(1, 4):
                trial.report(value, epoch)
            assert trial.should_prune() == (value > 1)
            study.tell(trial, *([None, State.PRUNED] if value > 1 else [value]))
        assert tuning_results.values_by_trial(study)[-1] == (tuning_study._STARTUP_TRIALS, 9.0, True)

    def test_importances(self, search):
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
        assert tuning_results.importances(study) == {}
        for _ in range(30):
            trial = study.ask()
            config = search.suggest(trial)
            study.tell(trial, config.dropout)
        found = tuning_results.importances(study)
        assert max(found, key=found.__getitem__) == "dropout"
        figure = search_plot(tuning_results.values_by_trial(study), found, "dropout")
        assert [axes.get_title() for axes in figure.axes] == ["Trials", "Importance"]
        assert len(search_plot(tuning_results.values_by_trial(study), {}, "dropout").axes) == 1
        assert sum(found.values()) == pytest.approx(1)

    def test_an_interrupted_trial_is_tried_again(self, search, tmp_path, monkeypatch, capfd):
        folder = tuning.begin(search, tmp_path / "search")
        tuning.tune(folder, search, 1)
        with monkeypatch.context() as patch:
            patch.setattr("mlx_train.training.trainer.Trainer.validate", interrupt)
            with pytest.raises(KeyboardInterrupt):
                tuning.tune(folder, search, 2)
        assert "Traceback" not in capfd.readouterr().err
        interrupted = folder.study(0).trials[1]
        assert interrupted.state == State.RUNNING
        trials = tuning.tune(folder, search, 2).trials
        assert [trial.state for trial in trials] == [State.COMPLETE, State.FAIL, State.COMPLETE]
        assert trials[2].params == interrupted.params

    def test_a_trial_that_fails_is_not_tried_again(self, search, tmp_path, monkeypatch):
        folder = tuning.begin(search, tmp_path / "search")
        with monkeypatch.context() as patch:
            patch.setattr("mlx_train.training.trainer.Trainer.validate", fail)
            with pytest.raises(RuntimeError, match="no such luck"):
                tuning.tune(folder, search, 1)
        first, second = tuning.tune(folder, search, 1).trials
        assert first.state == State.FAIL
        assert first.params != second.params

    def test_out_of_memory_is_explained(self, search, tmp_path, monkeypatch):
        folder = tuning.begin(search, tmp_path / "search")
        monkeypatch.setattr("mlx_train.training.trainer.Trainer.validate", exhaust)
        with pytest.raises(RuntimeError, match="out of memory on the cpu: lower --parallel"):
            tuning.tune(folder, search, 1)

    def test_no_more_trials_than_asked_for(self, search, tmp_path):
        folder = tuning.begin(search, tmp_path / "search")
        studies = [folder.study(seed) for seed in range(8)]
        turn, together, taken = threading.Lock(), threading.Barrier(len(studies)), []

        def work(study):
            together.wait()
            taken.append(tuning_trials.next_trial(study, 3, turn))

        threads = [threading.Thread(target=work, args=(study,)) for study in studies]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(taken) == len(studies)
        assert sum(trial is not None for trial in taken) == 3

    @pytest.mark.slow
    def test_two_processes(self, tmp_path):
        found = TuningRequest(config=TINY, measure="validation_loss")
        folder = tuning.begin(found, tmp_path / "search")
        study = tuning.tune(folder, found, 4, parallel=2)
        assert len(tuning_study.finished_trials(study)) == 4
        assert not study.get_trials(states=(State.RUNNING, State.FAIL))


def interrupt(*_):
    raise KeyboardInterrupt


def fail(*_):
    raise RuntimeError("no such luck")


def exhaust(*_):
    raise RuntimeError("[malloc] Unable to allocate 4096 bytes.")


class TestProcesses:
    """A search by several processes, from outside."""

    @pytest.fixture
    def process(self, tmp_path):
        """A search without an end, when its first trial is done."""
        flags = "--games 8 --depth 1 --playouts 0 --epochs 3 --device cpu --workers 1 --trials 1000 --parallel 2"
        started = subprocess.Popen(
            [sys.executable, "-m", "mlx_train", "tune", *flags.split(), "--output", tmp_path / "search"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        deadline = time.monotonic() + 120
        while not self.trials(tmp_path / "search" / "study.db"):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield started
        with contextlib.suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGKILL)

    def trials(self, database):
        """How many are complete."""
        with contextlib.suppress(sqlite3.OperationalError), contextlib.closing(sqlite3.connect(database)) as reader:
            return reader.execute("SELECT count(*) FROM trials WHERE state = 'COMPLETE'").fetchone()[0]
        return 0

    @pytest.mark.slow
    def test_they_end_with_the_one_that_was_killed(self, process):
        process.kill()
        process.communicate(timeout=60)  # until nobody can write there any more

    @pytest.mark.slow
    def test_ctrl_c_in_the_terminal(self, process):
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 130
        assert "Traceback" not in errors


class TestInUse:
    def test_a_database_that_stays_locked(self, search, tmp_path, monkeypatch):
        monkeypatch.setattr(tuning_study, "_DATABASE_SECONDS", 0.01)
        folder = tuning.begin(search, tmp_path / "search")
        tuning.tune(folder, search, 1)
        other = sqlite3.connect(folder.database, isolation_level=None)
        monkeypatch.setattr("mlx_train.training.trainer.Trainer.end_epoch", lambda *_: other.execute("BEGIN IMMEDIATE"))
        with contextlib.closing(other), pytest.raises(RuntimeError, match=r"study\.db: .*database is locked") as error:
            tuning.tune(folder, search, 2)
        assert "\n" not in str(error.value)

    def test_a_database_in_use(self, finished):
        with contextlib.closing(sqlite3.connect(finished.database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(ValueError, match=r"study\.db is in use by another process") as error:
                tuning_study.check_database(finished.database, seconds=0.01)
            assert "\n" not in str(error.value)
        tuning_study.check_database(finished.database)

    def test_no_database(self, tmp_path):
        tuning_study.check_database(tmp_path / "study.db")
        (tmp_path / "study.db").write_text("no database " * 1000)
        with pytest.raises(ValueError, match="is not a tuning database"):
            tuning_study.check_database(tmp_path / "study.db")

    def test_a_folder_in_use(self, finished):
        with pytest.raises(ValueError, match="is in use by another process"):
            tuning.resume(finished.run.folder)

    def test_another_command_s_folder(self, tmp_path):
        Run.create(Config(), "run", tmp_path / "run", made_by="run")
        with pytest.raises(ValueError, match="was not made by `tune`"):
            tuning.resume(tmp_path / "run")


class TestCommand:
    def call(self, *arguments):
        return CliRunner().invoke(cli.app, [*map(str, arguments)])

    @pytest.mark.parametrize(
        ("flags", "reason"),
        [
            (("--measure", "los"), "unknown measure 'los'"),
            (("--trials", 0), "trials must be 1 to 1000000"),
            (("--parallel", 0), "parallel 1 to 64"),
            (("--networks", "policy", "--measure", "value_error"), "needs a value network"),
            (("--learning-rate", 0.1), "No such option"),  # it is looked for
        ],
    )
    def test_wrong_usage(self, flags, reason):
        result = self.call("tune", *flags)
        assert result.exit_code == 2
        assert reason in " ".join(result.output.replace("│", " ").split())

    def test_without_optuna(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "optuna", None)
        with pytest.raises(RuntimeError, match=r"pip install 'mlx-ur\[tune\]'"):
            tuning_study.require()

    def test_a_search_and_a_run_with_its_settings(self, tmp_path, monkeypatch):
        monkeypatch.setattr(tuning_study, "WIDTHS", (8,))
        flags = ("--games", 6, "--depth", 1, "--playouts", 1, "--epochs", 1, "--device", "cpu", "--workers", 1)
        result = self.call("tune", *flags, "--trials", 1, "--output", tmp_path / "search")
        assert result.exit_code == 0, result.output
        assert "1 trials, 0 of them broken off" in result.output
        best = tmp_path / "search" / "best.json"
        result = self.call("generate", "--config", best, "--output", tmp_path / "games")
        assert result.exit_code == 0, result.output
        kept = json.loads((tmp_path / "games" / "config.json").read_text())["config"]
        assert kept == json.loads(best.read_text())["config"]


class TestSettingsFile:
    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("", "Expecting value"),
            ("[]", "not a file of settings"),
            ('{"learnin_rate": 0.1}', "unknown settings: learnin_rate"),
            ('{"learning_rate": -1}', "learning_rate must be"),
            ('{"games": "many"}', "not a file of settings"),
            ('{"config": {"epochs": 0}}', "epochs must be"),
        ],
    )
    def test_refused(self, tmp_path, text, reason):
        path = tmp_path / "settings.json"
        path.write_text(text)
        with pytest.raises(ValueError, match=reason) as error:
            read_settings(path)
        assert str(error.value).startswith(f"{path}: ")
        assert "\n" not in str(error.value)

    def test_it_goes_before_the_preset_and_behind_flags(self, tmp_path):
        path = tmp_path / "settings.json"
        path.write_text(json.dumps({"games": 7, "epochs": 3, "hidden_sizes": [16, 8]}))
        config = resolve_as(Config, "quick", {"epochs": 4}, path)
        assert (config.games, config.epochs, config.depth, config.hidden_sizes) == (7, 4, 3, (16, 8))

    def test_missing(self, tmp_path):
        result = CliRunner().invoke(cli.app, ["run", "--config", str(tmp_path / "nowhere.json")])
        assert result.exit_code == 2
        assert "nowhere.json" in result.output
