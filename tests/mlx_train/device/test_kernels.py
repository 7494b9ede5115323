"""The kernels' source as a GPU's compiler sees it: on a GPU itself, and everywhere as C++ and as OpenCL C."""

import shutil
import subprocess

import numpy as np
import pytest
from kernel_languages import STAND_INS, compiled, opencl_source

from engine import Tablebase, extract_features_bytes, sample_decisions
from engine.core.rules import RULE_SETS
from engine.games.exact_rows import entry_batch, value_batch
from engine.solved.order import index_tables
from mlx_train.config import resolve
from mlx_train.data import transfer
from mlx_train.data.exact import ExactSource
from mlx_train.data.transfer import crossing, to_mlx
from mlx_train.device import feature_kernel, kernels, product_kernel, solver_kernel, table_kernel
from mlx_train.device.backend import available_devices, mx
from mlx_train.training.trainer import TRAINED

# Headers, parameters as MLX declares them for Metal, and body of each kernel.
FEATURES = (
    feature_kernel.HEADERS,
    "const device uint32_t *rows, const constant int *rows_shape, device uint16_t *pairs",
    feature_kernel.body(),
)
SWEEP_TYPES = ["uint32_t"] * 2 + ["uint16_t"] + ["uint32_t"] * 2 + ["int"] + ["float"] * 3


def sweep(rules="finkel"):
    pairs = zip(SWEEP_TYPES, solver_kernel.INPUTS, strict=True)
    parameters = ", ".join(f"const device {kind} *{name}" for kind, name in pairs) + ", device float *swept"
    return solver_kernel.HEADERS, parameters, solver_kernel.body(rules)


def rows_of_places(rules="finkel"):
    parameters = (
        "const device uint32_t *entries, const constant int *entries_shape, const device uint32_t *starts,"
        " const constant int *starts_shape, const device uint32_t *blocks, const device float *labels,"
        " device uint16_t *pairs, device float *targets"
    )
    return table_kernel.HEADERS, parameters, table_kernel.body(rules)


@pytest.mark.skipif(shutil.which("clang") is None, reason="no clang")
@pytest.mark.parametrize("parts", [FEATURES, sweep(), rows_of_places()], ids=["features", "sweep", "rows"])
def test_every_pointer_of_the_source_names_its_address_space(parts, tmp_path):
    """OpenCL C has this rule of Metal's; clang also warns."""
    program = tmp_path / "kernel.cl"
    program.write_text(opencl_source(*parts))
    warnings = ["-Wall", "-Wno-unused-function", "-Werror"]  # the headers are in the file itself
    arguments = ["-cl-std=CL1.2", "-fsyntax-only", "-Xclang", "-finclude-default-header"]
    subprocess.run(["clang", "-x", "cl", *arguments, *warnings, program], check=True)


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
    make = compiled(language, tmp_path, *FEATURES)
    positions, rolls = decisions
    shape = np.array([len(rolls)], dtype=np.int32)
    for known in (rolls, np.zeros_like(rolls)):
        found = np.empty((len(rolls), 150), dtype=np.uint8)
        make(packed_rows(positions, known), shape, found.view(np.uint16), threads=len(rolls) + 5)
        np.testing.assert_array_equal(found, extract_features_bytes(positions, known))
    np.testing.assert_array_equal(found, extract_features_bytes(positions))


@pytest.mark.parametrize("language", STAND_INS)
@pytest.mark.parametrize("transposed", ["", "left", "right"])
def test_the_source_multiplies_pairs_of_matrices(language, transposed, tmp_path):
    sizes = [(5, 7, 3), (2, 4, 6), (9, 2, 9)]
    rng = np.random.default_rng(1)
    lefts = [rng.normal(size=(height, depth)).astype(np.float32) for height, depth, _ in sizes]
    rights = [rng.normal(size=(depth, width)).astype(np.float32) for _, depth, width in sizes]
    expected = [left @ right for left, right in zip(lefts, rights, strict=True)]
    stored = [np.ascontiguousarray(left.T) if transposed == "left" else left for left in lefts]
    stored += [np.ascontiguousarray(right.T) if transposed == "right" else right for right in rights]
    for one, other in zip(product_kernel.products(*_halves(stored), transposed=transposed), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)

    names = [f"const device float *{kind}{number}" for kind in ("left", "right") for number in range(3)]
    parameters = ", ".join([*names, *(f"device float *product{number}" for number in range(3))])
    multiply = compiled(language, tmp_path, (), parameters, product_kernel.source(sizes, transposed))
    made = [np.full_like(product, np.nan) for product in expected]
    multiply(*stored, *made, threads=sum(product.size for product in expected) + 3)
    for one, other in zip(made, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def _halves(arrays):
    """The two halves of a list of arrays, as MLX's."""
    arrays = [mx.array(array) for array in arrays]
    return arrays[: len(arrays) // 2], arrays[len(arrays) // 2 :]


class Stand:
    """`kernels.kernel` for the sweep, whose kernel runs on the CPU."""

    def __init__(self, function):
        self.function = function

    def __call__(self, inputs, grid, threadgroup, output_shapes, output_dtypes):
        assert threadgroup == (256, 1, 1)
        arrays = [np.array(array) for array in inputs]
        swept = np.full(output_shapes[0], np.nan, dtype=np.float32)
        self.function(*arrays, swept, threads=grid[0])
        return (mx.array(swept),)


@pytest.mark.parametrize(
    ("language", "pieces"),
    [
        *((language, 2) for language in STAND_INS),
        *(pytest.param(language, 3, marks=pytest.mark.slow) for language in ("metal", "opencl")),
    ],
)
def test_the_source_solves_the_game(language, pieces, table, tmp_path, monkeypatch):
    run = compiled(language, tmp_path, *sweep())
    monkeypatch.setattr(solver_kernel, "kernel", lambda *parts: Stand(run))
    layers = []
    found = solver_kernel.first_values(pieces, lambda done, total, layer: layers.append((done, total, layer)))
    exact = table.array[: len(found)]  # a smaller game's table is the beginning of a larger one's
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, exact, rtol=0, atol=2e-6)
    done, totals, texts = zip(*layers, strict=True)
    assert done[-1] == len(found) == totals[0]
    assert list(done) == sorted(set(done))
    order = ["1 and 1", "1 and 2", "2 and 2", "1 and 3", "2 and 3", "3 and 3"]
    assert [text.split(" pieces")[0] for text in texts] == order[: len(texts)]

    sweeps = []
    polished = Tablebase.solve(
        pieces, guess=found, checkpoint=tmp_path / "partial", progress=lambda state: sweeps.append(state.sweeps)
    )
    np.testing.assert_allclose(polished.array, exact, rtol=0, atol=1e-12)
    assert max(sweeps) < 16


@pytest.fixture(scope="module", params=STAND_INS)
def rows_kernel(request, tmp_path_factory):
    """`kernels.kernel` for `DeviceTable.rows`, whose kernel runs on the CPU."""
    return rows_stand_in(compiled(request.param, tmp_path_factory.mktemp("rows"), *rows_of_places()))


def rows_stand_in(run):
    """`kernels.kernel` for `DeviceTable.rows`, whose kernel runs on the CPU."""

    def kernel(inputs, grid, threadgroup, output_shapes, output_dtypes, stream):
        entries, starts, blocks, labels = (np.array(array) for array in inputs)
        shapes = [np.array(array.shape, dtype=np.int32) for array in (entries, starts)]
        made = [np.empty(shape, dtype) for shape, dtype in zip(output_shapes, (np.uint16, np.float32), strict=True)]
        run(entries, shapes[0], starts, shapes[1], blocks, labels, *made, threads=grid[0] + 3)
        return [mx.array(array) for array in made]

    return lambda *parts: kernel


@pytest.mark.parametrize("rules", RULE_SETS[1:])
def test_the_source_knows_every_rule_set(rules, tmp_path, monkeypatch):
    """The sweep and the rows of places in the table, with two pieces."""
    exact = Tablebase.solve(2, checkpoint=tmp_path / "partial", rules=rules)
    run = compiled("metal", tmp_path, *sweep(rules))
    monkeypatch.setattr(solver_kernel, "kernel", lambda *parts: Stand(run))
    np.testing.assert_allclose(solver_kernel.first_values(2, rules=rules), exact.array, rtol=0, atol=2e-6)

    stand_in = rows_stand_in(compiled("cuda", tmp_path, *rows_of_places(rules)))
    monkeypatch.setattr(table_kernel, "kernel", stand_in)
    entries = entry_batch(exact, 3000, 1, 2, play_share=0.5)
    rows = table_kernel.DeviceTable(exact).rows(mx.array(entries))
    for found, expected in zip(rows, value_batch(exact, 3000, 1, 2, play_share=0.5), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_the_source_makes_the_rows_of_places_in_the_table(rows_kernel, tmp_path, monkeypatch):
    """With four pieces, for rows and columns of every length."""
    monkeypatch.setattr(table_kernel, "kernel", rows_kernel)
    solved = Tablebase.solve(4, tolerance=1e-6, checkpoint=tmp_path / "partial")
    for dtype in ("float64", "float32", "uint16"):
        solved.save(tmp_path / "four.table", dtype)
        table = Tablebase.open(tmp_path / "four.table")
        rows = table_kernel.DeviceTable(table).rows
        for draw in ({"play_share": 0.5}, {"play_share": 1.0, "exploration": 0.3}, {"play_share": 0.0}):
            entries = entry_batch(table, 5000, 1, 2, **draw)
            for found, expected in zip(rows(mx.array(entries)), value_batch(table, 5000, 1, 2, **draw), strict=True):
                np.testing.assert_array_equal(found, expected)
    some = np.arange(0, table.count, 17, dtype=np.uint32)
    positions = np.concatenate(list(table.positions()))[some]
    features, targets = rows(mx.array(some))
    np.testing.assert_array_equal(features, extract_features_bytes(positions))
    np.testing.assert_allclose(targets, 2 * table.values(positions) - 1, rtol=0, atol=1e-7)


@pytest.mark.parametrize("networks", ["value", "policy", "both"])
def test_a_gpu_is_trained_on_what_the_cpu_is_trained_on(rows_kernel, table, monkeypatch, networks):
    """A source with the device's table, from its threads to the arrays of the step, with the kernels' stand-ins."""
    config = resolve("quick", teacher="exact", steps=60, epochs=3, batch_size=4100, networks=networks, workers=2)
    on_cpu = ExactSource(config, table)
    names = TRAINED[networks]
    wanted = [[to_mlx(batch, name) for name in names] for batch in on_cpu.epoch(2, 13)]
    validated = [[to_mlx(batch, name) for name in names] for batch in on_cpu.validation()]

    monkeypatch.setattr(kernels, "available", lambda: True)
    monkeypatch.setattr(table_kernel, "kernel", rows_kernel)
    monkeypatch.setattr(transfer, "transfer_stream", lambda: mx.default_stream(mx.cpu))
    monkeypatch.setattr(
        transfer, "feature_bytes", lambda rows, rules, stream: mx.array(unpacked_features(np.array(rows)))
    )
    source = ExactSource(config, table)
    assert source.batches_per_transfer == 3  # six are made ahead
    trained = list(crossing(source.epoch(2, 13), names, source.batches_per_transfer, source.device_table))
    assert len(trained) == 7
    on_gpu = [[to_mlx(batch, name, source.device_table) for name in names] for batch in source.validation()]
    for one, other in ((trained, wanted), (on_gpu, validated)):
        for arrays, expected in zip(one, other, strict=True):
            for network, like in zip(arrays, expected, strict=True):
                for array, right in zip(network, like, strict=True):
                    np.testing.assert_array_equal(array, right)


def unpacked_features(rows):
    """What the GPU makes of packed rows."""
    words = np.ascontiguousarray(rows).view(np.uint64)[:, 0]
    return extract_features_bytes(words & np.uint64((1 << 48) - 1), (words >> np.uint64(48)).astype(np.uint8))


@pytest.mark.parametrize("language", STAND_INS)
def test_masks_are_ranked_as_in_the_table(language, tmp_path):
    parameters = "device int *ranks, device int *masks, device int *lengths"
    body = "ranks[thread_number] = ur_rank(thread_number), masks[thread_number] = (int)ur_mask(thread_number);"
    body += "lengths[thread_number] = ur_masks(thread_number);"
    run = compiled(language, tmp_path, solver_kernel.HEADERS[:2], parameters, body)
    ranks, masks, lengths = (np.empty(16, dtype=np.int32) for _ in range(3))
    run(ranks, masks, lengths, threads=16)
    ordered = sorted(range(16), key=lambda mask: (mask.bit_count(), mask))
    assert masks.tolist() == ordered
    assert [ordered.index(mask) for mask in range(16)] == ranks.tolist()
    assert lengths[:8].tolist() == [sum(mask.bit_count() <= pieces for mask in range(16)) for pieces in range(8)]
    assert lengths[:8].tolist() == index_tables()["prefix"].tolist()


def test_sweeps_that_lead_nowhere_end(monkeypatch):
    for wrong, message in (
        (lambda values: values * float("nan"), "change of nan"),
        (lambda values: 1 - values, "5008 sweeps"),
    ):
        monkeypatch.setattr(
            solver_kernel, "kernel", lambda *parts, wrong=wrong: lambda inputs, **rest: (wrong(inputs[-1]),)
        )
        monkeypatch.setattr(mx, "full", lambda count, value: mx.zeros(count))
        with pytest.raises(RuntimeError, match=f"does not solve the game: .*{message}"):
            solver_kernel.first_values(1)


def test_the_sources_stand_alone():
    for headers in (feature_kernel.HEADERS, solver_kernel.HEADERS, table_kernel.HEADERS):
        assert "#include" not in kernels.source(*headers)
    assert "ur_feature_bytes" in kernels.source(*feature_kernel.HEADERS)


def test_not_available_on_the_cpu():
    assert mx.default_device() == mx.Device(mx.cpu)
    assert not kernels.available()


@pytest.mark.skipif("gpu" not in available_devices(), reason="no GPU")
def test_the_gpu_gives_the_engines_bytes(decisions):
    positions, rolls = decisions
    rows = mx.array(packed_rows(positions, rolls).view(np.uint32).reshape(-1, 2))
    with mx.stream(mx.gpu):
        found = np.array(feature_kernel.feature_bytes(rows))
    np.testing.assert_array_equal(found, extract_features_bytes(positions, rolls))


@pytest.mark.skipif("gpu" not in available_devices(), reason="no GPU")
def test_the_gpu_makes_the_rows_of_places_in_the_table(table):
    with mx.stream(mx.gpu):
        rows = table_kernel.DeviceTable(table).rows(mx.array(entry_batch(table, 5000, 1, 2, play_share=0.5)))
        found = [np.array(array) for array in rows]
    for one, expected in zip(found, value_batch(table, 5000, 1, 2, play_share=0.5), strict=True):
        np.testing.assert_array_equal(one, expected)


@pytest.mark.skipif("gpu" not in available_devices(), reason="no GPU")
def test_the_gpu_solves_the_game(table):
    with mx.stream(mx.gpu):
        found = solver_kernel.first_values(3)
    np.testing.assert_allclose(found, table.array, rtol=0, atol=2e-6)
