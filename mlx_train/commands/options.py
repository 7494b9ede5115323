"""What the commands share: their options, among them one for each setting of a run (mlx_train/config.py)."""

import dataclasses
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from mlx_train.config import (
    DEFAULT_PRESET,
    MAX_SEED,
    RULES,
    RUN_TEACHER,
    Config,
    Group,
    Settings,
    check_choice,
    check_workers,
    resolve_as,
)
from mlx_train.system.text import printable_lines

#: What a command wrote, for the summary at its end: path by what it is, such as {"weights": ...}.
Files = dict[str, Path]

Field = dataclasses.Field[Any]

#: The panel of the options that say what a run leaves, and where.
RUN_FOLDER = "Run folder"

#: How an agent is spelled: the last lines of the help of each command that takes one.
AGENTS_HELP = (
    "An agent is one of: random; greedy; emm:N, the classic search with N turns of look-ahead; emm-evolved:N, the same "
    "with the evolved weights; net:MODEL, a shipped model by its name or a JSON weights file by its path; net:MODEL@N, "
    "N turns of look-ahead over its value network; net:MODEL:policy, its policy network; level:N, from 1, a beginner, "
    "to 7, nearly perfect; perfect, the solved game; perfect:FILE, another table."
)


def complete_run(incomplete: str) -> list[str]:
    """The shell's completion of a run's name."""
    from mlx_train.runs.run_record import run_folders

    return [name for name in ("last", *(folder.name for folder in run_folders())) if name.startswith(incomplete)]


def complete_agent(incomplete: str) -> list[str]:
    """The shell's completion of an agent: the spellings that need no file, and the shipped models."""
    from engine.network.shipped import levels, shipped_models

    spellings = ["random", "greedy", *(f"emm:{depth}" for depth in range(1, 5)), "emm-evolved:3", "perfect"]
    spellings += [f"level:{number + 1}" for number in range(len(levels()))]
    spellings += [f"net:{name}" for name in shipped_models()]
    return [spelling for spelling in spellings if spelling.startswith(incomplete)]


@contextmanager
def usage() -> Iterator[None]:
    """Turn a ValueError about what was typed into wrong usage: exit code 2."""
    try:
        yield
    except ValueError as error:
        raise typer.BadParameter(printable_lines(str(error))) from None


def one_of(choices: Iterable[str], text: str, **more: Any) -> Any:
    """An option whose value is one of some words: the help and the shell show them.

    The command checks the value (`check_choice`), because its message names the nearest word.
    """
    words = tuple(choices)
    return typer.Option(
        help=text,
        metavar=f"[{'|'.join(words)}]",
        autocompletion=lambda incomplete: [word for word in words if word.startswith(incomplete)],
        **more,
    )


def checked_rules(rules: str | None) -> str | None:
    """A rule set that was typed, if any. Raises wrong usage for an unknown one."""
    with usage():
        if rules is not None:
            check_choice("rule set", rules, RULES)
    return rules


def _checked_workers(workers: int | None) -> int | None:
    with usage():
        check_workers(workers)
    return workers


RulesFlag = Annotated[str, one_of(RULES, "The rule set of the game.", callback=checked_rules)]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
OutputFolder = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER", help="Run folder to make; by default a dated one below runs/.", rich_help_panel=RUN_FOLDER
    ),
]
ResumeFolder = Annotated[
    Path | None,
    typer.Option(
        metavar="RUN",
        help="Run folder to continue, with the settings that it was begun with; by default a new run begins.",
        rich_help_panel=RUN_FOLDER,
    ),
]
Workers = Annotated[
    int | None, typer.Option(help=Config.__dataclass_fields__["workers"].metadata["help"], callback=_checked_workers)
]
SeedFlag = Annotated[int, typer.Option(metavar="N", help="Seed of the games' dice.", min=0, max=MAX_SEED)]
TableFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Table of the solved game; by default the one in the user's cache folder."),
]
ModelsFolder = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER", help="Where the models and their manifest are.", show_default="the program's own models"
    ),
]
SettingsFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="JSON file of settings that replace the preset's, such as `tune`'s best.json; by default none.",
        rich_help_panel=Group.GENERAL,
    ),
]


def config_options(
    kind: type[Settings] = Config,
    *,
    groups: Sequence[Group] = tuple(Group),
    without: Sequence[str] = (),
    teacher: str = "",
) -> Callable[[Callable[..., Files]], Callable[..., Files]]:
    """Give a command `--preset`, `--config` and an option for each setting of some groups.

    The command receives the settings and the preset's name before its own parameters. without: settings of the groups
    that mean nothing to it. teacher: the default teacher of a command that plays games while it trains; RUN_TEACHER is
    refused by the others. A command with an option `resume` receives the settings of the run that it names.
    """

    def decorate(command: Callable[..., Files]) -> Callable[..., Files]:
        fields = [field for group in groups for field in settings_of(kind, group) if field.name not in without]

        @wraps(command)
        def with_settings(preset: str | None, settings_file: Path | None, **typed: Any) -> Files:
            given = typed_settings(fields, {field.name: typed.pop(field.name) for field in fields})
            with usage():
                if typed.get("resume") is None:
                    config = resolve_as(kind, preset or DEFAULT_PRESET, given, settings_file, teacher)
                elif preset is None and settings_file is None:
                    config = _resumed(typed["resume"], command.__name__, given, kind)
                else:
                    raise ValueError("--resume continues with the run's own settings: leave --preset and --config out")
                if getattr(config, "teacher", "") == RUN_TEACHER and not teacher:
                    raise ValueError(f"the teacher {RUN_TEACHER} plays games while it trains: only `run` has it")
            return command(config, preset or DEFAULT_PRESET, **typed)

        options = {"preset": _preset_option(kind), "settings_file": SettingsFile}
        options |= {field.name: setting_option(field, kind, teacher) for field in fields}  # type: ignore[arg-type]
        _replace_first_two(with_settings, options)
        return with_settings

    return decorate


def settings_of(kind: type[Settings], group: Group) -> list[Field]:
    """The settings of a group; the settings that every training has come last."""
    fields = [field for field in dataclasses.fields(kind) if field.metadata["group"] == group]
    return sorted(fields, key=lambda field: field.name in Settings.__dataclass_fields__)


def _replace_first_two(command: Callable[..., Files], options: Mapping[str, Any]) -> None:
    """Have Typer read options, annotations by name, in place of the first two parameters of a command."""
    signature = inspect.signature(command)
    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [inspect.Parameter(name, keyword, default=None, annotation=kind) for name, kind in options.items()]
    parameters += [parameter.replace(kind=keyword) for parameter in list(signature.parameters.values())[2:]]
    command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}


def _preset_option(kind: type[Settings]) -> Any:
    option = one_of(kind.PRESETS, "Settings to start from.", show_default=DEFAULT_PRESET, rich_help_panel=Group.GENERAL)
    return Annotated[str | None, option]


@cache
def setting_option(field: Field, kind: type[Settings], teacher: str = "") -> Any:
    """The option of a setting, as an annotation: type, choices, help, default and panel come from the field.

    teacher: the command's default teacher, as for `config_options`.
    """
    metadata = field.metadata
    text = metadata["help"]
    if metadata["teachers"]:
        text = f"{text} Teacher {' or '.join(metadata['teachers'])}."
    shown = {"show_default": default_text(field, kind), "rich_help_panel": metadata["group"]}
    if field.name == "teacher":
        choices = [name for name in metadata["choices"] if name != RUN_TEACHER or teacher]
        return Annotated[str | None, one_of(choices, text, **shown | {"show_default": teacher or field.default})]
    if metadata["choices"]:
        return Annotated[str | None, one_of(metadata["choices"], text, **shown)]
    takes: Any = int if field.default is None else type(field.default)
    metavar = None
    if takes is tuple:
        takes, metavar = str, "N,N,..."
    elif metadata["words"]:
        takes, metavar = str, f"[N|{'|'.join(metadata['words'])}]"
    return Annotated[takes | None, typer.Option(help=text, metavar=metavar, **shown)]


def typed_settings(fields: Sequence[Field], typed: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that were typed, by name, with the types of Config. Raises wrong usage for what is no number."""
    return {field.name: _parsed(field, typed[field.name]) for field in fields if typed[field.name] is not None}


def _parsed(field: Field, typed: Any) -> Any:
    """What was typed for a setting, with its type in Config."""
    words = field.metadata["words"]
    takes = f"a whole number or {', '.join(words)}"
    try:
        if isinstance(field.default, tuple):
            takes = "a list of whole numbers joined by commas"
            return tuple(int(part) for part in typed.split(","))
        if not words or typed in words:
            return words.get(typed, typed)
        if int(typed) not in words.values():
            return int(typed)
    except ValueError:
        pass
    raise typer.BadParameter(f"{field.name} is {takes}, got {typed!r}")


def default_text(field: Field, kind: type[Settings]) -> str | bool:
    """A setting's default, and what presets and teachers have instead: 5000; quick: 400. False where there is none."""

    def text(value: Any) -> str:
        return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)

    if field.default in (None, ""):
        return False
    others = kind.PRESETS | {f"teacher {teacher}": values for teacher, values in kind.TEACHER_DEFAULTS.items()}
    differing = [f"{name}: {text(values[field.name])}" for name, values in others.items() if field.name in values]
    return "; ".join([text(field.default), *differing])


def _resumed(folder: Path, command: str, given: dict[str, Any], kind: type[Settings]) -> Settings:
    from mlx_train.runs.generation import shared_config

    return shared_config(folder, command, given, kind)
