"""jheled's `.ur` files: names, boards, the order of the sides, and what is refused."""

import re

import pytest
from record_games import random_record

from engine import Position
from mlx_train.playing.records import jheled
from mlx_train.playing.records.game_record import STOPPED, Ending

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"


def code_of(position):
    """A board's code as `board2Code` of jheled/royalur makes it."""
    bits = ""
    for hand, squares in (
        (position.own_hand, position.own_squares),
        (position.opponent_hand, position.opponent_squares),
    ):
        bits += f"{hand:03b}" + "".join("1" if square in squares else "0" for square in (1, 2, 3, 4, 13, 14))
    lane = 0
    for square in range(5, 13):
        lane = 3 * lane + 1 + (square in position.own_squares) - (square in position.opponent_squares)
    number = int(f"{bits}{lane:013b}", 2)
    return "".join(DIGITS[number // 85**place % 85] for place in range(5))


def test_a_published_code():
    assert code_of(Position.initial()) == "MoX5A"  # matches/game19.ur of jheled/royalur


def test_a_game_from_a_board():
    for step in random_record("finkel", 8).steps():
        position, turn = step.position, step.turn
        text = f'Board: "{code_of(position)}"\nX is Ann, O is Ben\nX: {turn.roll}'
        square = turn.move
        text += "" if square is None else f" {'eabcd12345678yz'[square]}"
        record = jheled.parse(text)
        assert (record.start, record.players, record.turns) == (position, ("Ann", "Ben"), [(0, turn.roll, square)])


def test_the_side_that_begins_is_player_0():
    position = Position.from_notation("x.............:0|...x..........:0")
    record = jheled.parse(f'Board: "{code_of(position)}"\nX is Ann, O is Ben\nO: 4 D\nO: 1 E\n')
    assert (record.start, record.players) == (position.swapped, ("Ben", "Ann"))
    assert record.turns == [(0, 4, 4), (0, 1, 0)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# nothing\n", "there is no turn"),
        ("X: 2 e\nX: 2 e", "line 2: it is not X's turn"),
        ("X: 2 k", "line 1: 'k' is no square"),
        ("X: 2 a", "line 1: moving from 1"),
        ("X: 2", "line 1: the turn cannot pass"),
        ("X: 5 e", "line 1: expected 'X: <roll> <square>'"),
        ("X: 2 e\nhello", "line 2: expected"),
        ("Board: 'äöüäö'\nX: 2 e", "line 1: expected"),
        ("Board: #####\nX: 2 e", "line 1: '#####' is no code"),
    ],
)
def test_refusals(text, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        jheled.parse(text)


def test_the_winner_is_checked():
    record = jheled.parse("X: 2 e\nO: wins")
    assert record.ending == Ending(STOPPED, 1)
    text = "Board: " + code_of(Position.from_notation(".............x:6|..............:0")) + "\nX: 1 z\n"
    assert jheled.parse(text + "X: wins").winner == 0
    with pytest.raises(ValueError, match="line 3: X has won, not O"):
        jheled.parse(text + "O: wins")
