"""The kernels' source as a GPU's compiler sees it: on a GPU itself, and everywhere as C++ with stand-ins."""

import ctypes
import os
import shutil
import subprocess

import numpy as np
import pytest

from engine import Tablebase, extract_features_bytes, sample_decisions
from engine.teacher import entry_batch, value_batch
from mlx_train import device_features, device_kernels, device_solver, device_table
from mlx_train.backend import available_devices, mx

# What MLX and the chip's compiler bring, for each of the two languages.
STAND_INS = {
    "metal": """
        #define __METAL_VERSION__ 310
        #define thread
        #define device
        typedef unsigned int uint;
        namespace metal {
            inline uint ctz(uint x) { return __builtin_ctz(x); }
            inline uint clz(uint x) { return __builtin_clz(x); }
        }
    """,
    "cuda": """
        #define __CUDACC__
        #define __device__ static
        static inline int __ffs(int x) { return __builtin_ffs(x); }
        static inline int __clz(int x) { return __builtin_clz(x); }
    """,
}


def compiled(language, folder, headers, parameters, body):
    """A kernel as a function: its parameters, then the number of threads, which it runs one after the other."""
    compiler = shutil.which(os.environ.get("CXX", "c++"))
    if compiler is None:
        pytest.skip("no C++ compiler")
    program = folder / f"{language}.cpp"
    program.write_text(
        "#include <cstdint>\n"
        + STAND_INS[language]
        + device_kernels.source(*headers)
        + f'extern "C" void run({parameters}, unsigned int threads) {{'
        + f"for (unsigned int thread_number = 0; thread_number < threads; thread_number++) {{ {body} }} }}"
    )
    library = folder / f"{language}.so"
    subprocess.run([compiler, "-O2", "-Wall", "-Werror", "-shared", "-fPIC", program, "-o", library], check=True)
    return ctypes.CDLL(str(library)).run


def at(array):
    """Where an array's numbers are, for a compiled kernel."""
    return array.ctypes.data_as(ctypes.c_void_p)


@pytest.fixture(scope="module")
def decisions():
    return sample_decisions(20_000, seed=3)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return Tablebase.solve(3, checkpoint=tmp_path_factory.mktemp("solve") / "partial")


def packed_rows(positions, rolls):
    return positions | rolls.astype(np.uint64) << np.uint64(48)


@pytest.mark.parametrize("language", STAND_INS)
def test_the_source_gives_the_engines_bytes(language, decisions, tmp_path):
    parameters = "const uint32_t *rows, const int *rows_shape, uint8_t *features"
    make = compiled(language, tmp_path, device_features.HEADERS, parameters, device_features.BODY)
    positions, rolls = decisions
    shape = np.array([len(rolls)], dtype=np.int32)
    for known in (rolls, np.zeros_like(rolls)):
        found = np.empty((len(rolls), 150), dtype=np.uint8)
        make(at(packed_rows(positions, known)), at(shape), at(found), len(rolls) + 5)
        np.testing.assert_array_equal(found, extract_features_bytes(positions, known))
    np.testing.assert_array_equal(found, extract_features_bytes(positions))


class Stand:
    """`device_kernels.kernel` for the sweep, whose kernel runs on the CPU."""

    def __init__(self, function):
        self.function = function

    def __call__(self, inputs, grid, threadgroup, output_shapes, output_dtypes):
        assert threadgroup == (256, 1, 1)
        arrays = [np.array(array) for array in inputs]
        swept = np.full(output_shapes[0], np.nan, dtype=np.float32)
        self.function(*map(at, arrays), at(swept), grid[0])
        return (mx.array(swept),)


@pytest.mark.parametrize("language", STAND_INS)
def test_the_source_solves_the_game(language, table, tmp_path, monkeypatch):
    kinds = ["uint16_t"] * 3 + ["uint32_t"] * 2 + ["int"] + ["float"] * 3
    parameters = ", ".join(f"const {kind} *{name}" for kind, name in zip(kinds, device_solver.INPUTS, strict=True))
    run = compiled(language, tmp_path, device_solver.HEADERS, parameters + ", float *swept", device_solver.BODY)
    monkeypatch.setattr(device_solver, "kernel", lambda *parts: Stand(run))
    layers = []
    found = device_solver.first_values(3, lambda done, total, layer: layers.append((done, total, layer)))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, table.array, rtol=0, atol=2e-6)
    done, totals, texts = zip(*layers, strict=True)
    assert done[-1] == len(found) == table.count == totals[0]
    assert list(done) == sorted(set(done))
    assert [text.split(" pieces")[0] for text in texts] == [
        "1 and 1",
        "1 and 2",
        "2 and 2",
        "1 and 3",
        "2 and 3",
        "3 and 3",
    ]

    sweeps = []
    polished = Tablebase.solve(
        3, guess=found, checkpoint=tmp_path / "partial", progress=lambda state: sweeps.append(state.sweeps)
    )
    np.testing.assert_allclose(polished.array, table.array, rtol=0, atol=1e-12)
    assert max(sweeps) < 16


@pytest.mark.parametrize("language", STAND_INS)
@pytest.mark.parametrize("dtype", ["float64", "float32", "uint16"])
def test_the_source_makes_the_rows_of_places_in_the_table(language, dtype, table, tmp_path, monkeypatch):
    table.save(tmp_path / "three.table", dtype)
    table = Tablebase.open(tmp_path / "three.table")
    parameters = "const uint32_t *entries, const int *entries_shape, const uint32_t *starts, const int *starts_shape"
    parameters += ", const uint32_t *blocks, const float *labels, uint8_t *features, float *targets"
    run = compiled(language, tmp_path, device_table.HEADERS, parameters, device_table.BODY)

    def kernel(inputs, grid, threadgroup, output_shapes, output_dtypes, stream):
        entries, starts, blocks, labels = (np.array(array) for array in inputs)
        shapes = [np.array(array.shape, dtype=np.int32) for array in (entries, starts)]
        made = [np.empty(shape, dtype) for shape, dtype in zip(output_shapes, (np.uint8, np.float32), strict=True)]
        run(at(entries), at(shapes[0]), at(starts), at(shapes[1]), at(blocks), at(labels), *map(at, made), grid[0] + 3)
        return made

    monkeypatch.setattr(device_table, "kernel", lambda *parts: kernel)
    rows = device_table.DeviceTable(table).rows
    for draw in ({"play_share": 0.5}, {"play_share": 1.0, "exploration": 0.3}, {"play_share": 0.0}):
        entries = entry_batch(table, 5000, 1, 2, **draw)
        for found, expected in zip(rows(mx.array(entries)), value_batch(table, 5000, 1, 2, **draw), strict=True):
            np.testing.assert_array_equal(found, expected)

    everything = np.arange(table.count, dtype=np.uint32)
    positions = np.concatenate(list(table.positions()))
    features, targets = rows(mx.array(everything))
    np.testing.assert_array_equal(features, extract_features_bytes(positions))
    np.testing.assert_allclose(targets, 2 * table.values(positions) - 1, rtol=0, atol=1e-7)


def test_the_sources_stand_alone():
    for headers in (device_features.HEADERS, device_solver.HEADERS, device_table.HEADERS):
        assert "#include" not in device_kernels.source(*headers)
    assert "ur_feature_bytes" in device_kernels.source(*device_features.HEADERS)


def test_not_available_on_the_cpu():
    assert mx.default_device() == mx.Device(mx.cpu)
    assert not device_kernels.available()


@pytest.mark.skipif("gpu" not in available_devices(), reason="no GPU")
def test_the_gpu_gives_the_engines_bytes(decisions):
    positions, rolls = decisions
    rows = mx.array(packed_rows(positions, rolls).view(np.uint32).reshape(-1, 2))
    with mx.stream(mx.gpu):
        found = np.array(device_features.feature_bytes(rows))
    np.testing.assert_array_equal(found, extract_features_bytes(positions, rolls))


@pytest.mark.skipif("gpu" not in available_devices(), reason="no GPU")
def test_the_gpu_makes_the_rows_of_places_in_the_table(table):
    with mx.stream(mx.gpu):
        rows = device_table.DeviceTable(table).rows(mx.array(entry_batch(table, 5000, 1, 2, play_share=0.5)))
        found = [np.array(array) for array in rows]
    for one, expected in zip(found, value_batch(table, 5000, 1, 2, play_share=0.5), strict=True):
        np.testing.assert_array_equal(one, expected)


@pytest.mark.skipif("gpu" not in available_devices(), reason="no GPU")
def test_the_gpu_solves_the_game(table):
    with mx.stream(mx.gpu):
        found = device_solver.first_values(3)
    np.testing.assert_allclose(found, table.array, rtol=0, atol=2e-6)
