"""`make bench`: how fast everything is here, as one Markdown table.

Each figure is the median of five runs, peers measured in the same session. Machines are noisy: compare ratios, and
nothing here is a test.

    python -m mlx_train.tools.bench [NAME ...]    all of it, or the rows whose name holds one of the words
"""

import gzip
import itertools
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np

from engine import (
    Agent,
    Network,
    Position,
    Search,
    Tablebase,
    extract_features_batch,
    extract_features_bytes,
    playouts,
    sample_decisions,
    selfplay,
)
from engine.games.agents import open_table
from engine.games.exact_rows import entry_batch, value_batch
from engine.games.matches import play_match
from engine.machine.cores import worker_count
from mlx_train.pictures.report import markdown_table
from mlx_train.runs.run_folder import provenance
from mlx_train.system.progress import say

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

    from mlx_train.device.backend import use_device
    from mlx_train.networks.mlp import Networks
    from mlx_train.networks.weights import save_document, to_document

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
    from mlx_train.tools.doctor import training_speed

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

    from engine.solved.tablebase import Tablebase

    rows = []
    with tempfile.TemporaryDirectory() as folder:

        def solve(pieces: int, workers: int, tolerance: float | Literal["floor"] = 1e-12) -> Tablebase:
            return Tablebase.solve(pieces, tolerance, workers, checkpoint=Path(folder) / "checkpoint")

        five = median_seconds(lambda: solve(5, 1))
        rows.append(("solve five pieces, one worker", f"{five:.2f} s", "6 s", "Tablebase.solve(5, workers=1)"))
        alone = subprocess.run(
            [sys.executable, "-c", _SOLVE_PROGRAM, str(Path(folder) / "checkpoint")],
            capture_output=True,
            text=True,
            check=True,
        )
        seconds, peak = map(float, alone.stdout.split())
        rows += [
            (
                "solve seven pieces to 1e-12, 2 workers",
                f"{seconds:.1f} s (once)",
                "35 s",
                "Tablebase.solve(7, 1e-12, 2)",
            ),
            ("peak memory of that process", f"{peak / 2**30:.2f} GiB", "2 GiB", "ru_maxrss"),
        ]
        for workers, tolerance, goal in ((1, 1e-12, "55 s"), (2, "floor", "60 s")):
            start = time.perf_counter()
            table = solve(7, workers, tolerance)  # type: ignore[arg-type]
            seconds = time.perf_counter() - start
            what = f"solve seven pieces to {tolerance}, {workers} worker{'s' * (workers > 1)}"
            rows.append((what, f"{seconds:.1f} s (once)", goal, f"Tablebase.solve(7, {tolerance!r}, {workers})"))
        start = time.perf_counter()
        found = table.verify(2)
        seconds = time.perf_counter() - start
        verified = f"{seconds:.1f} s (once), {found.residual:.1e}{'' if found.passed else ': failed'}"
        rows.append(("verify every position, two workers", verified, "90 s", "verify(2)"))
        asked = table.sample(5_000_000, 1)
        seconds = median_seconds(lambda: table.values(asked))
        rows.append(
            ("look-ups of random positions, one core", f"{5 / seconds:.1f} million/s", "15 million", "Tablebase.values")
        )
        for what, make in (("as features", value_batch), ("as places in the table", entry_batch)):
            seconds = median_seconds(partial(make, table, 4096, 0, 0, batches=64, play_share=0.5))
            rows.append(
                (
                    f"training rows {what}, half from play, one core",
                    f"{64 * 4096e-6 / seconds:.1f} million/s",
                    "",
                    f"engine.games.exact_rows.{make.__name__}(table, 4096, 0, 0, batches=64, play_share=0.5)",
                )
            )
    return rows


_SOLVE_PROGRAM = """
import sys, time
from engine import Tablebase
from mlx_train.device.memory import process_peak_memory
start = time.perf_counter()
Tablebase.solve(7, 1e-12, 2, checkpoint=sys.argv[1])
print(time.perf_counter() - start, process_peak_memory())
"""


def bench_matches() -> list[Row]:
    """Whole games, all cores."""
    one, two = Agent.parse("emm:3"), Agent.parse("emm:2")
    seconds = median_seconds(lambda: play_match(one, two, 4000))
    return [("games of emm:3 against emm:2, all cores", rate(4000, seconds, "games"), "", "engine.play_match")]


GPU_BATCH = 65_536
_GPU_STEPS = 200


def bench_gpu() -> list[Row]:
    """On a GPU: solving there, training rows made there, and the card's value network trained on them."""
    from mlx_train.device.backend import available_devices, peak_memory, use_device

    if "gpu" not in available_devices():
        return [("training on a GPU", "no GPU found", "", "")]
    use_device("gpu")
    return [
        *_gpu_solving(),
        *_gpu_rows(),
        *_gpu_training(),
        ("MLX's peak memory", f"{peak_memory() / 2**30:.2f} GiB", "", "mx.get_peak_memory"),
    ]


def _gpu_solving() -> list[Row]:
    """Seven pieces in float32 on the GPU, and from there to 1e-12 on the CPU; beside the CPU alone."""
    from mlx_train.device.solver_kernel import first_values

    workers = worker_count(None)
    first_values(2)  # compiles the kernel
    seconds = {}
    for what in ("first", "rest", "alone"):
        began = time.perf_counter()
        if what == "first":
            values = first_values(7)
        else:
            with TemporaryDirectory() as folder:
                guess = values if what == "rest" else None
                table = Tablebase.solve(7, workers=workers, checkpoint=Path(folder) / "partial", guess=guess)
        seconds[what] = time.perf_counter() - began
        if what == "rest":
            error = np.abs(values - table.array).max()
    return [
        ("seven pieces in float32 on the GPU", f"{seconds['first']:.2f} s (once), off by {error:.1e}", "10 s",
         "solver_kernel.first_values(7)"),
        (f"from there to 1e-12, {workers} workers", f"{seconds['rest']:.2f} s (once)", "",
         "Tablebase.solve(7, guess=...)"),
        (f"both; the CPU alone, {workers} workers",
         f"{seconds['first'] + seconds['rest']:.2f} s; {seconds['alone']:.2f} s", "", "Tablebase.solve(7)"),
    ]  # fmt: skip


def _gpu_rows() -> list[Row]:
    """Training rows that the GPU makes, against the engine's, and what brings them there."""
    from mlx_train.device import feature_kernel
    from mlx_train.device.backend import mx
    from mlx_train.device.table_kernel import DeviceTable

    positions, rolls = sample_decisions(1_000_000)
    words = (positions | rolls.astype(np.uint64) << np.uint64(48)).view(np.uint32).reshape(-1, 2)
    features = extract_features_bytes(positions, rolls)
    table = open_table()
    on_device = DeviceTable(table)
    entries = entry_batch(table, 1_000_000, 0, 0, play_share=0.5)
    labelled = value_batch(table, 1_000_000, 0, 0, play_share=0.5)
    makers: list[tuple[str, Any, Callable[[Any], list[Any]], Sequence[Any]]] = [
        ("features of packed positions", words, lambda here: [feature_kernel.feature_bytes(here)], [features]),
        ("rows of places in the table", entries, on_device.rows, labelled),
    ]
    rows: list[Row] = []
    for what, inputs, make, expected in makers:
        here = mx.array(inputs)
        different = sum(int((np.array(one) != other).sum()) for one, other in zip(make(here), expected, strict=True))
        rows.append((f"{what}, numbers that differ from the engine's", f"{different:,}", "0", "a million"))
        seconds = median_seconds(partial(_ten_times, make, here)) / 10
        rows.append((f"{what}, made on the GPU", f"{1 / seconds:,.0f} million rows/s", "", ""))
    for what, array in (("places", entries), ("packed", words), ("features", features)):
        part = array[:GPU_BATCH]
        crossing = median_seconds(lambda part=part: mx.eval(mx.array(part).sum()))  # type: ignore[misc]
        rows.append(
            (f"{GPU_BATCH:,} rows to the GPU, {what}", f"{1e3 * crossing:.2f} ms", "", "mx.eval(mx.array(rows).sum())")
        )
    return rows


def _ten_times(make: Callable[[Any], list[Any]], here: Any) -> None:
    from mlx_train.device.backend import mx

    mx.eval([make(here) for _ in range(10)])


def _gpu_training() -> list[Row]:
    """The card's value network with data at hand and with fresh data."""
    from mlx_train.config import Config
    from mlx_train.data.exact import ExactSource
    from mlx_train.device.backend import mx
    from mlx_train.training.trainer import Trainer, to_mlx

    config = Config(
        teacher="exact", networks="value", batch_size=GPU_BATCH, device="gpu", epochs=1, steps=5 * _GPU_STEPS
    )
    trainer = Trainer(config, config.steps)
    source = ExactSource(config)
    arrays = to_mlx(source.batch(0, GPU_BATCH, 0), "value", source.device_table)
    mx.eval(trainer._step_on([arrays]))

    def at_hand() -> None:
        for _ in range(_GPU_STEPS):
            losses = trainer._step_on([arrays])
        mx.eval(losses)

    def half(dtype: mx.Dtype) -> None:
        step = _plain_step(dtype)
        for _ in range(_GPU_STEPS):
            losses = step(arrays)
            mx.async_eval(losses)
        mx.eval(losses)

    count = _GPU_STEPS * GPU_BATCH
    rows: list[Row] = [
        (
            f"value network, batch {GPU_BATCH:,}, one batch again and again",
            rate(count, median_seconds(at_hand), "samples"),
            "",
            "Trainer.step",
        )
    ]
    for dtype in (mx.float32, mx.bfloat16):
        seconds = median_seconds(partial(half, dtype))
        rows.append((f"a plain step in {dtype}, compiling included", rate(count, seconds, "samples"), "", ""))
    for number in range(1, 4):
        trainer.position.epoch, trainer.position.step = number, 0
        measured = trainer.train_epoch(source)
    assert measured is not None  # nothing has stopped it
    rows.append(
        (
            "value network, fresh exact samples, end to end",
            f"{measured['samples_per_second']:,.0f} samples/s, waiting {100 * measured['waiting']:.1f}%",
            "30 million",
            "Trainer.train_epoch of an ExactSource",
        )
    )
    return rows


def _plain_step(dtype: Any) -> Callable[[list[Any]], Any]:
    """A compiled step of the value network whose weights and activations are of one type."""
    from mlx_train.device.backend import mx, nn, optim
    from mlx_train.networks.mlp import Networks, scaled

    network = Networks().value
    network.set_dtype(dtype)
    optimizer = optim.Adam(learning_rate=0.001)
    optimizer.init(network.trainable_parameters())
    state = [network.state, optimizer.state]

    def loss(inputs: Any, targets: Any) -> Any:
        values = mx.tanh(network(scaled(inputs).astype(dtype))[:, 0])
        return mx.mean(mx.square(values - targets.astype(dtype)))

    gradient = nn.value_and_grad(network, loss)

    @partial(mx.compile, inputs=state, outputs=state)
    def step(arrays: list[Any]) -> Any:
        found, gradients = gradient(*arrays)
        optimizer.update(network, gradients)
        return found

    return step


def bench_wasm() -> list[Row]:
    """The engine in WebAssembly: its size, and under Node how long a choice takes and what memory it holds."""
    import json
    import shutil

    from mlx_train.playing.server import locate

    found = locate()
    wasm = found.page / "ur.wasm"
    packed = gzip.compress(wasm.read_bytes(), 9)
    size = f"{wasm.stat().st_size:,} bytes ({len(packed):,} in gzip)"
    rows: list[Row] = [("ur.wasm", size, "60,000; reach for 30,000", "make wasm")]
    installed = f"{training_install_bytes() / 1e6:,.0f} MB"
    rows.append(("the training install", installed, "", "mlx-ur[train] and all that it needs, by importlib.metadata"))
    node = shutil.which("node")
    if node is None:
        return [*rows, ("a choice in WebAssembly", "not measured: no Node", "", "")]
    positions, rolls = sample_decisions(_NODE_CHOICES, 1, Agent.parse("emm:2"))
    asked = {
        "engine": (found.page / "ur.js").as_uri(),
        "wasm": str(wasm),
        "network": str(found.weights / "card.json.gz"),
        "positions": [int(packed) for packed in positions],
        "rolls": rolls.tolist(),
    }
    program = [node, "--input-type=module", "--eval", _NODE_PROGRAM]
    result = subprocess.run(program, input=json.dumps(asked), capture_output=True, text=True, check=True)
    measured = json.loads(result.stdout)
    for what, times in measured["microseconds"].items():
        middle, high = np.percentile(times, (50, 99)) / 1000
        choices = f"{len(times):,} decisions of emm:2"
        rows.append((f"{what} in Node, 99th percentile", f"{high:.3f} ms (median {middle:.3f})", "1 ms", choices))
    memory = f"{measured['memory'] / 2**20:.2f} MiB"
    return [*rows, ("its memory with the card's networks and one table of the search", memory, "8 MB", "memoryBytes")]


def training_install_bytes() -> int:
    """Bytes of the files that pip puts down for `mlx-ur[train]`: the engine, MLX and whatever these need."""
    from importlib.metadata import PackageNotFoundError, distribution

    from packaging.requirements import Requirement

    seen: set[str] = set()
    total = 0

    def add(requirement: Requirement) -> None:
        nonlocal total
        name = requirement.name.lower().replace("_", "-")
        if name in seen:
            return
        try:
            found = distribution(name)
        except PackageNotFoundError:  # of another system
            return
        seen.add(name)
        paths = [Path(str(found.locate_file(file))) for file in found.files or ()]
        total += sum(path.stat().st_size for path in paths if path.exists() and path.suffix != ".pyc")
        extras = requirement.extras or {""}
        for line in found.requires or ():
            needed = Requirement(line)
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras):
                add(needed)

    add(Requirement("mlx-ur[train]"))
    if distribution("mlx-ur").read_text("direct_url.json"):  # installed in place: its own files are in the checkout
        kinds = (".py", ".so", ".pyi", ".pxd", ".h", ".json")
        root = Path(__file__).parents[2]
        own = [path for folder in ("engine", "mlx_train") for path in (root / folder).rglob("*")]
        total += sum(path.stat().st_size for path in own if path.suffix in kinds)
    return total


_NODE_CHOICES = 20_000

_NODE_PROGRAM = """
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
const asked = JSON.parse(readFileSync(0, "utf8"));
const { Ur } = await import(asked.engine);
const ur = await Ur.load(readFileSync(asked.wasm));
const net = ur.loadNetwork(JSON.parse(gunzipSync(readFileSync(asked.network))));
const positions = asked.positions.map((packed) => {
  const [low, high] = [packed % 2 ** 32, Math.floor(packed / 2 ** 32)];
  return { own: low & 0xffff, opp: low >>> 16, ownOff: high & 0xff, oppOff: high >>> 8 };
});
const work = {
  "one move of the card's network": (position, roll) => ur.networkMoves(net, position, roll),
  "one move of emm:3": (position, roll) => ur.search(position, roll, 3),
};
const microseconds = {};
for (const [name, choose] of Object.entries(work)) {
  microseconds[name] = positions.map((position, i) => {
    const start = process.hrtime.bigint();
    choose(position, asked.rolls[i]);
    return Number(process.hrtime.bigint() - start) / 1000;
  });
}
console.log(JSON.stringify({ microseconds, memory: ur.memoryBytes }));
"""


def bench_page() -> list[Row]:
    """The page in Chromium: what it transfers, how long an opponent takes in its worker, and the worker's memory."""
    from mlx_train.playing.server import Server, locate
    from mlx_train.tools import browser

    missing = browser.missing()
    if missing:
        return [("the page in Chromium", f"not measured: {missing}", "", "")]
    rows: list[Row] = []
    with Server(locate(), 0).background() as address, browser.chromium() as browser:
        page = browser.new_page()
        sizes: list[int] = []
        page.on("requestfinished", lambda request: sizes.append(_transferred(request)))
        page.goto(address)
        page.wait_for_selector("#action:not([disabled])")
        rows.append(
            ("the page with the small network", f"{sum(sizes):,} bytes", "400,000", "transferred, with headers")
        )
        page.select_option("#judge", "card")
        page.select_option("#player-1", "net:card")
        page.get_by_text("Odds by card").wait_for()
        found = page.evaluate("performance.measureUserAgentSpecificMemory()")
        worker = sum(part["bytes"] for part in found["breakdown"] if _is_worker(part))
        what = "the page's worker with the card's networks"
        rows.append((what, f"{worker / 2**20:.2f} MiB", "8 MB", "measureUserAgentSpecificMemory"))
        for name, agent in (("the card's network", {"network": "card"}), ("emm:3", {"depth": 3})):
            times = page.evaluate(_PAGE_GAMES, {"agent": agent, "games": _PAGE_GAME_COUNT})
            middle, high = np.percentile(times, (50, 99)) / 1000
            what = f"one move of {name} in Chromium's worker, 99th percentile"
            rows.append((what, f"{high:.3f} ms (median {middle:.3f})", "1 ms", f"{len(times):,} choices of self-play"))
    return rows


_PAGE_GAME_COUNT = 20

# Games of an agent against itself through the page's own engine; its worker measures every choice that is not forced.
_PAGE_GAMES = """async ({agent, games}) => {
    const { Engine } = await import("./engine.js");
    const { Game, throwDice } = await import("./game.js");
    const engine = new Engine();
    const address = new URL(`../weights/${agent.network}.json.gz`, document.baseURI).href;
    if (agent.network) await engine.fetchNetwork(agent.network, [address]);
    const times = [];
    for (let played = 0; played < games; played++)
        for (const game = new Game(["one", "other"]); game.winner === null; ) {
            const roll = throwDice().reduce((sum, die) => sum + die);
            game.rolled(roll, await engine.options(game.position, roll));
            const { moves } = game.options;
            if (moves.length < 2) { game.play(moves[0] ?? null); continue; }
            const { square, microseconds } = await engine.choose(agent, game.position, roll);
            times.push(microseconds);
            game.play(moves.find((move) => move.square === square));
        }
    return times;
}"""


def _transferred(request: Any) -> int:
    # Of a worker's script the browser reports no body size; the server, which compresses nothing, says it.
    return request.sizes()["responseHeadersSize"] + int(request.response().headers["content-length"])


def _is_worker(part: Mapping[str, Any]) -> bool:
    return any(source.get("scope") == "DedicatedWorkerGlobalScope" for source in part["attribution"])


#: Name -> the rows it measures, in the order of the table.
BENCHES: dict[str, Callable[[], list[Row]]] = {
    "playouts": bench_playouts,
    "search": bench_search,
    "features": bench_features,
    "network": bench_network,
    "training": bench_training,
    "matches": bench_matches,
    "solver": bench_solver,
    "gpu": bench_gpu,
    "wasm": bench_wasm,
    "page": bench_page,
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
    """Print the table of the benches whose names hold one of the words, by default all."""
    from engine.machine.cores import detect

    unknown = [word for word in words if not any(word in name for name in BENCHES)]
    if unknown:
        sys.exit(f"unknown bench {unknown[0]!r} (known: {', '.join(BENCHES)})")
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
