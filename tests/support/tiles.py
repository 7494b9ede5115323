"""Every rule set solved slowly: pieces that stand on named tiles, and value iteration over all positions.

Written from the published description alone. It shares nothing with the engine or the referee: no path is numbered
here, so two pieces collide where their tiles have the same name.
"""

import itertools
from functools import cache
from typing import NamedTuple

import numpy as np

HAND, OFF = "hand", "off"


class Game(NamedTuple):
    """A rule set: the tiles of light's path, and what `rule-sets` tables say. Dark's path exchanges columns A and C."""

    path: tuple[str, ...]
    rosettes: frozenset[str]
    chances: dict[int, float]
    safe: bool
    capture_grants: bool

    @property
    def sides(self):
        """The stations of light's and of dark's pieces: hand, the path's tiles, off."""
        dark = [tile.translate(str.maketrans("AC", "CA")) for tile in self.path]
        return (HAND, *self.path, OFF), (HAND, *dark, OFF)


def tiles(text):
    return tuple(text.split())


FOUR_BINARY = {0: 1 / 16, 1: 4 / 16, 2: 6 / 16, 3: 4 / 16, 4: 1 / 16}
THREE_BINARY_FROM_ONE = {1: 3 / 8, 2: 3 / 8, 3: 1 / 8, 4: 1 / 8}
STANDARD_ROSETTES = frozenset(tiles("A1 C1 B4 A7 C7"))
BELL = tiles("A4 A3 A2 A1 B1 B2 B3 B4 B5 B6 B7 B8 A8 A7")
MASTERS = tiles("A4 A3 A2 A1 B1 B2 B3 B4 B5 B6 B7 C7 C8 B8 A8 A7")
ASEB = tiles("A4 A3 A2 A1 B1 B2 B3 B4 B5 B6 B7 B8 B9 B10 B11 B12")

GAMES = {
    "finkel": Game(BELL, STANDARD_ROSETTES, FOUR_BINARY, safe=True, capture_grants=False),
    "blitz": Game(MASTERS, STANDARD_ROSETTES, FOUR_BINARY, safe=False, capture_grants=True),
    "masters": Game(MASTERS, STANDARD_ROSETTES, THREE_BINARY_FROM_ONE, safe=False, capture_grants=False),
    "aseb": Game(ASEB, frozenset(tiles("A1 C1 B4 B8 B12")), FOUR_BINARY, safe=True, capture_grants=False),
}


def placements(stations, pieces):
    """Every way in which a side's pieces can stand: sorted tuples of numbers in `stations`."""
    last = len(stations) - 1
    for placed in itertools.combinations_with_replacement(range(last + 1), pieces):
        if all(placed.count(number) == 1 for number in placed if 0 < number < last):
            yield placed


def on_board(stations, placed):
    return {stations[number] for number in placed} - {HAND, OFF}


def positions(game, pieces):
    """All positions with light or dark to move that nobody has won: (side to move, light's pieces, dark's pieces)."""
    light, dark = game.sides
    won = (len(light) - 1,) * pieces
    return [
        (mover, a, b)
        for mover in (0, 1)
        for a in placements(light, pieces)
        for b in placements(dark, pieces)
        if won not in (a, b) and not on_board(light, a) & on_board(dark, b)
    ]


def moves(game, position, roll):
    """The positions that the moves of a roll lead to, with whoever rolls next; a pass where there is none."""
    mover, *placed = position
    own, theirs = game.sides[mover], game.sides[1 - mover]
    after = []
    for number in sorted(set(placed[mover])):
        landing = number + roll
        if roll == 0 or landing >= len(own) or number == len(own) - 1:
            continue
        tile = own[landing]
        if tile != OFF and tile in on_board(own, placed[mover]):
            continue
        captured = tile != OFF and tile in on_board(theirs, placed[1 - mover])
        if captured and game.safe and tile in game.rosettes:
            continue
        rest = list(placed)
        rest[mover] = exchanged(placed[mover], number, landing)
        if captured:
            rest[1 - mover] = exchanged(placed[1 - mover], theirs.index(tile), 0)
        again = tile in game.rosettes or (captured and game.capture_grants)
        after.append((mover if again else 1 - mover, *rest))
    return after or [(1 - mover, *placed)]


def exchanged(placed, number, other):
    rest = list(placed)
    rest.remove(number)
    return tuple(sorted([*rest, other]))


@cache
def solution(name, pieces):
    """Light's win probability in every position of `positions`, by value iteration to float64's floor."""
    game = GAMES[name]
    known = positions(game, pieces)
    number = {position: k for k, position in enumerate(known)}
    rolls = [(roll, chance) for roll, chance in game.chances.items() if chance]
    starts, after = [], []
    for position in known:
        for roll, _ in rolls:
            starts.append(len(after))
            after += [place(game, number, pieces, successor) for successor in moves(game, position, roll)]
    light_moves = np.repeat([mover == 0 for mover, *_ in known], len(rolls)).reshape(-1, len(rolls))
    chances = np.array([chance for _, chance in rolls])
    values = np.r_[np.full(len(known), 0.5), 0.0, 1.0]  # the last two: dark, light has won
    change = 1.0
    while change > 1e-15:
        reached = values[after]
        best = np.where(
            light_moves,
            np.maximum.reduceat(reached, starts).reshape(light_moves.shape),
            np.minimum.reduceat(reached, starts).reshape(light_moves.shape),
        )
        new = best @ chances
        change = np.abs(new - values[:-2]).max()
        values[:-2] = new
    return dict(zip(known, values[:-2].tolist(), strict=True))


def place(game, number, pieces, position):
    """Where a position's value stands: behind all others if a side has won."""
    _, light, dark = position
    won = (len(game.path) + 1,) * pieces
    if light == won:
        return len(number) + 1
    return len(number) if dark == won else number[position]


def opening(pieces):
    return (0, (0,) * pieces, (0,) * pieces)
