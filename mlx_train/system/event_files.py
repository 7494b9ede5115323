"""Event files for TensorBoard, with the numbers of metrics.jsonl. They need the extra `tensorboard`."""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from engine.machine.installation import install_advice


def require() -> Any:
    """TensorBoard's class that writes event files. Raises RuntimeError, with how to install it, if it is missing."""
    try:
        from tensorboard.summary import Writer
    except ModuleNotFoundError:
        raise RuntimeError(f"{install_advice('tensorboard')}, or leave out --tensorboard") from None
    return Writer


class Events:
    """Writes one event file into a folder, in a `with` statement. Raises RuntimeError where TensorBoard is missing."""

    def __init__(self, folder: Path, history: Sequence[dict[str, Any]]):
        """history: the lines of metrics.jsonl so far.

        The new file has them too, and replaces the files of earlier calls: they may have epochs that a kill has undone.
        """
        writer = require()
        earlier = list(folder.glob("*tfevents*"))
        self._writer = writer(str(folder))
        for metrics in history:
            self.add(metrics)
        for path in earlier:
            path.unlink()

    def add(self, metrics: dict[str, Any]) -> None:
        """Add the numbers of one epoch at its step: `metrics` as in metrics.jsonl."""
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
    """The tag that TensorBoard shows a number under; it groups by network: train_value_loss -> value/train_loss."""
    for network in ("value", "policy"):
        if f"_{network}_" in name:
            return f"{network}/{name.replace(f'_{network}_', '_')}"
    return f"run/{name}"
