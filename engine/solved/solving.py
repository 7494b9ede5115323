"""Solving the game: the layers in turn, kept in a file as they are finished."""

import errno
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.core.rules import rules as rule_set
from engine.machine.memory import check_memory
from engine.solved.order import layer_end, layer_size, layers_of
from engine.solved.solver import SLACK, solve_layers
from engine.solved.table_file import Header, write
from engine.solved.unfinished import UnfinishedSolve


class Progress(NamedTuple):
    """How far a solve is, after each layer.

    Attributes:
        layer: pieces borne off by the side that is ahead, and by the other.
        layers_done: layers finished, this one included.
        layers_total: layers of the game.
        positions_done: positions of the finished layers.
        positions_total: positions of the game that are not over.
        sweeps: passes over this layer.
        residual: the largest change of a win probability in its last sweep.
        elapsed: seconds since the start.
        left: seconds left, estimated.
        resumed: positions that came out of a checkpoint.
    """

    layer: tuple[int, int]
    layers_done: int
    layers_total: int
    positions_done: int
    positions_total: int
    sweeps: int
    residual: float
    elapsed: float
    left: float
    resumed: int


def check_pieces(pieces: Any, rules: str = "finkel") -> int:
    """The number of pieces a side, None for all of the rule set. Raises ValueError for one that its game can't have."""
    most = rule_set(rules).pieces
    if pieces is None:
        return most
    if isinstance(pieces, bool) or not isinstance(pieces, int) or not 1 <= pieces <= most:
        raise ValueError(f"pieces must be 1 to {most}, not {pieces!r}")
    return pieces


def check_tolerance(tolerance: Any) -> float:
    """The tolerance as a number, 0 for the floor of float64. Raises ValueError."""
    if tolerance == "floor":
        return 0.0
    if isinstance(tolerance, (str, bool)) or not 0 < tolerance < 1:  # also false for NaN
        raise ValueError(f"tolerance must be between 0 and 1, or 'floor', not {tolerance!r}")
    return float(tolerance)


def memory_needed(pieces: int, rules: str = "finkel") -> int:
    """The bytes that a solve takes: the values, and one side's turn of two layers (`solve_layers`)."""
    work = layer_size(pieces, pieces, rules) + layer_size(pieces, pieces - 1, rules)
    return np.dtype(np.float64).itemsize * (layer_end(pieces, pieces, rules) + work)


def _check_guess(guess: Any, pieces: int, total: int) -> None:
    if np.shape(guess) != (total,):
        raise ValueError(f"a guess for {pieces} pieces has {total} values, not {np.shape(guess)}")
    if not (np.min(guess) >= 0 and np.max(guess) <= 1):  # also false for NaN
        raise ValueError("a guess consists of probabilities, from 0 to 1")


def solve(
    rules: str,
    pieces: int,
    tolerance: float,
    workers: int,
    checkpoint: Path,
    progress: Callable[[Progress], object] | None,
    output: Path | None,
    say: Callable[[str], object] | None,
    guess: NDArray[Any] | None,
) -> tuple[NDArray[np.float64], float]:
    """See `Tablebase.solve` -> (win probabilities in the table's order, the largest residual of a layer)."""
    check_memory(memory_needed(pieces, rules), f"solving {rules} with {pieces} pieces a side")
    unfinished = UnfinishedSolve(checkpoint, rules, pieces, tolerance, say)
    most = rule_set(rules).pieces
    layers = layers_of(pieces)
    ends = [0, *(layer_end(*layer, rules) for layer in layers)]
    total = ends[-1]
    values = np.empty(total + SLACK)
    if guess is not None:
        _check_guess(guess, pieces, total)
    began = time.monotonic()
    finished, residual = unfinished.read(values, ends)
    resumed = ends[finished]
    if guess is not None:
        values[resumed:total] = guess[resumed:]
    try:
        for sweeps, change in solve_layers(values, layers, finished, tolerance, workers, guess is not None, rules):
            finished += 1
            residual = max(residual, change)
            if progress is not None:
                leader, follower = layers[finished - 1]
                layer = most - leader, most - follower
                elapsed, end = time.monotonic() - began, ends[finished]
                left = elapsed * (total - end) / (end - resumed)
                progress(Progress(layer, finished, len(layers), end, total, sweeps, change, elapsed, left, resumed))
            unfinished.keep(values[: ends[finished]], residual)
        if output is not None:
            _save(values[:total], Header(rules, pieces, "float64", total, tolerance, residual, 0), output, unfinished)
    except BaseException as error:
        unfinished.keep(values[: ends[finished]], residual, now=True)
        unfinished.close()
        if isinstance(error, KeyboardInterrupt) and say is not None and finished:
            say(
                f"interrupted: {finished} of {len(layers)} layers are kept in {checkpoint}; "
                "the same command goes on from there"
            )
        raise
    unfinished.remove()
    return values[:total], residual


def _save(values: NDArray[np.float64], header: Header, path: Path, unfinished: UnfinishedSolve) -> None:
    """Save a solved table. If the disk is too full for it, delete the file of the unfinished solve and write again."""
    try:
        write(path, header, values)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        unfinished.remove()
        write(path, header, values)
