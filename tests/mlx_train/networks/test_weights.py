"""Weights between MLX, JSON and the engine."""

import gzip
import json

import numpy as np
import pytest

from engine import Network, extract_features_bytes, sample_decisions
from engine.network.document import parameter_count, read_document
from mlx_train.config import resolve
from mlx_train.data.games import Decisions
from mlx_train.data.search import SearchSource
from mlx_train.device.backend import mx, use_device
from mlx_train.networks.mlp import Networks, log_policies, values
from mlx_train.networks.weights import flatten, from_document, load_networks, save_document, to_document
from mlx_train.runs.conversion import convert
from mlx_train.training.checkpoint import save_checkpoint
from mlx_train.training.trainer import Trainer, train


@pytest.fixture(scope="module")
def trained(games):
    """The standard networks after a little training."""
    use_device("cpu")
    config = resolve("quick", epochs=3, batch_size=128)
    source = SearchSource(config, Decisions(games, {}))
    trainer = Trainer(config, config.epochs * source.steps_per_epoch)
    train(trainer, source)
    return trainer


def test_parity_with_the_engine_on_positions_from_play(trained, tmp_path):
    path = tmp_path / "weights.json"
    save_document(path, to_document(trained.model, {}))
    network = Network.load(path)
    positions, rolls = sample_decisions(100_000, seed=21)
    value_inputs, policy_inputs = extract_features_bytes(positions), extract_features_bytes(positions, rolls)
    probabilities = network.policies(positions, rolls)
    legal = probabilities > 0
    value = np.array(values(trained.model.value, mx.array(value_inputs)))
    policy = np.exp(np.array(log_policies(trained.model.policy, mx.array(policy_inputs), mx.array(legal))))
    assert np.abs(2 * network.values(positions) - 1 - value).max() < 1e-5
    assert np.abs(probabilities - policy).max() < 1e-5
    assert value.std() > 0.1


@pytest.mark.parametrize("suffix", [".json", ".json.gz"])
def test_round_trip_is_exact(trained, tmp_path, suffix):
    path = tmp_path / f"weights{suffix}"
    save_document(path, to_document(trained.model, {"seed": 1}))
    model, document = load_networks(path)
    assert document["metadata"] == {"seed": 1}
    np.testing.assert_array_equal(flatten(model.value), flatten(trained.model.value))
    np.testing.assert_array_equal(flatten(model.policy), flatten(trained.model.policy))
    again = tmp_path / f"again{suffix}"
    save_document(again, document)
    assert again.read_bytes() == path.read_bytes()


def test_floats_are_the_shortest_that_round_trip(tmp_path):
    flat = np.array([0.1, -1e-30, 3e38, 1 / 3, 16777216.0, -0.0, 1e-45], dtype=np.float32)
    model = Networks((1,), inputs=1)
    document = to_document(model, {}) | {"value_weights": flat[:4], "policy_weights": None}
    save_document(tmp_path / "w.json", document)
    assert "[0.1,-1e-30,3e+38,0.33333334]" in (tmp_path / "w.json").read_text()
    document["value_weights"] = np.full(4, np.nan, dtype=np.float32)
    with pytest.raises(ValueError, match="value_weights"):
        save_document(tmp_path / "w.json", document)
    assert json.loads((tmp_path / "w.json").read_text())["value_weights"][1] == -1e-30


def test_the_layout_is_input_by_output(tmp_path):
    model = Networks((2,), inputs=3)
    model.value.layers[0].weight = mx.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    model.value.layers[0].bias = mx.array([7.0, 8.0])
    model.value.layers[1].weight = mx.array([[9.0, 10.0]])
    model.value.layers[1].bias = mx.array([11.0])
    assert flatten(model.value).tolist() == [1, 4, 2, 5, 3, 6, 7, 8, 9, 10, 11]


def test_another_feature_set_converts_but_refuses_to_play(tmp_path):
    old = tmp_path / "old.json"
    count = parameter_count(10, (4,), 1)
    config = {"inputSize": 10, "hiddenSizes": [4], "outputSize": 1}
    old.write_text(json.dumps({"valueWeights": [0.5] * count, "valueNetworkConfig": config}))
    with pytest.raises(ValueError, match="cannot play"):
        Network.load(old)
    convert(old, tmp_path / "new.json")
    assert read_document(tmp_path / "new.json")["value_weights"].tolist() == [0.5] * count


def test_conversions(trained, tmp_path):
    save_checkpoint(tmp_path / "checkpoint", trained, {"metadata": {"seed": 4}})
    convert(tmp_path / "checkpoint", tmp_path / "a.json.gz")
    convert(tmp_path / "a.json.gz", tmp_path / "b.json")
    convert(tmp_path / "b.json", tmp_path / "c.safetensors")
    assert json.loads(gzip.decompress((tmp_path / "a.json.gz").read_bytes())) == json.loads(
        (tmp_path / "b.json").read_text()
    )
    arrays = mx.load(str(tmp_path / "c.safetensors"))
    np.testing.assert_array_equal(
        np.array(arrays["value.layers.0.weight"]), np.array(trained.model.value.layers[0].weight)
    )
    assert len(read_document(tmp_path / "b.json")["value_weights"]) == 81_921
    with pytest.raises(ValueError, match="must end in"):
        convert(tmp_path / "b.json", tmp_path / "d.txt")


def test_a_full_disk_leaves_what_was_there(trained, tmp_path, monkeypatch):
    path = tmp_path / "weights.json"
    path.write_text("before")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("engine.machine.files.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        save_document(path, to_document(trained.model, {}))
    assert path.read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["weights.json"]


def test_documents_make_networks_of_their_sizes(tmp_path):
    model = Networks((5, 3), "silu")
    save_document(tmp_path / "w.json", to_document(model, {}))
    loaded = from_document(read_document(tmp_path / "w.json"))
    assert loaded.value.activation == "silu"
    assert [layer.weight.shape for layer in loaded.policy.layers] == [(5, 150), (3, 5), (7, 3)]


def test_a_policy_of_another_file_is_joined(trained, tmp_path):
    mine, other, joined = (tmp_path / f"{name}.json" for name in ("mine", "other", "joined"))
    save_document(mine, to_document(trained.model, {}, "value"))
    theirs = Networks()
    save_document(other, to_document(theirs, {}))
    convert(mine, joined, other)
    document = read_document(joined)
    np.testing.assert_array_equal(document["value_weights"], flatten(trained.model.value))
    np.testing.assert_array_equal(document["policy_weights"], flatten(theirs.policy))
    with pytest.raises(ValueError, match="no policy network of the same sizes"):
        convert(other, tmp_path / "none.json", mine)
    assert not (tmp_path / "none.json").exists()


def test_a_policy_of_another_activation_or_of_other_features_is_not_joined(trained, tmp_path):
    mine, other = tmp_path / "mine.json", tmp_path / "other.json"
    save_document(mine, to_document(trained.model, {}, "value"))
    for document in (to_document(Networks(activation="silu"), {}), to_document(Networks(), {}) | {"feature_set": "x"}):
        save_document(other, document)
        with pytest.raises(ValueError, match="activation and features"):
            convert(mine, tmp_path / "joined.json", other)


def test_a_network_that_was_not_trained_is_not_exported(games, tmp_path):
    use_device("cpu")
    config = resolve("quick", epochs=1, batch_size=128, networks="value", hidden_sizes=(4,))
    source = SearchSource(config, Decisions(games, {}))
    save_checkpoint(tmp_path / "checkpoint", Trainer(config, source.steps_per_epoch))
    convert(tmp_path / "checkpoint", tmp_path / "a.json")
    assert read_document(tmp_path / "a.json")["policy_weights"] is None
    convert(tmp_path / "a.json", tmp_path / "b.safetensors")
    assert {name.partition(".")[0] for name in mx.load(str(tmp_path / "b.safetensors"))} == {"value"}
