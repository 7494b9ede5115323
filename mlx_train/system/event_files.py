"""Event files for TensorBoard: the numbers of metrics.jsonl once more. Needs the extra `tensorboard`."""

from pathlib import Path
from types import TracebackType
from typing import Any

MISSING = "TensorBoard is not installed here: pip install 'mlx-ur[tensorboard]', or leave out --tensorboard"


def require() -> Any:
    """TensorBoard's writer of event files. Raises RuntimeError, saying how to install it, where it is missing."""
    try:
        from tensorboard.summary import Writer
    except ImportError:
        raise RuntimeError(MISSING) from None
    return Writer


class Events:
    """Writes one event file into a folder; the numbers of an epoch stand at its step. Use it in a `with` statement.

    Raises RuntimeError where TensorBoard is missing.
    """

    def __init__(self, folder: Path):
        self._writer = require()(str(folder))

    def add(self, metrics: dict[str, Any]) -> None:
        """Add one epoch: `metrics` as in metrics.jsonl, with its "step"."""
        for name, value in metrics.items():
            if name != "step":
                self._writer.add_scalar(tag(name), value, metrics["step"])
        self._writer.flush()

    def __enter__(self) -> "Events":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()


def tag(name: str) -> str:
    """Where TensorBoard shows a number, losses of one network in one group: train_value_loss -> value/train_loss."""
    for network in ("value", "policy"):
        if f"_{network}_" in name:
            return f"{network}/{name.replace(f'_{network}_', '_')}"
    return f"run/{name}"
