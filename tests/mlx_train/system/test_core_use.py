"""How busy the processors are, as it is measured and shown."""

import re

import pytest

from mlx_train.system import core_use as module
from mlx_train.system.core_use import core_blocks, core_numbers


def test_cores():
    assert core_blocks([]) == core_numbers([]) == ""
    assert core_blocks([100.0, 0.0, 50.0]) == "cores █▁▅ 50 %"
    assert core_numbers([100.0, 0.0, 50.4]) == "cores 100 0 50 %"
    assert core_numbers([100.0, 0.0] * 8) == "16 cores 0 - 100 %, mean 50 %"


def test_use_of_the_cores_is_measured(monkeypatch):
    psutil = pytest.importorskip("psutil")
    now = [100.0]
    monkeypatch.setattr(module.time, "perf_counter", lambda: now[0])
    use = module.CoreUse()
    assert str(use) == ""  # too soon to say
    fields = type(psutil.cpu_times())
    spent = [list(map(float, times)) for times in psutil.cpu_times(percpu=True)]
    for core in spent:
        core[fields._fields.index("user")] += 3000
        core[fields._fields.index("idle")] += 1000
    monkeypatch.setattr(psutil, "cpu_times", lambda percpu: [fields(*core) for core in spent])
    now[0] += 1
    assert use.shares() == pytest.approx([75.0] * len(spent), abs=1)
    assert re.fullmatch(r"(\d+ )?cores .*75.* %", str(use))


def test_without_psutil_nothing_is_said_of_the_cores(monkeypatch):
    monkeypatch.setattr(module, "psutil", None)
    monkeypatch.setattr(module, "_SECONDS", 0.0)
    assert str(module.CoreUse()) == ""
