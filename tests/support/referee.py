"""A slow and obvious referee: the rules, the classic evaluation and its search, written from the rules alone.

Nothing here is shared with the engine, so the two can check each other. Everything is seen from the side to
move; path squares are 1 to 14, 0 is the hand and 15 is borne off.
"""

import itertools
import random
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

PIECES = 7
BORNE_OFF = 15
ROLLS = (0, 1, 2, 3, 4)
WAYS = (1, 4, 6, 4, 1)  # of the sixteen outcomes of four binary dice
ROSETTES = (4, 8, 14)
SHARED = (5, 6, 7, 8, 9, 10, 11, 12)
SAFE = 8


class State(NamedTuple):
    """Who stands where: squares ascending, each along its owner's path; the rest of the seven is in hand."""

    own: tuple[int, ...] = ()
    opponent: tuple[int, ...] = ()
    own_off: int = 0
    opponent_off: int = 0

    @property
    def own_hand(self):
        return PIECES - self.own_off - len(self.own)

    @property
    def opponent_hand(self):
        return PIECES - self.opponent_off - len(self.opponent)


OPENING = State()


def is_over(state):
    return state.own_off == PIECES or state.opponent_off == PIECES


def swap(state):
    """The same position with the other side to move."""
    return State(state.opponent, state.own, state.opponent_off, state.own_off)


def legal_moves(state, roll):
    """Squares a piece can be moved from, ascending, 0 for the hand."""
    if is_over(state) or roll == 0:
        return []
    sources = ([0] if state.own_hand > 0 else []) + sorted(state.own)
    return [square for square in sources if _can_land(state, square + roll)]


def _can_land(state, target):
    if target > BORNE_OFF:
        return False
    if target == BORNE_OFF:
        return True
    if target in state.own:
        return False
    return not (target == SAFE and target in state.opponent)


def move(state, roll, square):
    """The position after a legal move, still from the view of the side that moved."""
    assert square in legal_moves(state, roll)
    target = square + roll
    own = set(state.own) - {square}
    opponent = set(state.opponent)
    own_off = state.own_off
    if target == BORNE_OFF:
        own_off += 1
    else:
        own.add(target)
        if target in SHARED:
            opponent.discard(target)
    return State(tuple(sorted(own)), tuple(sorted(opponent)), own_off, state.opponent_off)


def play(state, roll, square):
    """-> (successor from the view of whoever moves next, whether that is the same player)."""
    after = move(state, roll, square)
    same_player = square + roll in ROSETTES
    return (after if same_player else swap(after)), same_player


def replies(state, roll):
    """Every (successor, same player) of a roll: one per legal move, or the pass."""
    squares = legal_moves(state, roll)
    if not squares:
        return [(swap(state), False)]
    return [play(state, roll, square) for square in squares]


def perft(state, depth):
    """Leaves after `depth` turns, every roll and every move counted once."""
    if depth == 0 or is_over(state):
        return 1
    return sum(perft(successor, depth - 1) for roll in ROLLS for successor, _ in replies(state, roll))


# Notation and packed integer


def notation(state):
    sides = ((state.own, state.own_off), (state.opponent, state.opponent_off))
    return "|".join(
        "".join("x" if square in squares else "." for square in range(1, 15)) + f":{off}" for squares, off in sides
    )


def from_notation(text):
    """The state of one line of notation, which is trusted to be well formed."""
    (own, own_off), (opponent, opponent_off) = (side.split(":") for side in text.split("|"))
    return State(_squares(own), _squares(opponent), int(own_off), int(opponent_off))


def _squares(text):
    return tuple(square for square, char in enumerate(text, start=1) if char == "x")


def packed(state):
    """One integer: bits 0-15 own squares, 16-31 the opponent's, 32-39 and 40-47 the borne-off counts."""
    own = sum(2**square for square in state.own)
    opponent = sum(2**square for square in state.opponent)
    return own + opponent * 2**16 + state.own_off * 2**32 + state.opponent_off * 2**40


# The classic evaluation and search. Values are doubled integers, so that 15/10 of a square stays exact.


@dataclass(frozen=True, kw_only=True)
class Weights:
    win: int
    borne_off: int
    tenths_per_square: int
    on_rosette: int
    rosette_held: int
    advanced: int
    shared_lane: int
    off_hand: int


PRESETS = {
    "default": Weights(
        win=10000, borne_off=1000, tenths_per_square=15, on_rosette=25, rosette_held=40, advanced=5,
        shared_lane=2, off_hand=35,
    ),
    "evolved": Weights(
        win=8354, borne_off=638, tenths_per_square=30, on_rosette=-13, rosette_held=61, advanced=11,
        shared_lane=4, off_hand=49,
    ),
}  # fmt: skip


def doubled_evaluation(state, weights):
    """Twice the classic evaluation, side to move minus opponent."""
    if state.own_off == PIECES:
        return 2 * weights.win
    if state.opponent_off == PIECES:
        return -2 * weights.win
    own = _doubled_side(state.own, state.own_off, weights)
    return own - _doubled_side(state.opponent, state.opponent_off, weights)


def _doubled_side(squares, off, weights):
    points = off * weights.borne_off
    for square in squares:
        if square in ROSETTES:
            points += weights.on_rosette + weights.rosette_held
        if square in SHARED:
            points += weights.advanced + weights.shared_lane
        if square in (13, 14):
            points += 2 * weights.advanced
    points += (len(squares) + off) * weights.off_hand
    doubled_tenths = 2 * weights.tenths_per_square * sum(squares)
    assert doubled_tenths % 10 == 0
    return 2 * points + doubled_tenths // 10


def search(state, roll, depth, weights):
    """{square: value of moving from it}, from the view of the side to move.

    Values are exact integers: twice the evaluation, times 16 for every ply after the first.
    """
    return {square: _value(*play(state, roll, square), depth - 1, weights) for square in legal_moves(state, roll)}


def best_move(state, roll, depth, weights):
    """The lowest square among the best; None when the turn passes."""
    values = search(state, roll, depth, weights)
    return min((square for square in values if values[square] == max(values.values())), default=None)


def _value(state, same_player, plies, weights):
    """Of a successor, from the view of the side that moved into it; scaled by 16**plies."""
    value = _before_roll(state, plies, weights)
    return value if same_player else -value


def _before_roll(state, plies, weights):
    """Of a position before its roll, from the view of its side to move; scaled by 16**plies."""
    if plies == 0 or is_over(state):
        return doubled_evaluation(state, weights) * 16**plies
    return sum(
        WAYS[roll] * max(_value(successor, same, plies - 1, weights) for successor, same in replies(state, roll))
        for roll in ROLLS
    )


# The exact solution of small games


def value_iteration(pieces, tolerance=1e-14):
    """{state: probability that the side to move wins, before it rolls} of the game with `pieces` a side.

    Every state that can be met from the opening is in it. All values are computed anew from the old until
    none changes by more than `tolerance`; numpy does the sweeps, but knows nothing of the game's structure.
    """
    numbers = {}
    choices = []  # number of the successor and whether the same player moves, of every state, roll and move
    starts = []  # where the choices of every state and roll begin
    for state in reachable(State((), (), PIECES - pieces, PIECES - pieces)):
        numbers[state] = len(numbers)
        for roll in ROLLS:
            starts.append(len(choices))
            choices.extend([(state, True)] if is_over(state) else replies(state, roll))
    after = np.array([numbers[successor] for successor, _ in choices])
    same_player = np.array([same for _, same in choices])
    values = np.array([1.0 if state.own_off == PIECES else 0.0 if is_over(state) else 0.5 for state in numbers])
    change = 1.0
    while change > tolerance:
        of_moves = np.where(same_player, values[after], 1.0 - values[after])
        of_rolls = np.maximum.reduceat(of_moves, starts).reshape(-1, len(ROLLS))
        old, values = values, of_rolls @ np.array(WAYS) / 16
        change = np.abs(values - old).max()
    return dict(zip(numbers, values.tolist(), strict=True))


def reachable(opening):
    """Every state that can be met from `opening`, itself included."""
    states = {opening}
    pending = [opening]
    while pending:
        state = pending.pop()
        if not is_over(state):
            found = {after for roll in ROLLS for after, _ in replies(state, roll)} - states
            states |= found
            pending.extend(found)
    return states


# Positions to test with. `random()` alone is used, whose sequence Python promises to keep.


def random_roll(rng):
    return sum(rng.random() < 0.5 for _ in range(4))


def random_choice(rng, items):
    return items[int(rng.random() * len(items))]


def game_decisions(seed, games, choose=None, opening=OPENING):
    """Yields (state, roll) of every turn of whole games, passes included.

    `choose(state, roll, squares) -> square` decides the moves; without it they are random.
    """
    rng = random.Random(seed)
    for _ in range(games):
        state = opening
        while not is_over(state):
            roll = random_roll(rng)
            yield state, roll
            squares = legal_moves(state, roll)
            if not squares:
                state = swap(state)
                continue
            square = choose(state, roll, squares) if choose else random_choice(rng, squares)
            state, _ = play(state, roll, square)


def random_placements(seed, count):
    """Yields states with pieces scattered at random: stranger than those of games, all of them allowed."""
    rng = random.Random(seed)
    made = 0
    while made < count:
        own, opponent = _random_side(rng), _random_side(rng)
        if set(own[0]) & set(opponent[0]) & set(SHARED) or own[1] == opponent[1] == PIECES:
            continue
        made += 1
        yield State(own[0], opponent[0], own[1], opponent[1])


def _random_side(rng):
    off = int(rng.random() * (PIECES + 1))
    on_path = int(rng.random() * (PIECES + 1 - off))
    squares = set()
    while len(squares) < on_path:
        squares.add(1 + int(rng.random() * 14))
    return tuple(sorted(squares)), off


def greedy_groups(state, roll):
    """The squares that the greedy agent prefers, by kind, the preferred kind first."""
    squares = legal_moves(state, roll)
    yield "capture", [s for s in squares if s + roll in SHARED and s + roll in state.opponent]
    yield "rosette", [s for s in squares if s + roll in ROSETTES]
    yield "foremost", squares


def greedy_move(state, roll):
    """The square that the greedy agent moves from."""
    return next(max(squares) for _, squares in greedy_groups(state, roll) if squares)


def placements(pieces):
    """Every position that is not over, with at most so many pieces left a side."""
    least = PIECES - pieces
    squares = [c for n in range(pieces + 1) for c in itertools.combinations(range(1, 15), n)]
    for own, opponent in itertools.product(squares, squares):
        if any(5 <= square <= 12 and square in opponent for square in own):
            continue
        for own_off in range(least, PIECES - len(own) + 1):
            for opponent_off in range(least, PIECES - len(opponent) + 1):
                if own_off < PIECES and opponent_off < PIECES:
                    yield State(own, opponent, own_off, opponent_off)
