"""Decisions of play: replayed by the referee."""

from itertools import count

import numpy as np
import pytest
import referee
from replay import play_game, position_of, rolls_of

from engine import Agent, Position, sample_decisions

RANDOM, GREEDY = Agent.parse("random"), Agent.parse("greedy")


class TestSampleDecisions:
    @pytest.mark.parametrize("name", ["greedy", "emm:1"])
    def test_replayed_by_the_referee(self, name):
        """Game g of the sample has the rolls of game g, and only decisions are in it."""
        agent, wanted, seed = Agent.parse(name), 400, 12
        expected = []
        for game in count():
            if len(expected) >= wanted:
                break

            def choose(state, roll, squares, _):
                if len(squares) > 1:
                    expected.append((referee.packed(state), roll))
                return agent.best_move(position_of(state), roll)

            play_game(rolls_of(seed, game), choose)
        packed, rolls = sample_decisions(wanted, seed, agent)
        assert (packed.dtype, rolls.dtype) == (np.uint64, np.uint8)
        assert list(zip(packed.tolist(), rolls.tolist(), strict=True)) == expected[:wanted]

    def test_random_play_by_default(self):
        packed, rolls = sample_decisions(1000, 3)
        again = sample_decisions(1000, 3, RANDOM)
        assert np.array_equal(packed, again[0])
        assert np.array_equal(rolls, again[1])
        for p, r in zip(packed.tolist(), rolls.tolist(), strict=True):
            assert len(Position.from_packed(p).legal_moves(r)) > 1
        assert not np.array_equal(packed, sample_decisions(1000, 4)[0])

    def test_a_smaller_sample_begins_the_same(self):
        packed, rolls = sample_decisions(500, 3, GREEDY)
        for n in (1, 2, 77):
            short = sample_decisions(n, 3, GREEDY)
            assert np.array_equal(short[0], packed[:n])
            assert np.array_equal(short[1], rolls[:n])
