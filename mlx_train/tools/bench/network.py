"""The forward pass in the engine, of the standard networks with random weights."""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from engine import Agent, Network, Position, sample_decisions
from mlx_train.device.backend import use_device
from mlx_train.networks.mlp import Networks
from mlx_train.networks.weights import save_document, to_document
from mlx_train.tools.bench.measure import Row, median_seconds

# Prints the bytes of memory that a process of its own needs to load the networks of a file.
_MEMORY_PROGRAM = """
import gc, gzip, json, resource, sys
from engine import Network
def resident():
    gc.collect()
    try:
        return int(next(l for l in open("/proc/self/status") if l.startswith("VmRSS")).split()[1]) * 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before = resident()
network = Network.load(sys.argv[1])
print(resident() - before)
"""


def rows() -> list[Row]:
    """Time of a value and of a move, and the memory of the networks."""
    use_device("cpu")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "standard.json"
        save_document(path, to_document(Networks(), {}))
        agent, network = Agent.parse(f"net:{path}"), Network.load(path)
        program = [sys.executable, "-c", _MEMORY_PROGRAM, str(path)]
        memory = subprocess.run(program, capture_output=True, text=True, check=True).stdout
    positions, rolls = sample_decisions(20_000)
    value = median_seconds(lambda: network.values(positions)) / len(positions)
    decisions = [(Position.from_packed(int(p)), int(r)) for p, r in zip(positions[:5000], rolls[:5000], strict=True)]

    def choose_moves() -> None:
        for position, roll in decisions:
            agent.best_move(position, roll)

    move = median_seconds(choose_moves) / len(decisions)
    return [
        Row("value network, one position, one core", f"{1e6 * value:.2f} microseconds", "Network.values"),
        Row(
            "one move, all successors valued",
            f"{1e6 * move:.2f} microseconds",
            "Agent.best_move, Python's call included",
        ),
        Row("a loaded pair of networks", f"{int(memory) / 2**20:.2f} MiB resident", "growth of VmRSS in Network.load"),
    ]
