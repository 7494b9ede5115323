"""OpenSpiel's own checks and algorithms."""

import pickle
import random
import sys
import types

import numpy as np
import pytest

from engine import Agent, Position, Tablebase
from engine.core.rules import RULE_SETS

pyspiel = pytest.importorskip("pyspiel", reason="the extra openspiel is not installed")
import environments.open_spiel  # noqa: E402, F401 - registers the game


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """The solved game of one piece."""
    return Tablebase.solve(1, workers=1, checkpoint=tmp_path_factory.mktemp("table") / "one.partial")


@pytest.mark.parametrize("rule_set", RULE_SETS)
def test_openspiels_random_games(rule_set, capfd):
    """random_sim_test: legal actions, chance, tensors, returns, clones, undo and serialisation of whole games."""
    game = pyspiel.load_game("ur", {"rules": rule_set, "pieces": 2})
    pyspiel.random_sim_test(game, num_sims=2, serialize=True, verbose=False)
    capfd.readouterr()  # it prints


@pytest.mark.parametrize("rule_set", RULE_SETS)
def test_openspiels_playthrough(rule_set, tmp_path):
    """The text of everything that a game says in every state is the same when its actions are played again."""
    from absl import flags  # OpenSpiel's
    from open_spiel.python.algorithms import generate_playthrough

    flags.FLAGS.mark_as_parsed()
    text = generate_playthrough.playthrough(f"ur(rules={rule_set},pieces=1)", None, seed=7)
    (tmp_path / "playthrough.txt").write_text(text)
    original, again = generate_playthrough.replay(tmp_path / "playthrough.txt")
    assert original == again
    assert "IsTerminal() = True" in text
    assert f'ToString() = "ur(pieces=1,rules={rule_set})"' in text


def test_a_game_is_played_by_the_rules():
    game = pyspiel.load_game("ur")
    state = game.new_initial_state()
    choices = random.Random(4)
    while not state.is_terminal():
        if state.is_chance_node():
            outcomes, probabilities = zip(*state.chance_outcomes(), strict=True)
            assert probabilities == (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)
            state.apply_action(choices.choices(outcomes, probabilities)[0])
            continue
        position, roll, seat = state.position, state.roll, state.seat
        legal = position.legal_moves(roll)
        assert state.legal_actions() == (legal or [15])
        action = choices.choice(state.legal_actions())
        names = {0: "hand", 15: "off"}
        expected = f"{names.get(action, action)}-{names.get(action + roll, action + roll)}" if legal else "pass"
        assert state.action_to_string(action) == expected
        state.apply_action(action)
        after, again = position.play(roll, action) if legal else (position.swapped, False)
        assert state.position == after
        if not state.is_terminal():
            assert state.seat == (seat if again else 1 - seat)
    assert state.returns() == ([1, -1] if seat == 0 else [-1, 1])
    again = pickle.loads(pickle.dumps(state))
    assert str(again) == str(state)
    _, copy = pyspiel.deserialize_game_and_state(pyspiel.serialize_game_and_state(game, state))
    assert copy.history() == state.history()


def test_tensors():
    game = pyspiel.load_game("ur", {"rules": "blitz"})
    state = game.new_initial_state()
    state.apply_action(2)
    assert state.observation_tensor(0) == state.information_state_tensor(0)
    mine, theirs = (np.array(state.observation_tensor(player)) for player in (0, 1))
    planes = mine[:-3].reshape(11, 16)
    assert planes[3, 0] == planes[4, 0] == 5
    assert planes[8].all()
    assert mine[-3:].tolist() == [1, 0, 0]
    assert theirs[-3:].tolist() == [0, 1, 0]
    assert game.observation_tensor_shape() == [11 * 16 + 3]
    assert state.observation_string(0) == "................:0|................:0 player 0 roll 2"


def test_its_value_iteration_agrees_with_the_solution(table, monkeypatch):
    """The one-piece game: every state before a decision, to 1e-9."""
    # What its value iteration imports for games of simultaneous moves needs a solver of linear programs.
    monkeypatch.setitem(sys.modules, "open_spiel.python.algorithms.lp_solver", types.ModuleType("lp_solver"))
    from open_spiel.python.algorithms import value_iteration

    game = pyspiel.load_game("ur", {"pieces": 1})
    values = value_iteration.value_iteration(game, depth_limit=-1, threshold=1e-13, cyclic_game=True)
    compared = 0
    for text, value in values.items():
        notation, _, rest = text.partition(" player ")
        position = Position.from_notation(notation)
        if position.is_over or " roll " not in rest:
            continue
        seat, _, roll = rest.partition(" roll ")
        expected = 2 * best_value(table, position, int(roll)) - 1
        assert (value if seat == "0" else -value) == pytest.approx(expected, abs=1e-9)
        compared += 1
    assert compared > 1000


def best_value(table, position, roll):
    """The exact win probability of the side to move after its roll."""
    moves = table.moves(position, roll)
    return max(move.value for move in moves) if moves else 1 - table.value(position.swapped)


def test_its_expectiminimax_finds_the_exact_values(table):
    """Over the solved game as its evaluation, one and two moves ahead, against a random player."""
    from open_spiel.python.algorithms import minimax

    def value(state):
        return 2 * table.value(state.seen_by(0)) - 1 if state.seat == 0 else 1 - 2 * table.value(state.seen_by(1))

    rng = random.Random(5)
    state = pyspiel.load_game("ur", {"pieces": 1}).new_initial_state()
    while not state.is_terminal():
        if state.is_chance_node():
            outcomes, probabilities = zip(*state.chance_outcomes(), strict=True)
            state.apply_action(rng.choices(outcomes, probabilities)[0])
        elif state.current_player() == 0:
            expected = 2 * best_value(table, state.position, state.roll) - 1
            for depth in (1, 2):
                found, action = minimax.expectiminimax(state, depth, value, 0)
                assert found == pytest.approx(expected, abs=1e-9)
            state.apply_action(action)
        else:
            state.apply_action(rng.choice(state.legal_actions()))


def test_its_mcts_plays_our_agents():
    mcts = pytest.importorskip("open_spiel.python.algorithms.mcts")
    game = pyspiel.load_game("ur", {"pieces": 2})
    rng = np.random.RandomState(3)
    bot = mcts.MCTSBot(game, 1.5, 8, mcts.RandomRolloutEvaluator(1, rng), random_state=rng, solve=False)
    agent = Agent.parse("greedy")
    state = game.new_initial_state()
    while not state.is_terminal():
        if state.is_chance_node():
            outcomes, probabilities = zip(*state.chance_outcomes(), strict=True)
            state.apply_action(int(rng.choice(outcomes, p=probabilities)))
        elif state.current_player() == 0:
            state.apply_action(bot.step(state))
        else:
            move = agent.best_move(state.position, state.roll)
            state.apply_action(15 if move is None else move)
    assert sorted(state.returns()) == [-1, 1]


@pytest.mark.parametrize("params", [{"rules": "chess"}, {"pieces": 8}, {"pieces": -1}, {"colour": 1}])
def test_bad_parameters(params):
    with pytest.raises((ValueError, pyspiel.SpielError)):
        pyspiel.load_game("ur", params)
