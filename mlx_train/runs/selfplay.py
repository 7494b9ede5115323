"""The command selfplay: learning from nothing, with the trainer of all teachers on batches of the network's own games.

Beside the metrics and the checkpoints it leaves snapshots of the averaged weights, to be measured afterwards.
"""

import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from engine.games.agents import open_table
from engine.solved.tablebase import Tablebase
from mlx_train.config import SelfplayConfig
from mlx_train.data.selfplay import SelfPlaySource
from mlx_train.data.solving import find_table
from mlx_train.device.gpus import named
from mlx_train.device.memory import peak_line, prepare
from mlx_train.measuring.learning_curve import measure, read_metrics
from mlx_train.networks.weights import save_document
from mlx_train.pictures.style import save_figure
from mlx_train.pictures.training import learning_curve
from mlx_train.runs.run_folder import Run, refuse_output
from mlx_train.runs.training import Session, weights_metadata
from mlx_train.system.files import write_json, write_text
from mlx_train.system.kill_points import moment
from mlx_train.system.progress import progress, say
from mlx_train.system.signals import held_back
from mlx_train.system.text import markdown_table
from mlx_train.training.checkpoint import checkpoints
from mlx_train.training.state import EpochMetrics

#: Snapshots while the number of rounds grows by the factor e.
_SNAPSHOTS = 5.5

#: Self-play computes a batch's gradient in one piece: no other process has to equal it.
_CHUNKS = 1


class Learning:
    """Self-play in a run folder, from its newest checkpoint if it has one.

    Metrics, snapshots and checkpoints that a killed run has left after that checkpoint are deleted.
    """

    def __init__(self, config: SelfplayConfig, run: Run, stop_requested: Callable[[], bool] = lambda: False):
        """Raises ValueError for a device that is not there, or for checkpoints of other settings or older versions."""
        if any(run.checkpoints.glob("round-*.npz")) and not checkpoints(run.checkpoints):
            raise ValueError(
                f"{run.checkpoints}: checkpoints of an older version (round-*.npz), from which this version can't go "
                "on: begin a new run"
            )
        self.config, self.run = config, run
        self.source = SelfPlaySource(config, stop_requested)
        self.session = Session(config, self.source, run, chunks=_CHUNKS)
        self.trainer = self.session.trainer
        self._stop_requested = stop_requested
        self._forget_later_rounds(self.trainer.state.epoch - 1)

    def _forget_later_rounds(self, rounds: int) -> None:
        if self.run.metrics.exists():
            lines = self.run.metrics.read_text().splitlines(keepends=True)
            write_text(self.run.metrics, "".join(lines[:rounds]))
        for number, path in self.snapshots().items():
            if number > rounds:
                path.unlink()

    def snapshots(self) -> dict[int, Path]:
        """The weights files of some rounds, by round."""
        return {
            int(path.name.removeprefix("round-").partition(".")[0]): path
            for path in self.run.snapshots.glob("round-*.json.gz")
        }

    def learn(self, on_round: Callable[[dict[str, Any]], None] = lambda row: None) -> None:
        """Play and train until the last round or until a stop is requested; the state is saved in both cases.

        on_round: called with each round's row of metrics.jsonl, once that and a snapshot are written.
        """

        def on_epoch(metrics: EpochMetrics) -> None:
            on_round(self._write_round(metrics))
            self.session.on_batch()

        self.session.train(on_epoch, self._stop_requested)
        if self.trainer.state.finished:
            self.session.metadata = self.session.metadata or self._metadata()
            self.session.save()
            moment("training saved")
            save_document(self.run.weights, self.trainer.averaged_document(self.session.metadata))

    def _write_round(self, epoch: EpochMetrics) -> dict[str, Any]:
        """Write a round's row of metrics, and a snapshot after some rounds and the last one -> the row."""
        source, state, number = self.source.own, self.trainer.state, epoch.epoch
        row = {
            "round": number,
            "games": source.games,
            "positions": source.positions,
            "step": epoch.step,
            "mean_turns": source.turns / self.config.games,
            "learning_rate": epoch.learning_rate,
            "loss": epoch.train_value_loss,  # None before the first step
            "seconds": round(state.seconds, 3),  # so far, pauses left out
            "cpu_seconds": round(state.cpu_seconds, 3),  # so far, of all threads
            "peak_memory_bytes": epoch.peak_memory_bytes,
            "process_peak_memory_bytes": epoch.process_peak_memory_bytes,
        }
        row = {name: value for name, value in row.items() if value is not None}
        self.run.append_metrics(row)
        if is_milestone(number) or number == self.config.rounds:
            self.run.snapshots.mkdir(exist_ok=True)
            save_document(self.run.snapshots / f"round-{number}.json.gz", self.trainer.averaged_document({}))
        return row

    def _metadata(self) -> dict[str, Any]:
        """What the weights file says of the training."""
        state, source = self.trainer.state, self.source.own
        return weights_metadata(self.config, state, self.session.device) | {
            "num_games": source.games,
            "num_training_samples": source.positions,
            "epochs": source.rounds,
            "training_cpu_seconds": round(state.cpu_seconds, 3),
        }


def is_milestone(number: int) -> bool:
    """Whether a round is one of 1, 2, 3, ..., each about a fifth later than the one before."""
    return math.ceil(math.log(number) * _SNAPSHOTS) != math.ceil(math.log(number + 1) * _SNAPSHOTS)


def check_request(config: SelfplayConfig, output: Path | None, resume: Path | None) -> SelfplayConfig:
    """Choose device and memory limits -> the settings with a batch size that fits. Raises ValueError."""
    refuse_output(output, resume)
    return prepare(config)


def learn_from_nothing(
    config: SelfplayConfig, output: Path | None, resume: Path | None, measured: bool, table: Path | None
) -> dict[str, Path]:
    """`selfplay`: learn in a fresh run folder, or in the one to go on in, and measure the snapshots afterwards.

    table: the solved game, by default at its usual place. Returns the files.
    """
    run = (
        Run.create(config, "selfplay", output, made_by="selfplay")
        if resume is None
        else Run.resume(resume, type(config))
    )
    run.resume_options = [] if measured else ["--no-measure"]
    run.resume_options += [] if table is None else ["--table", str(table)]
    solved = _solution(table, config.rules) if measured else None  # before the work: what is missing can still be made
    with held_back() as stop_requested:
        learning = Learning(config, run, stop_requested)
        state, source = learning.trainer.state, learning.source.own
        say(
            f"learning on the {named(learning.session.device)}: {config.rounds * config.games:,} games in "
            f"{config.rounds:,} rounds"
        )
        with progress("rounds", config.rounds, "rounds", state.epoch - 1) as update:

            def on_round(row: dict[str, Any]) -> None:
                loss = f"loss {row['loss']:.5f}, " if "loss" in row else ""
                update(
                    row["round"], f"{loss}{row['mean_turns']:.0f} turns a game, {row['cpu_seconds']:,.0f} s of cores"
                )

            learning.learn(on_round)
        if not state.finished or stop_requested():
            say(f"interrupted: go on with `{run.resume_command}`")
            raise KeyboardInterrupt
    say(f"{source.games:,} games, {state.seconds:,.0f} s, {state.cpu_seconds:,.0f} s of cores, {peak_line()}")
    if solved is not None:
        _measure(run, learning.snapshots(), solved, config.workers)
    return run.files()


def _solution(file: Path | None, rules: str) -> Tablebase | None:
    """The table of a file. Without a file the rule set's solved game; where it can't be had, None after a message."""
    if file is not None:
        return open_table(file, rules)
    table, reason = find_table(rules)
    if table is None:
        say(f"nothing is measured: {reason}")
    return table


def _measure(run: Run, snapshots: dict[int, Path], table: Tablebase, workers: int | None) -> None:
    """Measure every snapshot; write learning.json and its picture, print the last point."""
    with progress("snapshots", len(snapshots), "snapshots") as update:
        points = measure(read_metrics(run.metrics), snapshots, table, workers=workers, progress=update)
    write_json(run.learning, [asdict(point) for point in points])
    save_figure(learning_curve(points), run.learning_curve)
    header = ("round", "games", "minutes", "core minutes", "value error", "regret, points", "win % against perfect")
    rows = [
        (point.round, f"{point.games:,}", f"{point.seconds / 60:.1f}", f"{point.cpu_seconds / 60:.1f}",
         f"{point.value_error:.4f}", f"{point.regret:.4f}", f"{point.win_rate:.2f}")
        for point in points
    ]  # fmt: skip
    print(markdown_table(header, rows))
