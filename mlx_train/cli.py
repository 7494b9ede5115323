"""The command line: its commands, and what an error ends it with.

Results go to stdout, progress and remarks to stderr. Exit codes: 0 success, 1 a failure at run time (one line on
stderr), 2 wrong usage, 130 interrupted, 143 terminated. A command is a function in mlx_train/commands; it returns the
files that it wrote, by what they are, for the summary at its end.
"""

import codecs
import io
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from mlx_train.commands import (
    browser,
    figures,
    machine,
    measuring,
    models,
    playing,
    runs,
    selfplay,
    shrinking,
    solving,
    training,
    tuning,
)
from mlx_train.commands.options import AGENTS_HELP
from mlx_train.system.errors import EXPECTED, tell
from mlx_train.system.progress import duration, say
from mlx_train.system.signals import exit_code, raise_on_termination

STARTED = time.perf_counter()

#: The commands that a newcomer starts with, without the program's name, and what each is good for.
FIRST = (
    ("doctor", "what works on this machine, and why not"),
    ("run --preset quick --teacher exact", "a first network: a minute"),
    ("models", "the shipped models, and how well they play"),
    ("play --hints", "a game with the classic search, and advice"),
    ("solve --verify", "the exact solution, proved: 2.5 minutes"),
)


def _show_version(requested: bool) -> None:
    """Print the version and end, if `--version` was typed."""
    if requested:
        from mlx_train.system.version import version_line

        print(version_line())
        raise typer.Exit


def welcome(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and end.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Train, measure and play neural networks for the Royal Game of Ur."""
    if context.invoked_subcommand is None:
        width = max(len(command) for command, _ in FIRST)
        print(f"{welcome.__doc__}\n\nTo begin with:\n")
        for command, what in FIRST:
            print(f"  {context.command_path} {command:<{width}}   {what}")
        print(f"\nAll commands: {context.command_path} --help")
        raise typer.Exit


def summary(files: dict[str, Path] | None, **_: object) -> None:
    """Print the last lines of every command: how long it took, and where the files are that it wrote.

    Typer passes the options of the program itself, too; they change nothing here.
    """
    sys.stdout.flush()  # the results come first, also where both go to one file
    say(f"\ndone in {duration(time.perf_counter() - STARTED)}")
    for what, path in (files or {}).items():
        say(f"  {what:<12}  {path}")


app = typer.Typer(
    name="mlx_train",
    callback=welcome,
    result_callback=summary,
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

#: The commands by their panel in the program's help, in order.
PANELS: dict[str, tuple[Callable[..., dict[str, Path] | None], ...]] = {
    "Play and look": (playing.play, browser.web, playing.watch, playing.replay, playing.analyze, playing.convert),
    "Train": (
        training.run,
        training.generate,
        training.train,
        selfplay.selfplay,
        training.export,
        shrinking.compress,
        tuning.tune,
    ),
    "Measure": (measuring.evaluate, measuring.compare, measuring.report, figures.figures),
    "The solved game": (solving.solve, solving.strategy),
    "This machine": (machine.doctor,),
}

#: The commands that take agents: their help ends with how an agent is spelled.
TAKE_AGENTS = (playing.play, playing.watch, playing.analyze, measuring.evaluate, measuring.compare, measuring.report)

for panel, commands in PANELS.items():
    for command in commands:
        app.command(rich_help_panel=panel, epilog=AGENTS_HELP if command in TAKE_AGENTS else None)(command)
app.add_typer(runs.app, name="runs", rich_help_panel="Train")
app.add_typer(models.app, name="models", rich_help_panel="Measure")


#: What replaces a sign that the output's encoding lacks; any other sign becomes a question mark.
_REPLACEMENTS = {"±": "+-"}


def _plain_signs(error: UnicodeError) -> tuple[str, int]:
    """The replacement for signs that cannot be encoded, and where to continue: an error handler of `codecs`."""
    assert isinstance(error, UnicodeEncodeError)
    return "".join(_REPLACEMENTS.get(sign, "?") for sign in error.object[error.start : error.end]), error.end


def _print_plainly() -> None:
    """Replace a sign that stdout cannot encode, which would otherwise end the command before its results."""
    codecs.register_error("plain", _plain_signs)
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="plain")


class _Unfailing(io.FileIO):
    """A file that takes what it can't write for written: a full disk below stderr must not end a training."""

    def write(self, data: Any) -> int:
        """Write bytes -> how many there are."""
        try:
            return super().write(data)
        except OSError:
            return len(data)


def _keep_going_without_stderr() -> None:
    """Have messages that can't be written lost, not end the command."""
    stream: Any = sys.stderr
    original: Any = sys.__stderr__
    if stream is original and stream.fileno() == 2:  # not where a test reads them
        raw = io.BufferedWriter(_Unfailing(2, "w", closefd=False))
        sys.stderr = io.TextIOWrapper(raw, stream.encoding, "backslashreplace", line_buffering=True)


def _open_closed_streams() -> None:
    """Replace a standard stream that was closed (`<&-`, `>&-`) by the null device.

    Otherwise a file of the command would get its number, and what is printed would go there.
    """
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115


def run() -> None:
    """Run the command that was typed."""
    name: str | None = None
    if {"--install-completion", "--show-completion"} & set(sys.argv):  # shells complete the names of programs only
        from engine.machine.installation import PROGRAM  # loads the engine, which `--help` does not need

        name = PROGRAM
    app(prog_name=name)


def main() -> None:
    """Run the command line; expected failures become one line on stderr."""
    _open_closed_streams()
    _keep_going_without_stderr()
    _print_plainly()
    raise_on_termination()
    try:
        try:
            run()
        except FileNotFoundError as error:
            from mlx_train.tools.solution import offer

            # A command opens the table before it writes anything, so it can run again.
            if not offer(error):
                raise
            run()
    except KeyboardInterrupt:
        sys.exit(exit_code())
    except SystemExit as stop:
        sys.exit(exit_code() if stop.code == 130 else stop.code)  # Typer takes every KeyboardInterrupt for Ctrl-C
    except EXPECTED as error:
        ranks = sys.modules.get("mlx_train.training.ranks")  # which the commands that join other processes load
        if ranks is None or not ranks.joined().has_lost_one():  # a loss is reported already, and is why this failed
            tell(error)
        sys.exit(1)
