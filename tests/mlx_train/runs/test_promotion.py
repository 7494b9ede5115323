"""Adding models and measuring them again, with tiny networks and the game with two pieces."""

import hashlib
import json

import numpy as np
import pytest
from commandline import call
from random_networks import random_document, write

from engine import Network, Tablebase
from mlx_train.networks.manifest import MeasureSettings, file_problem, read_manifest
from mlx_train.runs import promotion
from mlx_train.runs.promotion import promote
from mlx_train.runs.shipped import TOLERANCES, differences, measure, model_table

SETTINGS = MeasureSettings(positions=500, decisions=300, games=40, seed=2, pieces=2)
ENTRY = {"what": "a tiny network", "command": "python -m mlx_train run", "settings": SETTINGS}


@pytest.fixture(scope="module")
def ranked(table, tmp_path_factory):
    """Two files, the first of lower regret; their policy networks are the same."""
    folder = tmp_path_factory.mktemp("ranked")
    files = [folder / f"{seed}.json" for seed in (0, 1)]
    for seed, path in enumerate(files):
        write(path, random_document(seed=seed) | {"policy_weights": random_document(seed=2)["policy_weights"]})
    regret = [measure(path, ["value"], table, SETTINGS)["value"]["regret"]["mean"] for path in files]
    assert regret[0] != regret[1]
    return files if regret[0] < regret[1] else files[::-1]


@pytest.fixture
def shipped(tmp_path, table, ranked):
    """A folder with the worse network as `tiny`."""
    folder = tmp_path / "weights"
    promote(ranked[1], "tiny", table, folder=folder, **ENTRY)
    return folder


def everything(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*")}


def test_a_promoted_model_is_complete(shipped, ranked, table):
    assert {path.name for path in shipped.iterdir()} == {"manifest.json", "tiny.json"}
    (entry,) = read_manifest(shipped)
    text = (shipped / "tiny.json").read_bytes()
    assert entry.sha256 == {"tiny.json": hashlib.sha256(text).hexdigest()}
    assert entry.bytes == len(text)
    assert entry.parameters == {"value": 1259, "policy": 1295}
    assert entry.architecture == {"hidden_sizes": [8, 5], "activation": "relu"}
    assert entry.measures.keys() == {"value", "policy"}
    assert entry.measures["policy"]["value_error"] is None
    assert (entry.what, entry.settings) == ("a tiny network", SETTINGS)
    assert file_problem(entry, shipped) is None
    assert differences(entry, table, shipped) == []
    packed = table.sample(100)
    ours = Network.load(shipped / "tiny.json").values(packed)
    assert np.array_equal(ours, Network.load(ranked[1]).values(packed))
    assert "a tiny network" in model_table([entry], ["ok"])


def test_the_same_file_gives_the_same_bytes(shipped, ranked, table, tmp_path):
    promote(ranked[1], "tiny", table, folder=tmp_path / "again", **ENTRY)
    assert (tmp_path / "again" / "tiny.json").read_bytes() == (shipped / "tiny.json").read_bytes()


def test_a_better_one_replaces_it_in_place(shipped, ranked, table):
    promote(ranked[1], "other", table, folder=shipped, **ENTRY)
    before = read_manifest(shipped)[0]
    promote(ranked[0], "tiny", table, folder=shipped, command="again", settings=SETTINGS)
    after = read_manifest(shipped)
    assert [entry.name for entry in after] == ["tiny", "other"]
    assert (after[0].what, after[0].command) == ("a tiny network", "again")
    assert after[0].sha256 != before.sha256
    assert [file_problem(entry, shipped) for entry in after] == [None, None]


@pytest.mark.parametrize("by", ["regret", "value_error", "win_rate"])
def test_one_that_is_not_better_changes_nothing(tmp_path, ranked, table, by):
    """Neither the same nor, by the sign of each measure, a worse one."""
    group, key, sign = promotion.MEASURES[by]
    found = {path: measure(path, ["value"], table, SETTINGS)["value"][group][key] for path in ranked}
    better, worse = sorted(ranked, key=lambda path: sign * found[path])
    folder = tmp_path / "weights"
    promote(better, "tiny", table, folder=folder, **ENTRY)
    before = everything(folder)
    for candidate in (better, worse):
        with pytest.raises(ValueError, match=f"not better than tiny: {by} is"):
            promote(candidate, "tiny", table, folder=folder, by=by, **ENTRY)
    assert everything(folder) == before


def test_no_network_may_be_lost_or_worse(tmp_path, ranked, table):
    def with_policy(name, value, policy):
        path = tmp_path / f"{name}.json"
        write(path, json.loads(value.read_text()) | {"policy_weights": policy})
        return path

    policies = [random_document(seed=seed)["policy_weights"] for seed in (2, 3)]
    regret = [
        measure(with_policy(n, ranked[0], policy), ["policy"], table, SETTINGS)["policy"]["regret"]["mean"]
        for n, policy in enumerate(policies)
    ]
    good, bad = policies if regret[0] < regret[1] else policies[::-1]
    folder = tmp_path / "weights"
    promote(with_policy("first", ranked[1], good), "tiny", table, folder=folder, **ENTRY)
    with pytest.raises(ValueError, match="has a policy network too, this file has none"):
        promote(with_policy("alone", ranked[0], []), "tiny", table, folder=folder, **ENTRY)
    with pytest.raises(ValueError, match="not better than tiny in its policy network: regret is"):
        promote(with_policy("worse", ranked[0], bad), "tiny", table, folder=folder, **ENTRY)
    promote(with_policy("same", ranked[0], good), "tiny", table, folder=folder, **ENTRY)


def test_the_network_that_plays_is_held_against_the_one_that_played(tmp_path, ranked, table):
    """A value network that comes to a model of a policy alone plays from then on."""
    both = json.loads(ranked[0].read_text())
    write(tmp_path / "policy.json", both | {"value_weights": []})
    folder = tmp_path / "weights"
    entry = promote(tmp_path / "policy.json", "tiny", table, folder=folder, **ENTRY)
    assert entry.head == "policy"
    regret = {path: measure(path, ["value"], table, SETTINGS)["value"]["regret"]["mean"] for path in ranked}
    before = entry.measures["policy"]["regret"]["mean"]
    for path in ranked:
        if regret[path] < before - 2e-4:
            assert promote(path, "tiny", table, folder=folder, **ENTRY).head == "value"
            break
        with pytest.raises(ValueError, match="not better than tiny: regret is"):
            promote(path, "tiny", table, folder=folder, **ENTRY)


def test_a_difference_within_rounding_is_none(shipped, ranked, table, monkeypatch):
    for name in promotion.MEASURES.values():
        monkeypatch.setitem(TOLERANCES, name[:2], 1000.0)
    with pytest.raises(ValueError, match="within rounding"):
        promote(ranked[0], "tiny", table, folder=shipped, **ENTRY)


def test_a_table_of_rounded_values_measures_nothing(tmp_path, ranked, table):
    table.save(tmp_path / "rounded.table", "float32")
    with pytest.raises(ValueError, match="2 pieces in float32"):
        promote(ranked[0], "tiny", Tablebase.open(tmp_path / "rounded.table"), folder=tmp_path / "weights", **ENTRY)


def test_a_replacement_is_measured_as_the_old_one_was(shipped, ranked, table):
    entry = promote(ranked[0], "tiny", table, folder=shipped, command="again")
    assert entry.settings == SETTINGS


@pytest.mark.parametrize(
    "metadata", [{"seed": "not a number"}, {"epochs": -4}, {"training_date": 7}, {"learning_rate": 0}]
)
def test_metadata_has_to_be_of_the_schema(tmp_path, table, metadata):
    path = tmp_path / "odd.json"
    write(path, random_document() | {"metadata": metadata})
    with pytest.raises(ValueError, match=r"not of the format's schema: \$\.metadata"):
        promote(path, "tiny", table, folder=tmp_path / "weights", **ENTRY)
    assert not everything(tmp_path / "weights")


def damaged(path):
    path.write_text('{"network_config": {}}')


def other_features(path):
    write(path, random_document() | {"feature_set": "ur-3-v9"})


def fine(path):
    write(path, random_document())


@pytest.mark.parametrize(
    ("make", "change", "message"),
    [
        (damaged, {}, "not a usable weights file"),
        (other_features, {}, "feature set"),
        (fine, {"name": "Tiny model"}, "small letters"),
        (fine, {"by": "beauty"}, "unknown measure"),
        (fine, {"what": None}, "--what"),
        (fine, {"command": None}, "--command"),
    ],
)
def test_checks(tmp_path, table, make, change, message):
    file = tmp_path / "candidate.json"
    make(file)
    folder = tmp_path / "weights"
    with pytest.raises(ValueError, match=message) as error:
        promote(file, **{"name": "tiny", "table": table, "folder": folder, **ENTRY, **change})
    assert "\n" not in str(error.value)
    assert not folder.exists()


@pytest.mark.parametrize(
    ("limit", "value", "message"), [("PARITY", 0.0, "differs by .* between engine and MLX"), ("MAX_BYTES", 10, "bytes")]
)
def test_checks_of_parity_and_size(tmp_path, table, ranked, monkeypatch, limit, value, message):
    monkeypatch.setattr(promotion, limit, value)
    with pytest.raises(ValueError, match=message):
        promote(ranked[0], "tiny", table, folder=tmp_path / "weights", **ENTRY)
    assert not everything(tmp_path / "weights")


def test_a_policy_network_alone(tmp_path, table):
    file = tmp_path / "policy.json"
    write(file, random_document(heads=("policy",)))
    entry = promote(file, "policy", table, folder=tmp_path / "weights", **ENTRY)
    assert (entry.head, entry.parameters) == ("policy", {"policy": 1295})
    with pytest.raises(ValueError, match="value_error is not measured"):
        promote(file, "policy", table, folder=tmp_path / "weights", by="value_error", **ENTRY)


def test_the_command_comes_from_the_run_folder(tmp_path, table):
    write(tmp_path / "weights.json", random_document())
    (tmp_path / "config.json").write_text(json.dumps({"command": ["run", "--output", "a b"]}))
    entry = promote(tmp_path / "weights.json", "tiny", table, folder=tmp_path / "out", **ENTRY | {"command": None})
    assert entry.command == "python -m mlx_train run --output 'a b'"


def test_the_commands(tmp_path, table, table_file, ranked):
    folder = tmp_path / "weights"
    common = ("--folder", folder, "--table", table_file)
    promotion = ("models", "promote", ranked[0], "--name", "tiny", "--what", "tiny", "--command", "by hand", *common)
    refused = call(*promotion)
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1] == (
        "error: models are measured with the game of 7 pieces in float64; this table has 2 pieces in float64"
    )
    assert not folder.exists()
    promote(ranked[1], "tiny", table, folder=folder, **ENTRY)
    assert call(*promotion).returncode == 0
    listed = call("models", "--folder", folder, "--json")
    assert json.loads(listed.stdout)[0]["problem"] is None
    verified = call("models", *common, "--verify")
    assert verified.returncode == 0, verified.stderr
    assert "every measure is the manifest" in verified.stdout
    again = call(*promotion)
    assert again.returncode == 1
    assert again.stderr.splitlines()[-1].startswith("error: not better than tiny")
    (folder / "tiny.json").write_bytes(b"")
    listed = call("models", "--folder", folder)
    assert listed.returncode == 1
    assert "damaged" in listed.stdout
    assert listed.stderr == "error: tiny.json: the SHA-256 is not the manifest's\n"


@pytest.mark.parametrize("name", [" ".join(map(str, name)) for name in TOLERANCES])
def test_other_measures_are_reported(shipped, table, name):
    manifest = json.loads((shipped / "manifest.json").read_text())
    *path, last = (int(key) if key.isdecimal() else key for key in name.split())
    values = manifest["models"][0]["measures"]["value"]
    for key in path:
        values = values[key]
    values[last] += 1
    (shipped / "manifest.json").write_text(json.dumps(manifest))
    (entry,) = read_manifest(shipped)
    (line,) = differences(entry, table, shipped)
    assert line.startswith(f"tiny: value {name} is")
