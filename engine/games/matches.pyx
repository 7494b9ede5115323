"""Games of one agent against another."""

from libc.stdint cimport uint64_t
from engine.core.dice cimport CHOICES, ROLLS, Dice, new_dice
from engine.core.game cimport Game, new_game, play
from engine.core.position cimport NO_MOVE, Board, whole_opening
from engine.games.agents cimport Agent, Chooser, choose
from typing import NamedTuple
import numpy as np
from engine.core.rules import check_same
from engine.games.chunks import Interrupted, check_games, in_chunks


# The two players of a game, the one that begins first.
ctypedef struct Seats:
    Chooser[2] choosers
    Dice[2] choices


cdef int match_turn(void* context, const Game* game) noexcept nogil:
    """The choice of the side to move, which is asked also where there is one legal move."""
    cdef Seats* seats = <Seats*> context
    cdef int seat = 0 if game.first_moves else 1
    cdef Board board = game.board
    if game.sources == 0:
        return NO_MOVE
    return choose(&seats.choosers[seat], &board, game.roll, &seats.choices[seat])


cdef int play_match_game(
    int rules, const Chooser* one, const Chooser* two, uint64_t seed, uint64_t number
) noexcept nogil:
    """Game `number` of a match, which `one` begins if it is even; returns its turns, negative if `two` won."""
    cdef Game game = new_game(whole_opening(rules), new_dice(seed, number // 2, ROLLS))
    cdef Seats seats
    cdef int first = number % 2             # the seat of `one`
    seats.choosers[first] = one[0]
    seats.choosers[1 - first] = two[0]
    seats.choices[first] = new_dice(seed, 2 * number, CHOICES)
    seats.choices[1 - first] = new_dice(seed, 2 * number + 1, CHOICES)
    play(&game, match_turn, &seats)
    return game.turns if game.first_moves == (first == 0) else -game.turns


class MatchResult(NamedTuple):
    """Games of one agent against another, from the first agent's side."""

    won: np.ndarray         # (games,) bool: whether the agent won
    turns: np.ndarray       # (games,) int32: rolls in the game

    @property
    def games(self):
        """How many games were finished."""
        return len(self.won)


def play_match(Agent agent not None, Agent opponent not None, games, seed=0, *, workers=None, progress=None):
    """Plays games with seats alternated and paired dice -> MatchResult.

    Games 2k and 2k + 1 have the same rolls; the agent moves first in the even ones. ValueError for a number of games
    below 1 and for agents of two rule sets; Interrupted, with the finished games, on Ctrl-C.
    """
    check_same(agent.rules, opponent.rules, agent.name, opponent.name)

    def play_chunk(first, count):
        turns = np.empty(count, dtype=np.int32)
        cdef int[::1] out = turns
        cdef uint64_t key = seed, start = first
        cdef int i, number = count
        with nogil:
            for i in range(number):
                out[i] = play_match_game(agent.rules_number, &agent.chooser, &opponent.chooser, key, start + i)
        return turns

    parts, interrupted = in_chunks(check_games(games), workers, play_chunk, progress)
    turns = np.concatenate(parts) if parts else np.empty(0, dtype=np.int32)
    result = MatchResult(turns > 0, np.abs(turns))
    if interrupted:
        raise Interrupted(result)
    return result
