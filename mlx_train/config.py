"""The settings of a run: frozen dataclasses whose fields carry default, range, help text and group, and the presets.

The command line makes its options from these fields (mlx_train/commands/options.py). A default stands here alone.
"""

import dataclasses
import difflib
import json
import reprlib
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

#: Changes of the defaults by the name of what makes them: values by the names of the settings.
Changes = dict[str, dict[str, Any]]

#: The value of a number that the device decides.
AUTO = -1

#: The largest seed.
MAX_SEED = 2**63 - 1

#: The most worker threads, as in `engine.machine.cores`, which is not loaded here: `--help` must be fast.
MAX_WORKERS = 1024

#: The most hidden layers, one fewer than `engine.network.layers.MOST_LAYERS`.
MOST_HIDDEN = 11

#: Where the labels of a training come from.
TEACHERS = ("iteration", "search", "exact", "outcome")

#: The teacher of a run. It plays games while it trains, so only `run` has it; other commands begin with "search".
RUN_TEACHER = "iteration"

#: The only teacher of self-play.
SELF_PLAY = "self-play"

#: The rule sets, the default first, as in `engine.core.rules`, which is not loaded here: `--help` must be fast.
RULES = ("finkel", "blitz", "masters", "aseb")

#: Which networks a command trains, compresses or measures.
NETWORKS = ("both", "value", "policy")

#: The default parent of run folders, and of what commands write without a run.
RUNS = Path("runs")

#: The folder of the shipped models, from the root of the checkout.
WEIGHTS = Path("weights")

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
    group: Group,
    default: Any,
    allowed: tuple[Any, ...],
    text: str,
    *,
    words: Mapping[str, int] | None = None,
    teachers: tuple[str, ...] = (),
) -> Any:
    """A field of `Settings`.

    allowed: the words that it may be; or the smallest and the largest number; or nothing, then a float is any positive
    number. text: the help text, with the unit. words: numbers beside the range that the command line spells as a word.
    teachers: the teachers that read the setting, if not all do.
    """
    choices = allowed if allowed and isinstance(allowed[0], str) else ()
    metadata = {"group": group, "help": text, "choices": choices, "between": () if choices else allowed}
    return dataclasses.field(default=default, metadata=metadata | {"words": words or {}, "teachers": teachers})


_ANY = ()
_LARGEST = 1e12  # of a float without a range: far from the ends of float32
_SHARE = (0, 1)
_OF_GAMES = ("iteration", "search", "outcome")  # the teachers whose labels come from games of the search
_OF_SEARCH = ("iteration", "search")  # the teachers whose labels are the search's values and played-out results

# What the settings have in common of which each kind of training has its own default or text.
_batch_size = partial(setting, Group.TRAINING, 512, (1, 1 << 22), words={"auto": AUTO})
_optimizer = partial(
    setting, Group.TRAINING, allowed=("adam", "soap"),
    text="How gradients become steps; soap is Adam in an eigenbasis of the gradients.",
)  # fmt: skip
_value_loss = partial(
    setting, Group.TRAINING, allowed=("squared", "absolute"),
    text="What the value network minimises, of the error of 2p - 1.",
)  # fmt: skip
_averaging = partial(setting, Group.TRAINING, allowed=(0, 1 - 1e-9))
_AVERAGE = "Decay a step of the average of the weights, which "
_WARMUP = "Share of the steps over which the learning rate rises from zero."
_CHECKPOINTS = "Seconds between checkpoints: the most work that a kill costs."


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings that every training has. Raises ValueError for a value that a setting does not allow."""

    #: The presets of `--preset`, by name: the settings that each changes.
    PRESETS: ClassVar[Changes]
    #: The settings that a teacher changes, unless the preset or the command line does.
    TEACHER_DEFAULTS: ClassVar[Changes] = {}

    hidden_sizes: tuple[int, ...] = setting(
        Group.NETWORKS, (256, 128, 64, 32), (1, 2048), "Units of the hidden layers."
    )
    activation: str = setting(Group.NETWORKS, "relu", ("relu", "silu"), "Activation of the hidden layers.")
    device: str = setting(Group.MACHINE, "auto", ("auto", "cpu", "gpu"), "Where to train.")
    memory_limit: float = setting(
        Group.MACHINE, 0.0, (0, 1 << 20), "GiB that MLX may hold at one time; 0: as much as the device has."
    )
    workers: int | None = setting(
        Group.MACHINE, None, _ANY, "Worker threads of the engine; by default one for each performance core."
    )
    checkpoint_seconds: float = setting(Group.MACHINE, 30.0, (0, 86_400), _CHECKPOINTS)
    rules: str = setting(Group.GENERAL, RULES[0], RULES, "The rule set of the game.")
    seed: int = setting(
        Group.GENERAL, 0, (0, MAX_SEED), "Seed of games, initial weights, batches and whatever else is drawn."
    )

    def __post_init__(self) -> None:
        if isinstance(self.hidden_sizes, list):
            object.__setattr__(self, "hidden_sizes", tuple(self.hidden_sizes))
        for field in dataclasses.fields(self):
            _check_type(field, getattr(self, field.name))
            _check(field, getattr(self, field.name))
        check_workers(self.workers)
        if not 1 <= len(self.hidden_sizes) <= MOST_HIDDEN:
            raise ValueError(f"hidden_sizes must be 1 to {MOST_HIDDEN} sizes, got {len(self.hidden_sizes)}")

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in vars(self).items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The inverse of `to_dict`, which also reads the settings of older runs.

        Raises ValueError for a key that is not a setting, and for a removed setting that changes what is computed.
        """
        if not isinstance(values, dict):
            raise ValueError("settings must be a JSON object")
        for name, harmless in RETIRED.items():
            if values.get(name, harmless) != harmless:
                raise ValueError(f"the setting {name} was removed: {values[name]} is refused, only {harmless} is read")
        values = {name: value for name, value in values.items() if name not in RETIRED}
        unknown = set(values) - {field.name for field in dataclasses.fields(cls)}
        if unknown:
            raise ValueError(f"unknown settings: {', '.join(sorted(unknown))}")
        return cls(**values)


def _check_type(field: "dataclasses.Field[Any]", value: Any) -> None:
    """Raise ValueError, naming the setting, for a value of another type than the default's. True is no number."""
    default = field.default
    if isinstance(default, tuple):
        wanted, right = "whole numbers", isinstance(value, tuple) and all(type(number) is int for number in value)
    elif isinstance(default, str):
        wanted, right = "a text", isinstance(value, str)
    elif isinstance(default, float):
        wanted, right = "a number", type(value) is float or (type(value) is int and abs(value) <= sys.float_info.max)
    else:
        wanted, right = "a whole number", type(value) is int or (default is None and value is None)
    if not right:
        raise ValueError(f"{field.name} must be {wanted}, got {reprlib.repr(value)}")


def _check(field: "dataclasses.Field[Any]", value: Any) -> None:
    """Raise ValueError, naming the setting, for a value that it does not allow."""
    choices, between = field.metadata["choices"], field.metadata["between"]
    if choices:
        check_choice(field.name, value, choices)
    elif between and value not in field.metadata["words"].values():
        if not all(between[0] <= number <= between[1] for number in (value if isinstance(value, tuple) else (value,))):
            raise ValueError(f"{field.name} must be between {between[0]} and {between[1]}, got {value}")
    elif isinstance(field.default, float) and not between and not 1 / _LARGEST <= value <= _LARGEST:
        raise ValueError(f"{field.name} must be a positive number, from {1 / _LARGEST:g} to {_LARGEST:g}, got {value}")


def check_workers(workers: int | None) -> None:
    """Raises ValueError for a number of threads that the engine refuses."""
    if workers is not None and not 1 <= workers <= MAX_WORKERS:
        raise ValueError(f"workers must be from 1 to {MAX_WORKERS}, not {workers}")


@dataclass(frozen=True, kw_only=True)
class Config(Settings):
    """The settings of a run with a teacher."""

    PRESETS: ClassVar[Changes] = {
        "quick": {"games": 400, "epochs": 20, "depth": 3, "steps": 3000, "evaluation_games": 1000},
        "standard": {"games": 1000, "epochs": 50, "steps": 12_000},
        "production": {"evaluation_games": 10_000},
    }
    # Labels without noise bear larger steps, and an absolute error lowers the squared one too (docs/experiments.md).
    TEACHER_DEFAULTS: ClassVar[Changes] = {
        "iteration": {
            "playouts": 16,
            "averaging": 0.998,
            "optimizer": "soap",
            "batch_size": 1024,
            "learning_rate": 0.003,
        },
        "exact": {
            "networks": "value",
            "value_loss": "absolute",
            "optimizer": "soap",
            "batch_size": 1024,
            "learning_rate": 0.004,
        },
    }

    teacher: str = setting(Group.GENERAL, "search", TEACHERS, "Where the labels come from.")

    games: int = setting(
        Group.GAMES, 5000, (2, 10_000_000), "Games of the search against itself, and of the network against itself.",
        teachers=_OF_GAMES,
    )  # fmt: skip
    search_share: float = setting(
        Group.GAMES, 0.2, _SHARE, "Share of the games that the search plays; the network plays the rest.",
        teachers=("iteration",),
    )  # fmt: skip
    depth: int = setting(
        Group.GAMES, 4, (1, 8), "Turns of look-ahead of the search that plays and labels games.", teachers=_OF_GAMES
    )
    weights: str = setting(
        Group.GAMES, "evolved", ("default", "evolved"), "The search's evaluation weights.", teachers=_OF_GAMES
    )
    exploration: float = setting(Group.GAMES, 0.05, _SHARE, "Share of decisions at which a random move is played.")
    playouts: int = setting(
        Group.GAMES, 3, (0, 127), "Times that each legal move of a decision is played out.", teachers=_OF_SEARCH
    )

    steps: int = setting(
        Group.EXACT, 27_000, (1, 100_000_000), "Training steps in all; their positions are drawn afresh."
    )
    play_share: float = setting(
        Group.EXACT, 0.8, _SHARE, "Share of the positions that are met in optimal play; the rest is uniform."
    )
    temperature: float = setting(
        Group.EXACT, 0.01, _ANY, "Win probability that makes a move e times as probable in the policy target."
    )

    epochs: int = setting(
        Group.TRAINING, 100, (1, 1_000_000),
        "Passes over the training decisions; with the teacher exact, equal parts of the steps.",
    )  # fmt: skip
    batch_size: int = _batch_size("Decisions a step, of all processes together; auto: what suits the device.")
    optimizer: str = _optimizer("adam")
    learning_rate: float = setting(
        Group.TRAINING, 0.001, _ANY, "The optimizer's rate after the warm-up; a cosine takes it to zero."
    )
    warmup: float = setting(Group.TRAINING, 0.02, _SHARE, _WARMUP)
    averaging: float = _averaging(0.0, text=_AVERAGE + "is validated and written; 0: no average.")
    value_loss: str = _value_loss("squared")
    validation_split: float = setting(
        Group.TRAINING, 0.2, (0.001, 0.9), "Share of the games that is kept for validation.", teachers=_OF_GAMES
    )
    patience: int = setting(
        Group.TRAINING, 20, (0, 1_000_000), "Epochs without a lower validation loss until training stops; 0: never."
    )
    outcome_blend: float = setting(
        Group.TRAINING, 0.8, _SHARE,
        "Weight, 0 to 1, of the played-out results in the value target; the search's value has the rest.",
        teachers=_OF_SEARCH,
    )  # fmt: skip
    value_points: float = setting(
        Group.TRAINING, 2000.0, _ANY, "Evaluation units that stand for a value target of tanh(1).", teachers=_OF_SEARCH
    )
    policy_points: float = setting(
        Group.TRAINING, 100.0, _ANY, "Evaluation units that make a move e times as probable in the policy target.",
        teachers=_OF_SEARCH,
    )  # fmt: skip

    networks: str = setting(Group.NETWORKS, "both", NETWORKS, "Networks to train.")
    dropout: float = setting(
        Group.NETWORKS, 0.0, (0, 0.95), "Share of the hidden units that a training step leaves out."
    )
    init: str = setting(
        Group.NETWORKS, "", _ANY, "Weights file (JSON) to start from; by default fresh weights from the seed."
    )

    evaluation_games: int = setting(
        Group.MEASURING, 2000, (1, 10_000_000), "Games against each opponent in the final table."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.plays and self.networks == "policy":
            raise ValueError("the teacher iteration needs a value network: --networks policy has none")

    @property
    def plays(self) -> bool:
        """Whether the averaged network plays games against itself."""
        return self.teacher == "iteration"

    @property
    def search_games(self) -> int:
        """The games that the search plays."""
        return max(2, round(self.search_share * self.games)) if self.plays else self.games


#: A short self-play has no time for small steps, and its returns are too noisy for the absolute error.
_SHORT_SELF_PLAY = {"learning_rate": 0.004, "final_trace_decay": 0.9, "value_loss": "squared"}


@dataclass(frozen=True, kw_only=True)
class SelfplayConfig(Settings):
    """The settings of learning by self-play."""

    PRESETS: ClassVar[Changes] = {
        "quick": _SHORT_SELF_PLAY | {"rounds": 40},
        "standard": _SHORT_SELF_PLAY | {"rounds": 150},
        "production": {},
    }

    # What the trainer reads of every configuration, and self-play does not choose.
    teacher: ClassVar[str] = SELF_PLAY
    plays: ClassVar[bool] = True
    networks: ClassVar[str] = "value"
    dropout: ClassVar[float] = 0.0
    init: ClassVar[str] = ""
    patience: ClassVar[int] = 0

    rounds: int = setting(Group.GENERAL, 2800, (1, 10_000_000), "Rounds of games and training steps.")

    games: int = setting(Group.GAMES, 128, (1, 1_000_000), "Games a round.")
    depth: int = setting(
        Group.GAMES, 1, (0, 4), "Turns of a backup; 0: no expectation over the rolls, the turn's own roll alone."
    )
    exploration: float = setting(Group.GAMES, 0.1, _SHARE, "Share of decisions at which a random move is played.")
    trace_decay: float = setting(
        Group.GAMES,
        1.0,
        _SHARE,
        "Lambda of the first round's returns: 0 learns from backups alone, 1 from whole games.",
    )
    final_trace_decay: float = setting(
        Group.GAMES, 0.5, _SHARE, "Lambda of the last round's returns; it changes in equal steps."
    )
    siblings: float = setting(
        Group.GAMES, 0.5, _SHARE, "Share of decisions of which a successor that was not played is learnt too."
    )

    steps: int = setting(Group.TRAINING, 200, (1, 1_000_000), "Training steps a round.")
    window: int = setting(Group.TRAINING, 4, (1, 10_000), "Rounds whose positions are trained on.")
    batch_size: int = _batch_size("Positions a step; auto: what suits the device.")
    optimizer: str = _optimizer("adam")
    learning_rate: float = setting(
        Group.TRAINING, 0.001, _ANY, "The optimizer's rate after the warm-up; a cosine takes it to zero."
    )
    warmup: float = setting(Group.TRAINING, 0.01, _SHARE, _WARMUP)
    averaging: float = _averaging(0.998, text=_AVERAGE + "plays and is written.")
    value_loss: str = _value_loss("absolute")
    checkpoint_seconds: float = setting(Group.MACHINE, 60.0, (0, 86_400), _CHECKPOINTS)

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


def resolve_as(
    kind: type[S], preset: str, overrides: Mapping[str, Any], file: Path | None = None, teacher: str = ""
) -> S:
    """Settings of a kind. In falling priority: overrides that are not None, a file's, the preset's, the teacher's.

    teacher: the teacher where none of them names one; "" for the class's default.
    Raises ValueError for an unknown preset or setting, a value out of range, or a file without settings.
    """
    check_choice("preset", preset, kind.PRESETS)
    given = {name: value for name, value in overrides.items() if value is not None}
    settings = kind.PRESETS[preset] | ({} if file is None else read_settings(file, kind)) | given
    if teacher:
        settings = {"teacher": teacher} | settings
    return kind.from_dict(kind.TEACHER_DEFAULTS.get(settings.get("teacher", SELF_PLAY), {}) | settings)


def read_settings(file: Path, kind: type[Settings] = Config) -> dict[str, Any]:
    """The settings of a JSON file: an object of settings, or one that has it as `config`, like best.json, config.json.

    Raises ValueError, in one line that names the file, for what holds no settings of this kind.
    """
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        values = values.get("config", values)
        kind.from_dict(values)  # checks names and ranges
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{file}: not a file of settings: {error}") from None
    return dict(values)
