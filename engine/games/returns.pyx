"""A value network's games against itself, with a return to learn from for every position.

Nothing here knows more of the game than its rules: no evaluation, no exact solution. The backup B of a position is its
expected value over all five rolls, each played by the best successor under the network. The return of a position is

    G(t) = B(t) + trace_decay * (G(t + 1) - V(t + 1)),

V(t + 1) being the part that the turn's own roll had in B(t). So luck is taken out: what is added to the backup is not
what the dice gave, but by how much later backups contradict the network (Sutton's TD(lambda), 1988, with expected
backups as control variates; G is unbiased for trace_decay 1 as the game's result is, and with an exact network it has
no noise at all). A move played for exploration that is not the best cuts the trace (Watkins, 1989).

A game is a function of the network, the seed and its number.
"""

import numpy as np

from libc.stdint cimport uint64_t

from engine.core.dice cimport CHOICES, ROLLS, Dice, new_dice, next_below, next_roll, next_unit, ways
from engine.network.layers cimport Net
from engine.network.lookahead cimport MAX_LOOKAHEAD, chance_value, network_moves
from engine.network.network cimport Network
from engine.core.position cimport *

cdef enum:
    MAX_TURNS = 2000            # a longer game is broken off; those of two good players take 210


# One turn of a game, values from the view of its side to move.
ctypedef struct Turn:
    uint64_t position           # packed, before the roll
    double backup               # B: what the network says of the next positions, expected over the rolls
    double following            # V: what it says of the position that was played to
    bint again                  # whether the same side moves next
    bint explored               # whether the move was not the best one


ctypedef struct Rules:
    double trace_decay
    double exploration
    double siblings
    int depth


# The legal moves of a turn's roll, with their values.
ctypedef struct Choice:
    int count
    int best                    # the index of the highest value
    int squares[MAX_MOVES]
    double values[MAX_MOVES]


cdef inline void value_moves(const Net* net, const Board* board, int roll, int depth, Choice* choice) noexcept nogil:
    cdef int i
    choice.count = network_moves(net, board, roll, depth, choice.squares, choice.values)
    choice.best = 0
    for i in range(1, choice.count):
        if choice.values[i] > choice.values[choice.best]:
            choice.best = i


cdef inline double value_pass(const Net* net, const Board* board, int depth) noexcept nogil:
    cdef Board other = swap_sides(board[0])
    return 1 - chance_value(net, &other, depth)


cdef double back_up(const Net* net, const Board* board, int depth, int known, Choice* choice,
                    double* passed) noexcept nogil:
    """The backup of `depth` turns; `choice` and `passed` are the moves of the known roll, or the value of passing."""
    cdef Choice other
    cdef Choice* moves
    cdef double total = 0
    cdef bint has_passed = False
    cdef int roll
    for roll in range(MAX_ROLL + 1):
        moves = choice if roll == known else &other
        value_moves(net, board, roll, depth, moves)
        if moves.count:
            total += ways(roll) * moves.values[moves.best]
            continue
        if not has_passed:
            passed[0] = value_pass(net, board, depth - 1)
            has_passed = True
        total += ways(roll) * passed[0]
    return total / 16


cdef void sample_turn(const Net* net, const Board* board, int roll, Choice* choice, double* passed) noexcept nogil:
    """The same for the known roll alone."""
    value_moves(net, board, roll, 1, choice)
    if choice.count == 0:
        passed[0] = value_pass(net, board, 0)


cdef int play_game(const Net* net, const Rules* rules, uint64_t seed, uint64_t game, Turn* turns,
                   uint64_t* positions, float* targets, int* length) noexcept nogil:
    """Plays one game -> how many positions it gives, each with its return as 2 p - 1 for its side to move.

    turns: room for MAX_TURNS; positions, targets: for twice as many. length: set to the number of turns.
    """
    cdef Dice dice = new_dice(seed, game, ROLLS)
    cdef Dice choices = new_dice(seed, game, CHOICES)
    cdef Board board, sibling
    cdef Choice choice
    cdef Turn* turn
    cdef double passed = 0, value
    cdef int count = 0, given = 0, roll, chosen, other, i
    board.own = board.opp = 0
    board.own_off = board.opp_off = 0
    board.own_hand = board.opp_hand = PIECES
    while count < MAX_TURNS and not is_over(&board):
        turn = &turns[count]
        count += 1
        roll = next_roll(&dice)
        turn.position = pack(&board)
        turn.explored = False
        if rules.depth:
            turn.backup = back_up(net, &board, rules.depth, roll, &choice, &passed)
        else:
            sample_turn(net, &board, roll, &choice, &passed)
            turn.backup = choice.values[choice.best] if choice.count else passed
        if choice.count == 0:
            turn.following = passed
            turn.again = False
            board = swap_sides(board)
            continue
        chosen = choice.best
        if choice.count > 1:
            if next_unit(&choices) < rules.exploration:
                chosen = next_below(&choices, choice.count)
                turn.explored = choice.values[chosen] < choice.values[choice.best]
            if next_unit(&choices) < rules.siblings:
                other = next_below(&choices, choice.count - 1)
                other += other >= chosen
                sibling = successor(board, choice.squares[other], roll)
                if not is_over(&sibling):
                    positions[given] = pack(&sibling)
                    targets[given] = <float> (2 * chance_value(net, &sibling, max(1, rules.depth)) - 1)
                    given += 1
        turn.following = choice.values[chosen]
        turn.again = grants_roll(choice.squares[chosen] + roll)
        board = successor(board, choice.squares[chosen], roll)
    length[0] = count
    value = turns[count - 1].following
    if not turns[count - 1].again:
        value = 1 - value
    for i in range(count - 1, -1, -1):              # `value`: the return of the next turn
        turn = &turns[i]
        value = value if turn.again else 1 - value
        value = turn.backup + (0 if turn.explored else rules.trace_decay * (value - turn.following))
        positions[given] = turn.position
        targets[given] = <float> (2 * value - 1)
        given += 1
    return given


def play_games(Network network not None, Py_ssize_t games, uint64_t seed, uint64_t first=0, *, double trace_decay,
               int depth=1, double exploration=0.0, double siblings=0.0):
    """Games `first` and on of a value network against itself.

    trace_decay: lambda, 0 to 1. depth: turns of a backup; 0 takes the turn's own roll alone, as TD(lambda) without
    backups does. exploration: the share of decisions at which any legal move is played, each as likely.
    siblings: the share of decisions of which a successor that was not played is learnt too, from its backup.
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
    cdef Rules rules
    rules.trace_decay, rules.exploration, rules.siblings, rules.depth = trace_decay, exploration, siblings, depth
    cdef char[::1] scratch = np.empty(MAX_TURNS * sizeof(Turn), dtype=np.int8)
    cdef Turn* turns = <Turn*> &scratch[0]
    cdef uint64_t[::1] positions = np.empty(2 * MAX_TURNS, dtype=np.uint64)
    cdef float[::1] targets = np.empty(2 * MAX_TURNS, dtype=np.float32)
    cdef Py_ssize_t i
    cdef int given, length, total = 0
    parts = []
    for i in range(games):
        with nogil:
            given = play_game(&network.value_net, &rules, seed, first + i, turns, &positions[0], &targets[0], &length)
        total += length
        parts.append((np.array(positions[:given]), np.array(targets[:given])))
    return (*(np.concatenate(column) for column in zip(*parts)), total)
