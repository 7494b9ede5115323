"""What a run is made of: one frozen dataclass, its presets, and nothing read anywhere else."""

import dataclasses
import difflib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

#: A number that is still to be chosen by the device.
AUTO = -1

#: The largest seed.
MAX_SEED = 2**63 - 1

#: Where the labels of the training come from.
TEACHERS = ("search", "exact", "outcome")

#: What a teacher's labels ask for in place of the defaults. Labels without noise bear larger steps, and an absolute
#: error lowers the squared one too (docs/experiments.md).
TEACHER_SETTINGS: dict[str, dict[str, Any]] = {"exact": {"learning_rate": 0.003, "value_loss": "absolute"}}


def _evaluation_weights() -> Iterable[str]:
    # Imported here, so that the command line's help needs no compiled module.
    from engine.classic.evaluation import PRESETS as WEIGHT_PRESETS

    return WEIGHT_PRESETS


def _activations() -> Iterable[str]:
    from engine.network.document import ACTIVATIONS

    return ACTIVATIONS


def setting(
    default: Any, text: str, phase: str = "training", choices: Any = None, words: Mapping[str, int] | None = None
) -> Any:
    """A field of Config: its default, its help text with the unit, and the phase that it belongs to.

    choices: the words that it may be, or a function that gives them; None where it is a number or free. words: numbers
    that the command line calls by a word.
    """
    metadata = {"help": text, "phase": phase, "choices": choices, "words": words}
    return dataclasses.field(default=default, metadata=metadata)


def choices_of(field: "dataclasses.Field[Any]") -> tuple[str, ...]:
    """The words that a setting may be; empty where it is a number or free."""
    choices = field.metadata["choices"]
    return tuple(choices() if callable(choices) else choices or ())


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the settings of every kind of run have in common."""

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in vars(self).items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The inverse of `to_dict`. Raises ValueError for keys that are not a setting."""
        unknown = set(values) - {field.name for field in dataclasses.fields(cls)}
        if unknown:
            raise ValueError(f"unknown settings: {', '.join(sorted(unknown))}")
        return cls(**values)

    def _check_ranges(self, *ranges: tuple[str, float, float]) -> None:
        for name, low, high in ranges:
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} must be between {low} and {high}, got {value}")

    def _check_positive(self, *names: str) -> None:
        for name in names:
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} must be a positive number, got {value}")

    def _check_choices(self) -> None:
        for field in dataclasses.fields(self):
            if choices := choices_of(field):
                check_choice(field.name, getattr(self, field.name), choices)


def check_workers(workers: int | None) -> None:
    """Raises ValueError for a number of threads that cannot be."""
    from engine.machine.cores import worker_count  # the engine is not for --help

    worker_count(workers)


def check_hidden_sizes(sizes: tuple[int, ...]) -> None:
    """Raises ValueError for hidden layers that no network has."""
    if not sizes or not all(1 <= size <= 2048 for size in sizes):
        raise ValueError(f"hidden_sizes must be sizes from 1 to 2048, got {sizes}")


@dataclass(frozen=True, kw_only=True)
class Config(Settings):
    """Every number of a run; each is a flag of the same name. Raises ValueError for one that makes no sense."""

    teacher: str = setting("search", "Where labels come from: search, exact or outcome.", "all", TEACHERS)

    games: int = setting(5000, "Self-play games.", "games")
    depth: int = setting(4, "Look-ahead of the search that plays and labels the games, in turns.", "games")
    weights: str = setting(
        "evolved", "The search's evaluation weights: default or evolved.", "games", _evaluation_weights
    )
    exploration: float = setting(0.05, "Share of decisions at which a random move is played.", "games")
    playouts: int = setting(3, "Times that every legal move of every decision is played out.", "games")

    epochs: int = setting(100, "Passes over the training decisions; with the exact teacher, parts of the steps.")
    steps: int = setting(30_000, "Steps of the exact teacher, whose positions are drawn afresh.")
    reuse: int = setting(1, "Steps for each batch: more than 1 where a GPU is faster than the data.")
    play_share: float = setting(0.5, "Share of the exact teacher's positions met in optimal play; the rest is uniform.")
    temperature: float = setting(0.01, "Win probability that makes a move e times as probable for the exact teacher.")
    networks: str = setting("both", "Networks to train: both, value or policy.", choices=("both", "value", "policy"))
    value_loss: str = setting(
        "squared",
        "What the value network minimises, of the error of 2p - 1: squared or absolute; with the exact teacher "
        f"{TEACHER_SETTINGS['exact']['value_loss']} unless told.",
        choices=("squared", "absolute"),
    )
    batch_size: int = setting(
        512, "Decisions a step, of all processes together; auto: what suits the device.", words={"auto": AUTO}
    )
    pieces: int = setting(
        0, "Parts of a batch whose gradients are summed. 0: 2 on the CPU, so that two processes equal one; 1 on a GPU."
    )
    learning_rate: float = setting(
        0.001,
        "Adam's rate after the warm-up; a cosine takes it to zero; with the exact teacher "
        f"{TEACHER_SETTINGS['exact']['learning_rate']} unless told.",
    )
    warmup: float = setting(0.02, "Share of the steps over which the learning rate rises from zero.")
    dropout: float = setting(0.0, "Share of hidden units left out of a training step.")
    validation_split: float = setting(0.2, "Share of the games kept for validation.")
    patience: int = setting(20, "Epochs without a better validation loss until training stops; 0: never.")
    outcome_blend: float = setting(
        0.8, "Weight of the played-out results in the value target against the search, 0 to 1."
    )
    value_points: float = setting(2000.0, "Evaluation points that stand for a value of tanh(1).")
    policy_points: float = setting(100.0, "Points that make a move e times as probable in the policy target.")
    hidden_sizes: tuple[int, ...] = setting((256, 128, 64, 32), "Units of the hidden layers.")
    activation: str = setting("relu", "Activation of the hidden layers: relu or silu.", choices=_activations)
    init: str = setting("", "Weights file (JSON) to start from; by default fresh weights from the seed.")
    device: str = setting("auto", "Where to train: auto, cpu or gpu.", choices=("auto", "cpu", "gpu"))
    checkpoint_seconds: float = setting(30.0, "Seconds of training that a kill may cost: the time between checkpoints.")
    memory_limit: float = setting(0.0, "GiB that MLX may hold at one time; 0: as much as the device has.")

    evaluation_games: int = setting(2000, "Games against each opponent in the final table.", "evaluation")

    seed: int = setting(0, "Seed of games, split, initial weights, batches and dropout.", "all")
    workers: int | None = setting(
        None, "Worker threads of the engine; by default one for each performance core.", "all"
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden_sizes", tuple(self.hidden_sizes))
        self._check_ranges(
            ("games", 2, 10_000_000),
            ("epochs", 1, 1_000_000),
            ("depth", 1, 8),
            ("exploration", 0, 1),
            ("playouts", 0, 127),
            ("seed", 0, MAX_SEED),
            ("batch_size", 1 if self.batch_size != AUTO else AUTO, 1 << 22),
            ("pieces", 0, 1024),
            ("warmup", 0, 1),
            ("dropout", 0, 0.95),
            ("validation_split", 0.001, 0.9),
            ("patience", 0, 1_000_000),
            ("outcome_blend", 0, 1),
            ("steps", 1, 100_000_000),
            ("reuse", 1, 100),
            ("play_share", 0, 1),
            ("evaluation_games", 1, 10_000_000),
            ("checkpoint_seconds", 0, 86_400),
            ("memory_limit", 0, 1 << 20),
        )
        self._check_positive("learning_rate", "value_points", "policy_points", "temperature")
        check_hidden_sizes(self.hidden_sizes)
        self._check_choices()
        check_workers(self.workers)


@dataclass(frozen=True, kw_only=True)
class SelfplayConfig(Settings):
    """Every number of learning by self-play. Raises ValueError for one that makes no sense."""

    rounds: int = setting(1000, "Rounds of games and training steps.", "all")

    games: int = setting(128, "Games a round.", "games")
    trace_decay: float = setting(
        1.0, "Lambda of the first round's returns: 0 learns from backups alone, 1 from whole games.", "games"
    )
    final_trace_decay: float = setting(0.9, "Lambda of the last round's; it goes there in equal steps.", "games")
    depth: int = setting(1, "Turns of a backup; 0: no expectation over the rolls, the turn's own roll alone.", "games")
    exploration: float = setting(0.1, "Share of decisions at which a random move is played.", "games")
    siblings: float = setting(
        0.5, "Share of decisions of which a successor that was not played is learnt too.", "games"
    )

    steps: int = setting(200, "Training steps a round.")
    window: int = setting(4, "Rounds whose positions are trained on.")
    batch_size: int = setting(512, "Positions a step; auto: what suits the device.", words={"auto": AUTO})
    learning_rate: float = setting(0.004, "Adam's rate after the warm-up; a cosine takes it to zero.")
    warmup: float = setting(0.01, "Share of the steps over which the learning rate rises from zero.")
    averaging: float = setting(
        0.998, "Decay of the running average of the weights, a step; the average plays, and is what is written."
    )
    hidden_sizes: tuple[int, ...] = setting((256, 128, 64, 32), "Units of the hidden layers.")
    activation: str = setting("relu", "Activation of the hidden layers: relu or silu.", choices=_activations)
    device: str = setting("auto", "Where to train: auto, cpu or gpu.", choices=("auto", "cpu", "gpu"))
    memory_limit: float = setting(0.0, "GiB that MLX may hold at one time; 0: as much as the device has.")

    seed: int = setting(0, "Seed of initial weights, games and batches.", "all")
    workers: int | None = setting(None, "Threads that play; by default one for each performance core.", "all")
    checkpoint_seconds: float = setting(
        60.0, "Seconds of work that a kill may cost: the time between checkpoints.", "all"
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden_sizes", tuple(self.hidden_sizes))
        self._check_ranges(
            ("rounds", 1, 10_000_000),
            ("games", 1, 1_000_000),
            ("trace_decay", 0, 1),
            ("final_trace_decay", 0, 1),
            ("depth", 0, 4),
            ("exploration", 0, 1),
            ("siblings", 0, 1),
            ("steps", 1, 1_000_000),
            ("window", 1, 10_000),
            ("batch_size", 1 if self.batch_size != AUTO else AUTO, 1 << 22),
            ("memory_limit", 0, 1 << 20),
            ("warmup", 0, 1),
            ("averaging", 0, 1 - 1e-9),
            ("checkpoint_seconds", 0, 86_400),
            ("seed", 0, MAX_SEED),
        )
        self._check_positive("learning_rate")
        check_hidden_sizes(self.hidden_sizes)
        self._check_choices()
        check_workers(self.workers)


def check_choice(name: str, value: str, choices: Any) -> str:
    """`value` if it is among the choices; else a ValueError that names the nearest one."""
    if value in choices:
        return value
    raise ValueError(f"unknown {name} {value!r}{nearest(value, choices)} (known: {', '.join(choices)})")


def nearest(text: str, known: Iterable[str]) -> str:
    """The end of a message about a mistyped word: `; did you mean quick?`, or nothing where none is near."""
    near = difflib.get_close_matches(text, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


#: What may differ when a run goes on: settings that do not change what is computed.
CHANGEABLE = ("device", "workers", "checkpoint_seconds", "memory_limit")

#: The presets of `--preset`, each by what it changes of the defaults.
PRESETS: dict[str, dict[str, Any]] = {
    "quick": {"games": 100, "epochs": 10, "depth": 3, "steps": 3000, "evaluation_games": 1000},
    "standard": {"games": 1000, "epochs": 50, "steps": 12_000},
    "production": {"evaluation_games": 10_000},
}


#: The same for learning by self-play.
SELFPLAY_PRESETS: dict[str, dict[str, Any]] = {
    "quick": {"rounds": 40},
    "standard": {"rounds": 150},
    "production": {},
}

S = TypeVar("S", bound=Settings)


def resolve(preset: str, **overrides: Any) -> Config:
    """A preset with the settings that are not None put in place of its own. Raises ValueError."""
    return resolve_as(Config, PRESETS, preset, overrides)


def resolve_as(
    kind: type[S],
    presets: Mapping[str, dict[str, Any]],
    preset: str,
    overrides: Mapping[str, Any],
    file: Path | None = None,
) -> S:
    """The same for settings of any kind, out of their presets. file: settings that go before the preset's.

    What the teacher asks for stands behind all of these.
    """
    check_choice("preset", preset, presets)
    given = {name: value for name, value in overrides.items() if value is not None}
    settings = presets[preset] | ({} if file is None else read_settings(file, kind)) | given
    return kind.from_dict(TEACHER_SETTINGS.get(settings.get("teacher", ""), {}) | settings)


def read_settings(file: Path, kind: type[Settings] = Config) -> dict[str, Any]:
    """The settings of a JSON file: an object of them, or one that has it as `config`, as best.json and config.json do.

    Raises ValueError, in one line that names the file, for what is no settings of this kind.
    """
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        values = values.get("config", values)
        kind.from_dict(values)  # checks names and ranges
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{file}: not a file of settings: {error}") from None
    return dict(values)
