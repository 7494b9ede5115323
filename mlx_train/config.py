"""What a run is made of: one frozen dataclass, its presets, and nothing read anywhere else."""

import dataclasses
import difflib
import math
from dataclasses import dataclass
from typing import Any

#: Where the labels of the training come from.
TEACHERS = ("search", "exact", "outcome")


def setting(default: Any, text: str, phase: str = "training") -> Any:
    """A field of Config: its default, its help text with the unit, and the phase that it belongs to."""
    return dataclasses.field(default=default, metadata={"help": text, "phase": phase})


@dataclass(frozen=True, kw_only=True)
class Config:
    """Every number of a run; each is a flag of the same name. Raises ValueError for one that makes no sense."""

    teacher: str = setting("search", "Where labels come from: search, exact or outcome.", "all")

    games: int = setting(5000, "Self-play games.", "games")
    depth: int = setting(4, "Look-ahead of the search that plays and labels the games, in turns.", "games")
    weights: str = setting("evolved", "The search's evaluation weights: default or evolved.", "games")
    exploration: float = setting(0.05, "Share of decisions at which a random move is played.", "games")
    playouts: int = setting(3, "Times that every legal move of every decision is played out.", "games")

    epochs: int = setting(100, "Passes over the training decisions; with the exact teacher, parts of the steps.")
    steps: int = setting(30_000, "Steps of the exact teacher, whose positions are drawn afresh.")
    reuse: int = setting(1, "Steps for each batch: more than 1 where a GPU is faster than the data.")
    play_share: float = setting(0.5, "Share of the exact teacher's positions met in optimal play; the rest is uniform.")
    temperature: float = setting(0.01, "Win probability that makes a move e times as probable for the exact teacher.")
    networks: str = setting("both", "Networks to train: both, value or policy.")
    batch_size: int = setting(512, "Decisions a step.")
    learning_rate: float = setting(0.001, "Adam's rate after the warm-up; a cosine takes it to zero.")
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
    activation: str = setting("relu", "Activation of the hidden layers: relu or silu.")
    init: str = setting("", "Weights file (JSON) to start from; empty for fresh weights from the seed.")
    device: str = setting("auto", "Where to train: auto, cpu or gpu.")

    evaluation_games: int = setting(2000, "Games against each opponent in the final table.", "evaluation")

    seed: int = setting(0, "Seed of games, split, initial weights, batches and dropout.", "all")
    workers: int | None = setting(None, "Worker threads of the engine; one for each performance core.", "all")

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden_sizes", tuple(self.hidden_sizes))
        for name, low, high in (
            ("games", 2, 10_000_000),
            ("epochs", 1, 1_000_000),
            ("depth", 1, 8),
            ("exploration", 0, 1),
            ("playouts", 0, 127),
            ("seed", 0, 2**63 - 1),
            ("batch_size", 1, 1 << 22),
            ("warmup", 0, 1),
            ("dropout", 0, 0.95),
            ("validation_split", 0.001, 0.9),
            ("patience", 0, 1_000_000),
            ("outcome_blend", 0, 1),
            ("steps", 1, 100_000_000),
            ("reuse", 1, 100),
            ("play_share", 0, 1),
            ("evaluation_games", 1, 10_000_000),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} must be between {low} and {high}, got {value}")
        for name in ("learning_rate", "value_points", "policy_points", "temperature"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} must be a positive number, got {value}")
        if not self.hidden_sizes or not all(1 <= size <= 2048 for size in self.hidden_sizes):
            raise ValueError(f"hidden_sizes must be sizes from 1 to 2048, got {self.hidden_sizes}")
        check_choice("teacher", self.teacher, TEACHERS)
        check_choice("networks", self.networks, ("both", "value", "policy"))
        # Imported here, so that the command line's help needs no compiled module.
        from engine.evaluation import PRESETS as WEIGHT_PRESETS
        from engine.network import ACTIVATIONS

        check_choice("activation", self.activation, ACTIVATIONS)
        check_choice("weights", self.weights, WEIGHT_PRESETS)

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return dataclasses.asdict(self) | {"hidden_sizes": list(self.hidden_sizes)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Config":
        """The inverse of `to_dict`. Raises ValueError for keys that are not a setting."""
        unknown = set(values) - {field.name for field in dataclasses.fields(cls)}
        if unknown:
            raise ValueError(f"unknown settings: {', '.join(sorted(unknown))}")
        return cls(**values)


def check_choice(name: str, value: str, choices: Any) -> str:
    """`value` if it is among the choices; else a ValueError that names the nearest one."""
    if value in choices:
        return value
    near = difflib.get_close_matches(value, list(choices), n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise ValueError(f"unknown {name} {value!r}{hint} (known: {', '.join(choices)})")


#: The presets of `--preset`, each by what it changes of the defaults.
PRESETS: dict[str, dict[str, Any]] = {
    "quick": {"games": 100, "epochs": 10, "depth": 3, "evaluation_games": 1000},
    "standard": {"games": 1000, "epochs": 50},
    "production": {"evaluation_games": 10_000},
}


def resolve(preset: str, **overrides: Any) -> Config:
    """A preset with the settings that are not None put in place of its own. Raises ValueError."""
    check_choice("preset", preset, PRESETS)
    given = {name: value for name, value in overrides.items() if value is not None}
    return Config(**PRESETS[preset] | given)
