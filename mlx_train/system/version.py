"""The version, in a module of its own: `--help` does not need what it imports."""

from importlib.metadata import version


def version_line() -> str:
    """The program and its version."""
    return f"mlx-ur {version('mlx-ur')}"
