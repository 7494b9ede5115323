"""The settings of a run: frozen dataclasses whose fields carry default, range, help text and group, and the presets.

The command line makes its options from these fields (mlx_train/commands/options.py). A default stands here alone.
"""

import dataclasses
import difflib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

#: Changes of the defaults by the name of what makes them: values by the names of the settings.
Changes = dict[str, dict[str, Any]]

#: The value of a number that the device decides.
AUTO = -1

#: The largest seed.
MAX_SEED = 2**63 - 1

#: Where the labels of a training come from.
TEACHERS = ("search", "exact", "outcome")

#: Which networks a command trains, compresses or measures.
NETWORKS = ("both", "value", "policy")

#: The preset that a command starts from unless another one is named.
DEFAULT_PRESET = "production"

#: Settings that older runs wrote: each with the one value that computes what is computed today.
RETIRED: dict[str, Any] = {"reuse": 1, "pieces": 0}

#: The settings that may differ when a run is resumed, because they do not change what is computed.
CHANGEABLE = ("device", "workers", "checkpoint_seconds", "memory_limit")


class Group(StrEnum):
    """What a setting belongs to: the title of its panel in the help of a command, in the order of the panels."""

    GENERAL = "General"
    GAMES = "Games"
    EXACT = "Teacher exact"
    TRAINING = "Training"
    NETWORKS = "Networks"
    MACHINE = "Machine"
    MEASURING = "Measuring"


def setting(
    default: Any,
    text: str,
    group: Group,
    *,
    between: tuple[float, float] | None = None,
    choices: tuple[str, ...] = (),
    words: Mapping[str, int] | None = None,
    teachers: tuple[str, ...] = (),
) -> Any:
    """A field of `Settings`.

    text: the help text, with the unit. between: the smallest and the largest value; without it a float is any positive
    number. choices: the texts that it may be, if not all. words: numbers that the command line spells as a word, which
    are valid beside the range. teachers: the teachers that read the setting, if not all do.
    """
    metadata = {
        "help": text,
        "group": group,
        "between": between,
        "choices": choices,
        "words": words or {},
        "teachers": teachers,
    }
    return dataclasses.field(default=default, metadata=metadata)


def checkpoint_setting(default: float) -> Any:
    """The setting of how often a checkpoint is written."""
    text = "Seconds between checkpoints: the most work that a kill costs."
    return setting(default, text, Group.MACHINE, between=(0, 86_400))


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings that every training has. Raises ValueError for a value out of its range or not among its choices."""

    #: The presets of `--preset`, by name: the settings that each changes.
    PRESETS: ClassVar[Changes]
    #: The settings that a teacher changes, unless the preset or the command line does.
    TEACHER_DEFAULTS: ClassVar[Changes] = {}

    hidden_sizes: tuple[int, ...] = setting(
        (256, 128, 64, 32), "Units of the hidden layers.", Group.NETWORKS, between=(1, 2048)
    )
    activation: str = setting("relu", "Activation of the hidden layers.", Group.NETWORKS, choices=("relu", "silu"))
    device: str = setting("auto", "Where to train.", Group.MACHINE, choices=("auto", "cpu", "gpu"))
    memory_limit: float = setting(
        0.0, "GiB that MLX may hold at one time; 0: as much as the device has.", Group.MACHINE, between=(0, 1 << 20)
    )
    workers: int | None = setting(
        None, "Worker threads of the engine; by default one for each performance core.", Group.MACHINE
    )
    checkpoint_seconds: float = checkpoint_setting(30.0)
    seed: int = setting(
        0, "Seed of games, initial weights, batches and whatever else is drawn.", Group.GENERAL, between=(0, MAX_SEED)
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden_sizes", tuple(self.hidden_sizes))
        if not self.hidden_sizes:
            raise ValueError("hidden_sizes must be one size or more")
        for field in dataclasses.fields(self):
            _check(field, getattr(self, field.name))
        check_workers(self.workers)

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in vars(self).items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The inverse of `to_dict`, which also reads the settings of older runs.

        Raises ValueError for a key that is not a setting, and for a removed setting that changes what is computed.
        """
        for name, harmless in RETIRED.items():
            if values.get(name, harmless) != harmless:
                raise ValueError(f"the setting {name} was removed: {values[name]} is refused, only {harmless} is read")
        values = {name: value for name, value in values.items() if name not in RETIRED}
        unknown = set(values) - {field.name for field in dataclasses.fields(cls)}
        if unknown:
            raise ValueError(f"unknown settings: {', '.join(sorted(unknown))}")
        return cls(**values)


def _check(field: "dataclasses.Field[Any]", value: Any) -> None:
    """Raise ValueError, naming the setting, for a value that it can't have."""
    metadata = field.metadata
    if metadata["choices"]:
        check_choice(field.name, value, metadata["choices"])
    elif metadata["between"] and value not in metadata["words"].values():
        low, high = metadata["between"]
        if not all(low <= number <= high for number in (value if isinstance(value, tuple) else (value,))):
            raise ValueError(f"{field.name} must be between {low} and {high}, got {value}")
    elif isinstance(field.default, float) and not metadata["between"] and not (math.isfinite(value) and value > 0):
        raise ValueError(f"{field.name} must be a positive number, got {value}")


def check_workers(workers: int | None) -> None:
    """Raises ValueError for a number of threads that the engine refuses."""
    from engine.machine.cores import worker_count  # --help must not load the engine

    worker_count(workers)


_SHARE = (0, 1)
_OF_GAMES = ("search", "outcome")  # the teachers whose labels come from games of the search
_OF_SEARCH = ("search",)  # the teacher whose labels are the search's values and played-out results


@dataclass(frozen=True, kw_only=True)
class Config(Settings):
    """The settings of a run with a teacher."""

    PRESETS: ClassVar[Changes] = {
        "quick": {"games": 100, "epochs": 10, "depth": 3, "steps": 3000, "evaluation_games": 1000},
        "standard": {"games": 1000, "epochs": 50, "steps": 12_000},
        "production": {"evaluation_games": 10_000},
    }
    # Labels without noise bear larger steps, and an absolute error lowers the squared one too (docs/experiments.md).
    TEACHER_DEFAULTS: ClassVar[Changes] = {
        "exact": {"learning_rate": 0.003, "value_loss": "absolute", "optimizer": "soap"}
    }

    # Read by the training until it has no buffer and no number of chunks to set; then these two lines go.
    reuse: ClassVar[int] = 1
    pieces: ClassVar[int] = 0

    #: No running average of the weights is trained.
    averaging: ClassVar[float] = 0.0

    teacher: str = setting("search", "Where the labels come from.", Group.GENERAL, choices=TEACHERS)

    games: int = setting(
        5000, "Games of the search against itself.", Group.GAMES, between=(2, 10_000_000), teachers=_OF_GAMES
    )
    depth: int = setting(
        4, "Turns of look-ahead of the search that plays and labels the games.", Group.GAMES, between=(1, 8),
        teachers=_OF_GAMES,
    )  # fmt: skip
    weights: str = setting(
        "evolved", "The search's evaluation weights.", Group.GAMES, choices=("default", "evolved"),
        teachers=_OF_GAMES,
    )  # fmt: skip
    exploration: float = setting(
        0.05, "Share of decisions at which a random move is played.", Group.GAMES, between=_SHARE
    )
    playouts: int = setting(
        3, "Times that every legal move of every decision is played out.", Group.GAMES, between=(0, 127),
        teachers=_OF_SEARCH,
    )  # fmt: skip

    steps: int = setting(
        30_000, "Training steps in all; their positions are drawn afresh.", Group.EXACT, between=(1, 100_000_000)
    )
    play_share: float = setting(
        0.5, "Share of the positions that are met in optimal play; the rest is uniform.", Group.EXACT, between=_SHARE
    )
    temperature: float = setting(
        0.01, "Win probability that makes a move e times as probable in the policy target.", Group.EXACT
    )

    epochs: int = setting(
        100, "Passes over the training decisions; with the teacher exact, equal parts of the steps.", Group.TRAINING,
        between=(1, 1_000_000),
    )  # fmt: skip
    batch_size: int = setting(
        512, "Decisions a step, of all processes together; auto: what suits the device.", Group.TRAINING,
        between=(1, 1 << 22), words={"auto": AUTO},
    )  # fmt: skip
    optimizer: str = setting(
        "adam", "How gradients become steps; soap is Adam in an eigenbasis of the gradients.", Group.TRAINING,
        choices=("adam", "soap"),
    )  # fmt: skip
    learning_rate: float = setting(
        0.001, "The optimizer's rate after the warm-up; a cosine takes it to zero.", Group.TRAINING
    )
    warmup: float = setting(
        0.02, "Share of the steps over which the learning rate rises from zero.", Group.TRAINING, between=_SHARE
    )
    value_loss: str = setting(
        "squared", "What the value network minimises, of the error of 2p - 1.", Group.TRAINING,
        choices=("squared", "absolute"),
    )  # fmt: skip
    validation_split: float = setting(
        0.2, "Share of the games that is kept for validation.", Group.TRAINING, between=(0.001, 0.9),
        teachers=_OF_GAMES,
    )  # fmt: skip
    patience: int = setting(
        20, "Epochs without a lower validation loss until training stops; 0: never.", Group.TRAINING,
        between=(0, 1_000_000),
    )  # fmt: skip
    outcome_blend: float = setting(
        0.8, "Weight, 0 to 1, of the played-out results in the value target; the search's value has the rest.",
        Group.TRAINING, between=_SHARE, teachers=_OF_SEARCH,
    )  # fmt: skip
    value_points: float = setting(
        2000.0, "Evaluation units that stand for a value target of tanh(1).", Group.TRAINING, teachers=_OF_SEARCH
    )
    policy_points: float = setting(
        100.0, "Evaluation units that make a move e times as probable in the policy target.", Group.TRAINING,
        teachers=_OF_SEARCH,
    )  # fmt: skip

    networks: str = setting("both", "Networks to train.", Group.NETWORKS, choices=NETWORKS)
    dropout: float = setting(
        0.0, "Share of the hidden units that a training step leaves out.", Group.NETWORKS, between=(0, 0.95)
    )
    init: str = setting(
        "", "Weights file (JSON) to start from; by default fresh weights from the seed.", Group.NETWORKS
    )

    evaluation_games: int = setting(
        2000, "Games against each opponent in the final table.", Group.MEASURING, between=(1, 10_000_000)
    )


@dataclass(frozen=True, kw_only=True)
class SelfplayConfig(Settings):
    """The settings of learning by self-play."""

    PRESETS: ClassVar[Changes] = {"quick": {"rounds": 40}, "standard": {"rounds": 150}, "production": {}}

    # What the trainer reads of every configuration, and self-play does not choose.
    teacher: ClassVar[str] = "self-play"
    networks: ClassVar[str] = "value"
    value_loss: ClassVar[str] = "squared"
    dropout: ClassVar[float] = 0.0
    init: ClassVar[str] = ""
    patience: ClassVar[int] = 0

    rounds: int = setting(1000, "Rounds of games and training steps.", Group.GENERAL, between=(1, 10_000_000))

    games: int = setting(128, "Games a round.", Group.GAMES, between=(1, 1_000_000))
    depth: int = setting(
        1,
        "Turns of a backup; 0: no expectation over the rolls, the turn's own roll alone.",
        Group.GAMES,
        between=(0, 4),
    )
    exploration: float = setting(
        0.1, "Share of decisions at which a random move is played.", Group.GAMES, between=_SHARE
    )
    trace_decay: float = setting(
        1.0, "Lambda of the first round's returns: 0 learns from backups alone, 1 from whole games.", Group.GAMES,
        between=_SHARE,
    )  # fmt: skip
    final_trace_decay: float = setting(
        0.9, "Lambda of the last round's returns; it changes in equal steps.", Group.GAMES, between=_SHARE
    )
    siblings: float = setting(
        0.5, "Share of decisions of which a successor that was not played is learnt too.", Group.GAMES, between=_SHARE
    )

    steps: int = setting(200, "Training steps a round.", Group.TRAINING, between=(1, 1_000_000))
    window: int = setting(4, "Rounds whose positions are trained on.", Group.TRAINING, between=(1, 10_000))
    batch_size: int = setting(
        512,
        "Positions a step; auto: what suits the device.",
        Group.TRAINING,
        between=(1, 1 << 22),
        words={"auto": AUTO},
    )
    learning_rate: float = setting(0.004, "Adam's rate after the warm-up; a cosine takes it to zero.", Group.TRAINING)
    warmup: float = setting(
        0.01, "Share of the steps over which the learning rate rises from zero.", Group.TRAINING, between=_SHARE
    )
    averaging: float = setting(
        0.998, "Decay a step of the running average of the weights, which plays and is written.", Group.TRAINING,
        between=(0, 1 - 1e-9),
    )  # fmt: skip
    checkpoint_seconds: float = checkpoint_setting(60.0)

    @property
    def epochs(self) -> int:
        """A round is an epoch of the trainer."""
        return self.rounds


def check_choice(name: str, value: str, choices: Iterable[str]) -> str:
    """`value` if it is among the choices. Raises ValueError, naming the nearest choice, if it is not."""
    choices = tuple(choices)
    if value in choices:
        return value
    raise ValueError(f"unknown {name} {value!r}{nearest(value, choices)} (known: {', '.join(choices)})")


def nearest(text: str, known: Iterable[str]) -> str:
    """The end of a message about a mistyped word: `; did you mean quick?`, or nothing where none is near."""
    near = difflib.get_close_matches(text, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


S = TypeVar("S", bound=Settings)


def resolve(preset: str, **overrides: Any) -> Config:
    """The settings of a run from a preset; overrides that are None are ignored. Raises ValueError."""
    return resolve_as(Config, preset, overrides)


def resolve_as(kind: type[S], preset: str, overrides: Mapping[str, Any], file: Path | None = None) -> S:
    """Settings of a kind. In falling priority: overrides that are not None, a file's, the preset's, the teacher's.

    Raises ValueError for an unknown preset or setting, a value out of range, or a file without settings.
    """
    check_choice("preset", preset, kind.PRESETS)
    given = {name: value for name, value in overrides.items() if value is not None}
    settings = kind.PRESETS[preset] | ({} if file is None else read_settings(file, kind)) | given
    return kind.from_dict(kind.TEACHER_DEFAULTS.get(settings.get("teacher", ""), {}) | settings)


def read_settings(file: Path, kind: type[Settings] = Config) -> dict[str, Any]:
    """The settings of a JSON file: an object of settings, or one that has it as `config`, like best.json, config.json.

    Raises ValueError, in one line that names the file, for what holds no settings of this kind.
    """
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        values = values.get("config", values)
        kind.from_dict(values)  # checks names and ranges
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{file}: not a file of settings: {error}") from None
    return dict(values)
