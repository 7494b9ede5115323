"""selfplay: from nothing to weights, without a teacher."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlx_train.commands.options import Files, OutputFolder, ResumeFolder, TableFile, config_options, usage
from mlx_train.config import SELFPLAY_PRESETS, SelfplayConfig

if TYPE_CHECKING:
    from mlx_train.runs.run_folder import Run
    from mlx_train.training.selfplay import Journal, RoundMetrics


@config_options("games", "training", "all", kind=SelfplayConfig, presets=SELFPLAY_PRESETS)
def selfplay(
    config: SelfplayConfig,
    preset: str,
    output: OutputFolder = None,
    resume: ResumeFolder = None,
    measured: Annotated[
        bool, typer.Option("--measure/--no-measure", help="Measure the snapshots against the solved game at the end.")
    ] = True,
    table: TableFile = None,
) -> Files:
    """Learn from nothing: a value network that plays itself, without a teacher."""
    from mlx_train.device.memory import check, explained, peak_line, prepare, smaller_batch
    from mlx_train.runs.run_folder import Run
    from mlx_train.system.progress import progress, say
    from mlx_train.training.selfplay import Journal, Learner, learn

    with usage():
        if resume is not None and output is not None:
            raise ValueError("--resume goes on in the run's own folder: leave --output out")
        config = prepare(config)
        learner = Learner(config)
    if resume is None:
        run = Run.create(config, "selfplay", output, made_by="selfplay")
    else:
        run = Run.resume(resume, SelfplayConfig)
    journal = Journal(run, learner)
    if resume is not None:
        journal.resume()
        say(f"going on after round {learner.rounds:,} of {config.rounds:,}")
    say(f"learning on the {learner.device}: {config.rounds * config.games:,} games in {config.rounds:,} rounds")
    with progress("rounds", config.rounds, "rounds", learner.rounds) as update:

        def on_round(metrics: "RoundMetrics") -> None:
            journal.write(metrics)
            loss = "" if metrics.loss is None else f"loss {metrics.loss:.5f}, "
            update(metrics.round, f"{loss}{metrics.mean_turns:.0f} turns a game, {metrics.cpu_seconds:,.0f} s of cores")
            check(config, metrics.peak_memory_bytes)

        try:
            with explained(learner.device, smaller_batch(config)):
                learn(learner, on_round, journal.save)
        except KeyboardInterrupt:
            say(f"interrupted: go on with `{run.resume_command}`")
            raise
    journal.finish()
    say(f"{learner.games:,} games, {learner.seconds:,.0f} s, {learner.cpu_seconds:,.0f} s of cores, {peak_line()}")
    if measured:
        _measure(run, journal, table, config.workers)
    return run.files()


def _measure(run: "Run", journal: "Journal", table: Path | None, workers: int | None) -> None:
    """Measure every snapshot, where the game is solved; write learning.json and its picture, print the last point."""
    from engine.games.agents import open_table
    from engine.solved.tablebase import default_path
    from mlx_train.measuring.learning_curve import measure, read_metrics
    from mlx_train.pictures.style import save_figure
    from mlx_train.pictures.training import learning_curve
    from mlx_train.system.files import write_json
    from mlx_train.system.progress import progress, say
    from mlx_train.system.text import markdown_table

    if table is None and not default_path().exists():
        say("nothing is measured: the game is not solved here (`python -m mlx_train solve`)")
        return
    snapshots = journal.snapshots()
    with progress("snapshots", len(snapshots), "snapshots") as update:
        points = measure(read_metrics(run.metrics), snapshots, open_table(table), workers=workers, progress=update)
    write_json(run.learning, [point.to_dict() for point in points])
    save_figure(learning_curve(points), run.learning_curve)
    header = ("round", "games", "minutes", "core minutes", "value error", "regret, points", "win % against perfect")
    rows = [
        (
            point.round,
            f"{point.games:,}",
            f"{point.seconds / 60:.1f}",
            f"{point.cpu_seconds / 60:.1f}",
            f"{point.value_error:.4f}",
            f"{point.regret:.4f}",
            f"{point.win_rate:.2f}",
        )
        for point in points
    ]
    print(markdown_table(header, rows))
