"""JSON networks: the forward pass against numpy in float64, look-ahead against a slow one, and what is refused."""

import gzip
import json
import math
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import random_networks
import referee
from random_networks import GOLDEN_NETWORK, GOLDEN_VECTOR, forward, random_document, write

from engine import Agent, Network, Position, extract_features_batch, sample_decisions
from engine.core.batch import policy_slots, successors
from engine.core.features import FEATURE_SET
from engine.network.document import parameter_count, read_document
from engine.network.lookahead import MOVE_FILTER
from mlx_train.networks.golden import golden_vector, write_vector

TOLERANCE = 1e-5

WON = Position.from_notation("..............:7|x.............:0")
LOST = Position.from_notation("x.............:0|..............:7")

SHAPES = [((3,), "relu"), ((17, 33), "silu"), ((1, 1), "relu"), ((100, 1, 3), "silu"), ((33, 100, 17, 3), "relu")]


def position_of(state):
    return Position.from_notation(referee.notation(state))


@pytest.fixture(scope="module")
def decisions():
    """(packed, rolls) of decisions from random and from greedy play."""
    parts = [sample_decisions(3000, 5), sample_decisions(3000, 6, Agent.parse("greedy"))]
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))


@pytest.fixture(scope="module")
def turns(decisions):
    """Some of them as (position, roll)."""
    packed, rolls = decisions
    return [(Position.from_packed(int(p)), int(r)) for p, r in zip(packed[::60], rolls[::60], strict=True)]


@pytest.fixture(scope="module")
def strange():
    """Packed positions with pieces scattered at random, finished games left out."""
    states = [state for state in referee.random_placements(41, 500) if not referee.is_over(state)]
    return np.array([referee.packed(state) for state in states], dtype=np.uint64)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A small network that plays."""
    path = tmp_path_factory.mktemp("networks") / "small.json"
    return Network.load(write(path, random_document(seed=3)))


def softmax_of_legal(logits, position, roll):
    """(7,) probabilities by policy slot from the definition."""
    slots = [position.policy_slot(square) for square in position.legal_moves(roll)]
    policy = np.zeros(7)
    odds = np.exp(logits[slots] - logits[slots].max())
    policy[slots] = odds / odds.sum()
    return policy


@pytest.mark.parametrize(("hidden", "activation"), SHAPES)
class TestForward:
    @pytest.fixture
    def network(self, hidden, activation, tmp_path):
        self.document = random_document(seed=len(hidden), hidden=hidden, activation=activation)
        return Network.load(write(tmp_path / "w.json", self.document))

    def test_value(self, network, decisions, strange):
        packed = np.concatenate([decisions[0], strange])
        values = (1 + np.tanh(forward(self.document, "value", extract_features_batch(packed))[:, 0])) / 2
        assert np.abs(network.values(packed) - values).max() < TOLERANCE

    def test_policy(self, network, decisions):
        packed, rolls = (column[::3] for column in decisions)
        logits = forward(self.document, "policy", extract_features_batch(packed, rolls))
        expected = [
            softmax_of_legal(row, Position.from_packed(int(p)), int(r))
            for row, p, r in zip(logits, packed, rolls, strict=True)
        ]
        assert np.abs(network.policies(packed, rolls) - expected).max() < TOLERANCE

    def test_what_it_says_of_itself(self, network, hidden, activation, tmp_path):
        assert network.hidden_sizes == hidden
        assert network.activation == activation
        assert network.feature_set == FEATURE_SET
        assert network.metadata == {"seed": len(hidden)}
        assert network.path == str(tmp_path / "w.json")
        assert network.has_value
        assert network.has_policy
        count = sum(len(self.document[f"{head}_weights"]) for head in ("value", "policy"))
        assert network.nbytes >= 4 * count


class TestValue:
    def test_finished_games_are_exact(self, small):
        assert small.value(WON) == 1.0
        assert small.value(LOST) == 0.0
        assert small.values([WON.packed, LOST.packed]).tolist() == [1.0, 0.0]

    def test_batch_and_single_agree(self, small, decisions):
        values = small.values(decisions[0][::50])
        assert values.dtype == np.float64
        assert values.tolist() == [small.value(Position.from_packed(int(p))) for p in decisions[0][::50]]
        assert ((values > 0) & (values < 1)).all()
        assert values.std() > 0.01

    def test_the_batch_takes_any_layout(self, small, decisions):
        packed = decisions[0][:100]
        assert np.array_equal(small.values(packed[::2]), small.values(packed)[::2])
        assert np.array_equal(small.values(packed.tolist()), small.values(packed))
        assert small.values([]).shape == (0,)

    def test_refusals(self, small):
        with pytest.raises(ValueError, match="entry 1"):
            small.values([0, 1])
        with pytest.raises(TypeError):
            small.value(None)


class TestMoves:
    def test_one_turn_values_the_successors(self, small, turns):
        for position, roll in turns:
            expected = []
            for square in position.legal_moves(roll):
                after, same_player = position.play(roll, square)
                value = small.value(after)
                expected.append((square, value if same_player else 1 - value))
            assert small.moves(position, roll) == expected

    def test_a_winning_move(self, small):
        position = Position.from_notation(".............x:6|x.............:0")
        for depth in (1, 2, 3):
            assert small.moves(position, 1, depth) == [(14, 1.0)]

    def test_a_pass_has_no_moves(self, small):
        assert small.moves(Position.initial(), 0) == []
        assert small.moves(Position.from_notation(".............x:6|..............:0"), 2) == []

    @pytest.mark.parametrize(("depth", "step"), [(2, 2), (3, 25)])
    def test_look_ahead(self, small, turns, depth, step):
        endings = [
            (position_of(state), roll)
            for state, roll in referee.game_decisions(7, 2, opening=referee.State((), (), 5, 5))
            if referee.legal_moves(state, roll)
        ]
        for position, roll in (turns + endings)[::step]:
            expected = slow_moves(small, position, roll, depth)
            moves = small.moves(position, roll, depth)
            assert [square for square, _ in moves] == list(expected)
            assert dict(moves) == pytest.approx(expected, abs=1e-6)

    def test_the_move_filter_leaves_moves_out(self, small, turns):
        left_out = 0
        for position, roll in turns:
            plain, ahead = dict(small.moves(position, roll)), dict(small.moves(position, roll, 2))
            kept = [square for square in plain if ahead[square] == plain[square]]
            left_out += len(kept)
            for square in kept:
                assert plain[square] < max(plain.values()) - MOVE_FILTER
                assert plain[square] <= max(value for other, value in ahead.items() if other not in kept)
        assert left_out

    def test_refusals(self, small):
        with pytest.raises(ValueError, match="1 to 4 turns, got 0"):
            small.moves(Position.initial(), 1, 0)
        with pytest.raises(ValueError, match="0 to 4"):
            small.moves(Position.initial(), 5)
        for over in (WON, LOST):
            with pytest.raises(ValueError, match="over"):
                small.moves(over, 1)
        with pytest.raises(TypeError):
            small.moves(None, 1)


def slow_moves(network, position, roll, depth, best_alone=False):
    """Expectiminimax over `network.value` with a move filter, from the definition: {square: value}."""

    def value_after(square, depth):
        after, same_player = position.play(roll, square)
        value = slow_value(network, after, depth)
        return value if same_player else 1 - value

    looks = {square: value_after(square, 0) for square in position.legal_moves(roll)}
    if depth == 1 or not looks:
        return looks
    limit = max(looks.values()) - MOVE_FILTER
    deep = {}
    for square in sorted(looks, key=looks.get, reverse=True):
        if looks[square] < limit and looks[square] <= max(deep.values()):
            break
        deep[square] = value_after(square, depth - 1)
    return deep if best_alone else looks | deep


def slow_value(network, position, depth):
    if depth == 0 or position.is_over:
        return network.value(position)
    total = 0.0
    for roll, ways in enumerate(referee.WAYS):
        values = slow_moves(network, position, roll, depth, best_alone=True).values()
        total += ways / 16 * (max(values) if values else 1 - slow_value(network, position.swapped, depth - 1))
    return total


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_values_some_turns_ahead(small, turns, depth):
    positions = [position for position, _ in turns[:: 1 if depth < 2 else 10]]
    expected = [slow_value(small, position, depth) for position in positions]
    values = small.values([position.packed for position in positions], depth)
    np.testing.assert_allclose(values, expected, atol=1e-6)


@pytest.mark.parametrize("depth", [-1, 4, 100])
def test_absurd_look_ahead_of_values(small, depth):
    with pytest.raises(ValueError, match="look-ahead of a value must be 0 to"):
        small.values([Position.initial().packed], depth)


class TestMoveValues:
    @pytest.mark.parametrize("depth", [1, 2])
    def test_batch_and_single_agree(self, small, turns, depth):
        turns = turns[:: 3 * depth]
        values = small.move_values([p.packed for p, _ in turns], [r for _, r in turns], depth)
        assert values.shape == (len(turns), 7)
        for (position, roll), row in zip(turns, values, strict=True):
            expected = {position.policy_slot(square): value for square, value in small.moves(position, roll, depth)}
            assert {slot: row[slot] for slot in np.flatnonzero(~np.isnan(row))} == expected

    def test_a_pass_has_no_values(self, small):
        assert np.isnan(small.move_values([Position.initial().packed], [0])).all()

    @pytest.mark.parametrize(
        ("packed", "roll", "depth", "message"),
        [(WON.packed, 1, 1, "over"), (1, 1, 1, "entry 0"), (Position.initial().packed, 1, 9, "look-ahead must be")],
    )
    def test_refusals(self, small, packed, roll, depth, message):
        with pytest.raises(ValueError, match=message):
            small.move_values([packed], [roll], depth)


class TestPolicy:
    def test_only_legal_slots_and_a_sum_of_one(self, small, decisions):
        packed, rolls = decisions
        policies = small.policies(packed, rolls)
        assert policies.shape == (len(packed), 7)
        np.testing.assert_allclose(policies.sum(axis=1), 1, atol=1e-12)
        for p, r, row in zip(packed[::20], rolls[::20], policies[::20], strict=True):
            position = Position.from_packed(int(p))
            slots = {position.policy_slot(square) for square in position.legal_moves(int(r))}
            assert set(np.flatnonzero(row).tolist()) == slots

    def test_batch_and_single_agree(self, small, turns):
        policies = small.policies([p.packed for p, _ in turns], [r for _, r in turns])
        for (position, roll), row in zip(turns, policies, strict=True):
            moves = small.policy(position, roll)
            assert [square for square, _ in moves] == position.legal_moves(roll)
            assert [p for _, p in moves] == [row[position.policy_slot(square)] for square, _ in moves]

    def test_a_pass_is_all_zero(self, small):
        assert small.policy(Position.initial(), 0) == []
        assert small.policies([Position.initial().packed], [0]).tolist() == [[0.0] * 7]
        assert small.policies([], []).shape == (0, 7)

    def test_one_move_is_certain(self, small):
        assert small.policy(Position.initial(), 2) == [(0, 1.0)]

    def test_large_logits(self, tmp_path):
        document = random_document(hidden=(1,))
        document["policy_weights"][-7:] = [1e4, 0, 0, 0, 0, 0, -1e4]
        network = Network.load(write(tmp_path / "w.json", document))
        position = Position.from_notation("x.............:0|..............:0")
        assert network.policy(position, 2) == [(0, 1.0), (1, 0.0)]

    def test_refusals(self, small):
        initial = Position.initial()
        with pytest.raises(ValueError, match="0 to 4"):
            small.policy(initial, 5)
        with pytest.raises(ValueError, match="over"):
            small.policy(WON, 1)
        with pytest.raises(TypeError):
            small.policy(None, 1)
        with pytest.raises(ValueError, match="2 positions but rolls"):
            small.policies([initial.packed] * 2, [1])
        with pytest.raises(ValueError, match="entry 0"):
            small.policies([1], [1])
        with pytest.raises(ValueError, match="0 to 4"):
            small.policies([initial.packed], [5])


class TestOneOfTwo:
    """A file may lack one of the networks."""

    def test_value_alone(self, tmp_path):
        network = Network.load(write(tmp_path / "w.json", random_document(heads=("value",))))
        assert (network.has_value, network.has_policy) == (True, False)
        assert 0 < network.value(Position.initial()) < 1
        for ask in (network.policy, lambda position, roll: network.policies([position.packed], [roll])):
            with pytest.raises(ValueError, match="no policy network"):
                ask(Position.initial(), 1)

    def test_policy_alone(self, tmp_path):
        document = random_document(heads=("policy",)) | {"value_weights": []}
        network = Network.load(write(tmp_path / "w.json", document))
        assert (network.has_value, network.has_policy) == (False, True)
        assert network.policy(Position.initial(), 1) == [(0, 1.0)]
        for ask in (network.value, lambda p: network.values([p.packed]), lambda p: network.moves(p, 1)):
            with pytest.raises(ValueError, match="no value network"):
                ask(Position.initial())


class TestReading:
    def test_parameter_count(self):
        assert parameter_count(150, [256, 128, 64, 32], 1) == 81_921
        assert parameter_count(150, [256, 128, 64, 32], 7) == 82_119

    def test_the_document(self, tmp_path):
        document = random_document()
        read = read_document(write(tmp_path / "w.json", document))
        assert set(read) == set(document)
        for key in ("value_weights", "policy_weights"):
            assert read[key].dtype == np.float32
            assert read[key].tolist() == np.array(document[key], dtype=np.float32).tolist()
        assert {key: read[key] for key in read if not key.endswith("_weights")} == {
            key: document[key] for key in document if not key.endswith("_weights")
        }

    def test_optional_keys(self, tmp_path):
        document = random_document()
        for key in ("layout", "value_scale", "architecture", "metadata"):
            del document[key]
        del document["network_config"]["value_output_size"], document["network_config"]["policy_output_size"]
        path = write(tmp_path / "w.json", document)
        assert Network.load(path).activation == "relu"
        assert read_document(path)["network_config"] == random_document()["network_config"]

    def test_integers_are_numbers(self, tmp_path):
        document = random_document()
        document["value_weights"] = [0] * len(document["value_weights"])
        assert Network.load(write(tmp_path / "w.json", document)).value(Position.initial()) == 0.5

    def test_gzip(self, tmp_path, small):
        path = tmp_path / "w.json.gz"
        path.write_bytes(gzip.compress(json.dumps(random_document(seed=3)).encode()))
        for name in (path, str(path)):
            network = Network.load(name)
            assert network.value(Position.initial()) == small.value(Position.initial())

    def test_the_first_bytes_decide_not_the_name(self, tmp_path, small):
        text = b"\xef\xbb\xbf" + json.dumps(random_document(seed=3)).encode()
        for name, content in (("W.JSON.GZ", gzip.compress(text)), ("w.json", gzip.compress(text)), ("w.gz", text)):
            (tmp_path / name).write_bytes(content)
            assert Network.load(tmp_path / name).has_value

    def test_older_keys(self, tmp_path):
        document = random_document(hidden=(4, 2))
        config = {"inputSize": 150, "hiddenSizes": [4, 2]}
        old = {
            "valueWeights": document["value_weights"],
            "policyWeights": document["policy_weights"],
            "valueNetworkConfig": config | {"outputSize": 1},
            "policyNetworkConfig": config | {"outputSize": 7},
            "metadata": {"version": "1"},
        }
        read = read_document(write(tmp_path / "w.json", old))
        assert read["value_weights"].tolist() == np.array(document["value_weights"], dtype=np.float32).tolist()
        assert read["network_config"] == document["network_config"]
        with pytest.raises(ValueError, match="converts, but cannot play"):
            Network.load(tmp_path / "w.json")
        network = Network.load(write(tmp_path / "w.json", old | {"featureSet": FEATURE_SET}))
        assert network.hidden_sizes == (4, 2)

    def test_other_features_convert_but_refuse_to_play(self, tmp_path):
        path = write(tmp_path / "w.json", random_document() | {"feature_set": "ur-151-v9"})
        assert read_document(path)["feature_set"] == "ur-151-v9"
        with pytest.raises(ValueError, match="converts, but cannot play"):
            Network.load(path)

    @pytest.mark.parametrize(
        ("config", "reason"),
        [
            ({"input_size": 149}, "149 inputs"),
            ({"value_output_size": 2}, "1 value and 7 policy outputs"),
            ({"policy_output_size": 6}, "1 value and 7 policy outputs"),
        ],
    )
    def test_other_shapes_convert_but_refuse_to_play(self, tmp_path, config, reason):
        document = random_document()
        config = document["network_config"] | config
        hidden = config["hidden_sizes"]
        for head in ("value", "policy"):
            count = parameter_count(config["input_size"], hidden, config[f"{head}_output_size"])
            document[f"{head}_weights"] = [0.5] * count
        path = write(tmp_path / "w.json", document | {"network_config": config})
        assert read_document(path)["network_config"] == config
        with pytest.raises(ValueError, match=reason):
            Network.load(path)

    def test_another_value_scale(self, tmp_path):
        with pytest.raises(ValueError, match="value_scale 'p' is unknown"):
            Network.load(write(tmp_path / "w.json", random_document() | {"value_scale": "p"}))

    def test_only_load_makes_networks(self):
        with pytest.raises(TypeError, match=r"Network\.load"):
            Network()

    def test_unreadable_files(self, tmp_path):
        for read in (Network.load, read_document):
            with pytest.raises(FileNotFoundError):
                read(tmp_path / "nowhere.json")
            with pytest.raises(OSError, match="directory"):
                read(tmp_path)


def with_number(value):
    document = random_document()
    document["value_weights"][7] = value
    return document


def with_config(**sizes):
    document = random_document()
    return document | {"network_config": document["network_config"] | sizes}


def without(key):
    document = random_document()
    del document[key]
    return document


COUNT = len(random_document()["value_weights"])

REFUSED = {
    "an array": ([random_document()], "not a JSON object"),
    "a number": (3, "not a JSON object"),
    "a null": (None, "not a JSON object"),
    "no weights": (random_document(heads=()), "neither value_weights nor policy_weights"),
    "empty lists": (random_document() | {"value_weights": [], "policy_weights": []}, "neither"),
    "no configuration": (without("network_config"), "network_config is missing"),
    "one too many": (
        random_document() | {"value_weights": [0.5] * (COUNT + 1)},
        "has 1260 numbers, its network_config needs 1259",
    ),
    "one too few": (random_document() | {"policy_weights": [0.5]}, "policy_weights has 1 numbers"),
    "an object as weights": (random_document() | {"value_weights": {"0": 1}}, "must be a list"),
    "a text as weights": (random_document() | {"value_weights": "AAAA"}, "must be a list"),
    "a string": (with_number("0.5"), "numbers only"),
    "strings": (random_document() | {"value_weights": ["0.5"] * COUNT}, "numbers only"),
    "a null in the list": (with_number(None), "numbers only"),
    "an object in the list": (with_number({}), "numbers only"),
    "a list in the list": (with_number([0.5]), "numbers only"),
    "lists": (random_document() | {"value_weights": [[0.5]] * COUNT}, "numbers only"),
    "booleans": (random_document() | {"value_weights": [True] * COUNT}, "numbers only"),
    "a huge integer": (with_number(10**400), "numbers only|not finite"),
    "NaN": (with_number(math.nan), "NaN is not JSON"),
    "Infinity": (with_number(math.inf), "Infinity is not JSON"),
    "beyond float32": (with_number(1e39), "not finite in float32"),
    "rules of a wrong type": (random_document() | {"rules": 3}, "rules must be the name"),
    "another layout": (random_document() | {"layout": "output-input"}, "layout 'output-input' is unknown"),
    "an odd layout": (random_document() | {"layout": [1]}, "layout"),
    "another activation": (
        random_document() | {"architecture": {"activation": "tanh"}},
        "activation 'tanh' is unknown",
    ),
    "an odd activation": (random_document() | {"architecture": {"activation": ["relu"]}}, "activation"),
    "an odd architecture": (random_document() | {"architecture": "relu"}, "architecture must be an object"),
    "odd metadata": (random_document() | {"metadata": [1]}, "metadata must be an object"),
    "no hidden sizes": (with_config(hidden_sizes=[]), "hidden_sizes must list"),
    "too many layers": (with_config(hidden_sizes=[1] * 12), "hidden_sizes must list"),
    "a size as hidden sizes": (with_config(hidden_sizes=8), "hidden_sizes must list"),
    "a configuration as text": (random_document() | {"network_config": "150-8-1"}, "network_config is missing"),
    **{
        f"a size of {size!r}": (with_config(hidden_sizes=[size, 5]), "a size must be an integer")
        for size in (0, -1, 2049, 10**30, 8.0, "8", True, None, [8])
    },
    "no inputs": (with_config(input_size=None), "a size must be an integer"),
    "huge sizes": (with_config(hidden_sizes=[2048] * 11), "its network_config needs"),
}


class TestRefusals:
    """ValueError, in one line that names the file."""

    @pytest.fixture(autouse=True)
    def _path(self, tmp_path):
        self.path = tmp_path / "w.json"

    def refuse(self, reason, path=None):
        path = path or self.path
        for read in (read_document, Network.load):
            with pytest.raises(ValueError, match=reason) as error:
                read(path)
            assert str(error.value).startswith(f"{path}: ")
            assert "\n" not in str(error.value)

    @pytest.mark.parametrize(("document", "reason"), REFUSED.values(), ids=list(REFUSED))
    def test_documents(self, document, reason):
        write(self.path, document)
        self.refuse(reason)

    def test_infinity_as_a_number(self):
        """1e999 is valid JSON and no float64."""
        self.path.write_text(json.dumps(with_number(0.123456)).replace("0.123456", "1e999"))
        self.refuse("not finite")

    @pytest.mark.parametrize(
        "content",
        [b"", b"\n", b"weights", b"{", b"{]", b"\xff\xfe\x00", b"\x00" * 100, b'{"a": 1} x', b"{'a': 1}", b"\x80abc"],
    )
    def test_not_json(self, content):
        self.path.write_bytes(content)
        self.refuse("not a usable weights file")

    def test_what_no_browser_reads(self):
        text = json.dumps(random_document())
        half = gzip.compress(text[: len(text) // 2].encode())
        for content in (
            text.encode("utf-16"),
            text.encode().replace(b"{", b'{"\xff": 0, ', 1),
            text.replace("{", '{"x": NaN, ', 1).encode(),
            half + gzip.compress(text[len(text) // 2 :].encode()),
            gzip.compress(text.encode()) + b"\0",
            gzip.compress(text.encode())[:-1],
        ):
            self.path.write_bytes(content)
            self.refuse("not a usable weights file")

    @pytest.mark.parametrize("item", [True, None, "1", [1], {}])
    def test_one_wrong_item_among_many_numbers(self, item):
        document = random_document()
        document["value_weights"][-1] = item
        self.path.write_text(json.dumps(document))
        self.refuse("value_weights must hold numbers only")

    @pytest.mark.parametrize("share", [0.1, 0.5, 0.999])
    def test_truncated(self, share):
        text = json.dumps(random_document())
        self.path.write_text(text[: int(share * len(text))])
        self.refuse("not a usable weights file")

    @pytest.mark.parametrize("bracket", ["[", '{"a":'])
    def test_nested_deeply(self, bracket):
        self.path.write_text(bracket * 100_000)
        self.refuse("nested too deeply")
        self.path.write_text(f'{{"value_weights": {"[" * 100_000}{"]" * 100_000}}}')
        self.refuse("nested too deeply")

    def test_huge(self, monkeypatch):
        monkeypatch.setattr("engine.network.document._MAX_FILE_BYTES", 1 << 20)
        self.path.write_bytes(b" " * ((1 << 20) + 1))
        self.refuse("larger than 1 MiB")
        bomb = self.path.with_suffix(".json.gz")
        bomb.write_bytes(gzip.compress(b" " * (1 << 24)))
        self.refuse("larger than 1 MiB", bomb)

    def test_damaged_gzip(self):
        path = self.path.with_suffix(".json.gz")
        content = gzip.compress(json.dumps(random_document()).encode())
        for damaged in (content[:-500], content[:5], content[:2], b""):
            path.write_bytes(damaged)
            self.refuse("not a usable weights file", path)


class TestSchema:
    @pytest.mark.parametrize("heads", [("value", "policy"), ("value",), ("policy",)])
    def test_accepts(self, validator, heads):
        validator.validate(random_document(heads=heads))

    def test_metadata(self, validator):
        metadata = {
            "training_date": "2026-01-31T12:00:00+00:00",
            "version": "1",
            "num_games": 5000,
            "num_training_samples": 300_000,
            "epochs": 100,
            "learning_rate": 0.001,
            "batch_size": 512,
            "validation_split": 0.2,
            "seed": 0,
            "source_revision": None,
            "source_committed_at": None,
            "training_time_seconds": 600.5,
            "best_validation_loss": 0.5,
            "depth": 4,
            "device": "cpu",
            "evaluation": {"emm:3": 0.75},
            "another": "key",
        }
        validator.validate(random_document() | {"metadata": metadata})
        properties = validator.schema["properties"]["metadata"]["properties"]
        assert set(properties) == set(metadata) - {"another"}
        assert not validator.is_valid(random_document() | {"metadata": metadata | {"epochs": "many"}})

    @pytest.mark.parametrize(
        "name",
        [
            "an array",
            "no weights",
            "empty lists",
            "no configuration",
            "a string",
            "a null in the list",
            "another layout",
            "another activation",
            "odd metadata",
            "no hidden sizes",
            "too many layers",
            "a size of 0",
            "a size of True",
            "beyond float32",
        ],
    )
    def test_refuses_what_the_engine_refuses(self, validator, name):
        assert not validator.is_valid(REFUSED[name][0])

    def test_the_golden_network(self, validator):
        validator.validate(json.loads(GOLDEN_NETWORK.read_text()))


class TestGolden:
    """The committed network and vector, and other readers of them."""

    def test_the_engine_agrees(self):
        network = Network.load(GOLDEN_NETWORK)
        vector = json.loads(GOLDEN_VECTOR.read_text())
        assert vector["feature_set"] == FEATURE_SET
        assert vector["tolerance"] == TOLERANCE
        assert len(vector["cases"]) == 12
        for case in vector["cases"]:
            position, roll = Position.from_notation(case["position"]), case["roll"]
            assert extract_features_batch([position.packed])[0] == pytest.approx(case["value_inputs"], abs=1e-7)
            assert extract_features_batch([position.packed], [roll])[0] == pytest.approx(
                case["policy_inputs"], abs=1e-7
            )
            assert network.value(position) == pytest.approx(case["win_probability"], abs=TOLERANCE)
            assert case["policy_slots"] == [position.policy_slot(s) for s in position.legal_moves(roll)]
            assert network.policies([position.packed], [roll])[0] == pytest.approx(case["policy"], abs=TOLERANCE)

    def test_numpy_agrees(self):
        document, vector = json.loads(GOLDEN_NETWORK.read_text()), json.loads(GOLDEN_VECTOR.read_text())
        cases = vector["cases"]
        values = (1 + np.tanh(forward(document, "value", [case["value_inputs"] for case in cases])[:, 0])) / 2
        np.testing.assert_allclose(values, [case["win_probability"] for case in cases], atol=TOLERANCE)
        logits = forward(document, "policy", [case["policy_inputs"] for case in cases])
        for row, case in zip(logits, cases, strict=True):
            policy = softmax_of_legal(row, Position.from_notation(case["position"]), case["roll"])
            np.testing.assert_allclose(policy, case["policy"], atol=TOLERANCE)

    def test_the_network_is_made_by_its_script(self):
        assert json.loads(GOLDEN_NETWORK.read_text()) == random_document(seed=2026)

    def test_the_vector_is_made_by_its_function(self, tmp_path):
        made = golden_vector(GOLDEN_NETWORK, n=12, seed=1)
        kept = json.loads(GOLDEN_VECTOR.read_text())
        for case, other in zip(made.pop("cases"), kept.pop("cases"), strict=True):
            for key in ("position", "roll", "value_inputs", "policy_inputs", "policy_slots"):
                assert case[key] == other[key]
        assert made == kept

    def test_a_network_that_is_not_there_has_no_entries(self, tmp_path):
        path = write(tmp_path / "w.json", random_document(heads=("value",)))
        (case,) = golden_vector(path, n=1)["cases"]
        assert set(case) == {"position", "roll", "value_inputs", "win_probability"}
        with pytest.raises(ValueError, match="at least 1"):
            golden_vector(path, n=0)


def test_the_reading_example():
    """The Python code of docs/weights.md, run on the golden network."""
    page = Path(__file__).parents[3] / "docs" / "weights.md"
    code = (
        page.read_text(encoding="utf-8").split("```python")[1].split("```")[0].replace('open("weights.json")', "text")
    )
    with GOLDEN_NETWORK.open() as text:
        names = {"text": text}
        exec(code, names)
    for case in json.loads(GOLDEN_VECTOR.read_text())["cases"]:
        assert names["win_probability"](case["value_inputs"]) == pytest.approx(case["win_probability"], abs=TOLERANCE)
        policy = names["policy"](case["policy_inputs"], case["policy_slots"])
        assert policy == pytest.approx([case["policy"][slot] for slot in case["policy_slots"]], abs=TOLERANCE)


NODE = shutil.which("node")


@pytest.mark.skipif(NODE is None, reason="node is not installed")
class TestNode:
    """The browser's view of the format."""

    def check(self, *paths):
        script = Path(random_networks.__file__).with_name("golden_check.mjs")
        return subprocess.run([NODE, script, *paths], capture_output=True, text=True, check=False)

    def test_the_golden_network(self):
        result = self.check(GOLDEN_NETWORK, GOLDEN_VECTOR)
        assert result.returncode == 0, result.stderr
        assert "96 probabilities agree" in result.stdout

    def test_the_shipped_network(self):
        vector = Path(random_networks.__file__).with_name("standard_vector.json")
        result = self.check(vector.parents[2] / "weights/standard.json", vector)
        assert result.returncode == 0, result.stderr
        assert "160 probabilities agree" in result.stdout

    @pytest.mark.parametrize(
        ("document", "count"),
        [(random_document(8, (33, 17), "silu"), 40), (random_document(9, (3,), heads=("policy",)), 35)],
        ids=["silu", "policy alone"],
    )
    def test_another_network(self, tmp_path, document, count):
        weights = write(tmp_path / "w.json", document)
        write_vector(tmp_path / "vector.json", golden_vector(weights, n=5))
        result = self.check(weights, tmp_path / "vector.json")
        assert result.returncode == 0, result.stderr
        assert f"{count} probabilities agree" in result.stdout

    def test_it_notices_a_difference(self, tmp_path):
        vector = json.loads(GOLDEN_VECTOR.read_text())
        vector["cases"][3]["policy"][vector["cases"][3]["policy_slots"][0]] += 3e-5
        result = self.check(GOLDEN_NETWORK, write(tmp_path / "vector.json", vector))
        assert result.returncode == 1
        assert "the vector has" in result.stderr
        assert self.check(write(tmp_path / "w.json", with_number(math.pi)), GOLDEN_VECTOR).returncode == 1
        assert self.check(GOLDEN_NETWORK).returncode == 2


def test_damaged_gzip_and_absurd_weights_are_refused(tmp_path):
    path = tmp_path / "w.json.gz"
    content = bytearray(gzip.compress(b"{}" * 1000))
    content[20] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"w\.json\.gz"):
        Network.load(path)
    config = {"input_size": 150, "hidden_sizes": [1]}
    document = {"value_weights": [0.0] * 152 + [1e38], "network_config": config, "feature_set": FEATURE_SET}
    (tmp_path / "w.json").write_text(json.dumps(document))
    with pytest.raises(ValueError, match="above 10000"):
        Network.load(tmp_path / "w.json")


def test_finished_games_have_no_policy_moves(tmp_path):
    lost = Position.from_notation("x.............:0|..............:7").packed
    assert policy_slots([lost], [1]).tolist() == [[255] * 7]
    with pytest.raises(ValueError, match="no legal move"):
        successors([lost], [1], [0])
    with pytest.raises(ValueError, match="rolls must be"):
        policy_slots([Position.initial().packed], [257])
