"""The interface between the trainer and the teachers: a source of batches."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any

from engine.network.network import Network
from mlx_train.data.batches import ALL, Batch, Share

if TYPE_CHECKING:
    from mlx_train.device.table_kernel import DeviceTable

#: Returns the network that plays during an epoch; only a source that plays games calls it.
Player = Callable[[], Network]


class Source(ABC):
    """Where batches come from: numpy arrays, all of one size but for the last batch of the validation.

    With several processes each makes its `share` of the rows of every batch, in order.

    Attributes:
        batch_size: rows of a batch, of all processes together.
        steps_per_epoch: batches of an epoch.
        total_steps: batches of all epochs, over which the learning rate falls.
        share: this process's share of the rows.
        batches_per_transfer: how many batches are copied to the device at once.
    """

    batch_size: int
    steps_per_epoch: int
    total_steps: int
    share: Share = ALL
    batches_per_transfer: int = 1

    @property
    def device_table(self) -> "DeviceTable | None":
        """The table on the GPU, for batches of `TableEntries`; None for a source that has none."""
        return None

    @abstractmethod
    def epoch(self, number: int, first: int = 0, player: Player | None = None) -> Generator[Batch, None, None]:
        """The training batches of an epoch, counted from 1; the same for the same number and player.

        first: how many batches at its beginning are left out.
        """

    def validation(self) -> Iterator[Batch]:
        """The validation batches, the same each time; by default none, and no epoch is validated."""
        return iter(())

    def metrics(self) -> dict[str, int]:
        """What an epoch's `EpochMetrics` say beside the losses; by default nothing."""
        return {}

    def facts(self) -> dict[str, Any]:
        """What the metadata of the finished weights says of the source; by default nothing."""
        return {}

    def state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """-> (a tree of arrays, JSON values by name), which a checkpoint keeps for `restore`. By default empty."""
        return {}, {}

    def restore(self, arrays: dict[str, Any], values: dict[str, Any]) -> None:
        """Restore the result of `state`, before the first epoch. By default both arguments must be empty."""
        if arrays or values:
            raise ValueError(f"{type(self).__name__} has no state")
