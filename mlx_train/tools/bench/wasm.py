"""The engine in WebAssembly: its size, and under Node how long a choice takes and what memory it holds."""

import gzip
import json
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
from packaging.requirements import Requirement

from engine import Agent, sample_decisions
from mlx_train.playing.server import Site, locate
from mlx_train.tools.bench.measure import Row

#: The shipped model whose choices are timed, here and in the page.
MODEL = "standard"

_CHOICES = 20_000

# Reads a JSON object of inputs, and prints the microseconds of each choice and the engine's memory in bytes.
_PROGRAM = """
import { readFileSync } from "node:fs";
const inputs = JSON.parse(readFileSync(0, "utf8"));
const { Ur } = await import(inputs.engine);
const ur = await Ur.load(readFileSync(inputs.wasm));
const net = ur.loadNetwork(inputs.network);
const positions = inputs.positions.map((packed) => {
  const [low, high] = [packed % 2 ** 32, Math.floor(packed / 2 ** 32)];
  return { own: low & 0xffff, opp: low >>> 16, ownOff: high & 0xff, oppOff: high >>> 8 };
});
const work = {
  network: (position, roll) => ur.networkMoves(net, position, roll),
  "emm:3": (position, roll) => ur.search(position, roll, 3),
};
const microseconds = {};
for (const [name, choose] of Object.entries(work)) {
  microseconds[name] = positions.map((position, i) => {
    const start = process.hrtime.bigint();
    choose(position, inputs.rolls[i]);
    return Number(process.hrtime.bigint() - start) / 1000;
  });
}
console.log(JSON.stringify({ microseconds, memory: ur.memoryBytes }));
"""


def rows() -> list[Row]:
    """Sizes, then times and memory under Node."""
    site = locate()
    wasm = site.page / "ur.wasm"
    packed = gzip.compress(wasm.read_bytes(), 9)
    return [
        Row("ur.wasm", f"{wasm.stat().st_size:,} bytes ({len(packed):,} in gzip)", "make wasm"),
        Row(
            "the training install",
            f"{training_install_bytes() / 1e6:,.0f} MB",
            "mlx-ur[train] and all that it needs, by importlib.metadata",
        ),
        *_under_node(site, wasm),
    ]


def choice_row(what: str, microseconds: list[float], how: str) -> Row:
    """The row of the times of some choices."""
    median, high = np.percentile(microseconds, (50, 99)) / 1000
    return Row(f"{what}, 99th percentile", f"{high:.3f} ms (median {median:.3f})", f"{len(microseconds):,} {how}")


def _under_node(site: Site, wasm: Path) -> list[Row]:
    node = shutil.which("node")
    if node is None:
        return [Row("a choice in WebAssembly", "not measured: no Node")]
    _, document = site.file(f"/weights/{MODEL}.json") or ("", b"{}")
    positions, rolls = sample_decisions(_CHOICES, 1, Agent.parse("emm:2"))
    inputs = {
        "engine": (site.page / "ur.js").as_uri(),
        "wasm": str(wasm),
        "network": json.loads(document),
        "positions": positions.tolist(),
        "rolls": rolls.tolist(),
    }
    program = [node, "--input-type=module", "--eval", _PROGRAM]
    result = subprocess.run(program, input=json.dumps(inputs), capture_output=True, text=True, check=True)
    measured = json.loads(result.stdout)
    names = {"network": "the standard network", "emm:3": "emm:3"}
    return [
        *(
            choice_row(f"one move of {names[agent]} in Node", microseconds, "decisions of emm:2")
            for agent, microseconds in measured["microseconds"].items()
        ),
        Row(
            "its memory with the standard networks and one table of the search",
            f"{measured['memory'] / 2**20:.2f} MiB",
            "Ur.memoryBytes",
        ),
    ]


def training_install_bytes() -> int:
    """Bytes of the files that pip writes for `mlx-ur[train]`: the engine, MLX and what they need."""
    total = _installed_bytes(Requirement("mlx-ur[train]"), set())
    if distribution("mlx-ur").read_text("direct_url.json"):  # installed in place: its files are in the checkout
        kinds = (".py", ".so", ".pyi", ".pxd", ".h", ".json")
        root = Path(__file__).parents[3]
        paths = [path for folder in ("engine", "mlx_train") for path in (root / folder).rglob("*")]
        total += sum(path.stat().st_size for path in paths if path.suffix in kinds)
    return total


def _installed_bytes(requirement: Requirement, counted: set[str]) -> int:
    """Bytes of a package and of all that it needs, but for the packages that are counted already."""
    name = requirement.name.lower().replace("_", "-")
    if name in counted:
        return 0
    try:
        package = distribution(name)
    except PackageNotFoundError:  # of another system
        return 0
    counted.add(name)
    paths = [Path(str(package.locate_file(file))) for file in package.files or ()]
    total = sum(path.stat().st_size for path in paths if path.exists() and path.suffix != ".pyc")
    extras = requirement.extras or {""}
    for line in package.requires or ():
        needed = Requirement(line)
        if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras):
            total += _installed_bytes(needed, counted)
    return total
