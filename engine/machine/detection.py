"""Which processors are performance cores, on macOS and on Linux.

Self-play and search finish when their slowest worker does, so a worker on an efficiency core holds up the
rest: only performance cores get one. Hardware threads of one core (SMT siblings) count as workers of their
own: search is bound by branches and memory latency, which siblings hide for each other, and on rented
machines a processor is commonly a hardware thread: one worker a core would leave half of them idle.
"""

import math
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

# A core below this part of the largest `cpu_capacity` (Linux's measure of speed, 1024 for the fastest core)
# is an efficiency core. It separates little cores (the device tree of the RK3588 gives its Cortex-A55 530
# where its Cortex-A76 has 1024, before the lower clock) from the middle ones of chips that have three kinds.
CAPACITY_SHARE = 0.6

# A core below this part of the highest maximum frequency is an efficiency core. Identical cores differ a
# little where some are favoured (published boosts of a Ryzen 9 7950X3D: 5.25 and 5.75 GHz, 0.91); efficiency
# cores differ more (Core Ultra 9 285K: 4.6 and 5.7 GHz, 0.81).
FREQUENCY_SHARE = 0.85


@dataclass(frozen=True, kw_only=True)
class Cores:
    """The performance cores that this process may use.

    Attributes:
        system: "Linux", "Darwin" or another name that `platform.system()` gives.
        logical: ids of the usable processors that are performance cores; empty where there is no affinity.
        count: how many workers to start.
        total: processors of the machine, of every kind.
        reason: why the count is what it is, in one line.
    """

    system: str
    logical: tuple[int, ...]
    count: int
    total: int
    reason: str


def detect(
    sysfs: Path = Path("/sys"),
    sysctl: str | None = None,
    system: str | None = None,
    affinity: Iterable[int] | None = None,
    cgroup: Path | None = None,
    membership: str | None = None,
) -> Cores:
    """Find the performance cores. The arguments replace the running system's answers, for tests.

    Args:
        sysfs: Linux's sysfs.
        sysctl: macOS: the output of `sysctl hw`.
        system: as `platform.system()`.
        affinity: Linux: ids of the processors that the process may run on.
        cgroup: Linux: where control groups are mounted, by default `fs/cgroup` in sysfs.
        membership: Linux: the text of `/proc/self/cgroup`.
    """
    system = platform.system() if system is None else system
    if system == "Darwin":
        return _detect_macos(_read_sysctl() if sysctl is None else sysctl)
    if system == "Linux":
        allowed = frozenset(_own_affinity(sysfs) if affinity is None else affinity)
        mount = sysfs / "fs/cgroup" if cgroup is None else cgroup
        groups = _read(Path("/proc/self/cgroup")) if membership is None else membership
        return _detect_linux(sysfs, allowed, _cgroup_quota(mount, groups))
    total = os.cpu_count() or 1
    return Cores(system=system, logical=(), count=total, total=total, reason=f"all: no detection for {system}")


def _read_sysctl() -> str:
    try:
        return subprocess.run(
            ["/usr/sbin/sysctl", "hw"], capture_output=True, text=True, check=False, timeout=10
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ""


def _detect_macos(sysctl: str) -> Cores:
    """Count the processors of every level that is not called Efficiency.

    Not "the level called Performance": newer chips have Super and Performance, and none called Efficiency.
    """
    pairs = (line.partition(":") for line in sysctl.splitlines())
    values = {key.strip(): value.strip() for key, _, value in pairs}
    levels = [
        (
            values.get(f"hw.perflevel{level}.name", f"level {level}"),
            _first_count(values, f"hw.perflevel{level}.logicalcpu", f"hw.perflevel{level}.physicalcpu"),
        )
        for level in range(_first_count(values, "hw.nperflevels"))
    ]
    total = _first_count(values, "hw.logicalcpu", "hw.ncpu") or sum(count for _, count in levels)
    total = total or os.cpu_count() or 1
    described = " + ".join(f"{count} {name}" for name, count in levels)
    fast = sum(count for name, count in levels if name != "Efficiency")
    if fast:
        return Cores(system="Darwin", logical=(), count=fast, total=total, reason=f"sysctl: {described}")
    why = f"none but {described}" if described else "no performance levels"
    return Cores(system="Darwin", logical=(), count=total, total=total, reason=f"sysctl: {why}, so all")


def _first_count(values: Mapping[str, str], *keys: str) -> int:
    """The first of the keys that stands for a whole number; 0 if none does."""
    return next((int(values[key]) for key in keys if values.get(key, "").isdecimal()), 0)


def _detect_linux(sysfs: Path, allowed: frozenset[int], quota: int | None) -> Cores:
    fast, reason = _linux_performance(sysfs, allowed)
    if not fast:
        fast, reason = allowed, f"{reason}, none of them allowed, so all that are"
    total = max(len(_parse_cpus(_read(sysfs / "devices/system/cpu/online"))), len(allowed))
    if len(allowed) < total:
        reason += f"; affinity allows {len(allowed)} of {total}"
    count = len(fast)
    if quota is not None and quota < count:
        count = quota
        reason += f"; container quota {quota}"
    return Cores(system="Linux", logical=tuple(sorted(fast)), count=count, total=total, reason=reason)


def _linux_performance(sysfs: Path, allowed: frozenset[int]) -> tuple[frozenset[int], str]:
    """The performance cores among the allowed ones, and by which of Linux's three sources."""
    core = _parse_cpus(_read(sysfs / "devices/cpu_core/cpus"))
    atom = _parse_cpus(_read(sysfs / "devices/cpu_atom/cpus"))
    if core and atom:
        return allowed & core, f"hybrid core types: {len(core)} core, {len(atom)} atom"

    # Where every core has the same capacity (x86 kernels give 1024 for all), it says nothing: go on.
    for name, share in (("cpu_capacity", CAPACITY_SHARE), ("cpufreq/cpuinfo_max_freq", FREQUENCY_SHARE)):
        speeds = {cpu: _read(sysfs / f"devices/system/cpu/cpu{cpu}/{name}").strip() for cpu in allowed}
        if not all(speed.isdecimal() for speed in speeds.values()):
            continue
        fastest = max(int(speed) for speed in speeds.values())
        fast = frozenset(cpu for cpu, speed in speeds.items() if int(speed) >= share * fastest)
        if fast != allowed:
            return fast, f"{Path(name).name}: {len(fast)} of {len(allowed)} reach {share} of the highest"
    return allowed, "all alike"


def _own_affinity(sysfs: Path) -> set[int]:
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return _parse_cpus(_read(sysfs / "devices/system/cpu/online")) or set(range(os.cpu_count() or 1))


def _cgroup_quota(mount: Path, membership: str) -> int | None:
    """Processors that the container's quota is worth, rounded up; None without one.

    The process's control group and each above it may hold a quota: the smallest counts. Inside a container
    the mount shows the container's own group as the root, and the path in `membership` may be missing there.
    """
    shares = []
    for line in [*membership.splitlines(), "0::/", "0:cpu:/"]:
        _, controllers, group = line.split(":", 2) if line.count(":") >= 2 else ("", "-", "")
        if controllers == "":  # version 2
            roots = [mount, mount / "unified"]
        elif "cpu" in controllers.split(","):  # version 1
            roots = [mount / "cpu", mount / "cpu,cpuacct"]
        else:
            continue
        path = Path(group.strip("/"))
        for root in roots:
            for folder in [path, *path.parents]:
                shares.append(_group_share(root / folder))
    limits = [share for share in shares if share is not None]
    return max(1, math.ceil(min(limits))) if limits else None


def _group_share(folder: Path) -> float | None:
    """Quota over period of one control group, of either version; None where it sets no limit."""
    fields = _read(folder / "cpu.max").split()  # version 2: "max 100000" or "150000 100000"
    if not fields:
        fields = [*_read(folder / "cpu.cfs_quota_us").split(), *_read(folder / "cpu.cfs_period_us").split()]
    if len(fields) != 2 or not all(field.isdecimal() for field in fields) or int(fields[1]) == 0:
        return None  # "max", or version 1's -1
    return int(fields[0]) / int(fields[1])


def _parse_cpus(text: str) -> set[int]:
    """The ids in a list such as "0-3,8"; empty if it can't be read."""
    cpus: set[int] = set()
    with suppress(ValueError):
        for part in text.strip().split(","):
            first, _, last = part.partition("-")
            cpus.update(range(int(first), int(last or first) + 1))
    return cpus


def _read(path: Path) -> str:
    """The file's text; empty where it is missing or unreadable."""
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        return ""
