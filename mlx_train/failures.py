"""What may go wrong without a fault in the program, and how a person is told: in one line."""

import sys

#: The exceptions of expected failures; others are faults and keep their traceback.
EXPECTED = (ValueError, OSError, FloatingPointError, RuntimeError, MemoryError)


def tell(error: BaseException) -> None:
    """Print an expected failure on stderr."""
    text = f"out of memory: {error}" if isinstance(error, MemoryError) else error
    print(f"error: {text}", file=sys.stderr, flush=True)
