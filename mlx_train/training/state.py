"""How far a training is, and the measures of each of its epochs."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class EpochMetrics:
    """What was measured in one epoch. Losses are means over the decisions; None where nothing was measured."""

    epoch: int
    step: int  # steps of the optimizers so far
    learning_rate: float
    validation_loss: float | None = None  # sum over the networks that are trained
    samples_per_second: float  # decisions trained on
    waiting: float  # share of the epoch spent waiting for data and handing them to MLX
    seconds: float
    peak_memory_bytes: int  # the most bytes that MLX held
    process_peak_memory_bytes: int  # the most bytes that were resident in the process
    train_value_loss: float | None = None  # mean squared (or absolute, by configuration) error of 2 p - 1
    train_policy_loss: float | None = None  # cross entropy, nats
    validation_value_loss: float | None = None
    validation_policy_loss: float | None = None
    validation_policy_accuracy: float | None = None  # share of decisions whose best move is the most probable
    own_games: int | None = None  # games of the network against itself so far, whose returns are the labels

    def to_dict(self) -> dict[str, float]:
        """As plain JSON values; what was not measured is left out."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def best_epochs(history: Sequence[EpochMetrics]) -> dict[str, EpochMetrics]:
    """The epoch of the lowest validation loss of each network that is trained, the first among equals.

    The last epoch once the network learns from its own games: every epoch has other games and returns, so their losses
    do not compare. Empty for a history without validation losses.
    """
    if history and history[-1].own_games is not None:
        history = history[-1:]
    rows = [row.to_dict() for row in history]
    return {
        name: history[min(range(len(rows)), key=lambda i, key=key: rows[i][key])]  # type: ignore[misc]
        for name in ("value", "policy")
        if rows and (key := f"validation_{name}_loss") in rows[0]
    }


@dataclass(kw_only=True)
class TrainingState:
    """How far the training is. This state and the trainer's arrays determine the rest of the training."""

    epoch: int = 1  # the epoch under way, counted from 1
    step: int = 0  # batches of this epoch that were trained on
    updates: int = 0  # steps of the optimizers in all
    loss_sums: list[float] = field(default_factory=list)  # each network's sum of losses over this epoch
    history: list[EpochMetrics] = field(default_factory=list)  # metrics of the finished epochs that were validated
    seconds: float = 0.0  # duration of the training without its pauses
    cpu_seconds: float = 0.0  # processor time of the training, summed over threads
    finished: bool = False

    def __post_init__(self) -> None:
        self.start_clock()

    def start_clock(self) -> None:
        """Count no time before now."""
        self._counted = time.perf_counter(), time.process_time()

    def count_time(self) -> None:
        """Add the time since the last call, or since `start_clock`, to `seconds` and `cpu_seconds`."""
        wall, processor = self._counted
        self.start_clock()
        self.seconds += self._counted[0] - wall
        self.cpu_seconds += self._counted[1] - processor

    @property
    def peak_memory_bytes(self) -> int:
        """The most bytes that MLX has held in a finished epoch."""
        return max(row.peak_memory_bytes for row in self.history)

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self) | {"history": [metrics.to_dict() for metrics in self.history]}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "TrainingState":
        """The inverse of `to_dict`. Raises TypeError or KeyError for anything else."""
        history = [EpochMetrics(**row) for row in values["history"]]
        numbers = [*values["loss_sums"], values["seconds"], values["cpu_seconds"]]
        numbers += [number for row in history for number in row.to_dict().values()]
        counts = [values["epoch"], values["step"], values["updates"], *(row.epoch for row in history)]
        if not (all(type(number) in (int, float) for number in numbers) and type(values["finished"]) is bool):
            raise TypeError("a training's state is numbers")
        if not all(type(count) is int and count >= 0 for count in counts):
            raise TypeError("a training's epochs and steps are counted")
        return cls(**values | {"history": history})
