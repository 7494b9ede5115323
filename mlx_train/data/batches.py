"""Batches: rows whose class names the kind of their inputs, and the share of the rows that a process makes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np


class Share(NamedTuple):
    """The part of the work that this process does: part `rank`, counted from 0, of `size` equal parts."""

    rank: int = 0
    size: int = 1

    def of(self, count: int) -> slice:
        """The slice of `count` items that this process handles.

        The slices of all ranks cover every item once, in order.
        """
        return slice(self.rank * count // self.size, (self.rank + 1) * count // self.size)


#: Everything: the share of a process that works alone.
ALL = Share()


@dataclass(frozen=True)
class Rows:
    """Rows for one network: inputs, of the kind that the subclass says, and labels.

    The arrays are numpy's, or MLX's once the rows have crossed to its device (`mlx_train.data.transfer`).

    Attributes:
        inputs: n rows.
        labels: for the value network (n,) float32, 2 p - 1 for the win probability p of the side to move; for the
            policy network (n, 7) float32, probabilities by policy slot, and (n, 7) bool, which slots are legal moves.
    """

    inputs: Any
    labels: tuple[Any, ...] = ()

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def arrays(self) -> list[Any]:
        """The inputs, then the labels."""
        return [self.inputs, *self.labels]

    def each(self, change: Callable[[Any], Any]) -> Self:
        """Rows of the same kind with every array changed."""
        return type(self)(change(self.inputs), tuple(map(change, self.labels)))

    def __getitem__(self, rows: slice) -> Self:
        return self.each(lambda array: array[rows])

    @classmethod
    def joined(cls, parts: "Sequence[Rows]") -> "Rows":
        """All rows of parts of one kind, in their order; a single part itself, not a copy."""
        if len(parts) == 1:
            return parts[0]
        columns = zip(*(part.arrays for part in parts), strict=True)
        inputs, *labels = (np.concatenate(column) for column in columns)
        return type(parts[0])(inputs, tuple(labels))


class FeatureRows(Rows):
    """Inputs are features before scaling, (n, features) uint8: `engine.extract_features_bytes`."""


class PackedRows(Rows):
    """Inputs are packed positions with their roll, (n, 2) uint32, of which a GPU makes the features.

    The layout of a row: `mlx_train.device.feature_kernel.feature_bytes`.
    """


class TableEntries(Rows):
    """Inputs are entries of the solved game's table, (n,) uint32, of which a GPU makes the features and the labels.

    Without labels: `mlx_train.device.table_kernel.DeviceTable` has them.
    """


class Batch(NamedTuple):
    """Rows of one training step for each network; None for a network that is not trained."""

    value: Rows | None = None  # positions before their roll
    policy: Rows | None = None  # decisions: positions with their roll

    def of(self, network: str) -> Rows:
        """The rows of the "value" or the "policy" network. Raises ValueError where the batch has none."""
        rows = self.value if network == "value" else self.policy
        if rows is None:
            raise ValueError(f"a batch without rows for the {network} network")
        return rows


def joined(parts: Sequence[Batch]) -> Batch:
    """One batch of all rows of several with rows for the same networks."""
    return Batch(*(None if rows[0] is None else Rows.joined(rows) for rows in zip(*parts, strict=True)))
