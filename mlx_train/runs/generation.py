"""The first phase of a run: games are played in blocks and become the dataset. The command generate ends there."""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.classic.search import Search
from engine.games.agents import open_table
from engine.games.chunks import Interrupted
from engine.games.decisions import DECISION_DTYPE, selfplay
from engine.machine.cores import worker_count
from engine.machine.detection import detect
from engine.network.document import VALUE_SCALE
from engine.solved.tablebase import Tablebase, default_path
from mlx_train.config import Config, Settings
from mlx_train.data.games import (
    DATASET_VERSION,
    Decisions,
    Packs,
    from_bytes,
    merged,
    packed,
    summarize,
    to_bytes,
    write_packs,
)
from mlx_train.data.packs import each, positions_of, unpack
from mlx_train.data.solving import solve_whole_game
from mlx_train.runs.run_folder import Run, refuse_output, resumed_config
from mlx_train.system.core_use import CoreUse
from mlx_train.system.files import write_json
from mlx_train.system.kill_points import moment
from mlx_train.system.peak_memory import peaks
from mlx_train.system.progress import progress, say
from mlx_train.system.signals import held_back
from mlx_train.training.ranks import ALONE, Ranks, join

#: Games of the first block for each worker; later blocks take about `_BLOCK_SECONDS`.
_FIRST_BLOCK = 64
_BLOCK_SECONDS = 15.0


def shared_config(folder: Path, command: str, given: dict[str, Any], kind: type[Settings]) -> Settings:
    """`resumed_config`, which only the first of several processes reads. Raises ValueError."""
    return kind.from_dict(join().first(lambda: resumed_config(folder, command, given, kind).to_dict()))


def begin(
    config: Config, command: str, name: str, output: Path | None, resume: Path | None, ranks: Ranks = ALONE, **more: Any
) -> Run:
    """The folder of a run: a fresh one (`Run.create`), or the one to go on in. `resume` is refused with `output`.

    Only rank 0 touches it. Raises ValueError if the processes have different configurations.
    """
    refuse_output(output, resume)
    ranks.agree(config.to_dict() | {"dataset version": DATASET_VERSION})
    opened: list[Run] = []

    def open_folder() -> str:
        if resume is None:
            opened.append(Run.create(config, name, output, made_by=command, **more))
        else:
            opened.append(Run.resume(resume))
        return str(opened[0].folder)

    folder = ranks.first(open_folder)
    if resume is not None:
        say(f"going on in {folder}")
    return opened[0] if opened else Run(folder)


def generate_only(config: Config, output: Path | None, resume: Path | None) -> dict[str, Path]:
    """`generate`: prints the dataset's summary."""
    ranks = join()
    require_table(config, resume, ranks)
    run = begin(config, "generate", "games", output, resume, ranks)
    if not _known_dataset(run, ranks)[1]:
        write_dataset(config, run, ranks)
    ranks.leave()
    if ranks.leads:
        print(run.dataset.read_text(), end="")
    return run.files()


def generate(config: Config, run: Run, ranks: Ranks = ALONE) -> Decisions | None:
    """Play the games and write the dataset -> the dataset; None in all processes but the first.

    Games that the run already has are not played again. On Ctrl-C or SIGTERM the finished games are written, then
    KeyboardInterrupt.
    """
    data, known = _known_dataset(run, ranks)
    if known:
        return data
    write_dataset(config, run, ranks)
    return Decisions.load(run.games, config.workers) if ranks.leads else None


def _known_dataset(run: Run, ranks: Ranks) -> tuple[Decisions | None, bool]:
    """-> (the dataset that the run has; None in all processes but the first, whether it has one)."""
    data = _read_dataset(run.games) if ranks.leads else None
    known = ranks.first(lambda: data is not None)
    if known and ranks.leads:
        shutil.rmtree(run.parts, ignore_errors=True)
    return data, known


def write_dataset(config: Config, run: Run, ranks: Ranks = ALONE) -> None:
    """`generate`, for who needs only the file; a file that is there is replaced.

    The games are played in blocks. Every process plays its share of a block, and each finished block is written.
    """
    player, info = _player(config, ranks)
    parts = _read_parts(run.parts) if ranks.leads else []
    _play_rest(config, run, ranks, player, info, parts)
    if not ranks.leads:
        return
    packs = merged([pack for part in parts for pack in part.packs], config.rules)
    positions: np.ndarray = np.concatenate(each(positions_of, [data for _, data in packs], config.workers))
    about = info | {"generation_seconds": round(sum(part.seconds for part in parts), 3)}
    summary = summarize(parts[-1].end, sum(part.moves for part in parts), positions, about)
    write_json(run.dataset, summary | {"peak_memory_bytes": peaks()})
    write_packs(run.games, info, packs)
    moment("dataset written")
    shutil.rmtree(run.parts)


@dataclass(frozen=True, kw_only=True)
class _Part:
    """A finished block of games: from `first` to before `end`, and their legal moves in all. seconds: playing them."""

    first: int
    end: int
    seconds: float
    moves: int
    packs: Packs


def solved_table(config: Config, ranks: Ranks = ALONE) -> Tablebase:
    """The solved game, from the cache folder; solved first where it is missing, by one process a machine."""
    if ranks.local_rank == 0 and not default_path(rules=config.rules).exists():
        say("the game is not solved here yet: solving it once")
        solve_whole_game(config.workers, config.rules)
    ranks.gather(None)  # the others wait
    return open_table(rules=config.rules)


def require_table(config: Config, resume: Path | None, ranks: Ranks) -> None:
    """Solve the game before a new run has a folder, if the run needs the solved game and it is missing."""
    if config.teacher == "exact" and resume is None:
        solved_table(config, ranks)


def process_workers(config: Config, ranks: Ranks) -> int:
    """The number of threads of this process; by default the processes of a machine share its cores equally."""
    return max(1, worker_count(config.workers) // (ranks.local_size if config.workers is None else 1))


def _player(config: Config, ranks: Ranks) -> tuple[Search | Tablebase, dict[str, Any]]:
    """-> (who plays and labels the games, what the dataset says of them)."""
    about = {
        "rules": config.rules,
        "requested_games": config.search_games,
        "exploration": config.exploration,
        "seed": config.seed,
    }
    if config.teacher == "exact":
        return solved_table(config, ranks), {"unit": VALUE_SCALE, "playouts": 0, **about}
    playouts = 0 if config.teacher == "outcome" else config.playouts
    search = {"unit": "points", "depth": config.depth, "weights": config.weights, "playouts": playouts}
    return Search(config.depth, config.weights, rules=config.rules), {**search, **about}


def _play_rest(
    config: Config, run: Run, ranks: Ranks, player: Search | Tablebase, info: dict[str, Any], parts: list[_Part]
) -> None:
    """Play the games that the parts lack, in blocks; each is written, and added to the first process's parts."""
    played = ranks.first(lambda: parts[-1].end if parts else 0)
    workers = process_workers(config, ranks)
    before = f", {played:,} of them there already" if played else ""
    together = f" in each of {ranks.share.size} processes" if ranks.share.size > 1 else ""
    say(f"generating {config.search_games:,} games{before} on {workers} of {detect().total} cores{together}")
    cores = CoreUse()
    smallest = block = _FIRST_BLOCK * workers * ranks.share.size
    try:
        # Signals are held back: a process that ended in the middle of an exchange would leave the others waiting.
        with held_back() as stop_requested, progress("games", config.search_games, "games", played) as update:

            def on_games(games: range, count: int) -> None:
                if stop_requested():
                    raise KeyboardInterrupt  # in one of the threads that play: it ends them all, in good order
                update(games[0] + count * ranks.share.size, cores)

            while played < config.search_games:
                games = range(played, min(played + block, config.search_games))
                start = time.perf_counter()
                share, whole = _play_share(games, player, config, info["playouts"], workers, ranks, on_games)
                seconds = max(ranks.gather(time.perf_counter() - start))
                packs, moves, end = _gathered(share, whole, games, workers, config.rules, ranks)
                if ranks.leads and end > played:
                    parts.append(_Part(first=played, end=end, seconds=seconds, moves=moves, packs=packs))
                    run.parts.mkdir(exist_ok=True)
                    about = info | {"first": played, "end": end, "generation_seconds": seconds}
                    write_packs(run.parts / f"{played:010}.npz", about, packs)
                    moment("games written")
                played = end
                if any(ranks.gather(stop_requested())):
                    raise KeyboardInterrupt
                block = max(smallest, round(len(games) * _BLOCK_SECONDS / seconds))
    except KeyboardInterrupt:
        if ranks.leads:
            say(f"interrupted: {played:,} finished games are kept; go on with `{run.resume_command}`")
        ranks.leave()
        raise


def _play_share(
    games: range,
    player: Search | Tablebase,
    config: Config,
    playouts: int,
    workers: int,
    ranks: Ranks,
    on_games: Callable[[range, int], None],
) -> tuple[np.ndarray, bool]:
    """-> (the records of this process's share of some games, whether they are all of its games: not after Ctrl-C).

    on_games: called with the games and the number of finished games.
    """
    share = games[ranks.share.of(len(games))]
    if not share:
        return np.empty(0, dtype=DECISION_DTYPE), True
    try:
        records = selfplay(
            len(share),
            player,
            config.seed,
            exploration=config.exploration,
            playouts=playouts,
            first=share[0],
            workers=workers,
            progress=lambda count: on_games(games, count),
        )
    except Interrupted as stop:
        return stop.partial, False
    return records, True


def _gathered(
    share: np.ndarray, whole: bool, games: range, workers: int, rules: str, ranks: Ranks
) -> tuple[Packs, int, int]:
    """-> (the packs of the games that all processes have played, their legal moves in all, where they end).

    Each process packs its own share.
    """
    about = {"whole": whole, "moves": int(share["moves"].sum())}
    everyone = [from_bytes(data) for data in ranks.gather_bytes(to_bytes(about, packed(share, workers)))]
    packs = [pack for _, packs in everyone for pack in packs]
    if all(about["whole"] for about, _ in everyone):
        return packs, sum(about["moves"] for about, _ in everyone), games.stop
    records = [unpack(data, rules) for _, data in packs] or [share[:0]]
    kept, end = _whole_games(np.concatenate(records), games.start, len(games))
    return packed(kept, workers), int(kept["moves"].sum()), end


def _whole_games(records: np.ndarray, first: int, count: int) -> tuple[np.ndarray, int]:
    """The records of the games from `first` on up to the first missing game -> (records, the missing game's number).

    An interrupted block has gaps where games were not finished.
    """
    finished = np.zeros(count + 1, dtype=np.bool_)
    finished[records["game"] - first] = True
    end = first + int(np.argmin(finished))
    return records[records["game"] < end], end


def _read_dataset(path: Path) -> Decisions | None:
    """The decisions in a file; None if the file does not exist, or is damaged, for which it prints a message."""
    if not path.exists():
        return None
    try:
        return Decisions.load(path)
    except ValueError as error:
        say(f"{error}; it is made again")
        return None


def _read_parts(folder: Path) -> list[_Part]:
    """The blocks of games in a folder, in order, up to the first block that is missing or damaged."""
    parts: list[_Part] = []
    for path in sorted(folder.glob("*.npz")):
        data = _read_dataset(path)
        if data is None or data.info["first"] != (parts[-1].end if parts else 0):
            break
        first, end, seconds = (data.info[name] for name in ("first", "end", "generation_seconds"))
        moves = int(data.records["moves"].sum())
        parts.append(_Part(first=first, end=end, seconds=seconds, moves=moves, packs=packed(data.records)))
    return parts
