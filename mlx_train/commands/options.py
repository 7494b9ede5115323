"""What the commands share: options, and the flags that come from Config."""

import dataclasses
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial, wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from mlx_train.config import MAX_SEED, PRESETS, Config, Settings, check_workers, choices_of, resolve_as

#: What a command wrote, for the summary at its end: path by what it is, such as {"weights": ...}.
Files = dict[str, Path]

#: The preset to start from unless told otherwise.
DEFAULT_PRESET = "production"

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
OutputFolder = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Run folder to make; by default a dated one below runs/."),
]
ResumeFolder = Annotated[
    Path | None,
    typer.Option(
        metavar="RUN",
        help="Run folder to go on in, with the settings that it was begun with; by default a new run begins.",
    ),
]


def _checked_workers(workers: int | None) -> int | None:
    with usage():
        check_workers(workers)
    return workers


Workers = Annotated[
    int | None, typer.Option(help=Config.__dataclass_fields__["workers"].metadata["help"], callback=_checked_workers)
]
SeedFlag = Annotated[int, typer.Option(help="Seed of the games' dice.", min=0, max=MAX_SEED)]
TableFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Table of the solved game; by default the one in the user's cache folder."),
]
ModelsFolder = Annotated[Path, typer.Option(metavar="FOLDER", help="Where the models and their manifest are.")]


def complete_run(incomplete: str) -> list[str]:
    """The shell's completion of a run's name."""
    from mlx_train.runs.run_record import run_folders

    return [name for name in ("last", *(folder.name for folder in run_folders())) if name.startswith(incomplete)]


def complete_agent(incomplete: str) -> list[str]:
    """The shell's completion of an agent: the spellings that can be typed as they are, and the shipped models."""
    spellings = ["random", "greedy", *(f"emm:{depth}" for depth in range(1, 5)), "emm-evolved:3", "perfect"]
    spellings += [f"net:{path}" for path in sorted(Path("weights").glob("*.json")) if path.name != "manifest.json"]
    return [spelling for spelling in spellings if spelling.startswith(incomplete)]


def complete_choice(choices: Callable[[], Iterable[str]]) -> Callable[[str], list[str]]:
    """The shell's completion of a setting that is one of some words."""

    def complete(incomplete: str) -> list[str]:
        return [choice for choice in choices() if choice.startswith(incomplete)]

    return complete


@contextmanager
def usage() -> Iterator[None]:
    """Turn a ValueError about what was typed into wrong usage: exit code 2."""
    try:
        yield
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def config_options(
    *phases: str,
    kind: type[Settings] = Config,
    presets: Mapping[str, dict[str, Any]] = PRESETS,
    without: Sequence[str] = (),
) -> Callable[[Callable[..., Files]], Callable[..., Files]]:
    """Give a command `--preset` and a flag for every setting of these phases; it receives the resolved settings first.

    The flags, their help and their defaults come from the settings' class alone. without: settings of these phases that
    mean nothing to the command. A command with an option `resume` receives the settings of that run.
    """

    def decorate(command: Callable[..., Files]) -> Callable[..., Files]:
        fields = [
            field
            for field in dataclasses.fields(kind)
            if field.metadata["phase"] in phases and field.name not in without
        ]

        @wraps(command)
        def wrapper(preset: str | None, settings_file: Path | None, **arguments: Any) -> Files:
            given = typed_settings(fields, {field.name: arguments.pop(field.name) for field in fields})
            with usage():
                if arguments.get("resume") is None:
                    config = resolve_as(kind, presets, preset or DEFAULT_PRESET, given, settings_file)
                elif preset is not None or settings_file is not None:
                    raise ValueError("--resume goes on with the run's own settings: leave --preset and --config out")
                else:
                    config = _resumed(arguments["resume"], command.__name__, given, kind)
            return command(config, preset or DEFAULT_PRESET, **arguments)

        preset_help = f"Settings to start from: {', '.join(presets)}."
        parameters = [
            inspect.Parameter(
                "preset",
                inspect.Parameter.KEYWORD_ONLY,
                default=None,
                annotation=Annotated[
                    str | None,
                    typer.Option(
                        help=preset_help, autocompletion=complete_choice(lambda: presets), show_default=DEFAULT_PRESET
                    ),
                ],
            ),
            inspect.Parameter(
                "settings_file",
                inspect.Parameter.KEYWORD_ONLY,
                default=None,
                annotation=Annotated[
                    Path | None,
                    typer.Option(
                        "--config",
                        metavar="FILE",
                        help="JSON file of settings before the preset's, such as `tune`'s best.json; by default none.",
                    ),
                ],
            ),
        ]
        for field in fields:
            takes: Any = int if field.default is None else type(field.default)
            if takes is tuple or field.metadata["words"]:
                takes = str
            choices = partial(choices_of, field) if field.metadata["choices"] else None
            parameters.append(
                inspect.Parameter(
                    field.name,
                    inspect.Parameter.KEYWORD_ONLY,
                    default=None,
                    annotation=Annotated[
                        takes | None,
                        typer.Option(
                            help=field.metadata["help"],
                            show_default=default_text(field, presets),
                            rich_help_panel="Settings",
                            autocompletion=complete_choice(choices) if choices else None,
                        ),
                    ],
                )
            )
        signature = inspect.signature(command)
        own = list(signature.parameters.values())[2:]
        parameters += [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
        wrapper.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        del wrapper.__wrapped__
        return wrapper

    return decorate


def typed_settings(fields: "Sequence[dataclasses.Field[Any]]", typed: Mapping[str, Any]) -> dict[str, Any]:
    """What was typed for some settings, by their names and as Config takes them; what was not typed is left out.

    Raises wrong usage for what is no number.
    """
    given = {field.name: typed[field.name] for field in fields if typed[field.name] is not None}
    for field in fields:
        if field.name in given and field.name == "hidden_sizes":
            given[field.name] = parse_sizes(given[field.name])
        elif field.name in given and field.metadata["words"]:
            given[field.name] = parse_number(field, given[field.name])
    return given


def default_text(field: "dataclasses.Field[Any]", presets: Mapping[str, dict[str, Any]] = PRESETS) -> str | bool:
    """A setting's default, and what the presets have instead: 5000; quick: 100. False where its help says it."""

    def text(value: Any) -> str:
        return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)

    if field.default in (None, ""):
        return False
    others = [f"{preset}: {text(values[field.name])}" for preset, values in presets.items() if field.name in values]
    return "; ".join([text(field.default), *others])


def _resumed(folder: Path, command: str, given: dict[str, Any], kind: type[Settings]) -> Settings:
    """The settings of the run in a folder, which only the first of several processes reads."""
    from mlx_train.runs.run_folder import resumed_config
    from mlx_train.training.ranks import join

    return kind.from_dict(join().first(lambda: resumed_config(folder, command, given, kind).to_dict()))


def parse_number(field: "dataclasses.Field[Any]", text: str) -> int:
    """A whole number, or one of the words of a setting. Raises wrong usage for anything else."""
    words = field.metadata["words"]
    try:
        number = words[text] if text in words else int(text)
        if text not in words and number in words.values():
            raise ValueError
        return number
    except ValueError:
        raise typer.BadParameter(f"{field.name} is a whole number or {', '.join(words)}, got {text!r}") from None


def parse_sizes(text: str) -> tuple[int, ...]:
    """The numbers of a list such as 256,128. Raises wrong usage for anything else."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise typer.BadParameter(f"hidden sizes are whole numbers joined by commas, got {text!r}") from None
