"""`solve` as a user meets it: what it prints and writes, and what it refuses before it begins."""

import json
import os
import resource
import signal
import stat
import sys

import numpy as np
import pytest
from commandline import call

from engine.solved.tablebase import Tablebase, default_path
from engine.solved.verification import Verification
from mlx_train.cli import main
from mlx_train.data import solving
from mlx_train.data.solving import find_table, parse_tolerance, solve_game
from mlx_train.device.backend import available_devices
from mlx_train.tools import solution
from mlx_train.tools.solution import facts_text


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """No test touches the user's cache."""
    monkeypatch.setenv("UR_CACHE", str(tmp_path / "cache"))


def test_json(tmp_path):
    result = call("solve", "--pieces", 2, "--verify", "--json", "--rgu", tmp_path / "two.rgu")
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    table = Tablebase.open(default_path(2))
    assert found["table"] == str(default_path(2))
    assert found["bytes"] == default_path(2).stat().st_size
    assert found["residual"] == table.residual <= found["tolerance"] == 1e-12
    assert found["verification"]["passed"]
    assert found["verification"]["positions"] == table.count
    assert found["statistics"]["expected_turns"] == pytest.approx(39.798001641634)
    assert found["peak_memory_bytes"]["process"] > 0
    assert Tablebase.from_rgu(tmp_path / "two.rgu").pieces == 2
    assert str(tmp_path / "two.rgu") in result.stderr


def test_another_rule_set(tmp_path):
    result = call("solve", "--rules", "masters", "--pieces", 1, "--verify")
    assert result.returncode == 0, result.stderr
    assert "0.527598258106" in result.stdout
    assert "| masters, 1 pieces a side" in result.stdout
    assert "reply to 0" not in result.stdout
    table = Tablebase.open(default_path(1, "masters"))
    assert (table.rules, table.pieces) == ("masters", 1)


def test_table(tmp_path):
    result = call("solve", "--pieces", 1, "--tolerance", "floor", "--output", tmp_path / "one.table", "--verify")
    assert result.returncode == 0, result.stderr
    assert "0.530049839525" in result.stdout
    assert "verified" in result.stdout
    assert Tablebase.open(tmp_path / "one.table").tolerance == 0
    assert not default_path(1).exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--pieces", "8"], "pieces must be 1 to 7"),
        (["--rules", "aseb", "--pieces", "6"], "pieces must be 1 to 5"),
        (["--rules", "bltiz"], "unknown rule set 'bltiz'; did you mean blitz?"),
        (["--pieces", "few"], "unable to parse string as an integer"),
        (["--tolerance", "0"], "between 0 and 1"),
        (["--tolerance", "-1"], "between 0 and 1"),
        (["--tolerance", "nan"], "between 0 and 1"),
        (["--tolerance", "small"], "between 0 and 1"),
        (["--workers", "0"], "workers must be from 1"),
        (["--device", "tpu"], "unknown device 'tpu' (known: auto, cpu, gpu)"),
        (["--output", "."], ". is a folder"),
        (["--rgu", "."], ". is a folder"),
        (["--output", "same", "--rgu", "./same"], "are both same"),
    ],
)
def test_wrong_usage_is_told_before_anything_is_solved(capsys, monkeypatch, tmp_path, arguments, message):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["mlx_train", "solve", "--pieces", "1", *arguments])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    assert message in " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_is_no_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    refused = call("solve", "--pieces", 1, "--output", tmp_path / "pipe")
    assert refused.returncode == 2
    assert "not a regular file" in " ".join(refused.stderr.replace("│", " ").split())
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_a_named_pipe_in_place_of_the_table_is_told(tmp_path, monkeypatch):
    """To open it would wait for ever."""
    monkeypatch.setenv("UR_CACHE", str(tmp_path))
    os.mkfifo(tmp_path / "finkel-7.table")
    table, reason = find_table()
    assert table is None
    assert reason.startswith(f"{tmp_path / 'finkel-7.table'} is not a regular file")


def test_a_coarser_table_does_not_replace_the_one_that_all_read(tmp_path):
    def command(*arguments):
        return call("solve", "--pieces", 1, *arguments)

    assert command("--tolerance", "floor").returncode == 0
    before = default_path(1).read_bytes()
    refused = command("--tolerance", 0.01)
    assert refused.returncode == 2
    assert "give another file with --output" in " ".join(refused.stderr.replace("│", " ").split())
    assert default_path(1).read_bytes() == before
    assert command("--tolerance", 0.01, "--output", tmp_path / "coarse.table").returncode == 0
    assert Tablebase.open(tmp_path / "coarse.table").tolerance == 0.01
    damaged = bytearray(before)
    damaged[-3] ^= 1
    default_path(1).write_bytes(damaged)
    assert command("--tolerance", 0.01).returncode == 0  # a damaged one is worth nothing
    assert Tablebase.open(default_path(1)).tolerance == 0.01


def test_what_a_call_before_has_solved_is_told(tmp_path, monkeypatch):
    """The second call finds every layer, because the first could not write its table."""

    def full(values, header, path, unfinished):
        raise OSError(28, "No space left on device", str(path))

    with monkeypatch.context() as patched:
        patched.setattr("engine.solved.solving._save", full)
        with pytest.raises(OSError, match="No space left"):
            solve_game(2, 1e-12, output=tmp_path / "two.table")
    again = solve_game(2, 1e-12, output=tmp_path / "two.table")
    assert again["resumed_positions"] == Tablebase.open(tmp_path / "two.table").count
    assert f"{again['resumed_positions']:,} of the positions by a call before" in facts_text(again)
    assert solve_game(1, 1e-12, output=tmp_path / "one.table")["resumed_positions"] == 0


def test_a_gpu_only_gives_the_engine_something_to_begin_with(tmp_path, monkeypatch):
    """What the GPU knows stands for it: the result says that it was used, and is as exact as without it."""
    exact = Tablebase.solve(2, checkpoint=tmp_path / "partial").array
    rough = np.round(exact, 5).astype(np.float32)

    def first_values(pieces, progress, rules):
        progress(len(rough), len(rough), f"{pieces} and {pieces} pieces left, 1 sweeps")
        return rough

    monkeypatch.setattr("mlx_train.device.solver_kernel.first_values", first_values)
    result = solve_game(2, 1e-12, output=tmp_path / "two.table", verify=True, device="gpu")
    assert result["verification"]["passed"]
    assert result["gpu_seconds"] <= result["seconds"]
    assert f"{result['gpu_seconds']} s of it on the GPU" in facts_text(result)
    np.testing.assert_allclose(Tablebase.open(tmp_path / "two.table").array, exact, rtol=0, atol=1e-12)
    assert "GPU" not in facts_text(solve_game(2, 1e-12, output=tmp_path / "other.table"))


@pytest.mark.skipif("gpu" in available_devices(), reason="there is a GPU")
def test_a_gpu_that_is_not_there(tmp_path):
    result = call("solve", "--pieces", 1, "--device", "gpu", "--output", tmp_path / "one.table")
    assert result.returncode == 2
    assert "no GPU found" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_failed_verification_is_an_error(monkeypatch):
    class Wrong:
        """A table that does not verify."""

        count, residual = 217, 0.0

        @classmethod
        def solve(cls, *_, output, **__):
            output.touch()
            return cls()

        @classmethod
        def open(cls, *_, **__):
            return cls()

        def verify(self, *_, **__):
            return Verification(1, 1, 0.5, 0x202, 1e-12, False)

    monkeypatch.setattr(solving, "Tablebase", Wrong)
    with pytest.raises(RuntimeError, match=r"verification failed: residual 0\.5 above 1e-12 at 0x202"):
        solve_game(1, 1e-12, verify=True)


def test_a_full_disk(tmp_path):
    """The file size limit stands for the disk: one line that names the file, and nothing half-written."""

    def full():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    result = call("solve", "--pieces", 2, "--output", tmp_path / "two.table", preexec_fn=full)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == f"error: {tmp_path / 'two.table'}: File too large"
    assert [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".partial"] == []


def test_too_little_memory_is_one_line(capsys, monkeypatch):
    def full(*_, **__):
        raise MemoryError("unable to allocate 438 MiB")

    monkeypatch.setattr(solution, "solve_game", full)
    monkeypatch.setattr(sys, "argv", ["mlx_train", "solve", "--pieces", "1"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 1
    assert capsys.readouterr().err.splitlines()[-1] == "error: out of memory: unable to allocate 438 MiB"


def test_what_is_needed_is_told_before_anything_begins(monkeypatch):
    monkeypatch.setattr("engine.machine.memory.available_memory", lambda: 2**30)
    with pytest.raises(
        MemoryError, match=r"^solving masters with 7 pieces a side takes 4\.8 GiB of memory, and 1\.0 GiB"
    ):
        Tablebase.solve(rules="masters")


def test_tolerances():
    assert parse_tolerance("floor") == "floor"
    assert parse_tolerance("1e-9") == 1e-9
    for text in ("0", "1", "inf", "nan", "-1e-9", "", "floors"):
        with pytest.raises(ValueError, match="between 0 and 1"):
            parse_tolerance(text)
