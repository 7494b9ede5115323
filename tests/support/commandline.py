"""The command line taken apart without running anything, for the tests of its help and of the documents."""

import dataclasses
import inspect
import subprocess
import sys
import types
import typing
from typing import Any

from typer.main import get_command
from typer.models import ArgumentInfo, OptionInfo

from mlx_train.cli import app
from mlx_train.commands.options import typed_settings
from mlx_train.config import DEFAULT_PRESET, Config, SelfplayConfig, resolve_as


def call(*arguments, **options):
    """Run the program in a process of its own, as a person would."""
    return subprocess.run(
        [sys.executable, "-m", "mlx_train", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        **options,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Parameter:
    """An option or argument of a command, as its signature says."""

    command: str
    name: str
    info: OptionInfo | ArgumentInfo
    kinds: tuple[type, ...]  # int, float, str, ...; list for what may be repeated
    default: Any  # inspect.Parameter.empty where it is required

    @property
    def help(self):
        return " ".join((self.info.help or "").split())

    @property
    def flag(self):
        return self.kinds == (bool,)


def commands(program=app, path=()):
    """Every command of the program as (its words, its function), groups that do something by themselves included."""
    if path and program.registered_callback is not None:
        yield " ".join(path), program.registered_callback.callback
    for command in program.registered_commands:
        yield " ".join([*path, command.name or command.callback.__name__.replace("_", "-")]), command.callback
    for group in program.registered_groups:
        yield from commands(group.typer_instance, (*path, group.name))


def parameters(name, function):
    """The options and arguments of a command."""
    for parameter in inspect.signature(function).parameters.values():
        kind, *extras = typing.get_args(parameter.annotation) or (parameter.annotation,)
        info = next((extra for extra in extras if isinstance(extra, OptionInfo | ArgumentInfo)), None)
        if info is None:
            continue  # the context
        kinds = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
        kinds = tuple(typing.get_origin(each) or each for each in kinds if each is not types.NoneType)
        yield Parameter(command=name, name=parameter.name, info=info, kinds=kinds, default=parameter.default)


def parse(arguments):
    """The context of the command that these arguments name, all of them parsed; nothing is run.

    Raises the parser's own errors, and ValueError for settings that Config refuses.
    """
    command, context, name, rest = get_command(app), None, "mlx_train", list(arguments)
    while True:
        context = command.make_context(name, rest, parent=context)
        rest = [*getattr(context, "_protected_args", ()), *context.args]
        if not (rest and hasattr(command, "commands")):
            break
        name, command, rest = command.resolve_command(context, rest)
    if "preset" in context.params:
        kind = SelfplayConfig if context.info_name == "selfplay" else Config
        fields = [field for field in dataclasses.fields(kind) if field.name in context.params]
        resolve_as(kind, context.params["preset"] or DEFAULT_PRESET, typed_settings(fields, context.params))
    return context
