"""Matches: replayed by the referee, the same for any number of workers."""

import numpy as np
import pytest
import referee
from replay import play_game, position_of, rolls_of

from engine import Agent, Search, play_match

RANDOM, GREEDY = Agent.parse("random"), Agent.parse("greedy")


class TestMatch:
    def test_replayed_by_the_referee(self):
        """Games 2k and 2k + 1 have the rolls of game k; the agent begins in the even ones."""
        seed, games = 31, 20
        result = play_match(GREEDY, Agent.parse("emm-evolved:1"), games, seed, workers=1)
        search = Search(1, "evolved")
        for game in range(games):
            agent_begins = game % 2 == 0

            def choose(state, roll, squares, first_moves, agent_begins=agent_begins):
                if first_moves == agent_begins:
                    return referee.greedy_move(state, roll)
                return search.best_move(position_of(state), roll)

            first_wins, turns = play_game(rolls_of(seed, game // 2), choose)
            assert result.won[game] == (first_wins == agent_begins)
            assert result.turns[game] == turns

    def test_against_itself_each_wins_one_of_a_pair(self):
        agent = Agent.parse("emm:1")
        for opponent in (agent, Agent.parse("emm:1")):
            result = play_match(agent, opponent, 200, 4)
            assert (result.won[::2] ^ result.won[1::2]).all()
            assert np.array_equal(result.turns[::2], result.turns[1::2])

    def test_exchanging_the_agents_exchanges_the_wins(self):
        """Agents without chance: game 2k + 1 of the one match is game 2k of the other."""
        agent, opponent = Agent.parse("emm:1"), GREEDY
        there, back = play_match(agent, opponent, 100, 6), play_match(opponent, agent, 100, 6)
        for ours, theirs in ((0, 1), (1, 0)):
            assert np.array_equal(there.won[ours::2], ~back.won[theirs::2])
            assert np.array_equal(there.turns[ours::2], back.turns[theirs::2])

    def test_result(self):
        result = play_match(RANDOM, GREEDY, 33, 1)
        assert (result.won.dtype, result.turns.dtype) == (np.bool_, np.int32)
        assert result.won.shape == result.turns.shape == (33,)
        assert result.games == 33
        assert (result.turns >= 35).all()
        assert 0 < result.won.sum() < 33

    def test_each_side_has_its_own_chance(self):
        result = play_match(RANDOM, RANDOM, 400, 2)
        assert not np.array_equal(result.turns[::2], result.turns[1::2])
        assert 150 < result.won.sum() < 250

    @pytest.mark.parametrize(("agent", "opponent"), [("emm:2", "greedy"), ("random", "random")])
    def test_the_same_bytes_for_any_number_of_workers(self, agent, opponent):
        results = [
            play_match(Agent.parse(agent), Agent.parse(opponent), 100, 5, workers=workers) for workers in (1, 2, 3)
        ]
        for result in results[1:]:
            assert result.won.tobytes() == results[0].won.tobytes()
            assert result.turns.tobytes() == results[0].turns.tobytes()

    def test_a_shorter_match_begins_the_same(self):
        long, short = play_match(RANDOM, GREEDY, 90, 5), play_match(RANDOM, GREEDY, 41, 5)
        assert np.array_equal(long.won[:41], short.won)
        assert np.array_equal(long.turns[:41], short.turns)
