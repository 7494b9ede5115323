"""Memory: limits, the batch size that fits, and what is said when there is too little."""

import dataclasses
import subprocess
import sys

import pytest

from engine.solved.blocks import block_table
from engine.solved.order import index_tables
from mlx_train.config import AUTO, SelfplayConfig, resolve
from mlx_train.device import memory
from mlx_train.device.backend import mx
from mlx_train.system.peak_memory import peak_text

SMALL = resolve("quick", hidden_sizes=(16, 8), batch_size=64, device="cpu")
GIB = 2**30


def test_limits():
    assert memory.limits("cpu", {}, 0, 20 * GIB) == {"memory": 20 * GIB}
    assert memory.limits("cpu", {}, 1.5, 20 * GIB) == {"memory": 1.5 * GIB}
    assert memory.limits("cuda", {}, 0, 80 * GIB) == {"memory": 80 * GIB, "cache": 20 * GIB}
    metal = {"max_recommended_working_set_size": 12 * GIB}
    assert memory.limits("metal", metal, 0, 18 * GIB) == {"memory": 12 * GIB, "cache": 3 * GIB, "wired": 12 * GIB}
    assert memory.limits("metal", metal, 4, 18 * GIB) == {"memory": 4 * GIB, "cache": GIB, "wired": 4 * GIB}
    assert memory.limits("metal", metal, 16, 18 * GIB)["wired"] == 12 * GIB  # more is an error there


def test_the_batch_size_that_suits_a_device():
    auto = dataclasses.replace(SMALL, batch_size=AUTO)
    assert memory.fitting_batch(auto, "cpu", 20 * GIB) == 512
    assert memory.fitting_batch(auto, "cuda", 80 * GIB) == 16_384
    tight = memory.fitting_batch(auto, "cuda", 32 << 20)
    assert tight < 16_384
    assert memory.step_bytes(dataclasses.replace(auto, batch_size=tight), 23) <= 16 << 20
    assert memory.prepare(auto).batch_size == 512


def test_the_solved_game_takes_room_on_a_gpu(monkeypatch):
    exact = dataclasses.replace(SMALL, teacher="exact", batch_size=AUTO)
    index = index_tables()
    arrays = block_table(7)
    needed = 4 * (index["start"][7, 7] + index["size"][7, 7]) + sum(array.nbytes for array in arrays)
    assert memory.table_bytes(exact, "cuda") == memory.table_bytes(exact, "metal") == needed
    assert memory.table_bytes(exact, "cpu") == memory.table_bytes(SMALL, "cuda") == 0
    assert memory.table_bytes(dataclasses.replace(exact, networks="policy"), "cuda") == 0
    for limit in (2 * GIB, GIB, 600 << 20):
        rows = memory.fitting_batch(exact, "cuda", limit)
        assert rows <= memory.fitting_batch(dataclasses.replace(exact, teacher="search"), "cuda", limit)
    assert rows == 1
    monkeypatch.setattr(memory, "set_limits", lambda device, asked: ("cuda", 500 << 20))
    with pytest.raises(ValueError, match="the solved game takes 540 MiB on a GPU, and there are 500 MiB"):
        memory.prepare(exact)


def test_self_play_has_one_network():
    config = SelfplayConfig(hidden_sizes=SMALL.hidden_sizes, batch_size=64, device="cpu")
    assert memory.step_bytes(config, 10) == memory.step_bytes(SMALL, 10) / 2
    assert memory.prepare(dataclasses.replace(config, batch_size=AUTO)).batch_size == 512
    with pytest.raises(ValueError, match="lower --batch-size"):
        memory.prepare(dataclasses.replace(config, batch_size=1 << 22, memory_limit=0.1))


def test_what_a_person_reads():
    assert peak_text({"process": 3 * GIB, "mlx": 200 << 20}) == "peak memory 3.0 GiB (MLX 200 MiB)"
    assert memory.peak_line().startswith("peak memory ")


@pytest.fixture
def former_limit():
    """MLX's memory limit, which is set again afterwards."""
    limit = mx.get_memory_limit()
    yield
    mx.set_memory_limit(limit)


@pytest.mark.usefixtures("former_limit")
def test_limits_are_set():
    assert memory.set_limits("cpu", 0.5) == ("cpu", GIB // 2)
    assert mx.get_memory_limit() == GIB // 2


def test_more_than_the_limit_is_refused():
    with pytest.raises(RuntimeError, match=r"3\.0 GiB, more than --memory-limit 2: lower --batch-size \(now 64\)"):
        memory.check(dataclasses.replace(SMALL, memory_limit=2), 3 * GIB)
    memory.check(dataclasses.replace(SMALL, memory_limit=2), GIB)
    memory.check(SMALL, 10**15)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("[METAL] Command buffer execution failed: Insufficient Memory (00000008:kIOGPUCommandBuffer...)"),
        RuntimeError("[metal::malloc] Attempting to allocate 99 bytes which is greater than the maximum allowed."),
        RuntimeError("cudaMallocManaged failed: out of memory."),
        RuntimeError("cudaMallocAsync(&data, size, stream) failed: an error"),
        RuntimeError("[malloc] Unable to allocate 4096 bytes.\nmore"),
        MemoryError(),
    ],
)
def test_out_of_memory_is_one_line(error):
    def fail():
        with memory.explained("gpu", memory.smaller_batch(SMALL)):
            raise error

    with pytest.raises(RuntimeError, match=r"^out of memory on the gpu: lower --batch-size \(now 64\)") as caught:
        fail()
    assert "\n" not in str(caught.value)


def test_other_errors_stay_what_they_are():
    def fail():
        with memory.explained("gpu", memory.smaller_batch(SMALL)):
            raise RuntimeError("[ring] connection to a peer was lost")

    with pytest.raises(RuntimeError, match="peer"):
        fail()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--batch-size", "4194304", "--hidden-sizes", "2048,2048,2048"], "lower --batch-size"),
        (["--batch-size", "many"], "a whole number or auto"),
        (["--batch-size", "0"], "batch_size must be"),
        (["--batch-size", "-1"], "a whole number or auto"),
        (["--memory-limit", "-1"], "memory_limit must be"),
        (["--batch-size", "16384", "--memory-limit", "0.01"], "lower --batch-size"),
    ],
)
def test_bad_input(flags, message, tmp_path):
    result = subprocess.run(
        [sys.executable, "-m", "mlx_train", "run", "--preset", "quick", "--device", "cpu", *flags],
        capture_output=True, text=True, timeout=120, cwd=tmp_path,
    )  # fmt: skip
    assert result.returncode == 2
    assert message in " ".join(result.stderr.replace("│", " ").split())
    assert not list(tmp_path.iterdir())
