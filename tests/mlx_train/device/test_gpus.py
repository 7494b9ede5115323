"""Which CUDA GPU a process uses: an environment in, an environment out. No GPU is needed."""

import json
import os
import subprocess
import sys

import pytest

from mlx_train.device import gpus
from mlx_train.device.gpus import GpuChoice, choose, gpu_index, local_rank, named
from mlx_train.tools import doctor

#: Says whether MLX was loaded when a GPU was chosen.
ORDER = """
import sys
from mlx_train.device import gpus

gpus.choose = lambda: print("mlx.core" in sys.modules)
import mlx_train.device.backend
"""


@pytest.fixture
def two_gpus(tmp_path):
    """Device files as the driver makes them for two GPUs."""
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm", "nvidia-modeset", "null"):
        (tmp_path / name).touch()
    return tmp_path


def test_a_process_alone_is_shown_one_gpu(two_gpus, monkeypatch):
    monkeypatch.setattr(os, "environ", {})
    choice = choose(two_gpus)
    assert os.environ == {"CUDA_VISIBLE_DEVICES": "0"}
    assert choice == GpuChoice(present=2, visible="0", automatic=True)
    assert choice.describe() == "GPU 0 of 2"
    assert choose(two_gpus) is choice  # what it has set is not taken for the user's


@pytest.mark.parametrize("setting", ["1", "0,1", ""])
def test_a_setting_of_the_user_stays(two_gpus, monkeypatch, setting):
    monkeypatch.setattr(os, "environ", {"CUDA_VISIBLE_DEVICES": setting, "MLX_RANK": "1"})
    choice = choose(two_gpus)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == setting
    assert choice == GpuChoice(present=2, visible=setting, automatic=False)
    assert choice.describe() == f"GPU {setting or 'none'} of 2, by CUDA_VISIBLE_DEVICES"


@pytest.mark.parametrize("names", [[], ["nvidia0"]])
def test_with_one_gpu_or_none_nothing_is_set(tmp_path, monkeypatch, names):
    for name in names:
        (tmp_path / name).touch()
    monkeypatch.setattr(os, "environ", {})
    choice = choose(tmp_path)
    assert os.environ == {}
    assert (choice.present, choice.describe()) == (len(names), "")


def test_processes_of_one_machine_take_a_gpu_each(tmp_path):
    hosts = tmp_path / "hosts.json"
    hosts.write_text(json.dumps([[f"{host}:{port}"] for port, host in enumerate(("a", "a", "b", "a", "b"), 5000)]))
    ring = [{"MLX_RANK": str(rank), "MLX_HOSTFILE": str(hosts)} for rank in range(5)]
    assert [local_rank(environment) for environment in ring] == [0, 1, 0, 2, 1]
    assert [gpu_index(environment, 2) for environment in ring] == [0, 1, 0, 0, 1]
    assert [gpu_index({"MLX_RANK": str(rank)}, 4) for rank in range(8)] == [0, 1, 2, 3, 0, 1, 2, 3]
    hosts.write_text("")  # `mlx.launch -n 1`
    assert gpu_index(ring[0], 2) == 0


def test_a_gpu_is_chosen_before_mlx_is_loaded():
    if sys.platform != "linux":
        pytest.skip("CUDA is for Linux")
    result = subprocess.run([sys.executable, "-c", ORDER], capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout == "False\n"


def test_what_a_person_is_told(monkeypatch):
    several = GpuChoice(present=4, visible="2", automatic=True)
    monkeypatch.setattr(gpus, "choose", lambda: several)
    assert (named("gpu"), named("cpu")) == ("gpu (GPU 2 of 4)", "cpu")
    monkeypatch.setattr(doctor, "choose", lambda: several)
    monkeypatch.setattr(doctor, "training_speed", lambda device: 1000.0)
    result = doctor.examine()
    assert result["cuda_gpus"] == {"present": 4, "visible": "2", "automatic": True}
    assert "GPU 2 of 4; set CUDA_VISIBLE_DEVICES to use another" in doctor.table(result)
    result["cuda_gpus"] = {"present": 1, "visible": None, "automatic": False}
    assert "CUDA_VISIBLE_DEVICES" not in doctor.table(result)
