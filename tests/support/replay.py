"""Games replayed by the referee from the engine's dice."""

from itertools import count

import referee
from referee import OPENING, PIECES

from engine import Position
from engine.core import dice


def position_of(state):
    return Position.from_notation(referee.notation(state))


def words(seed, game, stream=0):
    """The random numbers of a game, 32 bits each."""
    for block in count():
        key = (seed % 2**32, seed >> 32)
        yield from dice.philox4x32((block, stream, game % 2**32, game >> 32), key)


def rolls_of(seed, game, stream=0):
    return ((word % 16).bit_count() for word in words(seed, game, stream))


def play_game(rolls, choose, state=OPENING):
    """A whole game: `choose(state, roll, squares, first_moves)` is asked at every turn that has legal moves.

    Returns (whether the side that begins wins, turns).
    """
    first_moves, turns = True, 0
    while not referee.is_over(state):
        roll = next(rolls)
        turns += 1
        squares = referee.legal_moves(state, roll)
        if not squares:
            state, same_player = referee.swap(state), False
        else:
            state, same_player = referee.play(state, roll, choose(state, roll, squares, first_moves))
        first_moves ^= not same_player
    return first_moves == (state.own_off == PIECES), turns
