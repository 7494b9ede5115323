"""Which program and which machine a result comes from: versions, system, source revision."""

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from engine.core.features import FEATURE_SET

#: The packages whose versions decide what is computed.
_PACKAGES = ("mlx", "numpy", "mlx-ur")

_GIT_SECONDS = 10  # that one call of git may take


def provenance() -> dict[str, Any]:
    """What a result depends on besides its settings, as plain JSON values; None for what is not installed."""
    revision, committed = source_revision()
    return {
        "feature_set": FEATURE_SET,
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in _PACKAGES},
        "system": platform.platform(),
        "machine": platform.machine(),
        "source_revision": revision,
        "source_committed_at": committed,
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def source_revision() -> tuple[str | None, str | None]:
    """(git revision, with "-dirty" where files were changed; time of the commit), or Nones outside a checkout."""
    try:
        revision, committed = _git("log", "-1", "--format=%H %cI").split()
        dirty = "-dirty" if _git("status", "--porcelain", "--untracked-files=no") else ""
    except (OSError, subprocess.SubprocessError, ValueError):
        return None, None
    return revision + dirty, committed


def _git(*arguments: str) -> str:
    """The output of a git command on this checkout. Raises OSError, subprocess.SubprocessError."""
    folder = Path(__file__).parent
    command = ["git", *arguments]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=True, timeout=_GIT_SECONDS
    ).stdout.strip()


def processor() -> str:
    """The processor's name, as the system gives it."""
    try:
        if platform.system() == "Darwin":
            command = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration, subprocess.SubprocessError):
        return platform.processor() or platform.machine()
