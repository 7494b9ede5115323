"""Networks in other runtimes, against the engine's own forward pass."""

import json

import numpy as np
import pytest
from random_networks import random_document, write

from engine import Network, Position, extract_features_bytes, sample_decisions
from mlx_train.networks.runtimes import INPUT, POLICY, VALUE
from mlx_train.runs.conversion import convert


@pytest.fixture(params=["relu", "silu"])
def network(request, tmp_path):
    """The path of a weights file with both networks."""
    path = tmp_path / "both.json"
    write(path, random_document(activation=request.param))
    return path


def test_onnxruntime_gives_the_engines_values(network, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    pytest.importorskip("onnx", reason="the extra onnx is not installed")
    convert(network, tmp_path / "both.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "both.onnx", providers=["CPUExecutionProvider"])
    positions, rolls = sample_decisions(300)
    before = extract_features_bytes(positions)
    (values,) = session.run([VALUE], {INPUT: before})
    engine = Network.load(network)
    boards = [Position.from_packed(int(packed)) for packed in positions]
    assert values.shape == (300,)
    assert values == pytest.approx([engine.value(board) for board in boards], abs=1e-5)
    (logits,) = session.run([POLICY], {INPUT: extract_features_bytes(positions, rolls)})
    assert logits.shape == (300, 7)
    for board, roll, row in zip(boards, rolls, logits, strict=True):
        expected = dict(engine.policy(board, int(roll)))
        chosen = np.array([row[board.policy_slot(square)] for square in expected], dtype=np.float64)
        probabilities = np.exp(chosen - chosen.max())
        assert probabilities / probabilities.sum() == pytest.approx(list(expected.values()), abs=1e-5)


def test_one_network_alone(tmp_path):
    onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
    write(tmp_path / "value.json", random_document(heads=("value",)))
    convert(tmp_path / "value.json", tmp_path / "value.onnx")
    model = onnx.load(tmp_path / "value.onnx")
    assert [output.name for output in model.graph.output] == [VALUE]
    assert {entry.key: entry.value for entry in model.metadata_props}["rules"] == "finkel"


@pytest.mark.filterwarnings("default")
def test_core_ml_has_the_networks(network, tmp_path):
    """Only macOS can run it: here the package is read again."""
    coremltools = pytest.importorskip("coremltools", reason="the extra coreml is not installed")
    target = tmp_path / "both.mlpackage"
    for _ in range(2):  # the second one replaces the first
        convert(network, target)
    spec = coremltools.models.MLModel(str(target), skip_model_load=True).get_spec()
    assert [output.name for output in spec.description.output] == [VALUE, POLICY]
    assert spec.description.input[0].name == INPUT
    assert dict(spec.description.metadata.userDefined)["rules"] == "finkel"


def test_what_cannot_be_written(network, tmp_path):
    with pytest.raises(ValueError, match=r"must end in \.json, \.json\.gz, \.safetensors, \.onnx or \.mlpackage"):
        convert(network, tmp_path / "network.pt")
    document = json.loads(network.read_text()) | {"feature_set": "other"}
    write(tmp_path / "other.json", document)
    pytest.importorskip("onnx", reason="the extra onnx is not installed")
    with pytest.raises(ValueError, match="no feature set 'other'"):
        convert(tmp_path / "other.json", tmp_path / "other.onnx")
