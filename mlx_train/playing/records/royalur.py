"""RoyalUr's JSON, versions 1 and 2, as RoyalUr-Java writes and reads it.

Light moves first unless the initial state says otherwise. The names of the players and the seed of the dice, for which
the format has no place, are written into its metadata. Source: github.com/RoyalUr/RoyalUr-Java, JsonNotation.
"""

import json
from typing import Any

from engine.core.position import Position
from engine.core.rules import RULE_SETS, RuleSet, rules
from engine.drawing import square_name
from mlx_train.playing.records.game_record import ABANDONED, RESIGNED, STOPPED, Ending, GameRecord, captured_square

NAME = "RoyalUr JSON"
SUFFIX = ".json"
VERSIONS = (1, 2)

#: RoyalUr's names for the board, the paths and the dice of each of our rule sets.
SETTINGS = {
    "finkel": {"board_shape": "standard", "paths": "bell", "dice": "four_binary"},
    "blitz": {"board_shape": "standard", "paths": "masters", "dice": "four_binary"},
    "masters": {"board_shape": "standard", "paths": "masters", "dice": "three_binary_0eq4"},
    "aseb": {"board_shape": "aseb", "paths": "aseb", "dice": "four_binary"},
}

_OLD_SPELLINGS = {"fourbinary": "four_binary", "threebinary0max": "three_binary_0eq4"}
_SIDES = ("L", "D")
_NAMES = {"L": "light", "D": "dark"}
_SIGNS = {"L": 1, "D": -1}  # of a piece's path square
_WAITING = ("wait4roll", "wait4move")


def recognizes(text: str) -> bool:
    """Whether a text is a JSON object with RoyalUr's version."""
    try:
        document = json.loads(text)
    except json.JSONDecodeError:
        return False
    return isinstance(document, dict) and "notation_version" in document


# Settings


def settings_of(game: RuleSet) -> dict[str, Any]:
    """RoyalUr's settings of one of our rule sets."""
    return SETTINGS[game.name] | {
        "start_pieces": game.pieces,
        "safe_rosettes": bool(game.safe),
        "rosettes_grant_rolls": True,
        "captures_grant_rolls": game.capture_grants_roll,
    }


def _rules_of(settings: Any) -> RuleSet:
    """The rule set of RoyalUr's settings, whose number of pieces may be smaller. ValueError names what has none."""
    if not isinstance(settings, dict):
        raise ValueError("settings must be an object")
    said = dict(settings)
    for key in ("board_shape", "paths", "dice"):
        word = str(said.get(key)).lower()
        said[key] = _OLD_SPELLINGS.get(word, word)
    pieces = said.pop("start_pieces", None)
    if type(pieces) is not int or pieces < 1:
        raise ValueError(f"start_pieces must be a whole number, 1 or more; got {json.dumps(pieces)}")
    for name in RULE_SETS:
        game = rules(name)
        known = settings_of(game)
        if pieces <= known.pop("start_pieces") and all(said.get(key) == value for key, value in known.items()):
            return game
    if said["paths"] == "masters" and said["dice"] == "four_binary" and not said.get("captures_grant_rolls"):
        raise ValueError("RoyalUr's Masters with four dice (of before August 2024) is not known, only with three")
    words = ", ".join(f"{key} {json.dumps(said.get(key))}" for key in settings_of(rules()) if key != "start_pieces")
    raise ValueError(f"this rule set of RoyalUr is not known: {words}, start_pieces {pieces}")


# Reading


def parse(text: str) -> GameRecord:
    """The record of a JSON text. ValueError names the first wrong state and the reason."""
    document = json.loads(text)
    version = document["notation_version"]
    if version not in VERSIONS or type(version) is not int:
        raise ValueError(f"RoyalUr's notation_version {json.dumps(version)} is not known, only 1 and 2")
    game = _rules_of(document.get("settings"))
    states, initial = document.get("states"), document.get("initial_state")
    if not isinstance(states, list):
        raise ValueError("states must be a list")
    if not isinstance(initial, dict):
        raise ValueError("initial_state must be an object")
    order = ("D", "L") if initial.get("turn") == "D" else _SIDES
    metadata = document.get("metadata") or {}
    if not isinstance(metadata, dict):
        raise ValueError("metadata must be an object")
    names = [str(metadata.get(_NAMES[side].capitalize(), _NAMES[side])) for side in order]
    seed = str(metadata.get("Seed", ""))
    start = _start(game, initial, order, game.pieces - document["settings"]["start_pieces"])
    record = GameRecord((names[0], names[1]), int(seed) if seed.isdecimal() else None, start)
    for number, state in enumerate(states):
        try:
            if not isinstance(state, dict):
                raise ValueError(f"expected an object, got {json.dumps(state)[:40]}")
            _take_state(record, state, order)
        except ValueError as error:
            raise ValueError(f"states[{number}]: {error}") from None
    if metadata.get("Ending") == STOPPED and not record.is_finished:
        claimed = metadata.get("Winner")
        record.end(Ending(STOPPED, order.index(claimed) if claimed in order else None))
    return record


def _start(game: RuleSet, initial: dict[str, Any], order: tuple[str, ...], missing: int) -> Position:
    """The position of the initial state, seen by the side that begins. missing: pieces less than the whole game."""
    board = _object(_object(initial, "board"), "pieces")
    players = _object(initial, "players")
    sides = []
    for side in order:
        path = game.paths[_SIDES.index(side)]
        squares = set()
        for tile, piece in board.items():
            owner, square = _piece(piece)
            if owner != side:
                continue
            if not 1 <= square <= game.squares or path[square - 1] != tile:
                raise ValueError(f"initial_state: {tile} is not square {square} of {_NAMES[side]}'s path")
            squares.add(square)
        player = _object(players, side)
        hand, score = (_count(player, key, game.pieces) for key in ("pieces", "score"))
        if hand + score + len(squares) + missing != game.pieces:
            total = hand + score + len(squares)
            raise ValueError(f"initial_state: {_NAMES[side]} has {total} pieces, not {game.pieces - missing}")
        marks = "".join("x" if square in squares else "." for square in range(1, game.borne_off))
        sides.append(f"{marks}:{score + missing}")
    return Position.from_notation("|".join(sides), game.name)


def _object(entry: dict[str, Any], key: str) -> dict[str, Any]:
    value = entry.get(key)
    if not isinstance(value, dict):
        raise ValueError(f"{key} must be an object, got {json.dumps(value)}")
    return value


def _count(entry: dict[str, Any], key: str, high: int) -> int:
    value = entry.get(key)
    if type(value) is not int or not 0 <= value <= high:
        raise ValueError(f"{key} must be a whole number, 0 to {high}; got {json.dumps(value)}")
    return value


def _piece(value: Any) -> tuple[str, int]:
    """The owner and the path square of a piece: +n is light's, -n dark's; the old form is an object."""
    if isinstance(value, dict) and value.get("owner") in _SIDES and type(value.get("index")) is int:
        return value["owner"], value["index"] + 1
    if type(value) is int and value:
        return ("L" if value > 0 else "D"), abs(value)
    raise ValueError(f"{json.dumps(value)} is not a piece")


def _take_state(record: GameRecord, state: dict[str, Any], order: tuple[str, ...]) -> None:
    kind = state.get("type")
    if kind in ("move", "roll", *_WAITING) and not record.is_finished and state.get("turn") != order[record.mover]:
        raise ValueError(f"it is {_NAMES[order[record.mover]]}'s turn")
    if kind == "move":
        _take_move(record, state, order)
    elif kind == "roll":
        record.add_roll(_roll(record, state))
    elif kind in ("resigned", "abandoned"):
        player = state.get("player")
        if kind == RESIGNED and player not in order:
            raise ValueError(f"player must be L or D, got {json.dumps(player)}")
        winner = 1 - order.index(player) if kind == RESIGNED else None
        record.end(Ending(kind, winner, str(state.get("reason", ""))))
    elif kind == "win":
        winner = state.get("winner")
        if not record.is_finished:
            raise ValueError("the game is not over, so nobody has won")
        record.check_winner(order.index(winner) if winner in order else None, lambda side: _NAMES[order[side]])
    elif kind not in _WAITING:
        raise ValueError(f"type {json.dumps(kind)} is not known")


def _roll(record: GameRecord, state: dict[str, Any]) -> int:
    return _count(_object(state, "roll"), "value", len(record.rules.ways) - 1)


def _take_move(record: GameRecord, state: dict[str, Any], order: tuple[str, ...]) -> None:
    move, roll, side = _object(state, "move"), _roll(record, state), order[record.mover]
    source, target, captured = (_moved(move, key) for key in ("src", "dest", "captured"))
    for owner, _ in filter(None, (source, target)):
        if owner != side and not record.position.is_over:
            raise ValueError(f"{_NAMES[side]} moves a piece of {_NAMES[owner]}")
    square = source[1] if source else 0
    position, mover = record.position, record.mover
    record.add(roll, square)
    reached = target[1] if target else record.rules.borne_off
    if reached != square + roll:
        raise ValueError(f"a roll of {roll} from {square_name(square, record.rules.name)} does not lead to {reached}")
    theirs = captured_square(position, roll, square)
    expected = None if theirs is None else (order[1 - mover], theirs)
    if captured not in (None, expected):
        raise ValueError(f"the move captures no piece from {_NAMES[captured[0]]}'s square {captured[1]}")


def _moved(move: dict[str, Any], key: str) -> tuple[str, int] | None:
    return None if move.get(key) is None else _piece(move[key])


# Writing


def text(record: GameRecord) -> str:
    """The record as JSON of version 2; player 0 is light."""
    game, start = record.rules, record.start
    missing = min(start.own_off, start.opponent_off)  # a game of fewer pieces
    board: dict[str, int] = {}
    players = {}
    sides = (
        (start.own_squares, start.own_hand, start.own_off),
        (start.opponent_squares, start.opponent_hand, start.opponent_off),
    )
    for side, path, (squares, hand, off) in zip(_SIDES, game.paths, sides, strict=True):
        board |= {path[square - 1]: _SIGNS[side] * square for square in squares}
        players[side] = {"pieces": hand, "score": off - missing}
    document = {
        "notation_version": VERSIONS[-1],
        "metadata": _metadata(record),
        "settings": settings_of(game) | {"start_pieces": game.pieces - missing},
        "initial_state": {"board": {"pieces": board}, "players": players, "type": "wait4roll", "turn": _SIDES[0]},
        "states": _states(record),
    }
    return json.dumps(document, separators=(",", ":")) + "\n"


def _metadata(record: GameRecord) -> dict[str, str]:
    metadata = {_NAMES[side].capitalize(): name for side, name in zip(_SIDES, record.players, strict=True)}
    if record.seed is not None:
        metadata["Seed"] = str(record.seed)
    if record.ending and record.ending.how == STOPPED:
        metadata["Ending"] = STOPPED
        if record.ending.winner is not None:
            metadata["Winner"] = _SIDES[record.ending.winner]
    return metadata


def _states(record: GameRecord) -> list[dict[str, Any]]:
    states = []
    for step in record.steps():
        player, roll, square = step.turn
        kind = "roll" if square is None else "move"
        state: dict[str, Any] = {"type": kind, "turn": _SIDES[player], "roll": {"value": roll}}
        if square is not None:
            state["move"] = _move(step.position, player, roll, square)
        states.append(state)
    if record.unplayed is not None:
        states.append({"type": "roll", "turn": _SIDES[record.mover], "roll": {"value": record.unplayed}})
    if record.ending and record.ending.how in (RESIGNED, ABANDONED):
        ending = record.ending
        end = (
            {"type": ending.how} if ending.winner is None else {"type": ending.how, "player": _SIDES[1 - ending.winner]}
        )
        states.append(end | ({"reason": ending.reason} if ending.how == ABANDONED else {}))
    return states


def _move(position: Position, player: int, roll: int, square: int) -> dict[str, int]:
    sign = _SIGNS[_SIDES[player]]
    move = {} if square == 0 else {"src": sign * square}
    if square + roll < rules(position.rules).borne_off:
        move["dest"] = sign * (square + roll)
    captured = captured_square(position, roll, square)
    return move if captured is None else move | {"captured": -sign * captured}
