# A game in progress, and the one loop that plays games.
#
# The loop `play` rolls, calls a `TurnFunction` for the square to move from, moves, and gives the turn to the other
# side, until a side has borne off all its pieces. The `TurnFunction` chooses the move and records what its caller
# needs. The loop is inline: where the function is a constant, the compiler makes one loop of both, without a call.

from libc.stdint cimport uint32_t

from engine.core.dice cimport Dice, next_word
from engine.core.position cimport (
    NO_MOVE, Board, after_move, grants_roll, has_won, legal_sources, lowest, roll_of, rules_of, swap_sides,
)


cdef enum:
    STOP = -2                   # a `TurnFunction` returns it to end `play` before the move


ctypedef struct Game:
    Dice dice                   # of the rolls
    Board board                 # from the view of the side to move
    uint32_t word               # the random word of this turn's roll, which is its low four bits
    int roll
    unsigned int sources        # squares of the legal moves of the roll, as a mask
    int turns                   # rolled so far
    bint first_moves            # whether the side that began the game is to move; after the game, whether it has won


# Returns the square to move from at a turn, NO_MOVE where there is no legal move (and only there), or STOP. A function
# that passes the address of the board on copies the board first: then the compiler can keep the game in registers.
ctypedef int (*TurnFunction)(void* context, const Game* game) noexcept nogil


cdef inline Game new_game(Board board, Dice dice) noexcept nogil:
    """A game that begins, or goes on, with the side to move of a position before its roll."""
    cdef Game game
    game.dice = dice
    game.board = board
    game.word = 0
    game.roll = 0
    game.sources = 0
    game.turns = 0
    game.first_moves = True
    return game


cdef inline void roll_dice(Game* game) noexcept nogil:
    """Begins a turn: the roll and its legal moves."""
    game.word = next_word(&game.dice)
    game.roll = roll_of(rules_of(&game.board), game.word)
    game.sources = legal_sources(&game.board, game.roll)
    game.turns += 1


cdef inline int first_move(unsigned int sources) noexcept nogil:
    """The lowest square of the legal moves: the only move, where there is no choice; NO_MOVE if there is none."""
    return lowest(sources) if sources else NO_MOVE


cdef inline bint take_turn(Game* game, int source) noexcept nogil:
    """Ends a turn with a legal move or NO_MOVE; whether the game goes on. If not, the board is the winner's view."""
    cdef bint again = False
    if source != NO_MOVE:
        again = grants_roll(&game.board, source, game.roll)
        game.board = after_move(game.board, source, game.roll)
        if has_won(&game.board):
            return False
    game.board = game.board if again else swap_sides(game.board)
    game.first_moves ^= not again
    return True


cdef inline bint play(Game* game, TurnFunction turn, void* context) noexcept nogil:
    """Plays a game to its end, or until `turn` stops it; whether it ended."""
    cdef int source
    while True:
        roll_dice(game)
        source = turn(context, game)
        if source == STOP:
            return False
        if not take_turn(game, source):
            return True
