"""Players, matches and games of every rule set: against the Python loop, and what refuses to be mixed."""

import re

import board_referee as referee
import numpy as np
import pytest
from random_networks import random_document, write

from engine import Agent, Network, Position, Search, play_match, playouts, sample_decisions, selfplay
from engine.core.rules import RULE_SETS, rules
from engine.games.regret import choices
from engine.games.returns import play_games
from engine.games.turns import opening, play_turns
from engine.network.document import read_document
from engine.network.lookahead import MOVE_FILTER

every_set = pytest.mark.parametrize("name", RULE_SETS)
long_paths = pytest.mark.parametrize("name", ["blitz", "masters", "aseb"])


@pytest.fixture(scope="module")
def networks():
    return {name: Network.from_document(parsed(random_document(1, rules=name))) for name in RULE_SETS}


def parsed(document):
    weights = {key: np.array(document[key], dtype=np.float32) for key in ("value_weights", "policy_weights")}
    return document | weights


class TestGames:
    @every_set
    @pytest.mark.parametrize("spellings", [("greedy", "emm:1"), ("greedy", "emm-evolved:2")])
    def test_matches_are_those_of_the_python_loop(self, name, spellings):
        players = [Agent.parse(spelling, name) for spelling in spellings]
        match = play_match(*players, 6, 5, workers=1)
        for game, (won, turns) in enumerate(zip(match.won, match.turns, strict=True)):
            seat = game % 2
            steps = list(play_turns(players[::-1] if seat else players, opening(rules=name), 5, game // 2))
            assert len(steps) == turns
            assert (steps[-1].turn.player == seat) == won

    @every_set
    def test_random_games(self, name):
        total = playouts(400, 3, rules=name, workers=1)
        assert total.games == 400
        assert total != playouts(400, 4, rules=name, workers=1)
        assert abs(total.first_wins - 200) < 4 * 10  # the first move is worth little among random players
        assert len({playouts(50, 3, rules=each).turns for each in RULE_SETS}) == len(RULE_SETS)

    @every_set
    def test_decisions_are_decisions(self, name):
        packed, rolls = sample_decisions(300, 2, rules=name)
        for position, roll in zip(packed.tolist(), rolls.tolist(), strict=True):
            assert len(Position.from_packed(position, name).legal_moves(roll)) >= 2
        squares = choices(Agent.parse("greedy", name), packed, rolls)
        assert all(
            square in Position.from_packed(position, name).legal_moves(roll)
            for position, roll, square in zip(packed.tolist(), rolls.tolist(), squares.tolist(), strict=True)
        )

    @every_set
    def test_recorded_games(self, name):
        records = selfplay(3, Search(1, rules=name), 1, playouts=1, workers=1)
        assert set(records["outcome"].tolist()) == {-1, 1}
        for record in records[::5]:
            position = Position.from_packed(int(record["position"]), name)
            assert record["moves"] == len(position.legal_moves(int(record["roll"])))

    @every_set
    def test_returns_of_a_networks_games(self, name, networks):
        games = play_games(networks[name], 1, 4, trace_decay=0.0)
        assert len(games.positions) == len(games.returns) == games.turns
        value = networks[name].values(games.positions[-1:], 1)[0]  # the first turn's return is its backup
        assert games.returns[-1] == pytest.approx(2 * value - 1, abs=1e-6)


class TestSearch:
    @long_paths
    @pytest.mark.parametrize("depth", [1, 2])
    def test_against_the_referee(self, name, depth):
        search = Search(depth, rules=name)
        for state, roll in list(referee.game_states(name, seed=8, games=2))[:: 3 * depth]:
            expected = referee.search(name, state, roll, depth)
            position = Position.from_notation(referee.notation(name, state), name)
            assert dict(search.raw_values(position, roll)) == expected

    @long_paths
    def test_deeper(self, name):
        search = Search(3, rules=name)
        states = list(referee.game_states(name, seed=9, games=1))
        for state, roll in [turn for turn in states if len(referee.legal_moves(name, *turn)) > 1][5:80:25]:
            position = Position.from_notation(referee.notation(name, state), name)
            assert dict(search.raw_values(position, roll)) == referee.search(name, state, roll, 3)


def best_of_two_turns(network, board, roll):
    """The value of the best move, by the values of one turn after the moves that the move filter lets through."""

    def ahead(after):
        return network.value(after) if after.is_over else network.values([after.packed], 1)[0]

    looks = dict(network.moves(board, roll))
    best = -1.0 if looks else 1 - ahead(board.swapped)
    for square in sorted(looks, key=looks.get, reverse=True):
        if looks[square] >= max(looks.values()) - MOVE_FILTER or looks[square] > best:
            after, same_player = board.play(roll, square)
            best = max(best, ahead(after) if same_player else 1 - ahead(after))
    return best


class TestNetworks:
    @every_set
    def test_the_look_ahead_is_the_mean_over_the_rolls(self, name, networks):
        network = networks[name]
        packed, _ = sample_decisions(40, 3, rules=name)
        for value, position in zip(network.values(packed, 1).tolist(), packed.tolist(), strict=True):
            board = Position.from_packed(position, name)
            expected = 0.0
            for roll, probability in enumerate(rules(name).probabilities):
                if probability:
                    moves = [value for _, value in network.moves(board, roll)]
                    expected += probability * max(moves, default=1 - network.value(board.swapped))
            assert value == pytest.approx(expected, abs=1e-7)

    @every_set
    def test_the_look_ahead_chooses_where_one_roll_alone_has_a_choice(self, name, networks):
        """Masters has no roll of 0, so five moves and passes over its four rolls are one choice."""
        network, checked = networks[name], 0
        rolls = [roll for roll, probability in enumerate(rules(name).probabilities) if probability]
        for packed in sample_decisions(20_000, 3, rules=name)[0].tolist():
            board = Position.from_packed(packed, name)
            if sum(max(1, len(board.legal_moves(roll))) for roll in rolls) != len(rolls) + 1:
                continue
            expected = sum(rules(name).probabilities[roll] * best_of_two_turns(network, board, roll) for roll in rolls)
            assert network.values([packed], 2)[0] == pytest.approx(expected, abs=1e-6)
            checked += 1
            if checked == 20:
                break
        assert checked == 20

    def test_a_file_says_its_rule_set(self, tmp_path):
        path = write(tmp_path / "blitz.json", random_document(rules="blitz"))
        assert read_document(path)["rules"] == Network.load(path).rules == "blitz"
        old = random_document()
        del old["rules"]
        assert Network.load(write(tmp_path / "old.json", old)).rules == "finkel"
        wrong = write(tmp_path / "wrong.json", random_document(rules="blitz") | {"rules": "chess"})
        with pytest.raises(ValueError, match="unknown rule set 'chess'"):
            Network.load(wrong)
        mixed = write(tmp_path / "mixed.json", random_document() | {"rules": "blitz"})
        with pytest.raises(ValueError, match="made for the feature set 'ur-150-v1'"):
            Network.load(mixed)


class TestMixing:
    """Two rule sets are one clear line."""

    def test_agents(self, tmp_path, networks):
        path = write(tmp_path / "blitz.json", random_document(rules="blitz"))
        with pytest.raises(ValueError, match=re.escape(f"net:{path} plays blitz, the game finkel")):
            Agent.parse(f"net:{path}")
        with pytest.raises(ValueError, match="greedy plays finkel, emm:1 blitz"):
            play_match(Agent.parse("greedy"), Agent.parse("emm:1", "blitz"), 2)
        with pytest.raises(ValueError, match="random plays aseb, the position finkel"):
            Agent.parse("random", "aseb").best_move(Position(), 1)
        with pytest.raises(ValueError, match="unknown rule set 'chess'"):
            Agent.parse("greedy", "chess")
        assert repr(Agent.parse("greedy", "aseb")) == "Agent.parse('greedy', 'aseb')"

    def test_networks_and_searches(self, networks):
        for ask in (networks["blitz"].value, lambda position: networks["blitz"].policy(position, 1)):
            with pytest.raises(ValueError, match="the network plays blitz, the position masters"):
                ask(Position("masters"))
        with pytest.raises(ValueError, match="the search plays aseb, the position finkel"):
            Search(1, rules="aseb").best_move(Position(), 1)
        with pytest.raises(ValueError, match="the finisher plays finkel, the player blitz"):
            selfplay(1, Search(1, rules="blitz"), playouts=1, finisher=Search(1))
