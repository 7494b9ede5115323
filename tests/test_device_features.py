"""The features' source as a GPU's compiler sees it: on a GPU itself, and everywhere as C++ with stand-ins."""

import ctypes
import os
import shutil
import subprocess

import numpy as np
import pytest

from engine import extract_features_bytes, sample_decisions
from mlx_train import device_features
from mlx_train.backend import available_devices, mx

# What MLX and the chip's compiler bring, for each of the two languages.
STAND_INS = {
    "metal": """
        #define __METAL_VERSION__ 310
        #define thread
        typedef unsigned int uint;
        namespace metal {
            inline uint ctz(uint x) { return __builtin_ctz(x); }
            inline uint clz(uint x) { return __builtin_clz(x); }
        }
    """,
    "cuda": """
        #define __CUDACC__
        #define __device__ static
        static int __ffs(int x) { return __builtin_ffs(x); }
        static int __clz(int x) { return __builtin_clz(x); }
    """,
}


@pytest.fixture(scope="module")
def decisions():
    return sample_decisions(20_000, seed=3)


def packed_rows(positions, rolls):
    return positions | rolls.astype(np.uint64) << np.uint64(48)


@pytest.mark.parametrize("language", STAND_INS)
def test_the_source_gives_the_engines_bytes(language, decisions, tmp_path):
    compiler = shutil.which(os.environ.get("CXX", "c++"))
    if compiler is None:
        pytest.skip("no C++ compiler")
    program = tmp_path / "rows.cpp"
    program.write_text(
        "#include <cstdint>\n"
        + STAND_INS[language]
        + device_features.source()
        + 'extern "C" void make(const uint32_t *rows, uint8_t *features, int rows_0) {'
        + "const int rows_shape[] = {rows_0}; for (unsigned int row = 0; row < (unsigned int)rows_0; row++) {"
        + device_features._BODY
        + "}}"
    )
    library = tmp_path / "rows.so"
    subprocess.run([compiler, "-O1", "-Wall", "-Werror", "-shared", "-fPIC", program, "-o", library], check=True)
    positions, rolls = decisions
    for known in (rolls, np.zeros_like(rolls)):
        rows = packed_rows(positions, known)
        found = np.empty((len(rows), 150), dtype=np.uint8)
        ctypes.CDLL(str(library)).make(
            rows.ctypes.data_as(ctypes.c_void_p), found.ctypes.data_as(ctypes.c_void_p), len(rows)
        )
        np.testing.assert_array_equal(found, extract_features_bytes(positions, known))
    np.testing.assert_array_equal(found, extract_features_bytes(positions))


def test_the_source_stands_alone():
    assert "#include" not in device_features.source()
    assert "ur_feature_bytes" in device_features.source()


def test_not_available_on_the_cpu():
    assert mx.default_device() == mx.Device(mx.cpu)
    assert not device_features.available()


@pytest.mark.skipif("gpu" not in available_devices(), reason="no GPU")
def test_the_gpu_gives_the_engines_bytes(decisions):
    positions, rolls = decisions
    rows = mx.array(packed_rows(positions, rolls).view(np.uint32).reshape(-1, 2))
    with mx.stream(mx.gpu):
        found = np.array(device_features.feature_bytes(rows))
    np.testing.assert_array_equal(found, extract_features_bytes(positions, rolls))
