import json

import numpy as np
import pytest
from random_networks import random_document, write
from typer.testing import CliRunner

from engine import Network, Position, Tablebase
from engine.games.exact_rows import value_batch
from engine.games.regret import regrets
from engine.games.sampling import sample_decisions
from engine.network.document import LAYOUT, read_document
from engine.network.quantized import flat
from mlx_train import cli
from mlx_train.config import Config
from mlx_train.data.exact import ExactSource
from mlx_train.device.backend import mx
from mlx_train.measuring.regret import rounded_table_regret
from mlx_train.networks.manifest import MeasureSettings
from mlx_train.networks.mlp import scaled
from mlx_train.networks.weights import document_content, from_document, restore, save_document
from mlx_train.runs.compression import calibration_inputs, compress
from mlx_train.runs.compression_results import points, reference_curve, results_table
from mlx_train.runs.conversion import convert
from mlx_train.runs.promotion import promote
from mlx_train.runs.quantization import finetune, quantize

SMALL = {"calibration": 2000, "positions": 500, "decisions": 300, "workers": 1}


@pytest.fixture(scope="module")
def table():
    """The game with two pieces a side."""
    return Tablebase.solve(2, workers=1)


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.json"
    write(path, random_document(3, (48, 24)))
    return path


def outputs(network, rows):
    return np.array(network(scaled(mx.array(rows))))[:, 0]


def rounded_one_by_one(network, bits):
    """The network with each weight rounded to the nearest level of its row."""
    for layer in network.layers:
        weights = np.array(layer.weight)
        scales = np.abs(weights).max(axis=1, keepdims=True) / (2 ** (bits - 1) - 1)
        layer.weight = mx.array(np.rint(weights / scales) * scales)
    return network


def with_layers(document, layers):
    made = from_document(document).value
    restore(made, flat(layers))
    return made


class TestRounding:
    @pytest.mark.parametrize("bits", [8, 6, 4])
    @pytest.mark.parametrize("activation", ["relu", "silu"])
    def test_better_than_one_by_one(self, table, tmp_path, bits, activation):
        document = read_document(write(tmp_path / "m.json", random_document(3, (48, 24), activation)))
        network = from_document(document).value
        layers = quantize(network, calibration_inputs(table, "value", 4000, 0), bits)
        rows, _ = value_batch(table, 2000, 5, 0, play_share=0.5)
        exact = outputs(network, rows)
        made = np.abs(outputs(with_layers(document, layers), rows) - exact).mean()
        plain = np.abs(outputs(rounded_one_by_one(from_document(document).value, bits), rows) - exact).mean()
        assert 0 < made < 0.7 * plain

    def test_pruned(self, table, model):
        document = read_document(model)
        network = from_document(document).value
        inputs = calibration_inputs(table, "value", 3000, 0)
        shares = [np.mean(layer.levels == 0) for layer in quantize(network, inputs, 8, 0.6)]
        assert min(shares) >= 0.58
        assert max(np.mean(layer.levels == 0) for layer in quantize(network, inputs, 8)) < 0.3

    def test_dead_units_and_outputs_of_zero(self, table, model):
        document = read_document(model)
        network = from_document(document).value
        first, second, _ = network.layers
        first.bias = mx.full(first.bias.shape, -1e3)  # nothing is active behind it
        second.weight = mx.zeros_like(second.weight)
        layers = quantize(network, calibration_inputs(table, "value", 2000, 0), 8)
        rows, _ = value_batch(table, 100, 5, 0)
        np.testing.assert_allclose(outputs(with_layers(document, layers), rows), outputs(network, rows), atol=1e-3)


class TestTrainingOn:
    def source(self, table, steps):
        config = Config(teacher="exact", networks="value", steps=steps, epochs=1, batch_size=256, workers=1)
        return ExactSource(config, table)

    def rounded(self, table, model, bits, prune=0.0):
        network = from_document(read_document(model)).value
        return network, quantize(network, calibration_inputs(table, "value", 2000, 0), bits, prune)

    def test_it_starts_where_the_rounding_ended(self, table, model, monkeypatch):
        monkeypatch.setattr("mlx_train.runs.quantization.LEARNING_RATE", 0.0)
        network, layers = self.rounded(table, model, 3)
        for before, after in zip(layers, finetune(network, layers, self.source(table, 1), "value", False), strict=True):
            np.testing.assert_array_equal(before.levels, after.levels)
            np.testing.assert_allclose(before.biases, after.biases, rtol=1e-6, atol=1)

    def test_it_learns_within_the_levels(self, table, model, monkeypatch):
        monkeypatch.setattr("mlx_train.runs.quantization.LEARNING_RATE", 0.02)
        document = read_document(model)
        network, layers = self.rounded(table, model, 3, prune=0.5)
        again = finetune(network, layers, self.source(table, 150), "value", True)
        rows, targets = value_batch(table, 2000, 5, 0, play_share=0.5)
        errors = [
            np.abs(np.tanh(outputs(with_layers(document, found), rows)) - targets).mean() for found in (layers, again)
        ]
        assert errors[1] < 0.8 * errors[0]
        for before, after in zip(layers, again, strict=True):
            assert (before.levels != after.levels).any()
            assert np.abs(after.levels).max() <= 3
            assert not after.levels[before.levels == 0].any()
            np.testing.assert_array_equal(before.scales, after.scales)

    def test_of_both_networks_by_the_command(self, table, model, tmp_path, monkeypatch):
        monkeypatch.setattr("mlx_train.runs.compression.BATCH_SIZE", 64)
        compress(model, tmp_path, table, bits=(4,), steps=2, **SMALL)
        document = read_document(tmp_path / "model-int4.json")
        assert document["metadata"]["compression"]["steps"] == 2
        assert document["value_layers"]
        assert document["policy_layers"]

    def test_out_of_memory_is_explained(self, table, model, tmp_path, monkeypatch):
        def exhaust(*_):
            raise MemoryError

        monkeypatch.setattr("mlx_train.runs.compression.finetune", exhaust)
        with pytest.raises(RuntimeError, match=r"out of memory on the .*: use --steps 0 to leave"):
            compress(model, tmp_path, table, bits=(4,), steps=2, **SMALL)


class TestCompress:
    def test_files_and_measures(self, table, model, tmp_path):
        found = compress(model, tmp_path / "out", table, bits=(8, 4), prune=(0.0, 0.5), **SMALL)
        assert [(result.network, result.bits, result.pruned) for result in found] == [
            (head, bits, share)
            for bits, share in ((32, 0), (8, 0), (4, 0), (8, 0.5), (4, 0.5))
            for head in ("value", "policy")
        ]
        names = {path.name for path in (tmp_path / "out").iterdir()}
        stems = ("model-int8", "model-int4", "model-int8-pruned50", "model-int4-pruned50")
        assert names == {f"{stem}.json{ending}" for stem in stems for ending in ("", ".gz")}
        for result in found[2:]:
            path = tmp_path / "out" / result.file.rpartition("/")[2]
            assert path.stat().st_size == result.bytes
            assert path.with_name(f"{path.name}.gz").stat().st_size == result.gzip_bytes
            document = read_document(path)
            assert document["metadata"]["seed"] == 3
            assert document["metadata"]["compression"]["bits"] == result.bits
            assert {layer.bits for layer in document["value_layers"]} == {result.bits}
        by_bits = {(result.network, result.bits): result for result in found if not result.pruned}
        for head in ("value", "policy"):
            eight, four = by_bits[head, 8], by_bits[head, 4]
            assert four.gzip_bytes < eight.gzip_bytes < by_bits[head, 32].gzip_bytes
            assert abs(eight.regret - by_bits[head, 32].regret) < 0.3
        assert by_bits["value", 8].value_error == pytest.approx(by_bits["value", 32].value_error, abs=0.005)
        assert by_bits["policy", 8].value_error is None
        assert "int4, 50% pruned" in results_table(found)
        assert [point.name for point in points(found, "value")][:3] == ["float32", "int8", "int4"]

    def test_the_same_twice_and_one_network_alone(self, table, model, tmp_path):
        for folder in ("a", "b"):
            compress(model, tmp_path / folder, table, bits=(6,), networks="value", **SMALL)
        contents = [(tmp_path / folder / "model-int6.json").read_bytes() for folder in "ab"]
        assert contents[0] == contents[1]
        assert "policy_layers" not in json.loads(contents[0])

    def test_of_a_compressed_file(self, table, model, tmp_path):
        compress(model, tmp_path, table, bits=(8,), networks="policy", **SMALL)
        found = compress(tmp_path / "model-int8.json.gz", tmp_path, table, bits=(4,), **SMALL)
        assert [result.network for result in found] == ["policy", "policy"]
        assert (tmp_path / "model-int8-int4.json").exists()

    def test_refusals(self, table, model, tmp_path):
        path = tmp_path / "other.json"
        path.write_bytes(document_content(random_document(1, heads=("policy",))))
        with pytest.raises(ValueError, match="has no value network"):
            compress(path, tmp_path, table, bits=(8,), networks="value", **SMALL)
        path.write_bytes(document_content(random_document(1) | {"feature_set": "other"}))
        with pytest.raises(ValueError, match="feature set 'other'"):
            compress(path, tmp_path, table, bits=(8,), **SMALL)


class TestOtherUses:
    """What else reads and writes weights files."""

    @pytest.fixture
    def small(self, table, model, tmp_path):
        compress(model, tmp_path, table, bits=(7,), **SMALL)
        return tmp_path / "model-int7.json"

    def test_written_again_it_is_the_same(self, small, tmp_path):
        save_document(tmp_path / "again.json", read_document(small))
        assert json.loads((tmp_path / "again.json").read_text()) == json.loads(small.read_text())

    def test_exported_it_is_a_flat_file(self, small, tmp_path):
        convert(small, tmp_path / "flat.json")
        document = json.loads((tmp_path / "flat.json").read_text())
        assert document["layout"] == LAYOUT
        assert not any(key.endswith(("_layers", "_levels", "_low")) for key in document)
        packed, _ = sample_decisions(200, 1)
        flat_values = Network.load(tmp_path / "flat.json").values(packed)
        np.testing.assert_allclose(Network.load(small).values(packed), flat_values, atol=1e-3)

    def test_admitted_to_the_models_it_stays_as_it_is(self, table, small, tmp_path):
        settings = MeasureSettings(positions=200, decisions=100, games=4, pieces=table.pieces)
        entry = promote(
            small, "small", table, what="small", command="-", folder=tmp_path / "weights", settings=settings
        )
        kept = json.loads((tmp_path / "weights" / entry.file).read_text())
        assert kept == json.loads(small.read_text())


class TestReference:
    def test_more_bits_less_regret(self, table):
        regrets = [rounded_table_regret(table, bits, 2000) for bits in (1, 4, 8, 24)]
        assert regrets == sorted(regrets, reverse=True)
        assert regrets[0] > 0.1
        assert regrets[-1] < 1e-6

    def test_no_bits_play_the_lowest_square(self, table):
        """Rounded to two values, almost all moves are equal: the lowest square is played, as by equal values."""
        packed, rolls = table.play_sample(500, 0)
        lowest = [Position.from_packed(int(p)).legal_moves(int(r))[0] for p, r in zip(packed, rolls, strict=True)]
        all_lowest = 100 * regrets(table, packed, rolls, np.array(lowest, dtype=np.int8)).mean()
        assert rounded_table_regret(table, 0, 500) == pytest.approx(all_lowest, abs=1e-9)

    def test_curve(self, table):
        curve = reference_curve(table, 300)
        assert [point.bytes for point in curve] == sorted(point.bytes for point in curve)
        assert curve[4].name == "8 bits"
        assert curve[4].bytes == table.count


class TestCommand:
    def call(self, *arguments):
        return CliRunner().invoke(cli.app, ["compress", *map(str, arguments)])

    def test_results(self, table, model, tmp_path):
        table.save(tmp_path / "two.table")
        common = (model, "--networks", "value", "--bits", 8, "--calibration", 1000, "--table", tmp_path / "two.table")
        result = self.call(*common, "--output", tmp_path / "out")
        assert result.exit_code == 0, result.output
        assert "| int8 " in result.output
        assert "| 8 bits " in result.output
        assert "peak memory" in result.output
        assert (tmp_path / "out" / "compress.png").read_bytes().startswith(b"\x89PNG")
        text = (tmp_path / "out" / "compress.md").read_text()
        assert "compress.png" in text
        kept = json.loads((tmp_path / "out" / "compress.json").read_text())
        assert [row["bits"] for row in kept["files"]] == [32, 8]
        assert [row["name"] for row in kept["table"]][:2] == ["4 bits", "5 bits"]

    @pytest.mark.parametrize(("cut", "finished"), [("compress", False), ("write_results", True)])
    def test_an_interrupted_one_says_what_there_is(self, table, model, tmp_path, monkeypatch, cut, finished):
        def interrupted(*_, **__):
            raise KeyboardInterrupt

        monkeypatch.setattr(f"mlx_train.runs.compression.{cut}", interrupted)
        table.save(tmp_path / "two.table")
        output = tmp_path / "out"
        result = self.call(
            model, "--networks=value", "--bits=8", "--calibration=1000", "--table", tmp_path / "two.table", "--output",
            output,
        )  # fmt: skip
        assert result.exit_code == 130
        assert ("begin again with" in result.output, "the finished files are in" in result.output) == (True, finished)
        assert any(output.iterdir()) == finished

    @pytest.mark.parametrize(
        ("flags", "reason"),
        [
            (("--bits", 9), "bits must be from 2 to 8"),
            (("--prune", 1), "prune must be a share"),
            (("--networks", "valu"), "did you mean value"),
            (("--steps", -1), "steps must be 0 to"),
            (("--calibration", 10), "1000 to 10000000 positions"),
        ],
    )
    def test_wrong_usage(self, model, flags, reason):
        result = self.call(model, *flags)
        assert result.exit_code == 2
        assert reason in " ".join(result.output.split())
