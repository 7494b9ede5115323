"""Expected failures, which are no fault of the program, and the one line that reports them."""

import sys

from mlx_train.system.text import printable_lines

#: The exceptions of expected failures. Any other exception is a fault of the program and keeps its traceback.
EXPECTED = (ValueError, OSError, FloatingPointError, RuntimeError, MemoryError)


def tell(error: BaseException) -> None:
    """Print an expected failure on stderr."""
    text = str(error)
    if isinstance(error, MemoryError):
        text = f"out of memory: {error}"
    elif isinstance(error, OSError) and error.filename is not None:
        text = f"{error.filename}: {error.strerror}"  # without the error's number
    print(f"error: {printable_lines(text)}", file=sys.stderr, flush=True)
