"""The most memory that this process has used, for summaries."""

import resource
import sys

from engine.machine.memory import gibibytes


def process_peak_memory() -> int:
    """The most bytes of memory that this process has had resident."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def peaks(mlx: int | None = None) -> dict[str, int]:
    """The most bytes that the process has had, and MLX (`mlx`) where it has trained: for summaries."""
    process = {"process": process_peak_memory()}
    return process if mlx is None else {"mlx": mlx, **process}


def peak_text(peak: dict[str, int]) -> str:
    """`peaks` of a training as a person reads it."""
    return f"peak memory {gibibytes(peak['process'])} (MLX {gibibytes(peak['mlx'])})"
