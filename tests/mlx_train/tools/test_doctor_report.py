"""The report of a machine: complete, and without names."""

import getpass
import json
import socket
from pathlib import Path

import numpy as np
import pytest

from engine.core.features import extract_features_bytes
from engine.games.exact_rows import value_batch
from mlx_train.device.backend import mx
from mlx_train.tools import doctor_report
from mlx_train.tools.doctor_report import anonymous, compare_kernels, solver, write_report


def test_a_part_that_fails_does_not_cost_the_others(tmp_path, monkeypatch):
    def fail():
        raise RuntimeError(f"no {Path.home()}/chip of {getpass.getuser()}")

    monkeypatch.setattr(doctor_report, "page_figures", fail)
    monkeypatch.setattr(doctor_report, "examine", lambda: {"versions": {"mlx": "1"}})
    report = write_report(tmp_path / "report.json")
    assert json.loads((tmp_path / "report.json").read_text()) == report
    assert report["page"]["error"].startswith("RuntimeError: no ")
    assert report["cores"]["total"] >= report["cores"]["count"] >= 1
    assert report["processor"]
    assert report["kernels"] == {"missing": "MLX finds no GPU"}
    assert [layer["layer"] for layer in report["solver"]["layers"]][-1] == [4, 4]
    assert str(Path.home()) not in (tmp_path / "report.json").read_text()


def test_names_are_left_out(monkeypatch):
    monkeypatch.setattr(getpass, "getuser", lambda: "adalovelace")
    monkeypatch.setattr(socket, "gethostname", lambda: "difference-engine")
    monkeypatch.setenv("HOME", "/home/adalovelace")
    value = {"a": ["/home/adalovelace/x", 3], "b": ("difference-engine by adalovelace", None)}
    assert anonymous(value) == {"a": ["~/x", 3], "b": ["HOST by USER", None]}


def test_the_first_layers():
    result = solver()
    assert len(result["layers"]) == 6
    assert result["residual"] <= 1e-12
    assert all(layer["seconds"] >= 0 for layer in result["layers"])


@pytest.mark.parametrize("wrong", [0, 1])
def test_what_differs_is_counted(monkeypatch, wrong):
    """Stand-ins that are right, or wrong in one byte, one row and one value."""
    solved = []

    class Table:
        def __init__(self, table):
            solved.append(table)

        def rows(self, entries):
            features, targets = value_batch(solved[0], len(entries), 1, 2, play_share=0.5)
            features[0, 0] ^= wrong
            return mx.array(features), mx.array(targets)

    def features_of(rows):
        words = np.ascontiguousarray(np.array(rows)).view(np.uint64)[:, 0]
        features = extract_features_bytes(words & np.uint64((1 << 48) - 1), (words >> np.uint64(48)).astype(np.uint8))
        features[0, 0] ^= wrong
        return features

    def values(pieces):
        found = solved[0].array.astype(np.float32)
        found[5] += 0.25 * wrong
        return found

    monkeypatch.setattr(doctor_report, "DeviceTable", Table)
    monkeypatch.setattr(doctor_report.feature_kernel, "feature_bytes", features_of)
    monkeypatch.setattr(doctor_report.solver_kernel, "first_values", values)
    result = compare_kernels()
    assert result["feature_bytes"] == 3_000_000
    assert (result["differing_feature_bytes"], result["differing_rows"]) == (wrong, wrong)
    assert result["largest_difference_of_a_win_probability"] == pytest.approx(0.25 * wrong, abs=1e-6)
