"""A slow referee of the published rule sets, written from their description alone.

Pieces stand on the tiles of a board, and each player walks a list of tiles, so nothing here numbers a square twice. It
shares nothing with the engine, nor with `referee`, which knows Finkel's game by its path squares.
"""

import random
from typing import NamedTuple


class Game(NamedTuple):
    """A rule set as its description says it."""

    pieces: int
    light: str  # the tiles of light's path; dark's has the columns A and C exchanged
    ways: dict[int, int]  # of each roll, of 16 outcomes
    rosettes: str
    rosettes_are_safe: bool
    capture_grants_roll: bool


FOUR_DICE = {0: 1, 1: 4, 2: 6, 3: 4, 4: 1}
THREE_DICE = {1: 6, 2: 6, 3: 2, 4: 2}  # no ones count as four
STANDARD = "A1 C1 B4 A7 C7"
GAMES = {
    "finkel": Game(7, "A4 A3 A2 A1 B1 B2 B3 B4 B5 B6 B7 B8 A8 A7", FOUR_DICE, STANDARD, True, False),
    "blitz": Game(5, "A4 A3 A2 A1 B1 B2 B3 B4 B5 B6 B7 C7 C8 B8 A8 A7", FOUR_DICE, STANDARD, False, True),
    "masters": Game(7, "A4 A3 A2 A1 B1 B2 B3 B4 B5 B6 B7 C7 C8 B8 A8 A7", THREE_DICE, STANDARD, False, False),
    "aseb": Game(5, "A4 A3 A2 A1 B1 B2 B3 B4 B5 B6 B7 B8 B9 B10 B11 B12", FOUR_DICE, "A1 C1 B4 B8 B12", True, False),
}


class State(NamedTuple):
    """Who stands where: player 0 is light. The rest of the pieces is in hand."""

    mover: int = 0
    tiles: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())
    off: tuple[int, int] = (0, 0)


def path(name, player):
    tiles = GAMES[name].light
    if player == 1:
        tiles = tiles.translate(str.maketrans("AC", "CA"))
    return tiles.split()


def rolls(name):
    return sorted(GAMES[name].ways)


def is_over(name, state):
    return GAMES[name].pieces in state.off


def swap(state):
    """The turn of the other player at the same position."""
    return state._replace(mover=1 - state.mover)


def legal_moves(name, state, roll):
    """Path squares that the mover can move a piece from, ascending, 0 for the hand."""
    game, tiles = GAMES[name], path(name, state.mover)
    if is_over(name, state) or roll == 0:
        return []
    mine, theirs = state.tiles[state.mover], state.tiles[1 - state.mover]
    squares = [square for square, tile in enumerate(tiles, start=1) if tile in mine]
    if len(mine) + state.off[state.mover] < game.pieces:
        squares.insert(0, 0)
    legal = []
    for square in squares:
        target = square + roll
        if target == len(tiles) + 1:
            legal.append(square)
        elif target <= len(tiles):
            tile = tiles[target - 1]
            protected = game.rosettes_are_safe and tile in game.rosettes.split() and tile in theirs
            if tile not in mine and not protected:
                legal.append(square)
    return legal


def play(name, state, roll, square):
    """-> (state after a legal move with the mover who rolls next, whether that is the same player)."""
    game, tiles, mover = GAMES[name], path(name, state.mover), state.mover
    assert square in legal_moves(name, state, roll)
    mine, theirs = set(state.tiles[mover]), set(state.tiles[1 - mover])
    off = list(state.off)
    if square:
        mine.remove(tiles[square - 1])
    again = False
    if square + roll == len(tiles) + 1:
        off[mover] += 1
    else:
        tile = tiles[square + roll - 1]
        mine.add(tile)
        again = tile in game.rosettes.split() or (tile in theirs and game.capture_grants_roll)
        theirs.discard(tile)
    both = (mine, theirs) if mover == 0 else (theirs, mine)
    next_mover = mover if again else 1 - mover
    return State(next_mover, (frozenset(both[0]), frozenset(both[1])), (off[0], off[1])), again


def replies(name, state, roll):
    """Every state that a roll can lead to: one for each legal move, or the pass."""
    squares = legal_moves(name, state, roll)
    return [play(name, state, roll, square)[0] for square in squares] or [swap(state)]


def perft(name, state, depth):
    """Leaves after `depth` turns, every roll of the dice and every move counted once."""
    if depth == 0 or is_over(name, state):
        return 1
    return sum(perft(name, after, depth - 1) for roll in rolls(name) for after in replies(name, state, roll))


def notation(name, state):
    """The project's notation: the mover's side, then the other's, each along its own path."""
    sides = []
    for player in (state.mover, 1 - state.mover):
        squares = "".join("x" if tile in state.tiles[player] else "." for tile in path(name, player))
        sides.append(f"{squares}:{state.off[player]}")
    return "|".join(sides)


def random_roll(name, rng):
    """A roll, by the probabilities of the dice."""
    ways = GAMES[name].ways
    return rng.choices(list(ways), weights=list(ways.values()))[0]


def game_states(name, seed, games):
    """Yields (state, roll) of every turn of random games, passes included."""
    rng = random.Random(seed)
    for game in range(games):
        state = State(mover=game % 2)
        while not is_over(name, state):
            roll = random_roll(name, rng)
            yield state, roll
            state = rng.choice(replies(name, state, roll))


# The classic evaluation, doubled so that it stays in integers, and its search.

DEFAULT_WEIGHTS = {"win": 10000, "borne_off": 1000, "tenths": 15, "rosette": 25 + 40, "shared": 5 + 2, "off_hand": 35}


def doubled_evaluation(name, state, weights=DEFAULT_WEIGHTS):
    """Twice the classic evaluation of a set whose paths have no private squares at their end: mover minus opponent."""
    sides = []
    for player in (state.mover, 1 - state.mover):
        if state.off[player] == GAMES[name].pieces:
            return 2 * weights["win"] * (1 if player == state.mover else -1)
        squares = [s for s, tile in enumerate(path(name, player), start=1) if tile in state.tiles[player]]
        tiles = state.tiles[player]
        points = state.off[player] * weights["borne_off"]
        points += weights["rosette"] * sum(tile in GAMES[name].rosettes.split() for tile in tiles)
        points += weights["shared"] * sum(tile in path(name, 1 - player) for tile in tiles)
        points += weights["off_hand"] * (len(tiles) + state.off[player])
        sides.append(2 * points + 2 * weights["tenths"] * sum(squares) // 10)
    return sides[0] - sides[1]


def search(name, state, roll, depth):
    """{square: value of moving from it}, twice the evaluation, times 16 for every turn after the first."""
    values = {}
    for square in legal_moves(name, state, roll):
        after, same = play(name, state, roll, square)
        values[square] = _before_roll(name, after, depth - 1) * (1 if same else -1)
    return values


def _before_roll(name, state, plies):
    if plies == 0 or is_over(name, state):
        return doubled_evaluation(name, state) * 16**plies
    total = 0
    for roll, ways in GAMES[name].ways.items():
        mine = [
            _before_roll(name, after, plies - 1) * (1 if after.mover == state.mover else -1)
            for after in replies(name, state, roll)
        ]
        total += ways * max(mine)
    return total
