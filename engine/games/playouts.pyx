"""Random games."""

from libc.stdint cimport int64_t, uint64_t
from engine.core.dice cimport ROLLS, new_dice
from engine.core.game cimport Game, new_game, play
from engine.core.position cimport NO_MOVE, nth_source, popcount, whole_opening
from engine.core.rules cimport rules_number
from typing import NamedTuple
from engine.games.chunks import Interrupted, check_games, in_chunks

_CHUNK = 4096                   # games that a worker takes at a time


cdef inline int random_turn(void* context, const Game* game) noexcept nogil:
    """Any legal move, each as likely, by the bits of the turn's random word that its roll does not use."""
    if game.sources == 0:
        return NO_MOVE
    return nth_source(game.sources, ((game.word >> 4) * popcount(game.sources)) >> 28)


cdef int64_t play_randomly(int rules, uint64_t seed, uint64_t first, int count, int64_t* first_wins) noexcept nogil:
    """Plays `count` games of random moves; returns their turns, and counts in how many the side that began won."""
    cdef int64_t turns = 0
    cdef Game game
    cdef int i
    first_wins[0] = 0
    for i in range(count):
        game = new_game(whole_opening(rules), new_dice(seed, first + i, ROLLS))
        play(&game, random_turn, NULL)
        turns += game.turns
        first_wins[0] += game.first_moves
    return turns


class Playouts(NamedTuple):
    """Totals over random games."""

    games: int
    turns: int
    first_wins: int             # games that the side that began won


def playouts(games, seed=0, *, str rules="finkel", workers=None, progress=None):
    """Plays random games from the opening -> Playouts. ValueError for a number of games below 1."""
    cdef int which = rules_number(rules)

    def play_chunk(first, count):
        cdef int64_t turns, first_wins
        cdef uint64_t key = seed, start = first
        cdef int number = count
        with nogil:
            turns = play_randomly(which, key, start, number, &first_wins)
        return count, turns, first_wins

    parts, interrupted = in_chunks(check_games(games), workers, play_chunk, progress, chunk=_CHUNK)
    total = Playouts(*(sum(column) for column in zip(*parts))) if parts else Playouts(0, 0, 0)
    if interrupted:
        raise Interrupted(total)
    return total
