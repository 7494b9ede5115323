import gzip
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import random_networks
from random_networks import OUTPUTS, random_document, write

from engine import FEATURE_SCALES, Agent, Network, Position
from engine.core.features import extract_features_bytes
from engine.games.sampling import sample_decisions
from engine.network.document import read_document
from engine.network.quantized import ALPHABET, LAYOUT, TOP, Layer, decode, encode, flat, padded, top_level

INPUTS = 150  # of Finkel's rules


def random_layers(rng, hidden, outputs, bits):
    """Layers whose integers keep to the size of a trained network's."""
    sizes = [INPUTS, *hidden, outputs]
    layers = []
    for i, (inputs, width) in enumerate(itertools.pairwise(sizes)):
        top = top_level(bits[i % len(bits)])
        levels = rng.integers(-top, top + 1, (inputs, width)).astype(np.int8)
        biases = rng.integers(-1000 * top, 1000 * top, width).astype(np.int32)
        step = 2.0**-14 if i == 0 else 0.0005
        spread = rng.uniform(1, 3, width) * step / top / inputs**0.5
        scales = np.array([float(f"{scale:.3g}") for scale in spread], dtype=np.float32)
        layers.append(Layer(bits[i % len(bits)], step, levels, biases, scales))
    return layers


def quantized_document(seed=0, hidden=(40, 9), activation="relu", heads=("value", "policy"), bits=(8, 4, 6)):
    rng = np.random.default_rng(seed)
    document = random_document(seed, hidden, activation, heads=())
    document["layout"] = LAYOUT
    for head in heads:
        document |= encode(random_layers(rng, hidden, OUTPUTS[head], bits), head)
    return document


def reference(layers, rows, activation):
    """(n, 150) feature bytes -> (n, outputs), by the rule of docs/weights.md, one integer at a time."""
    steps = [np.float32(layer.step) for layer in layers]
    x = np.trunc(rows.astype(np.float32) * (FEATURE_SCALES / steps[0])).astype(np.int64)
    for i, layer in enumerate(layers):
        sums = layer.biases.astype(np.int64) + x @ layer.levels.astype(np.int64)
        if i == len(layers) - 1:
            return sums.astype(np.float32) * layer.scales
        if activation == "relu":
            x = np.maximum(sums, 0).astype(np.float32) * (layer.scales / steps[i + 1])
        else:
            z = sums.astype(np.float32) * layer.scales
            x = z / (1 + np.exp(-z)) / steps[i + 1]
        x = np.clip(np.trunc(x), -TOP, TOP).astype(np.int64)
    raise AssertionError


@pytest.fixture(scope="module")
def decisions():
    return sample_decisions(500, 3)


class TestForwardPass:
    @pytest.mark.parametrize("hidden", [(40, 9), (1,), (64, 32, 16), (33, 257), (130, 96, 31)])
    @pytest.mark.parametrize("bits", [(8,), (7,), (5, 8), (2,)])
    def test_relu_is_exact(self, tmp_path, decisions, hidden, bits):
        path = write(tmp_path / "q.json", quantized_document(1, hidden, bits=bits))
        network, document = Network.load(path), read_document(path)
        packed, rolls = decisions
        outputs = reference(document["value_layers"], extract_features_bytes(packed), "relu")[:, 0]
        assert np.unique(outputs).size > 1
        np.testing.assert_allclose(network.values(packed), 0.5 + 0.5 * np.tanh(outputs.astype(np.float64)), atol=1e-12)
        logits = reference(document["policy_layers"], extract_features_bytes(packed, rolls), "relu").astype(np.float64)
        policies = network.policies(packed, rolls)
        legal = policies > 0
        odds = np.exp(logits - logits.max(axis=1, keepdims=True)) * legal
        np.testing.assert_allclose(policies, odds / odds.sum(axis=1, keepdims=True), atol=1e-12)

    def test_silu(self, tmp_path, decisions):
        path = write(tmp_path / "q.json", quantized_document(2, (33, 17), "silu", heads=("value",)))
        outputs = reference(read_document(path)["value_layers"], extract_features_bytes(decisions[0]), "silu")[:, 0]
        np.testing.assert_allclose(
            Network.load(path).values(decisions[0]), 0.5 + 0.5 * np.tanh(outputs.astype(np.float64)), atol=2e-4
        )

    @pytest.mark.parametrize("activation", ["relu", "silu"])
    def test_the_flat_list_is_the_same_network(self, tmp_path, decisions, activation):
        document = quantized_document(3, activation=activation)
        integers = Network.load(write(tmp_path / "q.json", document))
        weights = {
            f"{head}_weights": read_document(tmp_path / "q.json")[f"{head}_weights"].tolist() for head in OUTPUTS
        }
        plain = random_document(3, (40, 9), activation) | weights
        floats = Network.load(write(tmp_path / "f.json", plain))
        assert integers.quantized
        assert not floats.quantized
        np.testing.assert_allclose(integers.values(decisions[0]), floats.values(decisions[0]), atol=2e-3)
        np.testing.assert_allclose(integers.policies(*decisions), floats.policies(*decisions), atol=2e-3)
        assert integers.nbytes < floats.nbytes

    def test_inputs_stop_at_the_top(self, tmp_path, decisions):
        layers = random_layers(np.random.default_rng(4), (40, 9), 1, (8,))
        layers[1] = layers[1]._replace(step=1e-7)  # everything that is not zero is beyond it
        path = write(tmp_path / "q.json", quantized_document(heads=()) | encode(layers, "value"))
        outputs = reference(layers, extract_features_bytes(decisions[0]), "relu")[:, 0]
        np.testing.assert_allclose(
            Network.load(path).values(decisions[0]), 0.5 + 0.5 * np.tanh(outputs.astype(np.float64)), atol=1e-12
        )

    def test_agents(self, tmp_path):
        path = write(tmp_path / "q.json", quantized_document(5))
        position = Position.from_notation("x..x......x...:1|....x.x.......:0")
        for spelling in (f"net:{path}", f"net:{path}@2", f"net:{path}:policy"):
            agent = Agent.parse(spelling)
            assert len(agent.moves(position, 2)) > 1
            assert agent.best_move(position, 2) in position.legal_moves(2)


class TestText:
    @pytest.mark.parametrize("bits", range(2, 9))
    def test_round_trip(self, bits):
        layers = random_layers(np.random.default_rng(bits), (7, 3), 1, (bits, 9 - max(bits, 2)) if bits < 8 else (8,))
        layers[0].levels.ravel()[:2] = -top_level(bits), top_level(bits)
        document = json.loads(json.dumps(encode(layers, "value")))
        assert ("value_low" in document) == any(layer.bits > 6 for layer in layers)
        for layer, again in zip(layers, decode(document, "value", (INPUTS, 7, 3, 1)), strict=True):
            assert (layer.bits, layer.step) == (again.bits, again.step)
            for one, other in zip(layer[2:], again[2:], strict=True):
                np.testing.assert_array_equal(one, other)

    def test_a_network_that_is_not_there(self):
        assert decode({}, "value", (INPUTS, 7, 1)) is None

    def test_one_character_a_weight(self):
        layer = Layer(6, 1.0, np.array([[-31], [0], [31]], np.int8), np.zeros(1, np.int32), np.ones(1, np.float32))
        assert encode([layer], "value")["value_levels"] == ALPHABET[1] + ALPHABET[32] + ALPHABET[63]
        np.testing.assert_array_equal(flat([layer]), [-31, 0, 31, 0])

    def test_padding(self):
        assert padded(np.ones((2, 3), np.int8), 4).tolist() == [[1, 1, 1, 0]] * 2
        assert padded(np.ones(4), 4).tolist() == [1] * 4


def changed(key, value, layer=1):
    document = quantized_document()
    document["value_layers"][layer][key] = value
    return document


def cut(key):
    document = quantized_document()
    return document | {key: document[key][:-1]}


REFUSED = {
    "one scale too few": (changed("scales", [1e-6] * 8), r"value_layers\[1\]\.scales has 8 numbers, .* needs 9"),
    "one scale too many": (changed("scales", [1e-6] * 10), r"scales has 10 numbers"),
    "no scales": (changed("scales", None), r"scales must be numbers"),
    "a scale of 0": (changed("scales", [0] * 9), "must be positive"),
    "a negative scale": (changed("scales", [-1e-6] * 9), "must be positive"),
    "an infinite scale": (changed("scales", [1e39] * 9), "must be positive"),
    "a scale as text": (changed("scales", ["1"] * 9), "must be numbers"),
    "a boolean scale": (changed("scales", [True] * 9), "must be numbers"),
    "a step of 0": (changed("step", 0), "must be positive"),
    "no step": (changed("step", None), "step must be numbers"),
    "one bias too few": (changed("biases", [0] * 8), "biases has 8 numbers"),
    "a bias with a fraction": (changed("biases", [0.5] * 9), "integers of 32 bits"),
    "a large bias": (changed("biases", [2**31] * 9), "integers of 32 bits"),
    "the least of 64 bits": (changed("biases", [0] * 8 + [-(2**63)]), "integers of 32 bits"),
    "a huge bias": (changed("biases", [10**30] * 9), "beyond 64 bits"),
    "sums beyond 32 bits": (changed("biases", [2**31 - 1] * 9), "sums may leave 32 bits"),
    "nine bits": (changed("bits", 9), "bits must be an integer from 2 to 8, got 9"),
    "one bit": (changed("bits", 1), "bits must be"),
    "bits as text": (changed("bits", "8"), "bits must be"),
    "fewer bits than the levels": (changed("bits", 3), "a level beyond 3 bits"),
    "other bits than the text": (changed("bits", 8), "value_low has"),
    "a layer as a list": (quantized_document() | {"value_layers": [[], [], []]}, "must be an object"),
    "one layer too few": (cut("value_layers"), "must list 3 layers"),
    "layers as text": (quantized_document() | {"value_layers": "AA"}, "must list 3 layers"),
    "one level too few": (cut("value_levels"), "value_levels has 6368 characters, its network_config needs 6369"),
    "no levels": (quantized_document() | {"value_levels": None}, "value_levels must be a text"),
    "one lower character too few": (cut("value_low"), "value_low has 1999 characters"),
    "another character": (
        quantized_document() | {"value_levels": "*" * 6369},
        "value_levels must be a text of base64's characters",
    ),
    "a letter of another alphabet": (quantized_document() | {"value_levels": "ä" * 6369}, "must be a text"),
    "nothing": (quantized_document(heads=()), "neither value_layers nor policy_layers is there"),
    "another version": (
        quantized_document() | {"layout": "quantized-rows-v2"},
        "layout 'quantized-rows-v2' is unknown",
    ),
    "large weights": (changed("scales", [1e30] * 9), "above 10000 in size"),
}


class TestRefusals:
    """ValueError, in one line that names the file."""

    @pytest.mark.parametrize(("document", "reason"), REFUSED.values(), ids=list(REFUSED))
    def test_documents(self, tmp_path, document, reason):
        path = write(tmp_path / "q.json", document)
        for read in (read_document, Network.load):
            with pytest.raises(ValueError, match=reason) as error:
                read(path)
            assert str(error.value).startswith(f"{path}: ")
            assert "\n" not in str(error.value)

    def test_another_feature_set(self, tmp_path):
        path = write(tmp_path / "q.json", quantized_document() | {"feature_set": "other"})
        assert read_document(path)["value_layers"]
        with pytest.raises(ValueError, match="cannot play"):
            Network.load(path)


class TestSchema:
    @pytest.mark.parametrize("heads", [("value", "policy"), ("value",), ("policy",)])
    @pytest.mark.parametrize("bits", [(8, 4, 6), (2,)])
    def test_accepts(self, validator, heads, bits):
        validator.validate(quantized_document(heads=heads, bits=bits))

    @pytest.mark.parametrize(
        "name",
        [
            "no scales",
            "a scale of 0",
            "a negative scale",
            "an infinite scale",
            "a scale as text",
            "a boolean scale",
            "a step of 0",
            "no step",
            "a bias with a fraction",
            "a large bias",
            "nine bits",
            "one bit",
            "bits as text",
            "a layer as a list",
            "layers as text",
            "no levels",
            "another character",
            "a letter of another alphabet",
            "nothing",
            "another version",
        ],
    )
    def test_refuses_what_the_engine_refuses(self, validator, name):
        assert not validator.is_valid(REFUSED[name][0])

    def test_each_layout_has_its_own_keys(self, validator):
        flat_layout = random_document()["layout"]
        assert not validator.is_valid(quantized_document() | {"layout": flat_layout})
        assert not validator.is_valid(random_document() | {"layout": LAYOUT})
        levels = quantized_document()
        del levels["value_levels"]
        assert not validator.is_valid(levels)


def test_gzip(tmp_path):
    document = quantized_document()
    (tmp_path / "q.json.gz").write_bytes(gzip.compress(json.dumps(document).encode()))
    assert Network.load(tmp_path / "q.json.gz").has_value


def test_the_reading_example(tmp_path, decisions):
    """The code of docs/weights.md that reads a quantised file."""
    page = random_networks.GOLDEN_NETWORK.parents[2] / "docs" / "weights.md"
    code = page.read_text(encoding="utf-8").split("```python")[2].split("```")[0]
    for activation in ("relu", "silu"):
        path = write(tmp_path / "q.json", quantized_document(6, activation=activation))
        with Path(path).open() as text:
            names = {"text": text}
            exec(code.replace('open("weights.json")', "text"), names)
        rows = extract_features_bytes(decisions[0])
        found = [names["win_probability"](row * FEATURE_SCALES) for row in rows[:50]]
        np.testing.assert_allclose(found, Network.load(path).values(decisions[0])[:50], atol=1e-3)
