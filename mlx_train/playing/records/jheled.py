"""The `.ur` files of jheled/royalur: a line a turn, such as "X: 4 e". Source: github.com/jheled/royalur, printGame.py.

X names its path squares `abcd12345678yz`, O those of its own in capitals, and both the hand `e`. The side of the first
turn is player 0. Only Finkel's rules are played.
"""

import re

from engine.core.position import Position
from engine.core.rules import rules
from mlx_train.playing.records.game_record import STOPPED, Ending, GameRecord

NAME = "jheled .ur"
SUFFIX = ".ur"

_PATH = "abcd12345678yz"
_TURN = re.compile(r"([XO])\s*:\s*(?:(wins)|([0-4])(?:\s+(\S))?)", re.IGNORECASE)
_NAMES = re.compile(r"X is (.+?),? O is (.+)")
_BOARD = re.compile(r'Board:\s*"?(\S{5})"?')
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"  # of a board's code


def recognizes(text: str) -> bool:
    """Whether the first line of a text is a comment, a board, the players or a turn."""
    line = text.lstrip().partition("\n")[0].rstrip()
    return line.startswith("#") or any(form.fullmatch(line) for form in (_TURN, _NAMES, _BOARD))


def parse(text: str) -> GameRecord:
    """The record of a file's text. ValueError names the first wrong line and the reason."""
    record: GameRecord | None = None
    names = {"X": "X", "O": "O"}
    start = Position.initial()  # seen by X
    first = ""
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        try:
            if record is None and (board := _BOARD.fullmatch(line)):
                start = _position(board[1])
            elif record is None and (players := _NAMES.fullmatch(line)):
                names = dict(zip("XO", players.groups(), strict=True))
            elif turn := _TURN.fullmatch(line.partition(" #")[0].rstrip()):
                side = turn[1].upper()
                if record is None:
                    first = side
                    order = "XO" if side == "X" else "OX"
                    position = start if side == "X" else start.swapped
                    record = GameRecord((names[order[0]], names[order[1]]), None, position)
                _take_turn(record, turn, 0 if side == first else 1)
            else:
                raise ValueError(f"expected 'X: <roll> <square>' or 'O: <roll>', got {line[:40]!r}")
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
    if record is None:
        raise ValueError("there is no turn in the file")
    return record


def _take_turn(record: GameRecord, turn: re.Match[str], player: int) -> None:
    side, wins, roll, square = turn.groups()
    if wins and record.position.is_over:
        record.check_winner(player, lambda other: side if other == player else "O" if side == "X" else "X")
    elif wins:
        record.end(Ending(STOPPED, player))
    elif player != record.mover and not record.position.is_over:
        raise ValueError(f"it is not {side}'s turn")
    elif square is None:
        record.add(int(roll), None)
    elif square.lower() != "e" and square.lower() not in _PATH:
        raise ValueError(f"{square!r} is no square")
    else:
        record.add(int(roll), 0 if square.lower() == "e" else _PATH.index(square.lower()) + 1)


def _position(code: str) -> Position:
    """The position of a board's code, seen by X: 31 bits in base 85, the lowest digit first.

    The bits are, from the highest: X's hand (3), X's private squares (6), O's hand (3), O's private squares (6), and
    the shared squares as a number of eight digits in base 3 (13), where 0 is O's piece and 2 is X's.
    """
    if not set(code) <= set(_DIGITS):
        raise ValueError(f"{code!r} is no code of a board")
    bits = f"{sum(_DIGITS.index(digit) * 85**place for place, digit in enumerate(code)):031b}"
    lane = int(bits[18:], 2)
    if len(bits) > 31 or lane >= 3**8:
        raise ValueError(f"{code!r} is no code of a board")
    digits = [lane // 3**place % 3 for place in range(7, -1, -1)]
    sides = []
    for part, sign in ((bits[:9], 2), (bits[9:18], 0)):
        private = [bit == "1" for bit in part[3:]]
        squares = [*private[:4], *(digit == sign for digit in digits), *private[4:]]
        off = rules().pieces - int(part[:3], 2) - sum(squares)
        sides.append(f"{''.join('x' if square else '.' for square in squares)}:{off}")
    return Position.from_notation("|".join(sides))
