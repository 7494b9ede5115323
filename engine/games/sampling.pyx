"""Decisions drawn from the games of an agent against itself."""

from libc.stdint cimport uint8_t, uint64_t
from engine.core.dice cimport CHOICES, ROLLS, Dice, new_dice
from engine.core.game cimport STOP, Game, first_move, new_game, play
from engine.core.position cimport Board, is_choice, pack, whole_opening
from engine.games.agents cimport Agent, Chooser, choose
import numpy as np
from engine.core.rules import check_same
from engine.games.chunks import check_games


# An agent that plays both sides, and where its decisions go.
ctypedef struct Sampler:
    Chooser chooser
    Dice choices
    uint64_t* positions
    uint8_t* rolls
    Py_ssize_t wanted
    Py_ssize_t count


cdef int sampled_turn(void* context, const Game* game) noexcept nogil:
    """The agent's choice, after its decision is recorded; STOP with the last decision that is wanted."""
    cdef Sampler* sampler = <Sampler*> context
    cdef Board board = game.board
    if not is_choice(game.sources):
        return first_move(game.sources)
    sampler.positions[sampler.count] = pack(&board)
    sampler.rolls[sampler.count] = game.roll
    sampler.count += 1
    if sampler.count == sampler.wanted:
        return STOP
    return choose(&sampler.chooser, &board, game.roll, &sampler.choices)


def sample_decisions(n, seed=0, Agent agent=None, *, str rules=None):
    """Decisions (two or more legal moves) of games in which an agent, random if None, plays both sides.

    rules: the rule set of the games, by default the agent's, or Finkel's.

    -> (packed positions (n,) uint64, rolls (n,) uint8), in the order of play, the last game cut short.
    """
    positions = np.empty(check_games(n, "positions"), dtype=np.uint64)
    rolls = np.empty(n, dtype=np.uint8)
    cdef uint64_t[::1] out = positions
    cdef uint8_t[::1] out_rolls = rolls
    cdef uint64_t key = seed, number = 0
    cdef Sampler sampler
    cdef Game game
    if agent is None:
        agent = Agent.parse("random", rules or "finkel")
    elif rules is not None:
        check_same(agent.rules, rules, agent.name, "the game")
    sampler.chooser = agent.chooser
    sampler.positions, sampler.rolls = &out[0], &out_rolls[0]
    sampler.wanted, sampler.count = n, 0
    with nogil:
        while sampler.count < sampler.wanted:
            sampler.choices = new_dice(key, number, CHOICES)
            game = new_game(whole_opening(agent.rules_number), new_dice(key, number, ROLLS))
            play(&game, sampled_turn, &sampler)
            number += 1
    return positions, rolls
