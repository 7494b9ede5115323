"""What may go wrong without a fault in the program, and how a person is told: in one line."""

import sys

#: The exceptions of expected failures; others are faults and keep their traceback.
EXPECTED = (ValueError, OSError, FloatingPointError, RuntimeError, MemoryError)


def tell(error: BaseException) -> None:
    """Print an expected failure on stderr."""
    text = str(error)
    if isinstance(error, MemoryError):
        text = f"out of memory: {error}"
    elif isinstance(error, OSError) and error.filename is not None:
        text = f"{error.filename}: {error.strerror}"  # without the number
    print(f"error: {text}", file=sys.stderr, flush=True)
