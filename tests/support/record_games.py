"""Games to record, of every rule set, and writers of the formats that the program only reads."""

import json
import random

from engine import Position
from engine.core.dice import rolls
from engine.core.rules import rules
from mlx_train.playing.records.browser_game import PATHS
from mlx_train.playing.records.game_record import ABANDONED, ENDINGS, Ending, GameRecord

NAMES = ('Ann "A." \\ B', "net:weights/ur-29k.json")


def finished(seed=3):
    """A whole game of last legal moves."""
    record = GameRecord(("Ann", "Ben"), seed)
    for roll in rolls(seed, 0, 1000):
        if record.winner is not None:
            break
        legal = record.position.legal_moves(roll)
        record.add(roll, legal[-1] if legal else None)
    assert record.winner is not None
    return record


def random_record(name, seed, turns=None):
    """A game of random moves, whole or of so many turns at most."""
    rng = random.Random(f"{name} {seed}")
    game = rules(name)
    record = GameRecord(NAMES, seed, Position.initial(name))
    outcomes = [roll for roll, ways in enumerate(game.ways) for _ in range(ways)]
    while not record.position.is_over and len(record.turns) != turns:
        roll = rng.choice(outcomes)
        legal = record.position.legal_moves(roll)
        record.add(roll, rng.choice(legal) if legal else None)
    return record


def random_ending(name, seed):
    """Whole games, and games that go on, stop at a roll, are resigned, abandoned or just end."""
    record = random_record(name, seed, turns=None if seed % 3 else 1 + seed % 50)
    if record.position.is_over:
        return record
    how = (*ENDINGS, "roll", "")[seed // 3 % 5]
    if how == "roll":
        record.add_roll(4)
    elif how:
        record.end(Ending(how, None if how == ABANDONED else seed % 2, "player_left" if how == ABANDONED else ""))
    return record


def contents(record):
    """What a format keeps of a record."""
    return record.players, record.seed, record.start, record.turns, record.unplayed, record.ending, record.winner


def as_jheled(record):
    """A game of Finkel's rules as a `.ur` file; player 0 is X."""
    squares = " abcd12345678yz"
    lines = []
    for player, roll, move in record.turns:
        sign = "" if move is None else " e" if move == 0 else f" {squares[move]}"
        lines.append(f"{'XO'[player]}: {roll}{sign.upper() if player else sign}\n")
    if record.winner is not None:
        lines.append(f"{'XO'[record.winner]}: wins\n")
    return "".join(lines)


def as_browser_game(record):
    """A game of Finkel's rules as the browser game's JSON, which leaves passes out; player 0 is player1."""
    history = []
    for player, roll, move in record.turns:
        if move is None:
            continue
        name = f"player{player + 1}"
        board = {0: -1, 15: 20} | dict(enumerate(PATHS[name], 1))
        entry = {"player": name, "diceRoll": roll, "pieceIndex": 0}
        history.append(entry | {"fromSquare": board[move], "toSquare": board[move + roll], "moveType": "move"})
    winner = None if record.winner is None else f"player{record.winner + 1}"
    return json.dumps({"winner": winner, "history": history})
