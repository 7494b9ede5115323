"""The engine in WebAssembly is the engine: under Node, on positions from play."""

import json
import shutil
import subprocess
from itertools import pairwise

import numpy as np
import pytest
import wasm
from answers import DEPTHS, MOVES, NETWORK_TOLERANCE, NETWORKS, ROOT, Questions
from random_networks import random_document, write
from wasm import WASM

from engine import Network, Position, Search, extract_features, sample_decisions
from engine.core.rules import RULE_SETS
from engine.network.quantized import LAYOUT as QUANTIZED_LAYOUT
from engine.network.quantized import Layer, encode

NODE = shutil.which("node")


pytestmark = [
    pytest.mark.skipif(NODE is None, reason="needs Node"),
    pytest.mark.skipif(wasm.missing() is not None, reason=wasm.missing() or ""),
]


def node(*arguments):
    """What a program for Node prints."""
    result = subprocess.run([NODE, *map(str, arguments)], capture_output=True, text=True, check=False, cwd=ROOT)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def questions(tmp_path_factory):
    questions = Questions(tmp_path_factory.mktemp("wasm"), 100_000)
    node("tests/support/wasm_answers.mjs", WASM, questions.folder, *questions.networks)
    return questions


def test_rules(questions):
    questions.check_rules()


def test_features(questions):
    questions.check_features()


@pytest.mark.parametrize("preset", [0, 1])
@pytest.mark.parametrize("depth", DEPTHS)
def test_search(questions, preset, depth):
    questions.check_search(preset, depth)


@pytest.mark.parametrize("number", range(NETWORKS))
def test_networks(questions, number):
    questions.check_network(number)


@pytest.mark.parametrize("number", range(NETWORKS))
def test_look_ahead(questions, number):
    network = Network.load(questions.networks[number])
    rows = questions.answer(f"ahead-{number}", "<f8").reshape(-1, MOVES).tolist()
    assert len(rows) == 200
    for (position, roll), row in zip(questions.decisions(), rows, strict=False):
        values = [value for _, value in network.moves(position, roll, 2)]
        assert row == pytest.approx(values + [0] * (MOVES - len(values)), abs=NETWORK_TOLERANCE)


#: With ReLU all machines get the same integers. With SiLU the C library's `exp` may round an input otherwise.
QUANTIZED = {"standard": NETWORK_TOLERANCE, "ur-29k": 2e-4}


def test_quantised_networks(tmp_path):
    questions = Questions(tmp_path, 2000)
    files = [ROOT / "weights" / "quantized" / f"{name}.json" for name in QUANTIZED]
    node("tests/support/wasm_answers.mjs", WASM, questions.folder, *files)
    for number, (file, tolerance) in enumerate(zip(files, QUANTIZED.values(), strict=True)):
        expected = Network.load(file).values(questions.packed)
        assert questions.answer(f"value-{number}", "<f8") == pytest.approx(expected, abs=tolerance)


def quantized_files():
    """Quantised files that are accepted, and many that are not, by name."""
    rng = np.random.default_rng(0)
    sizes = (150, 8, 5)
    layers = [
        Layer(
            bits,
            0.01,
            rng.integers(-3, 4, shape),
            rng.integers(-99, 99, shape[1]),
            np.full(shape[1], 0.001, np.float32),
        )
        for bits, shape in zip((8, 7, 4), pairwise((*sizes, 1)), strict=True)
    ]
    good = random_document(1, sizes[1:], "silu", heads=())
    good |= {"layout": QUANTIZED_LAYOUT} | json.loads(json.dumps(encode(layers, "value")))

    def changed(**keys):
        return {key: value for key, value in {**good, **keys}.items() if value is not ...}

    def layered(**keys):
        return changed(value_layers=[{**good["value_layers"][0], **keys}, *good["value_layers"][1:]])

    biases, scales = good["value_layers"][0]["biases"], good["value_layers"][0]["scales"]
    return {
        "quantised": good,
        "quantised: relu": changed(architecture={"activation": "relu"}),
        "quantised: neither": changed(value_layers=...),
        "quantised: a layer less": changed(value_layers=good["value_layers"][1:]),
        "quantised: layers no list": changed(value_layers="abc"),
        "quantised: a layer a list": changed(value_layers=[[], *good["value_layers"][1:]]),
        "quantised: bits 9": layered(bits=9),
        "quantised: bits a text": layered(bits="8"),
        "quantised: no bits": layered(bits=None),
        "quantised: other bits": layered(bits=6),
        "quantised: levels a list": changed(value_levels=[]),
        "quantised: no levels": changed(value_levels=...),
        "quantised: levels too short": changed(value_levels=good["value_levels"][1:]),
        "quantised: no character": changed(value_levels="!" + good["value_levels"][1:]),
        "quantised: no ASCII": changed(value_levels="é" + good["value_levels"][1:]),
        "quantised: a level too large": changed(value_levels=good["value_levels"][:-1] + "/"),
        "quantised: no lower bits": changed(value_low=...),
        "quantised: step zero": layered(step=0),
        "quantised: step a text": layered(step="1"),
        "quantised: step too small": layered(step=1e-60),
        "quantised: a scale less": layered(scales=scales[1:]),
        "quantised: a scale negative": layered(scales=[-0.5, *scales[1:]]),
        "quantised: scale beyond float32": layered(scales=[1e39, *scales[1:]]),
        "quantised: a bias more": layered(biases=[*biases, 1]),
        "quantised: a bias of a half": layered(biases=[0.5, *biases[1:]]),
        "quantised: a bias too large": layered(biases=[2**31, *biases[1:]]),
        "quantised: sums too large": layered(biases=[2**31 - 1, *biases[1:]]),
        "quantised: weights too large": layered(step=1e-9, scales=[1.0, *scales[1:]]),
    }


def weights_files():
    """Weights files that are accepted, and many that are not, by name."""
    good = random_document(1, (8, 5))

    def changed(**keys):
        return {key: value for key, value in {**good, **keys}.items() if value is not ...}

    def configured(**keys):
        return changed(network_config={**good["network_config"], **keys})

    def weighted(number):
        return changed(value_weights=[*good["value_weights"][:-1], number])

    config = good["network_config"]
    older = {
        "valueWeights": good["value_weights"],
        "valueNetworkConfig": {"inputSize": 150, "hiddenSizes": [8, 5], "outputSize": 1, "valueOutputSize": 1},
        "featureSet": good["feature_set"],
    }
    return {
        "accepted": good,
        "policy alone": changed(value_weights=...),
        "value alone": changed(policy_weights=[]),
        "silu": changed(architecture={"activation": "silu"}),
        "only what is needed": changed(layout=..., value_scale=..., architecture=..., metadata=...),
        "older keys": older,
        "a list": [good],
        "null": None,
        "no config": changed(network_config=...),
        "config a list": changed(network_config=[150]),
        "no hidden layer": configured(hidden_sizes=[]),
        "hidden no list": configured(hidden_sizes=8),
        "too many layers": configured(hidden_sizes=[8] * 12),
        "size zero": configured(hidden_sizes=[8, 0]),
        "size as text": configured(hidden_sizes=[8, "5"]),
        "size true": configured(hidden_sizes=[8, True]),
        "size too large": configured(hidden_sizes=[8, 2049]),
        "no inputs": changed(network_config={key: value for key, value in config.items() if key != "input_size"}),
        "layout": changed(layout="output-input"),
        "layout null": changed(layout=None),
        "activation": changed(architecture={"activation": "gelu"}),
        "activation null": changed(architecture={"activation": None}),
        "architecture a text": changed(architecture="mlp"),
        "metadata a list": changed(metadata=[]),
        "one number less": changed(value_weights=good["value_weights"][1:]),
        "one number more": changed(policy_weights=[*good["policy_weights"], 0.0]),
        "weights a text": changed(value_weights="abc"),
        "a text among them": weighted("1.0"),
        "a null among them": weighted(None),
        "a list among them": weighted([1.0]),
        "beyond float32": weighted(1e39),
        "too large": weighted(-10001.0),
        "neither": changed(value_weights=..., policy_weights=None),
        "other features": changed(feature_set="ur-28-v1"),
        "no feature set": changed(feature_set=...),
        "value scale": changed(value_scale="p"),
        "inputs": changed(
            network_config={**config, "input_size": 149},
            value_weights=good["value_weights"][8:],
            policy_weights=good["policy_weights"][8:],
        ),
        "outputs": changed(
            network_config={**config, "value_output_size": 2}, value_weights=[*good["value_weights"], *[0.0] * 6]
        ),
    }


def native_refusal(document, path):
    """Why the native engine refuses a weights file, without its name; None if it does not."""
    try:
        Network.load(write(path, document))
    except ValueError as error:
        return str(error).removeprefix(f"{path}: ")
    return None


def test_every_rule_set(tmp_path):
    """Moves, features, search and networks of games of each rule set."""
    questions = {}
    for name in RULE_SETS:
        packed, rolls = sample_decisions(2000, 5, rules=name)
        turns = [
            (str(Position.from_packed(position, name)), roll)
            for position, roll in zip(packed.tolist()[::25], rolls.tolist()[::25], strict=True)
        ]
        questions[name] = {"turns": turns, "weights": random_document(6, rules=name)}
    answers = json.loads(
        node("tests/support/rule_set_answers.mjs", WASM, write(tmp_path / "questions.json", questions))
    )
    for name, asked in questions.items():
        network = Network.load(write(tmp_path / f"{name}.json", asked["weights"]))
        for (notation, roll), answer in zip(asked["turns"], answers[name], strict=True):
            position = Position.from_notation(notation, name)
            assert answer["moves"] == position.legal_moves(roll)
            played = [position.play(roll, square) for square in answer["moves"]]
            assert answer["after"] == [[str(after), again] for after, again in played]
            assert answer["features"] == extract_features(position, roll).tolist()
            assert answer["search"] == [value for _, value in Search(2, rules=name).moves(position, roll)]
            assert answer["value"] == pytest.approx(network.value(position), abs=NETWORK_TOLERANCE)
            for key, values in (
                ("ahead", network.moves(position, roll, 2)),
                ("policy", network.policy(position, roll)),
            ):
                assert answer[key] == pytest.approx([value for _, value in values], abs=NETWORK_TOLERANCE)
        other = "blitz" if name == "finkel" else "finkel"
        assert answers[f"{name} refusal"] == f"the network plays {name}, the position {other}"


def test_the_wasm_is_small():
    """A page on a phone loads it: at most 60 kB for all rule sets."""
    assert WASM.stat().st_size <= 60_000


def test_ur_js_refuses_what_the_engine_refuses(tmp_path):
    documents = weights_files() | quantized_files()
    printed = node(
        "tests/support/ur_cases.mjs", WASM, "weights/standard.json", write(tmp_path / "documents.json", documents)
    )
    found = json.loads(printed)
    expected = {name: native_refusal(document, tmp_path / "one.json") for name, document in documents.items()}
    assert {name for name, why in expected.items() if why is None} == {
        *("accepted", "policy alone", "value alone", "silu", "only what is needed", "older keys"),
        *("quantised", "quantised: relu"),
    }

    # The languages write texts and nothing differently.
    def plain(why):
        return why and why.replace("'", '"').replace("None", "nothing").replace("True", "true")

    assert {name: plain(why) for name, why in found.items()} == {name: plain(why) for name, why in expected.items()}
