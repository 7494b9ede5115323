"""Several processes that train one model: the same games and weights as one, and what happens when one dies.

They are started here as `mlx.launch` starts them, by the environment of each.
"""

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from engine.network.document import read_document
from mlx_train.config import Config
from mlx_train.data.batches import Share
from mlx_train.data.exact import ExactSource
from mlx_train.data.games import Decisions
from mlx_train.runs.generation import generate
from mlx_train.runs.run_folder import Run
from mlx_train.runs.training import exact_data
from mlx_train.training.checkpoint import checkpoints
from mlx_train.training.ranks import ALONE, Ranks, backend, first_host

SETTINGS = [
    "--preset", "quick", "--teacher", "search", "--games", "100", "--depth", "1", "--playouts", "0",
    "--batch-size", "150", "--epochs", "1", "--hidden-sizes", "32,16", "--dropout", "0.2", "--activation", "silu",
    "--evaluation-games", "20", "--device", "cpu", "--workers", "1",
]  # fmt: skip


#: Processes that gather without pause what each knows of all, until the last of them dies.
GATHER = """
import os, threading
from mlx_train.training.ranks import join

ranks = join()
parts = [bytes([rank]) * 2_000_000 for rank in range(ranks.share.size)]
if ranks.share.rank == ranks.share.size - 1:
    threading.Timer(0.5, os._exit, [9]).start()
try:
    while ranks.gather_bytes(parts[ranks.share.rank]) == parts:
        pass
    print("wrong data")
except RuntimeError:
    print("an error")
"""

#: Processes that take the arrays of the first one, which then reads them alone.
FIRST_ARRAYS = """
import numpy as np
from mlx_train.device.backend import mx
from mlx_train.training.ranks import join

mx.set_default_device(mx.cpu)
ranks = join()
arrays = ranks.first_arrays({"weights": mx.full((3,), 5.0 + ranks.share.rank)})
if ranks.leads:
    np.array(arrays["weights"])
ranks.gather(None)
print(np.array(arrays["weights"]).tolist())
ranks.leave()
"""

#: Processes that make steps and keep their losses, as an epoch does.
KEPT_LOSSES = """
import numpy as np
from mlx_train.device.backend import mx
from mlx_train.config import Config
from mlx_train.data.batches import Batch, FeatureRows
from mlx_train.training.ranks import join
from mlx_train.training.trainer import Trainer

mx.set_default_device(mx.cpu)
ranks = join()
config = Config(batch_size=16, networks="value")
trainer = Trainer(config, 100, ranks)
batch = Batch(FeatureRows(np.ones((8, 150), dtype=np.uint8), (np.ones(8, dtype=np.float32),)))
losses = []
for step in range(30):
    losses.append(trainer.step(batch, 16))
    mx.eval(losses[-1])
    if step == 9:
        before = mx.get_active_memory()
print(mx.get_active_memory() - before)
ranks.leave()
"""


def start(size, arguments, folder, others=(), program=("-m", "mlx_train")):
    """Processes of a ring -> a list of Popen; `others`: arguments that the last of them has besides."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(size)]
        addresses = [[f"127.0.0.1:{one.getsockname()[1]}"] for one in sockets]
    hosts = folder / f"hosts-{time.monotonic_ns()}.json"
    hosts.write_text(json.dumps(addresses) if size > 1 else "")
    return [
        subprocess.Popen(
            [sys.executable, *program, *map(str, [*arguments, *(others if rank == size - 1 else ())])],
            env=os.environ | {"MLX_RANK": str(rank), "MLX_HOSTFILE": str(hosts)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(size)
    ]


def finish(processes):
    """-> [(exit code, stdout, stderr)] of each process."""
    ended = [process.communicate(timeout=300) for process in processes]
    return [(process.returncode, *texts) for process, texts in zip(processes, ended, strict=True)]


def call(*arguments):
    result = subprocess.run(
        [sys.executable, "-m", "mlx_train", *map(str, arguments)], capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 0, result.stderr
    return result


def wait_for(condition):
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def largest_difference(one, two):
    """Of any weight of two runs."""
    first, second = (read_document(folder / "weights.json") for folder in (one, two))
    return max(np.abs(first[name] - second[name]).max() for name in ("value_weights", "policy_weights"))


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The run of one process."""
    folder = tmp_path_factory.mktemp("alone") / "run"
    call("run", *SETTINGS, "--output", folder)
    return folder


def test_shares_are_the_whole():
    for size in (1, 2, 3, 7):
        for count in (0, 1, 5, 100):
            parts = [list(range(count))[Share(rank, size).of(count)] for rank in range(size)]
            assert list(itertools.chain(*parts)) == list(range(count))
            assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_a_process_alone():
    assert (ALONE.leads, ALONE.local_size) == (True, 1)
    assert ALONE.gather([1]) == [[1]]
    assert ALONE.first(lambda: 5) == 5
    assert ALONE.first_bytes(b"x") == b"x"
    assert not ALONE.has_lost_one()
    ALONE.agree({"seed": 1})
    ALONE.leave()


def test_processes_of_one_machine_divide_its_cores(table, monkeypatch):
    monkeypatch.setattr("mlx_train.runs.training.solved_table", lambda *_: table)
    monkeypatch.setattr("mlx_train.runs.generation.worker_count", lambda asked: asked or 6)
    ranks = Ranks()
    for size, workers, own in ((1, None, 6), (2, None, 3), (8, None, 1), (2, 5, 5)):
        ranks.local_size = size
        source, _ = exact_data(Config(teacher="exact", workers=workers), ranks)
        assert source.config.workers == own


def test_as_many_rows_cross_to_a_gpu_at_once_for_any_number_of_processes(table, monkeypatch):
    monkeypatch.setattr("mlx_train.device.kernels.available", lambda: True)
    config = Config(teacher="exact", batch_size=131_072, workers=32)
    assert [ExactSource(config, table, Share(0, size)).batches_per_transfer for size in (1, 2, 4)] == [4, 8, 16]


def test_what_the_launcher_says(monkeypatch, tmp_path):
    for name in ("MLX_RANK", "MLX_HOSTFILE", "MLX_JACCL_COORDINATOR", "NCCL_HOST_IP"):
        monkeypatch.delenv(name, raising=False)
    assert backend() is None
    monkeypatch.setenv("MLX_RANK", "1")
    assert (backend(), first_host()) == ("any", None)
    monkeypatch.setenv("NCCL_HOST_IP", "10.0.0.1")
    assert (backend(), first_host()) == ("nccl", "10.0.0.1")
    monkeypatch.setenv("MLX_JACCL_COORDINATOR", "10.0.0.2:32323")
    assert (backend(), first_host()) == ("jaccl", "10.0.0.2")
    hosts = tmp_path / "hosts.json"
    hosts.write_text('[["10.0.0.3:5000"], ["10.0.0.4:5000"]]')
    monkeypatch.setenv("MLX_HOSTFILE", str(hosts))
    assert (backend(), first_host()) == ("ring", "10.0.0.3")
    hosts.write_text("")  # `mlx.launch -n 1`
    assert backend() is None


def test_two_processes_play_the_games_of_one(tmp_path):
    arguments = ["generate", "--games", 150, "--depth", 1, "--playouts", 1, "--workers", 1]
    ended = finish(start(2, [*arguments, "--output", tmp_path / "two"], tmp_path))
    assert [code for code, _, _ in ended] == [0, 0], ended
    assert ended[1] == (0, "", "")  # rank 0 speaks for both
    call(*arguments, "--output", tmp_path / "one")
    one, two = (Decisions.load(tmp_path / name / "games.npz").records for name in ("one", "two"))
    assert one.tobytes() == two.tobytes()


@pytest.mark.slow
@pytest.mark.parametrize("size", [2, 3])
def test_processes_train_the_networks_of_one(alone, tmp_path, size):
    for code, _, errors in finish(start(size, ["run", *SETTINGS, "--output", tmp_path / "run"], tmp_path)):
        assert code == 0, errors
    rows = [json.loads((folder / "metrics.jsonl").read_text()) for folder in (alone, tmp_path / "run")]
    assert rows[0]["step"] >= 200
    assert rows[1]["validation_loss"] == pytest.approx(rows[0]["validation_loss"], abs=1e-5)
    assert rows[1]["train_policy_loss"] == pytest.approx(rows[0]["train_policy_loss"], abs=1e-5)
    # Two halves are summed as one process sums them; three parts are not.
    assert largest_difference(alone, tmp_path / "run") <= (0 if size == 2 else 1e-4)


@pytest.mark.slow
def test_two_processes_renew_the_same_eigenvectors_as_one(tmp_path):
    settings = ["run", *SETTINGS, "--optimizer", "soap"]
    call(*settings, "--output", tmp_path / "one")
    for code, _, errors in finish(start(2, [*settings, "--output", tmp_path / "two"], tmp_path)):
        assert code == 0, errors
    assert largest_difference(tmp_path / "one", tmp_path / "two") == 0


@pytest.mark.slow
def test_a_process_that_dies_ends_the_others_and_any_number_goes_on(tmp_path):
    folder = tmp_path / "run"
    settings = [*SETTINGS, "--epochs", "4", "--checkpoint-seconds", "0.1"]
    processes = start(2, ["run", *settings, "--output", folder], tmp_path)
    wait_for(lambda: len(checkpoints(folder / "checkpoints")) == 2)
    processes[1].kill()
    (code, _, errors), _ = finish(processes)
    assert code == 1
    assert "rank 1 on" in errors
    assert "has died; the others end too" in errors
    assert "Traceback" not in errors
    assert not (folder / "weights.json").exists()
    for code, _, errors in finish(start(3, ["run", "--resume", folder], tmp_path)):
        assert code == 0, errors
    call("run", *settings, "--output", tmp_path / "alone")
    assert largest_difference(folder, tmp_path / "alone") < 1e-4


def test_what_is_gathered_is_whole_or_an_error(tmp_path):
    for _ in range(3):
        (_, output, errors), _ = finish(start(2, [], tmp_path, program=("-c", GATHER)))
        assert output == "an error\n", errors


def test_the_arrays_of_the_first_process_are_there_when_one_reads_them_alone(tmp_path):
    for code, output, errors in finish(start(2, [], tmp_path, program=("-c", FIRST_ARRAYS))):
        assert (code, output) == (0, "[5.0, 5.0, 5.0]\n"), errors


def test_losses_that_are_kept_hold_no_gradients(tmp_path):
    for code, output, errors in finish(start(2, [], tmp_path, program=("-c", KEPT_LOSSES))):
        assert code == 0, errors
        assert int(output) < 100_000  # the gradients of twenty steps take 6.5 MB


@pytest.mark.slow
def test_one_network_is_trained_and_saved(tmp_path):
    settings = [*SETTINGS, "--networks", "policy", "--checkpoint-seconds", "0"]
    for code, _, errors in finish(start(2, ["run", *settings, "--output", tmp_path / "run"], tmp_path)):
        assert code == 0, errors
    assert len(checkpoints(tmp_path / "run" / "checkpoints")) == 2


@pytest.mark.slow
def test_the_death_of_the_first_process_ends_the_others(tmp_path):
    folder = tmp_path / "run"
    settings = [*SETTINGS, "--epochs", "50", "--checkpoint-seconds", "0.1"]
    processes = start(2, ["run", *settings, "--output", folder], tmp_path)
    wait_for(lambda: checkpoints(folder / "checkpoints"))
    processes[0].kill()
    _, (code, _, errors) = finish(processes)
    assert code == 1
    assert "rank 0 on" in errors


class Interrupted(Ranks):
    """A process alone that gets Ctrl-C while it exchanges what was played."""

    reached = False

    def gather_bytes(self, data):
        if not self.reached:
            self.reached = True
            os.kill(os.getpid(), signal.SIGINT)
        return super().gather_bytes(data)


def test_ctrl_c_waits_for_the_games_of_the_others(tmp_path):
    config = Config(games=100, depth=1, playouts=0, workers=1)
    run = Run.create(config, "games", tmp_path / "run")
    with pytest.raises(KeyboardInterrupt):
        generate(config, run, Interrupted())
    (part,) = run.parts.iterdir()
    assert Decisions.load(part).games == 64
    assert generate(config, run).games == 100


@pytest.mark.slow
def test_ctrl_c_while_the_games_are_played_keeps_them(tmp_path):
    folder = tmp_path / "games"
    command = ["generate", "--games", 20_000, "--depth", 2, "--playouts", 1, "--workers", 1, "--output", folder]
    processes = start(2, command, tmp_path)
    wait_for(lambda: list(folder.glob("games/*.npz")))
    for process in processes:
        process.send_signal(signal.SIGINT)
    for code, _, errors in finish(processes):
        assert code == 130, errors
        assert "died" not in errors
    assert sum(Decisions.load(part).games for part in folder.glob("games/*.npz")) >= 128


@pytest.mark.slow
def test_ctrl_c_stops_all_after_the_same_batch(tmp_path):
    folder = tmp_path / "run"
    settings = [*SETTINGS, "--epochs", "3"]
    processes = start(2, ["run", *settings, "--output", folder], tmp_path)
    wait_for(lambda: (folder / "metrics.jsonl").exists() and (folder / "metrics.jsonl").read_text())
    processes[1].send_signal(signal.SIGINT)  # one of them is enough
    for code, _, errors in finish(processes):
        assert code == 130, errors
        assert "died" not in errors
    assert len(checkpoints(folder / "checkpoints")) == 1
    call("run", "--resume", folder)
    call("run", *settings, "--output", tmp_path / "alone")
    assert largest_difference(folder, tmp_path / "alone") < 1e-4


def test_processes_with_other_settings_are_refused(tmp_path):
    folder = tmp_path / "run"
    first, second = finish(start(2, ["run", *SETTINGS, "--output", folder], tmp_path, ["--seed", 4]))
    assert first[0] == second[0] == 1
    assert "rank 1 was started with arguments" in first[2]
    assert second[2] == ""
    assert not folder.exists()


def test_a_folder_that_cannot_be_made_ends_all_in_one_line(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    first, second = finish(start(2, ["generate", "--games", 9, "--output", tmp_path / "full"], tmp_path))
    assert first[0] == second[0] == 1
    assert first[2].splitlines()[-1].endswith("exists already and is not an empty folder")
    assert second[2] == ""


@pytest.mark.slow
def test_under_the_launcher(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    launcher = Path(sys.executable).with_name("mlx.launch")
    command = ["generate", "--games", "40", "--depth", "1", "--playouts", "0", "--output", str(tmp_path / "games")]
    result = subprocess.run(
        [launcher, "--backend", "ring", "-n", "2", "-p", str(port), "--", sys.executable, "-m", "mlx_train", *command],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "in each of 2 processes" in result.stderr
    assert Decisions.load(tmp_path / "games/games.npz").games == 40
