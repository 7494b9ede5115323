"""A value network's games against itself, with a return to learn from for every position.

The network learns from the rules and its own games alone, without an evaluation or the exact solution. The backup B of
a position is its expected value over all five rolls, each played by the best successor under the network. The return of
a position is

    G(t) = B(t) + trace_decay * (G(t + 1) - V(t + 1)),

where V(t + 1) is the value that the turn's own roll has in B(t). This removes the luck of the dice: the term added to
the backup is the difference between later backups and the network (Sutton's TD(lambda), 1988, with expected backups as
control variates; for trace_decay 1, G is as unbiased as the game's result, and with an exact network it has no noise).
A move played for exploration that is not the best cuts the trace (Watkins, 1989).

A game is a function of the network, the seed and its number. Another network can value the same game again: the dice
and the moves stay, the returns become the other network's.
"""

from libc.stdint cimport uint8_t, uint64_t
from engine.core.dice cimport CHOICES, ROLLS, Dice, new_dice, next_below, next_unit
from engine.core.game cimport STOP, Game, new_game, play
from engine.network.layers cimport Net
from engine.network.lookahead cimport (
    MAX_LOOKAHEAD, Leaves, best_leaf, chance_value, find_leaves, network_moves, value_leaves,
)
from engine.network.network cimport Network
from engine.core.position cimport *
import numpy as np
from typing import NamedTuple

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
    double tolerance            # a move that is worse than the best one by more cuts the trace


# One game, and where its rows go.
ctypedef struct Learner:
    const Net* net
    int rules                   # the number of the rule set
    ReturnSettings settings
    Dice dice                   # of exploration and siblings
    TurnValues* turns           # MAX_TURNS of them
    int turn_count
    const uint8_t* script       # the choices of a game that is valued again, or NULL for a new game
    int script_length
    bint astray                 # whether a decision had no legal choice in the script
    uint8_t* choices            # which legal move each decision's is, by ascending square; room for MAX_TURNS
    int choice_count
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
        if ways(rules_of(board), roll) == 0:
            continue
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


cdef double back_up_once(const Net* net, const Board* board, int known, ValuedMoves* moves,
                         double* passed) noexcept nogil:
    """`back_up` of one turn: the successors of all rolls go through the network together."""
    cdef Leaves leaves
    cdef double total = 0
    cdef int roll, i
    find_leaves(board, &leaves)
    value_leaves(net, &leaves)
    moves.count = moves.best = 0
    for roll in range(MAX_ROLL + 1):
        if leaves.start[roll] < leaves.start[roll + 1]:
            total += ways(rules_of(board), roll) * best_leaf(&leaves, roll)
    for i in range(leaves.start[known], leaves.start[known + 1]):
        if leaves.squares[i] == NO_MOVE:
            passed[0] = leaves.values[i]
            break
        moves.squares[moves.count] = leaves.squares[i]
        moves.values[moves.count] = leaves.values[i]
        if leaves.values[i] > moves.values[moves.best]:
            moves.best = moves.count
        moves.count += 1
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
    cdef int other = next_below(&learner.dice, moves.count - 1)
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
    if settings.depth == 1:
        turn.backup = back_up_once(learner.net, &game.board, game.roll, &moves, &passed)
    elif settings.depth:
        turn.backup = back_up(learner.net, &game.board, settings.depth, game.roll, &moves, &passed)
    else:
        turn.backup = back_up_roll(learner.net, &game.board, game.roll, &moves, &passed)
    if moves.count == 0:
        turn.following = passed
        turn.again = False
        return NO_MOVE
    chosen = moves.best
    if moves.count > 1:
        if next_unit(&learner.dice) < settings.exploration:
            chosen = next_below(&learner.dice, moves.count)
        if learner.script != NULL:
            if learner.choice_count == learner.script_length or learner.script[learner.choice_count] >= moves.count:
                learner.astray = True
                return STOP
            chosen = learner.script[learner.choice_count]
        learner.choices[learner.choice_count] = chosen
        learner.choice_count += 1
        turn.explored = moves.values[chosen] < moves.values[moves.best] - settings.tolerance
        if next_unit(&learner.dice) < settings.siblings:
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


cdef bint play_game(Learner* learner, uint64_t seed, uint64_t number) noexcept nogil:
    """Plays game `number`, and fills the learner with its turns and rows; False if its script does not end it."""
    cdef Game game = new_game(whole_opening(learner.rules), new_dice(seed, number, ROLLS))
    learner.dice = new_dice(seed, number, CHOICES)
    learner.turn_count = learner.row_count = learner.choice_count = 0
    learner.astray = False
    play(&game, learning_turn, learner)
    if learner.script != NULL and (learner.astray or learner.choice_count < learner.script_length):
        return False
    put_returns(learner)
    return True


class PlayedGames(NamedTuple):
    """Games of a network against itself.

    positions: (n,) uint64, packed. returns: (n,) float32, 2 p - 1 for the side to move. turns: of all games. choices:
    (m,) uint8, which legal move each decision's is, by ascending square; lengths: (games,) int64, decisions of each.
    """

    positions: object
    returns: object
    turns: int
    choices: object
    lengths: object


def play_games(Network network not None, Py_ssize_t games, uint64_t seed, uint64_t first=0, *, double trace_decay,
               int depth=1, double exploration=0.0, double siblings=0.0, double tolerance=0.0, played=None):
    """Games `first` and on of a value network against itself -> PlayedGames.

    trace_decay: lambda, 0 to 1. depth: turns of a backup; 0 takes the turn's own roll alone, as TD(lambda) without
    backups does. exploration: the share of decisions at which any legal move is played, each as likely.
    siblings: the share of decisions of which a successor that is not played becomes a row too, with its backup.
    tolerance: the win probability that a move may give away without cutting the trace. played: (choices, lengths) of
    the same games, whoever played them with the same seed: they are valued again, and the rows are of the same
    positions each time. ValueError for numbers out of range, for a network without values, or for choices that do not
    end their games.
    """
    if games < 1:
        raise ValueError(f"games must be at least 1, got {games}")
    if not 0 <= depth <= MAX_LOOKAHEAD:
        raise ValueError(f"depth must be 0 to {MAX_LOOKAHEAD} turns, got {depth}")
    for name, share in (("trace_decay", trace_decay), ("exploration", exploration), ("siblings", siblings),
                        ("tolerance", tolerance)):
        if not 0 <= share <= 1:
            raise ValueError(f"{name} must be between 0 and 1, got {share}")
    if not network.has_value:
        raise ValueError("learning needs a value network")
    cdef const uint8_t[::1] script
    ends = None
    if played is not None:
        script = np.ascontiguousarray(played[0], dtype=np.uint8)
        ends = np.cumsum(played[1])
        if len(ends) != games or sum(played[1]) != script.shape[0]:
            raise ValueError(f"{games} games need as many lengths, which sum to the number of choices")
    cdef Learner learner
    cdef char[::1] scratch = np.empty(MAX_TURNS * sizeof(TurnValues), dtype=np.int8)
    cdef uint64_t[::1] positions = np.empty(2 * MAX_TURNS, dtype=np.uint64)
    cdef float[::1] targets = np.empty(2 * MAX_TURNS, dtype=np.float32)
    cdef uint8_t[::1] choices = np.empty(MAX_TURNS, dtype=np.uint8)
    learner.net = &network.value_net
    learner.rules = rules_number(network.rules)
    learner.settings = ReturnSettings(trace_decay, exploration, siblings, depth, tolerance)
    learner.turns, learner.positions, learner.targets = <TurnValues*> &scratch[0], &positions[0], &targets[0]
    learner.choices, learner.script, learner.script_length = &choices[0], NULL, 0
    cdef Py_ssize_t i, start = 0
    cdef bint ended
    turns = 0
    parts = []
    for i in range(games):
        if ends is not None:
            learner.script, learner.script_length = &script[0] + start, ends[i] - start
            start = ends[i]
        with nogil:
            ended = play_game(&learner, seed, first + i)
        if not ended:
            raise ValueError(f"game {first + i}: the choices do not end it")
        turns += learner.turn_count
        parts.append((np.array(positions[:learner.row_count]), np.array(targets[:learner.row_count]),
                      np.array(choices[:learner.choice_count])))
    columns = [np.concatenate(column) for column in zip(*parts)]
    lengths = np.array([len(part[2]) for part in parts], dtype=np.int64)
    return PlayedGames(columns[0], columns[1], turns, columns[2], lengths)
