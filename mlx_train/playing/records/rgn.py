"""RGN, Royal Game Notation, as RoyalUr-Java writes it: header lines, then the moves from tile to tile.

The notation stores no rules and no end but a sign, so this program adds headers for them, which other readers skip.
Without the header `Rules`, the first of our rule sets that allows every move is taken.
"""

import re
from collections.abc import Iterator

from engine.core.position import Position
from engine.core.rules import RULE_SETS, RuleSet, rules
from mlx_train.playing.records.game_record import ENDINGS, STOPPED, Ending, GameRecord, captured_square

NAME = "RGN"
SUFFIX = ".rgn"

_HEADER = re.compile(r"\[([A-Za-z][\w.-]*) (.*)\]")
_BARE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
_ACTION = re.compile(r"([ABC])(\d+|@)x?([ABC])(\d+|\+)x?")
_NUMBER = re.compile(r"\d+\.")
_SIDES = ("light", "dark")
_WIDTH = 60  # of a line, where its actions allow it


def recognizes(text: str) -> bool:
    """Whether a text begins with a header line or with the first turn."""
    line = text.lstrip().partition("\n")[0].rstrip()
    return bool(_HEADER.fullmatch(line) or re.match(r"(1\.|/)\s", f"{line} "))


# Reading


def parse(text: str) -> GameRecord:
    """The record of a file's text. ValueError names the turn, the word and the reason."""
    lines = [line.strip() for line in text.splitlines()]
    headers = dict(_header(match) for line in lines if (match := _HEADER.fullmatch(line)))
    body = " ".join(line for line in lines if not _HEADER.fullmatch(line))
    words = body.replace("#", " # ").replace("*", " * ").split()
    if not any(word == "/" or _NUMBER.fullmatch(word) for word in words):
        raise ValueError("there is no turn in the file")
    problem: ValueError | None = None
    for name in [headers["Rules"]] if "Rules" in headers else RULE_SETS:
        try:
            return _replay(rules(name), words, headers)
        except ValueError as error:
            problem = problem or error
    assert problem is not None
    raise problem


def _header(match: re.Match[str]) -> tuple[str, str]:
    key, value = match.groups()
    if not value.startswith('"'):
        return key, value
    signs = {"r": "\r", "n": "\n"}
    return key, re.sub(r"\\(.)", lambda sign: signs.get(sign[1], sign[1]), value[1:].removesuffix('"'))


def _replay(game: RuleSet, words: list[str], headers: dict[str, str]) -> GameRecord:
    order = (1, 0) if words[0] == "/" else (0, 1)  # the side of player 0 and of player 1
    names = [headers.get(_SIDES[side].capitalize(), _SIDES[side]) for side in order]
    seed = headers.get("Seed", "")
    start = Position.from_notation(headers["Start"], game.name) if "Start" in headers else Position.initial(game.name)
    record = GameRecord((names[0], names[1]), int(seed) if seed.isdecimal() else None, start)
    side, number = 0, "1."
    ended = False
    for index, word in enumerate(words):
        try:
            if ended:
                raise ValueError("nothing follows the end of the game")
            if _NUMBER.fullmatch(word):
                side, number = 0, word
            elif word == "/":
                side = 1
            elif word == "#":
                ended = True
            elif word not in ("*", "--"):
                if order[record.mover] != side and not record.position.is_over:
                    raise ValueError(f"it is {_SIDES[order[record.mover]]}'s turn")
                _take_action(record, word, words[index + 1 : index + 2] == ["--"], side)
        except ValueError as error:
            raise ValueError(f"turn {number.removesuffix('.')}, {word!r}: {error}") from None
    if (ended or "Ending" in headers) and not record.position.is_over:
        record.end(_ending(headers, order))
    return record


def _take_action(record: GameRecord, word: str, rolled: bool, side: int) -> None:
    if rolled:
        if not word.isdecimal() or len(word) > 1:
            raise ValueError("not a roll")
        record.add_roll(int(word))
        return
    match = _ACTION.fullmatch(word)
    if not match:
        raise ValueError("not an action")
    path = record.rules.paths[side]
    squares = []
    for column, row in (match.groups()[:2], match.groups()[2:]):
        tile = column + row
        if row not in ("@", "+") and tile not in path:
            raise ValueError(f"{_SIDES[side]} does not walk {tile}")
        squares.append(0 if row == "@" else record.rules.borne_off if row == "+" else path.index(tile) + 1)
    record.add(squares[1] - squares[0], squares[0])


def _ending(headers: dict[str, str], order: tuple[int, int]) -> Ending:
    how, winner = headers.get("Ending", STOPPED), headers.get("Winner")
    if how not in ENDINGS:
        raise ValueError(f"the header Ending is {how!r}, not one of {', '.join(ENDINGS)}")
    player = order.index(_SIDES.index(winner)) if winner in _SIDES else None
    return Ending(how, player, headers.get("Reason", ""))


# Writing


def text(record: GameRecord) -> str:
    """The record as RGN; player 0 is light."""
    headers = {"Light": record.players[0], "Dark": record.players[1], "Rules": record.start.rules}
    if record.seed is not None:
        headers["Seed"] = str(record.seed)
    if record.start != Position.initial(record.start.rules):
        headers["Start"] = str(record.start)
    if record.ending:
        headers["Ending"] = record.ending.how
        if record.ending.winner is not None:
            headers["Winner"] = _SIDES[record.ending.winner]
        if record.ending.reason:
            headers["Reason"] = record.ending.reason
    header = "".join(f"[{key} {_value(value)}]\n" for key, value in headers.items())
    rounds = [line for actions in _rounds(record) for line in _wrapped(actions)]
    return header + "\n" + "".join(f"{line}\n" for line in rounds) if rounds else header + "\n1.\n"


def _value(value: str) -> str:
    """A header's value: bare where it is one word, else quoted."""
    if _BARE.fullmatch(value):
        return value
    value = value.encode(errors="backslashreplace").decode()  # a broken sign as an escape, as `printable` shows it
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\r", "\\r").replace("\n", "\\n")
    return f'"{escaped}"'


def _rounds(record: GameRecord) -> Iterator[list[str]]:
    """The actions of light's and dark's turn, round by round; a turn's first action begins with the turn's mark."""
    actions: list[str] = []
    number, before = 0, None
    turns = [(step.turn.player, _action(step.position, step.turn.player, *step.turn[1:])) for step in record.steps()]
    if record.unplayed is not None:
        turns.append((record.mover, f"{record.unplayed} --"))
    for player, action in turns:
        mark = ""
        if player != before:
            number += player == 0
            mark = f"{number}. " if player == 0 else "/ "
            if player == 0 and actions:
                yield actions
                actions = []
        actions.append(mark + action)
        before = player
    if actions:
        actions[-1] += "#" if record.is_finished else ""
        yield actions


def _action(position: Position, player: int, roll: int, square: int | None) -> str:
    if square is None:
        return f"{roll} --"
    game = rules(position.rules)
    path, target = game.paths[player], square + roll
    source = path[square - 1] if square else f"{path[0][0]}@"
    if target == game.borne_off:
        return f"{source}{path[-1][0]}+"
    captures = "x" if captured_square(position, roll, square) is not None else ""
    return f"{source}{captures}{path[target - 1]}{' *' if target in game.rosettes else ''}"


def _wrapped(actions: list[str]) -> Iterator[str]:
    line = ""
    for action in actions:
        if line and len(line) + 1 + len(action) > _WIDTH:
            yield line
            line = ""
        line += f" {action}" if line else action
    yield line
