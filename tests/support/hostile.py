"""Hostile input for every reader: what a valid input becomes by chance, and what its reader may do with it.

`python tests/support/hostile.py --inputs 1000000` tries many inputs (`make fuzz` under the sanitizers);
tests/test_hostile.py tries some with hypothesis. A reader either reads, or raises ValueError or OSError in one line,
within a second, and without taking ten times the input's memory.
"""

import argparse
import gzip
import io
import json
import os
import random
import resource
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import record_games
from random_networks import random_document

from engine import Agent, Position, Search, Tablebase
from engine.games.decisions import selfplay
from engine.network.document import read_document
from engine.network.network import Network
from engine.solved.unfinished import UnfinishedSolve
from mlx_train.config import Config, SelfplayConfig, read_settings
from mlx_train.data.games import Decisions, from_bytes, packed, to_bytes
from mlx_train.data.packs import unpack
from mlx_train.networks.manifest import read_manifest
from mlx_train.playing.records.formats import parse_record, write_record
from mlx_train.runs.run_record import read_record

ROOT = Path(__file__).parents[2]

SECONDS = 1.0
#: Bytes of memory for a byte of input, and beside that: an interpreter's heap grows in steps.
TIMES, FREE = 10, 64 << 20

#: What a JSON value is replaced by.
_VALUES = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 10**400, 1e308, -0.0, 0.5, "", "x", "\ud800", "$\\x$|\x1b[0m\n", [], {},
    [[]], [None], {"": 0}, [0] * 1000,
)  # fmt: skip
_BYTES = (
    b"\x00",
    b"\xff",
    b"\x1f\x8b",
    b"\xef\xbb\xbf",
    b"NaN",
    b"1e999",
    b"{",
    b"[" * 50,
    b"[" * 100_000,
    b"-",
    b"\n",
    b"|",
    b"\xff" * 8,
)


@dataclass(frozen=True)
class Target:
    """A reader, with the valid inputs that hostile ones are made from.

    name: of the file that it is given. one_line: whether the message of a refusal must be one line; a message that
    quotes what was typed need not be, before it is printed.
    """

    read: Callable[[Path], object]
    seeds: Callable[[], list[bytes]]
    name: str = "input"
    one_line: bool = True


def _text(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "surrogateescape")


def _documents() -> list[bytes]:
    texts = [json.dumps(random_document(seed, hidden=(3,))).encode() for seed in range(2)]
    quantized = (ROOT / "weights/quantized/ur-3k.json").read_bytes()
    return [*texts, gzip.compress(texts[0]), quantized, gzip.compress(quantized)]


@cache
def _table_files() -> dict[str, bytes]:
    """The files of the solved one-piece game: table, maps, an unfinished solve."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "file")
        table = Tablebase.solve(1, 1e-6, checkpoint=path.with_name("partial"))
        files = {}
        for dtype in ("float64", "uint16"):
            table.save(path, dtype)
            files[dtype] = path.read_bytes()
        for kind in ("percent16", "f64"):
            table.to_rgu(path, kind)
            files[kind] = path.read_bytes()
        unfinished = UnfinishedSolve(path.with_name("partial"), "finkel", 1, 1e-6)
        unfinished.keep(table.array, 0.0, now=True)
        unfinished.close()
        files["partial"] = path.with_name("partial").read_bytes()
    return files


@cache
def _records() -> list[bytes]:
    record = record_games.finished()
    files = [record_games.as_jheled(record).encode(), _text_of(record_games.as_browser_game(record))]
    with tempfile.TemporaryDirectory() as folder:
        for name in ("own", "royalur", "rgn"):
            write_record(record, Path(folder, name), name)
            files.append(Path(folder, name).read_bytes())
    return files


def _text_of(document: object) -> bytes:
    return (document if isinstance(document, str) else json.dumps(document)).encode()


@cache
def _games():
    return selfplay(3, Search(1), 5, workers=1)


@cache
def _checkpoints() -> list[bytes]:
    from mlx_train.config import resolve
    from mlx_train.data.search import SearchSource
    from mlx_train.device.backend import use_device
    from mlx_train.training.checkpoint import save_checkpoint
    from mlx_train.training.trainer import Trainer

    use_device("cpu")
    config = resolve("quick", hidden_sizes=(2,), batch_size=8, epochs=1)
    source = SearchSource(config, Decisions(_games(), {}))
    with tempfile.TemporaryDirectory() as folder:
        return [save_checkpoint(folder, Trainer(config, source.total_steps)).read_bytes()]


def _read_checkpoint(path: Path) -> object:
    from mlx_train.training.checkpoint import parse

    return parse(path.read_bytes(), path)


def _first_version() -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, records=_games(), meta=np.array('{"version": 1}'))
    return buffer.getvalue()


def _read_partial(path: Path) -> object:
    return UnfinishedSolve(path, "finkel", 1, 1e-6).read(np.empty(len(_table_files()["float64"])), [0, len(_games())])


_METRICS = b'{"epoch": 1, "step": 3, "seconds": 1.5, "samples_per_second": 9.0, "validation_value_loss": 0.1}\n' * 3
_EVALUATION = json.dumps(
    {
        "matches": [{"agent": "a", "opponent": "greedy", "win_rate": 0.5, "interval95": [0.4, 0.6], "games": 100}],
        "exact": {"value_error": {"mean": 0.1}, "regret": {"mean": 0.2}, "estimate": {"rate": 49.0}},
        "microseconds_per_move": 2.5,
    }
).encode()


def _show_run(path: Path) -> object:
    """The page and the comparison of a run folder in which one file is hostile."""
    from mlx_train.runs.run_record import difference
    from mlx_train.runs.run_views import difference_table, run_page, runs_table

    valid = path.with_name("config.json")
    if path != valid:
        valid.write_bytes(_run())
    record = read_record(path.parent)
    rows = difference(record, record)
    return run_page(record), runs_table([record]), difference_table("a", "b", rows), record.to_dict()


def _show_models(path: Path) -> object:
    from mlx_train.runs.shipped import model_table

    entries = read_manifest(path.parent)
    return model_table(entries, ["ok"] * len(entries))


TARGETS = {
    "notation": Target(
        lambda path: Position.from_notation(_text(path)), lambda: [b"x..x.......x..:3|.x..x.........:5"]
    ),
    "spelling": Target(
        lambda path: Agent.parse(_text(path)),
        lambda: [b"emm:3", b"net:ur-3k@2", b"net:./none.json:policy", b"level:3"],
        one_line=False,
    ),
    "record": Target(lambda path: parse_record(_text(path)), _records),
    "weights": Target(read_document, _documents),
    "network": Target(Network.load, _documents),
    "manifest": Target(_show_models, lambda: [_manifest()], "manifest.json"),
    "table": Target(Tablebase.open, lambda: [_table_files()["uint16"], _table_files()["float64"]]),
    "unchecked table": Target(lambda path: Tablebase.open(path, check=False), lambda: [_table_files()["uint16"]]),
    "map": Target(Tablebase.from_rgu, lambda: [_table_files()["percent16"], _table_files()["f64"]]),
    "unfinished solve": Target(_read_partial, lambda: [_table_files()["partial"]]),
    "games": Target(Decisions.load, lambda: [to_bytes({"unit": "points"}, packed(_games())), _first_version()]),
    "pack": Target(lambda path: unpack(path.read_bytes()), lambda: [data for _, data in packed(_games())]),
    "dataset": Target(lambda path: from_bytes(path.read_bytes()), lambda: [to_bytes({}, packed(_games()))]),
    "checkpoint": Target(_read_checkpoint, _checkpoints),
    "settings": Target(read_settings, lambda: [json.dumps(Config().to_dict()).encode()]),
    "settings of self-play": Target(
        lambda path: read_settings(path, SelfplayConfig), lambda: [json.dumps(SelfplayConfig().to_dict()).encode()]
    ),
    "run": Target(_show_run, lambda: [_run()], "config.json"),
    "metrics": Target(_show_run, lambda: [_METRICS], "metrics.jsonl"),
    "evaluation": Target(_show_run, lambda: [_EVALUATION], "evaluation.json"),
}


def _manifest() -> bytes:
    manifest = json.loads((ROOT / "weights/manifest.json").read_text())
    return json.dumps(manifest | {"models": manifest["models"][:1]}).encode()


def _run() -> bytes:
    return json.dumps({"command": ["run"], "made_by": "run", "versions": {}, "config": Config().to_dict()}).encode()


def hostile(seeds: list[bytes], rng: random.Random) -> bytes:
    """An input made from valid ones by a few random changes."""
    data = rng.choice(seeds)
    if rng.random() < 0.4:
        data = _changed_json(data, rng)
    for _ in range(rng.choice((0, 1, 1, 1, 2, 5))):
        data = _changed_bytes(data, rng.choice(seeds), rng)
    return data


def _changed_json(data: bytes, rng: random.Random) -> bytes:
    """The data with a value of the JSON in it replaced, copied or left out, if it is JSON, or a gzip or lines of it."""
    try:
        if data[:2] == b"\x1f\x8b":
            return gzip.compress(_changed_json(gzip.decompress(data), rng), 1)
        lines = data.split(b"\n")
        place = rng.randrange(max(1, len(lines) - 1))
        document = json.loads(data if len(lines) < 3 else lines[place])
    except (ValueError, OSError, EOFError):
        return data
    holder, key = {"": document}, ""
    while isinstance(holder[key], (dict, list)) and holder[key] and (holder[key] is document or rng.random() < 0.7):
        holder, keys = holder[key], None
        keys = list(holder) if isinstance(holder, dict) else range(len(holder))
        key = rng.choice(keys)
    what = rng.random()
    if what < 0.2:
        del holder[key]
    elif what < 0.3 and isinstance(holder, dict):
        holder[f"{key}x"] = holder.pop(key)
    else:
        holder[key] = rng.choice(_VALUES)
    text = json.dumps(document).encode()
    return text if len(lines) < 3 else b"\n".join([*lines[:place], text, *lines[place + 1 :]])


def _changed_bytes(data: bytes, other: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    end = min(len(data), at + rng.choice((1, 1, 2, 4, 8, 100)))
    what = rng.randrange(6)
    if what == 0:  # bits of one byte
        return data[:at] + bytes(byte ^ 1 << rng.randrange(8) for byte in data[at : at + 1]) + data[at + 1 :]
    if what == 1:
        return data[:at]
    if what == 2:  # a piece left out
        return data[:at] + data[end:]
    if what == 3:
        return data[:at] + rng.choice(_BYTES) + data[at:]
    if what == 4:
        return data[:at] + rng.choice(_BYTES) + data[end:]
    start = rng.randrange(len(other) + 1)
    return data[:at] + other[start : start + rng.choice((4, 40, 4000))] + data[end:]


def refusal(target: Target, data: bytes, folder: Path) -> str | None:
    """Give an input to its reader -> what the reader may not do, None where it reads or refuses as it should."""
    path = folder / target.name
    path.write_bytes(data)
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.thread_time()
    problem = None
    try:
        target.read(path)
    except (ValueError, OSError) as error:
        if target.one_line and "\n" in str(error):
            problem = f"a message of several lines: {error!r}"
    except BaseException:  # what should not come out of it
        problem = traceback.format_exc()
    seconds = time.thread_time() - start
    grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    if seconds > SECONDS:
        problem = f"{seconds:.1f} s"
    if grown > TIMES * len(data) + FREE:
        problem = f"{grown >> 20} MiB for {len(data)} bytes"
    return problem


def main() -> int:
    """Try many inputs on some targets, and keep those that a reader does not bear."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=100_000, help="of all targets together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kept", type=Path, default=Path("build/fuzz"), help="folder for the inputs that did harm")
    parser.add_argument("targets", nargs="*", default=list(TARGETS))
    options = parser.parse_args()
    os.environ["UR_CACHE"] = str(options.kept)  # where the game is not solved
    failures = 0
    each = -(-options.inputs // len(options.targets))
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        for name in options.targets:
            target, seen, start = TARGETS[name], set(), time.process_time()
            seeds = target.seeds()
            for number in range(each):
                data = hostile(seeds, random.Random(f"{options.seed} {name} {number}"))
                problem = refusal(target, data, Path(folder))
                if problem and (where := problem.strip().splitlines()[-1][:60]) not in seen:
                    seen.add(where)
                    options.kept.mkdir(parents=True, exist_ok=True)
                    (options.kept / f"{name}-{options.seed}-{number}").write_bytes(data)
                    print(f"{name} {number}: {problem}", flush=True)
            failures += len(seen)
            print(
                f"{name}: {each:,} inputs, {len(seen)} kinds of harm, {time.process_time() - start:.0f} s", flush=True
            )
    return failures > 0


if __name__ == "__main__":
    sys.exit(main())
