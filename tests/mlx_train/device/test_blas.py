"""OpenBLAS under MLX, in processes of their own: it has to come before the first import of mlx.core."""

import json
import os
import subprocess
import sys

import pytest

PRODUCT = """
import json
import numpy as np
from mlx_train.device import blas
{before}
status = blas.prefer_openblas()
import mlx.core as mx
mx.set_default_device(mx.cpu)
generator = np.random.default_rng(2)
a = generator.standard_normal((512, 150), dtype=np.float32)
b = generator.standard_normal((150, 256), dtype=np.float32)
product = mx.array(a) @ mx.array(b)
mx.eval(product)
exact = a.astype(np.float64) @ b.astype(np.float64)
error = np.abs(np.array(product) - exact).max() / np.abs(exact).max()
answer = dict(active=status.active, reason=status.reason, library=status.library, calls=blas.call_count())
print(json.dumps(answer | dict(again=blas.prefer_openblas() == status, error=float(error))))
"""

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="macOS has Accelerate")


def multiply(before="", **environment):
    """Run a matrix product in a fresh process and return what it says."""
    pytest.importorskip("mlx")
    result = subprocess.run(
        [sys.executable, "-c", PRODUCT.format(before=before)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environment,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@linux_only
def test_mlx_multiplies_by_openblas():
    pytest.importorskip("scipy_openblas32")
    answer = multiply(UR_BLAS="1")
    assert answer["active"], answer["reason"]
    assert "openblas" in answer["library"]
    assert answer["again"]
    assert answer["calls"] > 0
    assert answer["error"] < 1e-5


@linux_only
def test_turned_off():
    answer = multiply(UR_BLAS="0")
    assert (answer["active"], answer["library"], answer["calls"]) == (False, "", 0)
    assert "UR_BLAS=0" in answer["reason"]
    assert answer["error"] < 1e-5


@linux_only
def test_too_late():
    answer = multiply(before="import mlx.core", UR_BLAS="1")
    assert not answer["active"]
    assert "imported before" in answer["reason"]


@linux_only
@pytest.mark.parametrize(
    ("before", "reason"),
    [
        ("import sys; sys.modules['scipy_openblas32'] = None", "scipy"),
        ("blas._openblas_path = lambda: '/nowhere/libopenblas.so'", "/nowhere"),
        ("blas._openblas_path = lambda: 'libm.so.6'", "lacks"),
        ("blas._shim_path = lambda: '/nowhere/_blas.so'", "/nowhere"),
        ("import importlib.util; importlib.util.find_spec = lambda name: None", "not built"),
    ],
)
def test_whatever_is_missing_is_not_fatal(before, reason):
    answer = multiply(before=before, UR_BLAS="1")
    assert not answer["active"]
    assert reason in answer["reason"]
    assert answer["error"] < 1e-5


@pytest.mark.skipif(sys.platform == "linux", reason="needed there")
def test_inactive_elsewhere():
    answer = multiply()
    assert not answer["active"]
    assert "Linux" in answer["reason"]
