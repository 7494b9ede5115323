"""Several processes that train one model: their ranks, what they send each other, and what happens when one dies.

`mlx.launch` starts the processes and gives each its rank in environment variables. All data go through MLX's collective
operations, so the same code runs over sockets (ring), Thunderbolt (jaccl) and NCCL. A process that was started alone
is rank 0 of 1; the functions here then return at once.

Every process must come to the same collective operations in the same order: whatever depends on a file, a clock or a
signal is decided by one process and sent to all, or summed over all.
"""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from mlx.utils import tree_map

from engine.core.features import FEATURE_SET
from mlx_train.data.batches import ALL, Share
from mlx_train.device.backend import mx
from mlx_train.system import progress
from mlx_train.training.liveness import Watch

#: The most bytes of one message; longer data are sent in several messages.
_BLOCK = 1 << 28

_LOWEST_PRIORITY = 19  # nice value


class Ranks:
    """A group of processes, seen from one of them.

    Attributes:
        share: this process's part of the work: its rank, and how many processes there are.
        local_size: how many of the processes run on this machine.
        local_rank: the number of this process among them, from 0.
    """

    share: Share = ALL
    local_size: int = 1
    local_rank: int = 0

    def __init__(self, group: Any = None):
        """group: MLX's group; None for a process that works alone. Raises ValueError if the processes are not alike."""
        self._group = group
        self._watch: Watch | None = None
        if group is None:
            return
        self.share = Share(group.rank(), group.size())
        if not self.leads:
            progress.silence()
        hosts = self.gather(socket.gethostname())
        same = [rank for rank, host in enumerate(hosts) if host == hosts[self.share.rank]]
        self.local_size, self.local_rank = len(same), same.index(self.share.rank)
        self._watch = Watch.start(self.share.rank, self.gather, hosts, first_host())
        self.agree({"arguments": sys.argv[1:], "feature set": FEATURE_SET})

    @property
    def leads(self) -> bool:
        """Whether this is rank 0: the process that writes, and the only one that reads a run's folder."""
        return self.share.rank == 0

    def sum(self, array: mx.array) -> mx.array:
        """The sum over all processes, the same bits in each. May stand in a compiled function."""
        return array if self._group is None else mx.distributed.all_sum(array, group=self._group)

    def gather_bytes(self, data: bytes) -> list[bytes]:
        """Bytes of every process, in order of the ranks."""
        if self._group is None:
            return [data]
        sizes = self._rows(np.array([len(data)], dtype=np.int64))[:, 0]
        sent = np.frombuffer(data, dtype=np.uint8)
        received: list[list[bytes]] = [[] for _ in sizes]
        for start in range(0, int(sizes.max()), _BLOCK):
            block = np.zeros(min(_BLOCK, int(sizes.max()) - start), dtype=np.uint8)
            part = sent[start : start + len(block)]
            block[: len(part)] = part
            for parts, row, size in zip(received, self._rows(block), sizes, strict=True):
                parts.append(row[: max(0, int(size) - start)].tobytes())
        return [b"".join(parts) for parts in received]

    def _rows(self, values: np.ndarray) -> np.ndarray:
        """Arrays of the same shape of every process -> one more axis, by rank."""
        return self._received(mx.distributed.all_gather(mx.array(values)[None], group=self._group))

    def _received(self, result: mx.array) -> np.ndarray:
        """The values of a collective operation. Raises RuntimeError where a process is lost."""
        mx.eval(result)  # np.array alone hides a failure of MLX 0.32's ring, and returns no data
        return np.array(result)

    def first_bytes(self, data: bytes) -> bytes:
        """Rank 0's bytes, in every process."""
        if self._group is None:
            return data
        size = self.gather(len(data))[0]
        sent = np.frombuffer(data if self.leads else bytes(size), dtype=np.uint8)
        blocks = [mx.array(sent[start : start + _BLOCK]) for start in range(0, size, _BLOCK)]
        return b"".join(self._received(self.sum(block)).tobytes() for block in blocks)

    def first_arrays(self, tree: Any) -> Any:
        """Rank 0's arrays, in every process. tree: arrays of the same shapes in every process."""
        sums = tree_map(lambda array: self.sum(array if self.leads else array * 0), tree)
        # Evaluated at once in every process: a lazy sum that only one process evaluates waits for ever.
        mx.eval(sums)
        return sums

    def gather(self, value: Any) -> list[Any]:
        """A JSON value of every process, in order of the ranks."""
        return [json.loads(data) for data in self.gather_bytes(json.dumps(value).encode())]

    def first(self, make: Callable[[], Any]) -> Any:
        """The JSON value that `make` returns in rank 0, sent to all. If `make` fails, it raises there and all end."""
        if self._group is None:
            return make()
        value: Any = None
        failure: Exception | None = None
        if self.leads:
            try:
                value = make()
            except Exception as error:  # raised once the others know
                failure = error
        message = json.loads(self.first_bytes(json.dumps({"failed": failure is not None, "value": value}).encode()))
        if message["failed"]:
            self._end_with(failure)
        return message["value"]

    def agree(self, values: dict[str, Any]) -> None:
        """Check that all processes have the same JSON values; otherwise rank 0 raises ValueError and the others end."""
        everyone = self.gather(values)
        for rank, other in enumerate(everyone):
            for name, value in everyone[0].items():
                if other[name] != value:
                    text = f"rank {rank} was started with {name} {other[name]}, rank 0 with {value}"
                    self._end_with(ValueError(text))

    def _end_with(self, failure: Exception | None) -> None:
        """End all processes; each of them calls this. Rank 0 raises `failure`, the others exit without a message."""
        self.leave()
        if failure is not None and self.leads:
            raise failure
        raise SystemExit(1)

    def leave(self) -> None:
        """Tell the other processes that this process ends in good order, so that they do not report it as dead."""
        if self._watch is not None:
            self._watch.leave()

    def has_lost_one(self) -> bool:
        """Whether another process has died; a message has then reported it. Waits up to three seconds for the news."""
        return self._watch is not None and self._watch.lost()


#: The group of a process that works alone.
ALONE = Ranks()

_joined = ALONE


def backend() -> str | None:
    """The backend with which `mlx.launch` started this process, from its environment variables; None without it."""
    if os.environ.get("MLX_RANK") is None:
        return None
    hosts = os.environ.get("MLX_HOSTFILE")
    if hosts is not None:
        return "ring" if Path(hosts).read_text().strip() else None  # empty for a single process
    if "MLX_JACCL_COORDINATOR" in os.environ:
        return "jaccl"
    return "nccl" if "NCCL_HOST_IP" in os.environ else "any"


def first_host() -> str | None:
    """The address of rank 0 in the backend's environment variables; None if they have no address."""
    hosts = os.environ.get("MLX_HOSTFILE")
    if hosts is not None:
        return json.loads(Path(hosts).read_text())[0][0].rpartition(":")[0]
    coordinator = os.environ.get("MLX_JACCL_COORDINATOR")
    if coordinator is not None:
        return coordinator.rpartition(":")[0]
    return os.environ.get("NCCL_HOST_IP")


def calm_launcher() -> None:
    """Give `mlx.launch` the lowest priority where it is this process's parent.

    `mlx.launch` 0.32 polls its processes' pipes without a pause (`select` on pipes that can always be written to) and
    uses more than one core. With a rank on each core, the ranks would lose a third of their time.
    """
    parent = os.getppid()
    with suppress(OSError, subprocess.SubprocessError):
        command = ["ps", "-o", "command=", "-p", str(parent)]
        arguments = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout
        if "mlx.launch" not in arguments:
            return
        tasks = Path(f"/proc/{parent}/task")  # Linux has a priority for each thread
        threads = [int(task.name) for task in tasks.iterdir()] if tasks.exists() else [parent]
        for thread in threads:
            os.setpriority(os.PRIO_PROCESS, thread, _LOWEST_PRIORITY)


def joined() -> Ranks:
    """The group that `join` returned; ALONE before its first call."""
    return _joined


def join() -> Ranks:
    """The group that `mlx.launch` has started this process in; ALONE without it.

    Raises RuntimeError if the processes can't reach each other, ValueError if they are not alike.
    """
    global _joined
    wanted = backend()
    if wanted is None or _joined is not ALONE:
        return _joined
    try:
        group = mx.distributed.init(strict=True, backend=wanted)
    except (RuntimeError, ValueError) as error:
        rank = os.environ["MLX_RANK"]
        raise RuntimeError(f"rank {rank} can't reach the other processes by MLX's {wanted} backend: {error}") from None
    if group.size() > 1:
        _joined = Ranks(group)
        if _joined.local_rank == 0:
            calm_launcher()
    return _joined
