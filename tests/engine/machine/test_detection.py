"""Detection of the performance cores.

Every recording below is synthetic: written by hand after the documented formats, none taken from a machine.
"""

import os

import pytest

from engine.machine import cores, detection


def mac(total, *levels):
    """The lines of `sysctl hw` that matter, fastest level first (synthetic)."""
    lines = [f"hw.ncpu: {total}", f"hw.logicalcpu: {total}", "hw.memsize: 17179869184"]
    if levels:
        lines.append(f"hw.nperflevels: {len(levels)}")
    for index, (name, count) in enumerate(levels):
        lines += [f"hw.perflevel{index}.physicalcpu: {count}", f"hw.perflevel{index}.logicalcpu: {count}"]
        lines.append(f"hw.perflevel{index}.name: {name}")
    return "\n".join(lines) + "\n"


@pytest.fixture
def linux(tmp_path):
    """Write a synthetic sysfs (file -> text) and detect in it."""

    def detect(files, affinity, membership=""):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{text}\n")
        return detection.detect(sysfs=tmp_path, system="Linux", affinity=affinity, membership=membership)

    return detect


def per_cpu(name, values):
    return {f"devices/system/cpu/cpu{cpu}/{name}": value for cpu, value in enumerate(values)}


@pytest.mark.parametrize(
    ("levels", "total", "count"),
    [
        pytest.param([("Performance", 4), ("Efficiency", 4)], 8, 4, id="M1"),
        pytest.param([("Performance", 8), ("Efficiency", 2)], 10, 8, id="M1 Pro, M1 Max"),
        pytest.param([("Performance", 16), ("Efficiency", 4)], 20, 16, id="M1 Ultra"),
        pytest.param([("Performance", 4), ("Efficiency", 4)], 8, 4, id="M3"),
        pytest.param([("Performance", 4), ("Efficiency", 6)], 10, 4, id="M4"),
        pytest.param([("Super", 6), ("Performance", 12)], 18, 18, id="Super and Performance"),
        pytest.param([("Super", 4), ("Efficiency", 6)], 10, 4, id="Super and Efficiency"),
        pytest.param([("Super", 2), ("Performance", 4), ("Efficiency", 4)], 10, 6, id="three levels"),
        pytest.param([("Efficiency", 4)], 4, 4, id="efficiency cores only"),
        pytest.param([], 12, 12, id="Intel"),
    ],
)
def test_mac(levels, total, count):
    found = detection.detect(system="Darwin", sysctl=mac(total, *levels))
    assert (found.logical, found.count, found.total) == ((), count, total)
    assert all(name in found.reason for name, _ in levels)


def test_mac_without_logical_counts_takes_the_physical_ones():
    text = mac(8, ("Performance", 4), ("Efficiency", 4)).replace("perflevel0.logicalcpu", "perflevel0.other")
    assert detection.detect(system="Darwin", sysctl=text).count == 4


@pytest.mark.parametrize("text", ["", "hw.nperflevels: many\n", "nonsense", "hw.nperflevels: 2\n"])
def test_mac_with_a_useless_recording_takes_all(text):
    assert detection.detect(system="Darwin", sysctl=text).count == (os.cpu_count() or 1)


def test_hybrid_intel_keeps_the_performance_cores_and_their_siblings(linux):
    files = {"devices/cpu_core/cpus": "0-15", "devices/cpu_atom/cpus": "16-23", "devices/system/cpu/online": "0-23"}
    found = linux(files, range(24))
    assert found.logical == tuple(range(16))
    assert (found.count, found.total) == (16, 24)
    assert "hybrid" in found.reason


def test_hybrid_intel_confined_to_efficiency_cores_uses_them(linux):
    files = {"devices/cpu_core/cpus": "0-7", "devices/cpu_atom/cpus": "8-11", "devices/system/cpu/online": "0-11"}
    found = linux(files, [8, 9])
    assert found.logical == (8, 9)
    assert "none of them allowed" in found.reason


def test_big_little(linux):
    files = per_cpu("cpu_capacity", [406] * 4 + [1024] * 4) | {"devices/system/cpu/online": "0-7"}
    found = linux(files, range(8))
    assert found.logical == (4, 5, 6, 7)
    assert "cpu_capacity" in found.reason


def test_big_little_with_a_prime_core_keeps_the_middle_ones(linux):
    found = linux(per_cpu("cpu_capacity", [290] * 4 + [871] * 3 + [1024]), range(8))
    assert found.logical == (4, 5, 6, 7)


def test_hybrid_by_frequency_where_capacities_say_nothing(linux):
    files = per_cpu("cpu_capacity", [1024] * 6) | per_cpu(
        "cpufreq/cpuinfo_max_freq", [5700000, 5500000, 4600000, 4600000, 4600000, 4600000]
    )
    found = linux(files, range(6))
    assert found.logical == (0, 1)
    assert "cpuinfo_max_freq" in found.reason


def test_favoured_cores_are_no_reason_to_leave_the_others(linux):
    frequencies = [5750000, 5750000, 5600000, 5450000, 5250000, 5250000]
    assert linux(per_cpu("cpufreq/cpuinfo_max_freq", frequencies), range(6)).count == 6


def test_incomplete_or_garbled_frequencies_are_ignored(linux):
    assert linux(per_cpu("cpufreq/cpuinfo_max_freq", [5000000, "<unknown>", 2000000]), range(4)).count == 4


def test_plain_server(linux):
    found = linux({"devices/system/cpu/online": "0-63"}, range(64))
    assert (found.count, found.total, found.reason) == (64, 64, "all alike")


def test_restricted_affinity(linux):
    found = linux({"devices/system/cpu/online": "0-63"}, [3, 5, 40])
    assert (found.logical, found.count, found.total) == ((3, 5, 40), 3, 64)
    assert "affinity allows 3 of 64" in found.reason


@pytest.mark.parametrize(
    ("limit", "count"),
    [("max 100000", 8), ("200000 100000", 2), ("150000 100000", 2), ("10000 100000", 1), ("nonsense", 8)],
)
def test_container_quota(linux, limit, count):
    found = linux({"fs/cgroup/cpu.max": limit}, range(8), membership="0::/\n")
    assert (found.count, len(found.logical)) == (count, 8)
    assert ("quota" in found.reason) == (count < 8)


def test_quota_is_the_smallest_of_the_group_and_those_above(linux):
    files = {"fs/cgroup/a/b/cpu.max": "500000 100000", "fs/cgroup/a/cpu.max": "300000 100000"}
    assert linux(files, range(8), membership="0::/a/b\n").count == 3


@pytest.mark.parametrize("folder", ["cpu", "cpu,cpuacct"])
@pytest.mark.parametrize(("quota", "count"), [(250000, 3), (-1, 8)])
def test_container_quota_of_version_1(linux, folder, quota, count):
    files = {
        f"fs/cgroup/{folder}/docker/1/cpu.cfs_quota_us": quota,
        f"fs/cgroup/{folder}/docker/1/cpu.cfs_period_us": 100000,
    }
    assert linux(files, range(8), membership="4:cpu,cpuacct:/docker/1\n1:name=systemd:/\n").count == count


def test_another_system_uses_every_processor():
    found = detection.detect(system="Plan9")
    assert found.count == found.total == (os.cpu_count() or 1)


def test_this_machine():
    found = detection.detect()
    assert 1 <= found.count <= found.total
    assert cores.worker_count(None) == found.count
