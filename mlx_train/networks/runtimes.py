"""Networks for other runtimes: ONNX and Core ML.

Both take the bytes of the features (`engine.extract_features_bytes`), scale them as the engine does, and give the win
probability of the side to move, or the logits of the policy slots. Features are not computed there: the engine does it.
"""

import itertools
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.core.features import features_of
from engine.machine.files import atomic_file
from engine.machine.installation import explained_imports
from engine.network.document import POLICY_OUTPUTS

#: The names of input and outputs.
INPUT, VALUE, POLICY = "features", "win_probability", "policy_logits"

#: The version of ONNX's operators, and of the file format, that are written: old ones, which every runtime reads.
OPSET, IR_VERSION = 13, 8


class Layer(NamedTuple):
    """A layer: (outputs, inputs) and (outputs,) float32."""

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]


def layers_of(document: dict[str, Any], head: str) -> list[Layer]:
    """The layers of the "value" or "policy" network of a document of `read_document`; none without the network."""
    flat = document[f"{head}_weights"]
    if flat is None:
        return []
    config = document["network_config"]
    outputs = 1 if head == "value" else POLICY_OUTPUTS
    layers, taken = [], 0
    for wide, narrow in itertools.pairwise([config["input_size"], *config["hidden_sizes"], outputs]):
        end = taken + wide * narrow
        layers.append(Layer(flat[taken:end].reshape(wide, narrow).T.copy(), flat[end : end + narrow]))
        taken = end + narrow
    return layers


def scales_of(document: dict[str, Any]) -> NDArray[np.float32]:
    """What the bytes of the features are multiplied by. Raises ValueError for a feature set that the engine lacks."""
    features = features_of(document["rules"])
    if document["feature_set"] != features.name:
        raise ValueError(f"the engine has no feature set {document['feature_set']!r}, so it can't be scaled")
    return features.scales


def save_onnx(path: Path, document: dict[str, Any]) -> None:
    """Write the networks of a document as one ONNX model. Raises ModuleNotFoundError, ValueError, OSError.

    Input `features`: (n, inputs) uint8. Outputs: `win_probability`, (n,) float32, and `policy_logits`, (n, 7) float32,
    by policy slot: each if the document has that network. The value network is asked with the features before the roll,
    the policy network with the roll.
    """
    with explained_imports():
        from onnx import TensorProto, checker, helper, numpy_helper

    scales = scales_of(document)
    constants: dict[str, NDArray[Any]] = {"scales": scales}
    nodes = [
        helper.make_node("Cast", [INPUT], ["float_features"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["float_features", "scales"], ["inputs"]),
    ]
    outputs = []
    for head in ("value", "policy"):
        layers = layers_of(document, head)
        if not layers:
            continue
        for number, layer in enumerate(layers):
            constants |= {f"{head}.{number}.weight": layer.weight.T, f"{head}.{number}.bias": layer.bias}
        nodes += [helper.make_node(*node) for node in _onnx_nodes(head, len(layers), _activation(document))]
        if head == "value":
            constants |= {"half": np.array([0.5], dtype=np.float32), "last_axis": np.array([1], dtype=np.int64)}
            nodes += [
                helper.make_node("Tanh", ["value.outputs"], ["value.tanh"]),
                helper.make_node("Mul", ["value.tanh", "half"], ["value.halved"]),
                helper.make_node("Add", ["value.halved", "half"], ["value.probability"]),
                helper.make_node("Squeeze", ["value.probability", "last_axis"], [VALUE]),
            ]
            outputs.append(helper.make_tensor_value_info(VALUE, TensorProto.FLOAT, ["n"]))
        else:
            nodes.append(helper.make_node("Identity", ["policy.outputs"], [POLICY]))
            outputs.append(helper.make_tensor_value_info(POLICY, TensorProto.FLOAT, ["n", POLICY_OUTPUTS]))
    given = helper.make_tensor_value_info(INPUT, TensorProto.UINT8, ["n", len(scales)])
    tensors = [numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "ur", [given], outputs, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    helper.set_model_props(model, _described(document))
    checker.check_model(model)
    with atomic_file(path) as file:
        file.write(model.SerializeToString())


def _activation(document: dict[str, Any]) -> str:
    return str(document["architecture"]["activation"])


def _onnx_nodes(head: str, layers: int, activation: str) -> Iterator[tuple[Any, ...]]:
    """The nodes of a network, from `inputs` to `HEAD.outputs`: type, inputs, outputs."""
    x = "inputs"
    for number in range(layers):
        name = f"{head}.{number}"
        last = number == layers - 1
        yield "MatMul", [x, f"{name}.weight"], [f"{name}.product"]
        yield "Add", [f"{name}.product", f"{name}.bias"], [f"{head}.outputs" if last else f"{name}.sum"]
        if not last:
            x = f"{name}.active"
            if activation == "relu":
                yield "Relu", [f"{name}.sum"], [x]
            else:
                yield "Sigmoid", [f"{name}.sum"], [f"{name}.sigmoid"]
                yield "Mul", [f"{name}.sum", f"{name}.sigmoid"], [x]


def _described(document: dict[str, Any]) -> dict[str, str]:
    """What a file says of itself, beside its arrays."""
    names = {"rules": document["rules"], "feature_set": document["feature_set"]}
    metadata = document.get("metadata") or {}
    return names | {key: str(value) for key, value in metadata.items() if isinstance(value, str | int | float)}


def save_core_ml(path: Path, document: dict[str, Any]) -> None:
    """Write the networks of a document as a Core ML package. Raises ModuleNotFoundError, ValueError, OSError.

    Input and outputs are those of `save_onnx`, but that Core ML has no bytes: the input is their values as float32, for
    1 to 4096 positions at once. A package can be written on any system; only macOS can run it.
    """
    with explained_imports():
        import coremltools

    scales = scales_of(document)
    heads = {head: layers for head in ("value", "policy") if (layers := layers_of(document, head))}
    silu = _activation(document) == "silu"
    rows = coremltools.RangeDim(1, 4096, default=1)

    mil = coremltools.converters.mil
    given = mil.Builder.TensorSpec(shape=(mil.mil.get_new_symbol(), len(scales)))

    def program(features: Any) -> Any:
        outputs = []
        inputs = mil.Builder.mul(x=features, y=scales)
        for head, layers in heads.items():
            x = inputs
            for layer in layers[:-1]:
                x = mil.Builder.linear(x=x, weight=layer.weight, bias=layer.bias)
                x = mil.Builder.silu(x=x) if silu else mil.Builder.relu(x=x)
            x = mil.Builder.linear(x=x, weight=layers[-1].weight, bias=layers[-1].bias)
            if head == "value":
                half = mil.Builder.mul(x=mil.Builder.tanh(x=x), y=np.float32(0.5))
                outputs.append(mil.Builder.squeeze(x=mil.Builder.add(x=half, y=np.float32(0.5)), axes=[1], name=VALUE))
            else:
                outputs.append(mil.Builder.identity(x=x, name=POLICY))
        return tuple(outputs)

    model = coremltools.convert(
        mil.Builder.program(input_specs=[given], opset_version=coremltools.target.macOS13)(program),
        inputs=[coremltools.TensorType(name=INPUT, shape=(rows, len(scales)), dtype=np.float32)],
        compute_precision=coremltools.precision.FLOAT32,
        minimum_deployment_target=coremltools.target.macOS13,
        skip_model_load=True,
    )
    model.user_defined_metadata.update(_described(document))
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        written = Path(folder) / path.name
        model.save(str(written))
        if path.exists():
            shutil.rmtree(path)
        written.replace(path)
