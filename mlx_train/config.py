"""What a run is made of: one frozen dataclass, its presets, and nothing read anywhere else."""

import dataclasses
import difflib
import math
from dataclasses import dataclass
from typing import Any

from engine.evaluation import PRESETS as WEIGHT_PRESETS
from engine.network import ACTIVATIONS


@dataclass(frozen=True, kw_only=True)
class Config:
    """Every number of a training run. Raises ValueError for one that makes no sense."""

    #: Self-play games, numbered from 0; game g's dice depend on (seed, g) alone.
    games: int = 5000
    #: Passes over the training decisions, unless early stopping ends them before.
    epochs: int = 100
    #: Turns of look-ahead of the search that plays and labels the games.
    depth: int = 4
    #: The search's evaluation weights.
    weights: str = "evolved"
    #: Share of decisions at which self-play makes a random move in place of the best.
    exploration: float = 0.05
    #: Seed of games, split, initial weights, batches and dropout.
    seed: int = 0

    #: Decisions a step; each gives one row to the value and one to the policy network.
    batch_size: int = 512
    #: Adam's learning rate at the end of the warm-up; a cosine takes it to zero.
    learning_rate: float = 0.001
    #: Share of all steps over which the learning rate rises from zero.
    warmup: float = 0.02
    #: Share of hidden units left out in a training step.
    dropout: float = 0.0
    #: Share of the games, not of the decisions, kept for validation.
    validation_split: float = 0.2
    #: Epochs without a better validation loss after which training stops; 0 never stops early.
    patience: int = 20

    #: Weight of the game's result against the search's value in the value target.
    outcome_blend: float = 0.7
    #: Evaluation points that stand for a value of tanh(1).
    value_points: float = 2000.0
    #: Evaluation points by which one move must be better for e times the policy target.
    policy_points: float = 100.0

    #: Units of the hidden layers of both networks.
    hidden_sizes: tuple[int, ...] = (256, 128, 64, 32)
    #: Activation of the hidden layers.
    activation: str = "relu"

    #: "auto", "cpu" or "gpu".
    device: str = "auto"
    #: Worker threads of the engine; None takes one for each performance core.
    workers: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden_sizes", tuple(self.hidden_sizes))
        for name, low, high in (
            ("games", 2, 10_000_000),
            ("epochs", 1, 1_000_000),
            ("depth", 1, 8),
            ("exploration", 0, 1),
            ("seed", 0, 2**63 - 1),
            ("batch_size", 1, 1 << 22),
            ("warmup", 0, 1),
            ("dropout", 0, 0.95),
            ("validation_split", 0.001, 0.9),
            ("patience", 0, 1_000_000),
            ("outcome_blend", 0, 1),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} must be between {low} and {high}, got {value}")
        for name in ("learning_rate", "value_points", "policy_points"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} must be a positive number, got {value}")
        if not self.hidden_sizes or not all(1 <= size <= 2048 for size in self.hidden_sizes):
            raise ValueError(f"hidden_sizes must be sizes from 1 to 2048, got {self.hidden_sizes}")
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


#: The presets of `--preset`.
PRESETS = {
    "quick": Config(games=100, epochs=10, depth=3),
    "standard": Config(games=1000, epochs=50),
    "production": Config(games=5000, epochs=100),
}


def resolve(preset: str, **overrides: Any) -> Config:
    """A preset with the settings that are not None put in place of its own."""
    check_choice("preset", preset, PRESETS)
    return dataclasses.replace(
        PRESETS[preset], **{name: value for name, value in overrides.items() if value is not None}
    )
