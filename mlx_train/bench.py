"""`make bench`: how fast everything is here, as one Markdown table.

Each figure is the median of five runs, peers measured in the same session. Machines are noisy: compare ratios, and
nothing here is a test.

    python -m mlx_train.bench [NAME ...]    all of it, or the rows whose name holds one of the words
"""

import itertools
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np

from engine import Agent, Network, Position, Search, extract_features_batch, playouts, sample_decisions, selfplay
from engine.arena import play_match
from mlx_train.pipeline import process_peak_memory
from mlx_train.progress import say
from mlx_train.report import markdown_table
from mlx_train.runs import provenance

RUNS = 5

Row = tuple[str, str, str, str]  # work, measured, goal, the command that measures it


def median_seconds(work: Callable[[], object]) -> float:
    """The median time of five calls, after one that is not counted."""
    work()
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def rate(count: float, seconds: float, unit: str) -> str:
    """Such as 12,300 games/s."""
    return f"{count / seconds:,.0f} {unit}/s"


def bench_playouts() -> list[Row]:
    """Random games, one core; beside them the public package's."""
    games = 200_000
    ours = games / median_seconds(lambda: playouts(games, workers=1))
    rows = [
        (
            "random playouts, one core",
            f"{ours:,.0f} games/s",
            "300,000",
            f"engine.playouts({games}, workers=1)",
        )
    ]
    if find_spec("royalur") is None:
        return [*rows, ("the same by royalur", "not installed", "", "pip install royalur")]
    theirs = 100 / median_seconds(lambda: royalur_playouts(100))
    return [
        *rows,
        ("the same by royalur", f"{theirs:,.0f} games/s ({ours / theirs:,.0f} times)", "", "100 games"),
    ]


def royalur_playouts(games: int) -> None:
    """Random games by the public `royalur` package."""
    import random

    from royalur import Game

    for _ in range(games):
        game = Game.create_finkel()
        while not game.is_finished():
            game.roll_dice()
            if not game.is_waiting_for_move():
                continue
            game.make_move(random.choice(game.find_available_moves()))


def bench_search() -> list[Row]:
    """Classic self-play, every root move of every decision valued."""
    rows = []
    for depth, games, goal in (
        (2, 4000, ""),
        (3, 4000, "3,300; reach for 15,000"),
        (4, 800, "350; reach for 2,000"),
    ):
        search, plain = Search(depth), Search(depth, tables=False)
        tabled = games / median_seconds(partial(selfplay, games, search, workers=1))
        few = games // 8
        slow = few / median_seconds(partial(selfplay, few, plain, workers=1))
        command = f"engine.selfplay({games}, Search({depth}), workers=1)"
        rows.append((f"classic self-play, depth {depth}, one core", f"{tabled:,.0f} games/s", goal, command))
        rows.append(("the same by the plain search", f"{slow:,.0f} games/s", "", f"Search({depth}, tables=False)"))
    return rows


def bench_features() -> list[Row]:
    """The extractor on decisions of random games; and what makes their rows a good basis."""
    positions, rolls = sample_decisions(200_000)
    out = np.empty((len(positions), 150), dtype=np.float32)
    seconds = median_seconds(lambda: extract_features_batch(positions, rolls, out=out))
    rows = extract_features_batch(*sample_decisions(1_000_000, seed=1)).astype(np.float64)
    gram = rows.T @ rows
    scale = np.sqrt(np.diag(gram))
    eigenvalues = np.linalg.eigvalsh(gram / scale[:, None] / scale)
    rank = int((eigenvalues > 1e-10).sum())
    return [
        (
            "150 features, one core",
            f"{len(positions) / seconds / 1e6:.1f} million positions/s",
            "5 million",
            "engine.extract_features_batch",
        ),
        (
            "rank of a million rows of decisions",
            f"{rank} (smallest eigenvalue of the correlations {eigenvalues[0]:.1e})",
            "150",
            "sample_decisions(1_000_000, seed=1)",
        ),
    ]


def bench_network() -> list[Row]:
    """The forward pass in the engine: the card's networks with random weights."""
    import tempfile

    from mlx_train.backend import use_device
    from mlx_train.networks import Networks
    from mlx_train.weights import save_document, to_document

    use_device("cpu")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "card.json"
        save_document(path, to_document(Networks(), {}))
        agent, network = Agent.parse(f"net:{path}"), Network.load(path)
        memory = subprocess.run(
            [sys.executable, "-c", _MEMORY_PROGRAM, str(path)], capture_output=True, text=True, check=True
        ).stdout
    positions, rolls = sample_decisions(20_000)
    one = median_seconds(lambda: network.values(positions)) / len(positions) * 1e6
    asked = [(Position.from_packed(int(p)), int(r)) for p, r in zip(positions[:5000], rolls[:5000], strict=True)]

    def moves() -> None:
        for position, roll in asked:
            agent.best_move(position, roll)

    move = median_seconds(moves) / len(asked) * 1e6
    return [
        ("value network, one position, one core", f"{one:.2f} microseconds", "4", "Network.values"),
        (
            "one move, all successors valued",
            f"{move:.2f} microseconds",
            "15",
            "Agent.best_move, Python's call included",
        ),
        (
            "a loaded pair of networks",
            f"{int(memory) / 2**20:.2f} MiB resident",
            "2.8",
            "growth of VmRSS in Network.load",
        ),
    ]


_MEMORY_PROGRAM = """
import gc, sys, resource
from engine import Network
def resident():
    gc.collect()
    try:
        return int(next(l for l in open("/proc/self/status") if l.startswith("VmRSS")).split()[1]) * 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
import gzip, json
before = resident()
network = Network.load(sys.argv[1])
print(resident() - before)
"""


def bench_training() -> list[Row]:
    """One compiled step of both networks, batch 512; PyTorch on the same work where it is installed."""
    from mlx_train.doctor import training_speed

    ours = training_speed("cpu")
    rows = [
        (
            "training, both networks, batch 512, CPU",
            f"{ours:,.0f} samples/s",
            "100,000",
            "doctor.training_speed",
        )
    ]
    if find_spec("torch") is None:
        return [*rows, ("the same by PyTorch", "not installed", "0.9 of it", "pip install torch")]
    theirs = torch_speed(512)
    again = training_speed("cpu")
    ratio = (ours + again) / 2 / theirs
    rows[0] = (rows[0][0], f"{(ours + again) / 2:,.0f} samples/s", *rows[0][2:])
    import torch

    return [
        *rows,
        (
            f"the same by PyTorch {torch.__version__}",
            f"{theirs:,.0f} samples/s",
            f"ours {ratio:.2f} of it, goal 0.9",
            "bench.torch_speed",
        ),
    ]


def torch_speed(batch_size: int) -> float:
    """Samples a second of the same step in PyTorch: two networks, one Adam, its default settings."""
    import torch
    from torch import nn
    from torch.nn import functional

    def network(outputs: int) -> nn.Module:
        sizes = [150, 256, 128, 64, 32]
        layers = [part for a, b in itertools.pairwise(sizes) for part in (nn.Linear(a, b), nn.ReLU())]
        return nn.Sequential(*layers, nn.Linear(32, outputs))

    torch.manual_seed(0)
    value, policy = network(1), network(7)
    optimizer = torch.optim.Adam([*value.parameters(), *policy.parameters()], 0.001)
    inputs = (torch.rand(batch_size, 150) < 0.4).float()
    targets = torch.rand(batch_size) * 2 - 1
    policies = torch.softmax(torch.randn(batch_size, 7), dim=1)
    legal = torch.ones(batch_size, 7, dtype=torch.bool)

    def steps(count: int = 30) -> None:
        for _ in range(count):
            optimizer.zero_grad(set_to_none=True)
            logits = torch.where(legal, policy(inputs), -1e9)
            loss = functional.mse_loss(torch.tanh(value(inputs)[:, 0]), targets)
            loss = loss - (policies * functional.log_softmax(logits, dim=1)).sum(dim=1).mean()
            loss.backward()
            optimizer.step()

    return 30 * batch_size / median_seconds(steps)


def bench_solver() -> list[Row]:
    """The exact solution. Seven pieces once each: the median of five would take as many minutes."""
    import tempfile

    from engine.tablebase import Tablebase

    rows = []
    with tempfile.TemporaryDirectory() as folder:

        def solve(pieces: int, workers: int, tolerance: float | Literal["floor"] = 1e-12) -> Tablebase:
            return Tablebase.solve(pieces, tolerance, workers, checkpoint=Path(folder) / "checkpoint")

        five = median_seconds(lambda: solve(5, 1))
        rows.append(("solve five pieces, one worker", f"{five:.2f} s", "6 s", "Tablebase.solve(5, workers=1)"))
        for workers, tolerance, goal in ((1, 1e-12, "55 s"), (2, 1e-12, "35 s"), (2, "floor", "60 s")):
            start = time.perf_counter()
            table = solve(7, workers, tolerance)  # type: ignore[arg-type]
            seconds = time.perf_counter() - start
            what = f"solve seven pieces to {tolerance}, {workers} worker{'s' * (workers > 1)}"
            rows.append((what, f"{seconds:.1f} s (once)", goal, f"Tablebase.solve(7, {tolerance!r}, {workers})"))
        start = time.perf_counter()
        found = table.verify(2)
        seconds = time.perf_counter() - start
        rows.append(
            ("verify every position, two workers", f"{seconds:.1f} s (once), {found.residual:.1e}", "90 s", "verify(2)")
        )
        asked = table.sample(5_000_000, 1)
        seconds = median_seconds(lambda: table.values(asked))
        rows.append(
            ("look-ups of random positions, one core", f"{5 / seconds:.1f} million/s", "15 million", "Tablebase.values")
        )
    peak = process_peak_memory() / 2**30
    return [*rows, ("peak memory of this process so far", f"{peak:.2f} GiB", "2 GiB", "ru_maxrss")]


def bench_matches() -> list[Row]:
    """Whole games, all cores."""
    one, two = Agent.parse("emm:3"), Agent.parse("emm:2")
    seconds = median_seconds(lambda: play_match(one, two, 4000))
    return [("games of emm:3 against emm:2, all cores", rate(4000, seconds, "games"), "", "engine.play_match")]


#: Name -> the rows it measures, in the order of the table.
BENCHES: dict[str, Callable[[], list[Row]]] = {
    "playouts": bench_playouts,
    "search": bench_search,
    "features": bench_features,
    "network": bench_network,
    "training": bench_training,
    "matches": bench_matches,
    "solver": bench_solver,
}


def processor() -> str:
    """The processor's name, as the system gives it."""
    try:
        if platform.system() == "Darwin":
            return subprocess.run(
                ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"],
                capture_output=True,
                text=True,
                check=True,
            ).stdout.strip()
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration, subprocess.SubprocessError):
        return platform.processor() or platform.machine()


def main(words: list[str]) -> None:
    """Print the table."""
    from engine.cores import detect

    rows: list[Row] = []
    for name, bench in BENCHES.items():
        if not words or any(word in name for word in words):
            say(f"measuring {name}")
            rows += bench()
    found = provenance()
    versions = ", ".join(f"{name} {number}" for name, number in found["versions"].items() if number)
    print(f"{processor()}, {detect().count} cores used, {found['system']}; {versions}\n")
    print(markdown_table(("work", "median of five", "goal", "measured by"), rows))


if __name__ == "__main__":
    main(sys.argv[1:])
