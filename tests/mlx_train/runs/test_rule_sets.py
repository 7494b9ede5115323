"""A training of each rule set, from its games or its solved game to weights; and what two rule sets must not share."""

import numpy as np
import pytest

from engine import Agent, Network, Tablebase
from engine.core.rules import RULE_SETS
from engine.games.exact_rows import policy_batch, value_batch
from mlx_train.config import Config, SelfplayConfig
from mlx_train.data.exact import ExactSource
from mlx_train.data.games import Decisions
from mlx_train.data.selfplay import SelfPlaySource
from mlx_train.measuring.exactness import exactness
from mlx_train.measuring.facts import first_rolls, race_map, square_facts
from mlx_train.networks.weights import from_document, load_into, read_document, save_document, to_document
from mlx_train.runs.generation import generate
from mlx_train.runs.run_folder import Run
from mlx_train.runs.training import search_data
from mlx_train.training.trainer import Trainer, train

every_set = pytest.mark.parametrize("name", RULE_SETS)


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """The games of two pieces a side."""
    folder = tmp_path_factory.mktemp("solve")
    return {name: Tablebase.solve(2, rules=name, checkpoint=folder / name) for name in RULE_SETS}


def config_of(name, **changes):
    return Config(
        rules=name, hidden_sizes=(8,), epochs=2, batch_size=64, device="cpu", workers=1, evaluation_games=2, **changes
    )


@every_set
def test_labels_of_a_search(name, tmp_path):
    config = config_of(name, teacher="search", games=4, depth=1, playouts=1)
    data = generate(config, Run.create(config, "games", tmp_path / "run"))
    assert data.info["rules"] == name
    source, _ = search_data(config, Decisions.load(tmp_path / "run" / "games.npz"))
    trainer = Trainer(config, source.total_steps)
    history = train(trainer, source)
    assert np.isfinite(history[-1].to_dict()["validation_value_loss"])
    save_document(tmp_path / "weights.json", to_document(trainer.model, {}))
    assert Network.load(tmp_path / "weights.json").rules == name
    other = config_of("aseb" if name == "finkel" else "finkel", teacher="search")
    with pytest.raises(ValueError, match=f"the dataset plays {name}, the training {other.rules}"):
        search_data(other, data)
    with pytest.raises(ValueError, match=f"plays {name}, the network {other.rules}"):
        load_into(Trainer(other, 1).model, tmp_path / "weights.json")


@every_set
def test_exact_labels(name, tables):
    config = config_of(name, teacher="exact", steps=4)
    source = ExactSource(config, tables[name])
    trainer = Trainer(config, source.total_steps)
    train(trainer, source)
    network = Network.from_document(to_document(trainer.model, {}))
    agent = Agent.from_network(network)
    measures = exactness(agent, tables[name], positions=200, decisions=50, games=4, workers=1)
    assert 0 <= measures.regret.mean < 100
    assert measures.table.rules == name


@every_set
def test_exact_targets_are_the_tables(name, tables):
    inputs, targets = value_batch(tables[name], 64, 1, 0, play_share=0.5)
    assert inputs.shape[1] == from_document(read(name)).value.layers[0].weight.shape[1]
    assert np.abs(targets).max() <= 1
    decisions, probabilities, legal = policy_batch(tables[name], 64, 1, 0, temperature=0.01, play_share=0.5)
    assert decisions.shape == (64, inputs.shape[1])
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert (legal.sum(axis=1) >= 2).all()


def read(name):
    return to_document(Trainer(config_of(name), 1).model, {}) | {"rules": name}


@every_set
def test_own_games(name):
    config = SelfplayConfig(rules=name, hidden_sizes=(8,), rounds=2, games=2, steps=2, batch_size=16, workers=1)
    source = SelfPlaySource(config)
    network = Network.from_document(read(name))
    for number in (1, 2):
        batches = list(source.epoch(number, player=lambda: network))
    assert len(batches) == 2
    assert batches[0].value.inputs.shape == (16, network_inputs(network))


def network_inputs(network):
    return from_document(read(network.rules)).value.layers[0].weight.shape[1]


@every_set
def test_facts(name, tables):
    table = tables[name]
    rolls = first_rolls(table)
    assert sum(chance for _, chance, _ in rolls) == pytest.approx(1)
    assert sum(chance * value for _, chance, value in rolls) == pytest.approx(table.value(table.opening))
    races = race_map(table)
    squares = races.shape[0] - 1
    assert squares == (14 if name == "finkel" else 16)
    assert np.isnan(races).sum() == (8 if name == "finkel" else 12)
    used = square_facts(table, games=20)
    assert used.occupied.shape == (squares,)
    assert 0 < np.nanmax(used.danger) < 1


def test_weights_say_their_rule_set(tmp_path):
    save_document(tmp_path / "weights.json", read("masters"))
    assert read_document(tmp_path / "weights.json")["rules"] == "masters"
