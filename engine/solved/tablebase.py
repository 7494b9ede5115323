"""The exact solution of the game: every position's win probability under optimal play."""

import math
import os
import sys
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any, Literal

from numpy.typing import NDArray

from engine.core.rules import check_same
from engine.machine.cores import worker_count
from engine.machine.installation import command, has_command_line
from engine.solved import rgu, solving, statistics, table_file, verification
from engine.solved.solving import Progress, check_pieces, check_tolerance
from engine.solved.table import DTYPES, ROUNDING, SolvedTable
from engine.solved.verification import Verification


def default_path(pieces: int | None = None, rules: str = "finkel") -> Path:
    """Where a rule set's table of so many pieces, by default all, is: in `UR_CACHE`, or the user's cache folder."""
    pieces = check_pieces(pieces, rules)
    if os.environ.get("UR_CACHE"):
        folder = Path(os.environ["UR_CACHE"])
    elif sys.platform == "darwin":
        folder = Path.home() / "Library/Caches/mlx-ur"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME", ""))  # ignored if it is relative, as its specification says
        folder = (base if base.is_absolute() else Path.home() / ".cache") / "mlx-ur"
    return folder / f"{rules}-{pieces}.table"


class MissingTable(FileNotFoundError):
    """There is no table of the solved game; the message says how to make it.

    Attributes:
        path: the file that does not exist.
        default: whether that is the default path.
        rules: the rule set whose table is missing.
    """

    def __init__(self, path: str, default: bool, rules: str = "finkel") -> None:
        options = [] if rules == "finkel" else ["--rules", rules]
        options += [] if default else ["--output", path]
        other = "" if rules == "finkel" else f", rules={rules!r}"
        how = command("solve", *options) if has_command_line() else f"engine.Tablebase.solve(output={path!r}{other})"
        super().__init__(f"no table of the solved game at {path}: make it with `{how}`")
        self.path = path
        self.default = default
        self.rules = rules


class Tablebase(SolvedTable):
    """The win probability of every position with at most `pieces` pieces left a side.

    Made by `solve`, `open` or `from_rgu`. Look-ups are safe from any number of threads.
    """

    __slots__ = ()

    @classmethod
    def solve(
        cls,
        pieces: int | None = None,
        tolerance: float | Literal["floor"] = 1e-12,
        workers: int | None = None,
        progress: Callable[[Progress], object] | None = None,
        checkpoint: str | PathLike[str] | None = None,
        output: str | PathLike[str] | None = None,
        say: Callable[[str], object] | None = None,
        guess: NDArray[Any] | None = None,
        rules: str = "finkel",
    ) -> "Tablebase":
        """Solve a rule set's game with so many pieces a side.

        Args:
            pieces: from 1 on; by default all pieces of the rule set.
            tolerance: between 0 and 1. A layer is finished when no win probability changes by more in a sweep, or
                when float64 goes no further; "floor" always goes on until then.
            workers: threads; by default one for each performance core. The result does not depend on it.
            progress: called with a `Progress` after each layer.
            checkpoint: the file that keeps the finished layers, written every few seconds and on Ctrl-C, from
                which the next call with the same arguments goes on; by default beside `default_path(pieces, rules)`.
            output: where to save the table before the checkpoint is deleted.
            say: called with one line where a solve goes on from a checkpoint, or where a checkpoint is unusable.
            guess: one probability for each position in the table's order, as first values. The better they are, the
                fewer sweeps; the result differs from the result without them by about the tolerance.
            rules: the name of the rule set.

        Raises:
            ValueError: rules, pieces, tolerance or workers out of range; a guess of another size, or with values that
                are no probabilities.
            MemoryError: less memory is available than the solve takes; told before it begins.
            KeyboardInterrupt: after the finished layers have been written.
        """
        pieces = check_pieces(pieces, rules)
        limit = check_tolerance(tolerance)
        workers = worker_count(workers)
        if checkpoint is None:
            default = default_path(pieces, rules)
            checkpoint = default.with_name(f"{default.stem}-{tolerance}.partial")
        saved = None if output is None else Path(output)
        values, residual = solving.solve(rules, pieces, limit, workers, Path(checkpoint), progress, saved, say, guess)
        return cls.wrap(values, pieces, limit, residual, rules)

    @classmethod
    def open(cls, path: str | PathLike[str] | None = None, check: bool = True, rules: str | None = None) -> "Tablebase":
        """The table in a file, mapped into memory.

        The header and the size are always checked. `check=False` leaves out the checksum of the values, which
        reads the whole file once.

        Args:
            path: by default the whole game's, at `default_path(rules=rules)`.
            check: whether the checksum of the values is compared.
            rules: the rule set that the table must have; by default any, or at the default path Finkel's.

        Raises:
            ValueError: not a table, or one that is damaged, truncated, or of another version or rule set.
            MissingTable: there is no such file; the message says how to make it.
            OSError: the file can't be read.
        """
        usual = default_path(rules=rules or "finkel")
        file = usual if path is None else Path(path)
        try:
            header, values = table_file.read(file, check)
        except FileNotFoundError:
            raise MissingTable(str(file), file == usual, rules or "finkel") from None
        if rules is not None:
            check_same(header.rules, rules, str(file), "the game")
        return cls.wrap(values, header.pieces, header.tolerance, header.residual, header.rules)

    def save(self, path: str | PathLike[str], dtype: str = "float64") -> None:
        """Write the table as float64, float32 or uint16 (round(65535 * probability)).

        The file appears under its name only when it is complete. Values that are already rounded more
        coarsely than `dtype` are written as they are; the file's tolerance then includes the error of that rounding.

        Raises:
            ValueError: another dtype.
            OSError: the file can't be written; nothing is left behind.
        """
        if dtype not in DTYPES:
            raise ValueError(f"dtype must be one of {', '.join(DTYPES)}, not {dtype!r}")
        tolerance = self.tolerance
        if ROUNDING[self.dtype] > ROUNDING[dtype]:
            tolerance = self.bellman_limit()
        header = table_file.Header(self.rules, self.pieces, dtype, self.count, tolerance, self.residual, 0)
        table_file.write(Path(path), header, self.array)

    def to_rgu(self, path: str | PathLike[str], value_type: str = "percent16") -> None:
        """Write the published file: "percent16", "f32" or "f64" percentages.

        Raises:
            ValueError: another value type.
            OSError: the file can't be written; nothing is left behind.
        """
        rgu.write(self, path, value_type)

    @classmethod
    def from_rgu(cls, path: str | PathLike[str]) -> "Tablebase":
        """The table of a published map, in the dtype that the map has; its tolerance is unknown (NaN).

        Raises:
            ValueError: not a map, or one that is damaged, truncated, or of another version or rule set.
            OSError: the file can't be read.
        """
        values, rules, pieces, residual = rgu.read(path)
        return cls.wrap(values, pieces, math.nan, residual, rules)

    def verify(
        self,
        workers: int | None = None,
        limit: float | None = None,
        progress: Callable[[int, int], object] | None = None,
    ) -> Verification:
        """Apply the Bellman equation to every position -> `Verification`.

        Independent of the solver. `limit` is the largest residual with which the table passes: by default the tolerance
        of its solve plus the rounding of its dtype. `progress` is called now and then with (positions checked,
        positions in all).
        """
        return verification.verify(self, workers, limit, progress)

    def statistics(
        self, workers: int | None = None, progress: Callable[[int, int], object] | None = None
    ) -> dict[str, Any]:
        """The solved game in figures -> a dict that JSON can hold; docs/tablebase.md defines them.

        Every position is read twice. `progress` is called now and then with (positions read so far, twice the number of
        positions).
        """
        return statistics.statistics(self, workers, progress)
