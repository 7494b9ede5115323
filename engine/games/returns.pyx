"""A value network's games against itself, with a return to learn from for every position.

The network learns from the rules and its own games alone, without an evaluation or the exact solution. The backup B of
a position is its expected value over all five rolls, each played by the best successor under the network. The return of
a position is

    G(t) = B(t) + trace_decay * (G(t + 1) - V(t + 1)),

where V(t + 1) is the value that the turn's own roll has in B(t). This removes the luck of the dice: the term added to
the backup is the difference between later backups and the network (Sutton's TD(lambda), 1988, with expected backups as
control variates; for trace_decay 1, G is as unbiased as the game's result, and with an exact network it has no noise).
A move played for exploration that is not the best cuts the trace (Watkins, 1989).

A game is a function of the network, the seed and its number.
"""

from libc.stdint cimport uint64_t
from engine.core.dice cimport CHOICES, ROLLS, Dice, new_dice, next_below, next_unit
from engine.core.game cimport STOP, Game, new_game, play
from engine.network.layers cimport Net
from engine.network.lookahead cimport MAX_LOOKAHEAD, chance_value, network_moves
from engine.network.network cimport Network
from engine.core.position cimport *
import numpy as np

cdef enum:
    MAX_TURNS = 2000            # a longer game is stopped; a game of two good players takes 210


# One turn of a game, values from the view of its side to move.
ctypedef struct TurnValues:
    uint64_t position           # packed, before the roll
    double backup               # B: the expected value of the next positions, over the rolls
    double following            # V: the network's value of the next position
    bint again                  # whether the same side moves next
    bint explored               # whether the move was not the best one


ctypedef struct ReturnSettings:
    double trace_decay          # lambda
    double exploration          # share of the decisions at which any legal move is played
    double siblings             # share of the decisions of which another successor becomes a row too
    int depth                   # turns of a backup; 0 for the turn's own roll alone


# One game, and where its rows go.
ctypedef struct Learner:
    const Net* net
    ReturnSettings settings
    Dice choices
    TurnValues* turns           # MAX_TURNS of them
    int turn_count
    uint64_t* positions         # with room for twice MAX_TURNS rows, as `targets`
    float* targets              # 2 p - 1 for the side to move
    int row_count


# The legal moves of a turn's roll, with their values.
ctypedef struct ValuedMoves:
    int count
    int best                    # the index of the highest value
    int squares[MAX_MOVES]
    double values[MAX_MOVES]


cdef inline void value_moves(const Net* net, const Board* board, int roll, int depth,
                             ValuedMoves* moves) noexcept nogil:
    """Sets `moves` to the legal moves of a roll, with values of `depth` turns for the side that moves."""
    cdef int i
    moves.count = network_moves(net, board, roll, depth, moves.squares, moves.values)
    moves.best = 0
    for i in range(1, moves.count):
        if moves.values[i] > moves.values[moves.best]:
            moves.best = i


cdef inline double value_pass(const Net* net, const Board* board, int depth) noexcept nogil:
    """The value of passing, for the side that passes."""
    cdef Board other = swap_sides(board[0])
    return 1 - chance_value(net, &other, depth)


cdef double back_up(const Net* net, const Board* board, int depth, int known, ValuedMoves* moves,
                    double* passed) noexcept nogil:
    """The backup of `depth` turns; sets `moves` to those of the known roll, and `passed` to the value of a pass."""
    cdef ValuedMoves others
    cdef ValuedMoves* by_roll
    cdef double total = 0
    cdef bint has_passed = False
    cdef int roll
    for roll in range(MAX_ROLL + 1):
        by_roll = moves if roll == known else &others
        value_moves(net, board, roll, depth, by_roll)
        if by_roll.count:
            total += ways(rules_of(board), roll) * by_roll.values[by_roll.best]
            continue
        if not has_passed:
            passed[0] = value_pass(net, board, depth - 1)
            has_passed = True
        total += ways(rules_of(board), roll) * passed[0]
    return total / OUTCOMES


cdef double back_up_roll(const Net* net, const Board* board, int roll, ValuedMoves* moves,
                         double* passed) noexcept nogil:
    """The backup of the known roll alone; sets `moves` and, if there is none, `passed` as `back_up` does."""
    value_moves(net, board, roll, 1, moves)
    if moves.count:
        return moves.values[moves.best]
    passed[0] = value_pass(net, board, 0)
    return passed[0]


cdef void put_row(Learner* learner, uint64_t position, double value) noexcept nogil:
    """Adds a position with its win probability to the rows."""
    learner.positions[learner.row_count] = position
    learner.targets[learner.row_count] = <float> (2 * value - 1)
    learner.row_count += 1


cdef void put_sibling(Learner* learner, const Game* game, const ValuedMoves* moves, int chosen) noexcept nogil:
    """A row of a successor that is not played, with its backup, unless it ends the game."""
    cdef int other = next_below(&learner.choices, moves.count - 1)
    cdef Board sibling
    other += other >= chosen
    sibling = successor(game.board, moves.squares[other], game.roll)
    if not is_over(&sibling):
        put_row(learner, pack(&sibling), chance_value(learner.net, &sibling, max(1, learner.settings.depth)))


cdef int learning_turn(void* context, const Game* game) noexcept nogil:
    """The best move by the network, or now and then any move; its values are recorded."""
    cdef Learner* learner = <Learner*> context
    cdef const ReturnSettings* settings = &learner.settings
    cdef TurnValues* turn = &learner.turns[learner.turn_count]
    cdef ValuedMoves moves
    cdef double passed = 0
    cdef int chosen
    if learner.turn_count == MAX_TURNS:
        return STOP
    learner.turn_count += 1
    turn.position = pack(&game.board)
    turn.explored = False
    if settings.depth:
        turn.backup = back_up(learner.net, &game.board, settings.depth, game.roll, &moves, &passed)
    else:
        turn.backup = back_up_roll(learner.net, &game.board, game.roll, &moves, &passed)
    if moves.count == 0:
        turn.following = passed
        turn.again = False
        return NO_MOVE
    chosen = moves.best
    if moves.count > 1:
        if next_unit(&learner.choices) < settings.exploration:
            chosen = next_below(&learner.choices, moves.count)
            turn.explored = moves.values[chosen] < moves.values[moves.best]
        if next_unit(&learner.choices) < settings.siblings:
            put_sibling(learner, game, &moves, chosen)
    turn.following = moves.values[chosen]
    turn.again = grants_roll(&game.board, moves.squares[chosen], game.roll)
    return moves.squares[chosen]


cdef void put_returns(Learner* learner) noexcept nogil:
    """A row of every turn's position with its return, from the last turn to the first."""
    cdef TurnValues* turn = &learner.turns[learner.turn_count - 1]
    cdef double value = turn.following if turn.again else 1 - turn.following        # the return of the next turn
    cdef int i
    for i in range(learner.turn_count - 1, -1, -1):
        turn = &learner.turns[i]
        value = value if turn.again else 1 - value
        value = turn.backup + (0 if turn.explored else learner.settings.trace_decay * (value - turn.following))
        put_row(learner, turn.position, value)


cdef void play_game(Learner* learner, uint64_t seed, uint64_t number) noexcept nogil:
    """Plays game `number`, and fills the learner with its turns and rows."""
    cdef Game game = new_game(whole_opening(FINKEL), new_dice(seed, number, ROLLS))
    learner.choices = new_dice(seed, number, CHOICES)
    learner.turn_count = learner.row_count = 0
    play(&game, learning_turn, learner)
    put_returns(learner)


def play_games(Network network not None, Py_ssize_t games, uint64_t seed, uint64_t first=0, *, double trace_decay,
               int depth=1, double exploration=0.0, double siblings=0.0):
    """Games `first` and on of a value network against itself.

    trace_decay: lambda, 0 to 1. depth: turns of a backup; 0 takes the turn's own roll alone, as TD(lambda) without
    backups does. exploration: the share of decisions at which any legal move is played, each as likely.
    siblings: the share of decisions of which a successor that is not played becomes a row too, with its backup.
    -> (packed positions (n,) uint64; returns (n,) float32, 2 p - 1 for the side to move; turns of all games).
    ValueError for numbers out of range or a network without values.
    """
    if games < 1:
        raise ValueError(f"games must be at least 1, got {games}")
    if not 0 <= depth <= MAX_LOOKAHEAD:
        raise ValueError(f"depth must be 0 to {MAX_LOOKAHEAD} turns, got {depth}")
    for name, share in (("trace_decay", trace_decay), ("exploration", exploration), ("siblings", siblings)):
        if not 0 <= share <= 1:
            raise ValueError(f"{name} must be between 0 and 1, got {share}")
    if not network.has_value:
        raise ValueError("learning needs a value network")
    cdef Learner learner
    cdef char[::1] scratch = np.empty(MAX_TURNS * sizeof(TurnValues), dtype=np.int8)
    cdef uint64_t[::1] positions = np.empty(2 * MAX_TURNS, dtype=np.uint64)
    cdef float[::1] targets = np.empty(2 * MAX_TURNS, dtype=np.float32)
    learner.net = &network.value_net
    learner.settings = ReturnSettings(trace_decay, exploration, siblings, depth)
    learner.turns, learner.positions, learner.targets = <TurnValues*> &scratch[0], &positions[0], &targets[0]
    cdef Py_ssize_t i
    turns = 0
    parts = []
    for i in range(games):
        with nogil:
            play_game(&learner, seed, first + i)
        turns += learner.turn_count
        parts.append((np.array(positions[:learner.row_count]), np.array(targets[:learner.row_count])))
    return (*(np.concatenate(column) for column in zip(*parts)), turns)
