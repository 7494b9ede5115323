"""The JSON of the browser game of tre-systems/rgou-cloudflare, which plays Finkel's rules.

The side of the first entry is player 0. Passes are not recorded: where the next entry is of the side that is not to
move, the other side has passed. The roll of such a pass is not known and is given as 0.
"""

import json
from typing import Any

from engine.core.rules import rules
from mlx_train.playing.records.game_record import STOPPED, Ending, GameRecord

NAME = "browser game's JSON"
SUFFIX = ".json"

_PLAYERS = ("player1", "player2")
_HAND, _OFF = -1, 20
#: The numbers of the board's squares along each player's path.
PATHS = {
    "player1": (3, 2, 1, 0, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13),
    "player2": (19, 18, 17, 16, 4, 5, 6, 7, 8, 9, 10, 11, 14, 15),
}


def recognizes(text: str) -> bool:
    """Whether a text is a JSON object with a list of moves."""
    try:
        document = json.loads(text)
    except json.JSONDecodeError:
        return False
    return isinstance(document, dict) and isinstance(document.get("history"), list)


def parse(text: str) -> GameRecord:
    """The record of a JSON text. ValueError names the first wrong entry and the reason."""
    document = json.loads(text)
    history, winner = document["history"], document.get("winner")
    first = history[0].get("player") if history and isinstance(history[0], dict) else None
    names = _PLAYERS[::-1] if first == _PLAYERS[1] else _PLAYERS
    record = GameRecord((names[0], names[1]))
    for number, entry in enumerate(history):
        try:
            _take_entry(record, entry, names)
        except ValueError as error:
            raise ValueError(f"history[{number}]: {error}") from None
    if record.position.is_over:
        record.check_winner(names.index(winner) if winner in names else record.winner, names.__getitem__)
    elif winner in names:
        record.end(Ending(STOPPED, names.index(winner)))
    return record


def _take_entry(record: GameRecord, entry: Any, names: tuple[str, ...]) -> None:
    if not isinstance(entry, dict) or entry.get("player") not in names:
        player = entry.get("player") if isinstance(entry, dict) else entry
        raise ValueError(f"player must be player1 or player2, got {json.dumps(player)}")
    roll = entry.get("diceRoll")
    if type(roll) is not int or not 0 <= roll < len(rules().ways):
        raise ValueError(f"diceRoll must be a whole number, 0 to 4; got {json.dumps(roll)}")
    player = names.index(entry["player"])
    if player != record.mover and not record.position.is_over:
        record.add(0, None)
    square = _square(entry, "fromSquare", _HAND, 0)
    target = _square(entry, "toSquare", _OFF, rules().borne_off)
    record.add(roll, square)
    if target != square + roll:
        raise ValueError(f"a roll of {roll} from {entry['fromSquare']} does not lead to {entry['toSquare']}")


def _square(entry: dict[str, Any], key: str, end: int, square: int) -> int:
    """The path square of a board's square; `square` for the number `end`."""
    path, value = PATHS[entry["player"]], entry.get(key)
    if type(value) is int and value == end:
        return square
    if type(value) is not int or value not in path:
        raise ValueError(f"{entry['player']} does not walk square {json.dumps(value)}")
    return path.index(value) + 1
