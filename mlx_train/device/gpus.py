"""Which CUDA GPU a process uses: chosen before MLX is loaded, because CUDA reads its environment once.

MLX opens every GPU that it sees, with a context, streams and library handles on each, and computes on the first. So a
process is shown one. The processes of one machine take one each, by their rank there. A `CUDA_VISIBLE_DEVICES` in the
environment, of the user or of `mlx.launch --backend nccl`, stays as it is.
"""

import functools
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

VARIABLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True, kw_only=True)
class GpuChoice:
    """The GPUs that a process sees.

    Attributes:
        present: how many NVIDIA GPUs the machine has, by the device files of Linux; 0 without the driver.
        visible: the value of CUDA_VISIBLE_DEVICES; None where it is not set, which is so only with one GPU or none.
        automatic: whether `choose` has set it.
    """

    present: int
    visible: str | None
    automatic: bool

    def describe(self) -> str:
        """For a person: "GPU 0 of 2"; empty where there is nothing to choose."""
        if self.present < 2:
            return ""
        which = f"GPU {self.visible or 'none'} of {self.present}"
        return which if self.automatic else f"{which}, by {VARIABLE}"


@functools.cache
def choose(devices: Path = Path("/dev")) -> GpuChoice:
    """Show this process one GPU, once, before MLX is loaded. Later calls return the first choice.

    devices: the folder of the system's device files.
    """
    present = len(list(devices.glob("nvidia[0-9]*")))
    index = gpu_index(os.environ, present)
    if index is not None:
        os.environ[VARIABLE] = str(index)
    return GpuChoice(present=present, visible=os.environ.get(VARIABLE), automatic=index is not None)


def named(device: str) -> str:
    """A device of `backend.use_device` for a person: "cpu", "gpu", or "gpu (GPU 0 of 2)" where there are several."""
    which = choose().describe() if device == "gpu" else ""
    return f"{device} ({which})" if which else device


def gpu_index(environment: Mapping[str, str], present: int) -> int | None:
    """The GPU for a process of this environment, of so many; None where the environment stays as it is."""
    if VARIABLE in environment or present < 2:
        return None
    return local_rank(environment) % present


def local_rank(environment: Mapping[str, str]) -> int:
    """Which of its machine's processes this is, as far as `mlx.launch` says: 0 for a process that was started alone.

    The ring's host file names each rank's machine. Without it the rank itself is returned: modulo the number of GPUs
    that is right where every machine runs as many processes as it has GPUs.
    """
    rank = int(environment.get("MLX_RANK", "0"))
    hosts = environment.get("MLX_HOSTFILE")
    text = Path(hosts).read_text() if hosts is not None else ""
    if not text.strip():
        return rank
    machines = [addresses[0].rpartition(":")[0] for addresses in json.loads(text)]
    return machines[:rank].count(machines[rank])
