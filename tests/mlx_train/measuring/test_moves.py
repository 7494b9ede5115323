"""Successors and kinds of moves, against slow Python."""

import numpy as np
import pytest

from engine import Position
from mlx_train.measuring.moves import KINDS, all_successors, move_kinds


def test_all_successors_by_slow_python(table):
    packed, rolls = table.play_sample(200, 4)
    packed, rolls = np.append(packed, packed[:5]), np.append(rolls, np.zeros(5, dtype=np.uint8))  # and some passes
    found = all_successors(packed, rolls)
    slow = []
    for i, (p, roll) in enumerate(zip(packed, rolls, strict=True)):
        position = Position.from_packed(int(p))
        for nth, square in enumerate(position.legal_moves(int(roll))):
            after, same = position.play(int(roll), square)
            slow.append((i, nth, after.packed, same))
    arrays = found.decision, found.nth, found.after, found.same_player
    assert list(zip(*(array.tolist() for array in arrays), strict=True)) == slow
    values = found.by_decision(found.for_mover(table.values(found.after)), len(packed))
    for row, p, roll in zip(values, packed, rolls, strict=True):
        exact = [move.value for move in table.moves(Position.from_packed(int(p)), int(roll))]
        assert row[: len(exact)] == pytest.approx(exact, abs=1e-14)
        assert (row[len(exact) :] == -np.inf).all()


@pytest.mark.parametrize(
    ("position", "roll", "square", "kind"),
    [
        ("...x..........:0|......x.......:0", 3, 4, "capture"),
        ("...x..........:0|......x.......:0", 4, 4, "rosette"),
        ("..............:0|...x..........:0", 4, 0, "rosette"),  # private squares are not shared
        ("..............:0|..x...........:0", 3, 0, "entering"),
        ("............x.:0|............x.:0", 2, 13, "bearing off"),
        ("...........x..:0|............x.:0", 1, 12, "other"),
        ("...........x..:0|............x.:0", 3, 12, "bearing off"),
    ],
)
def test_kinds_of_moves(position, roll, square, kind):
    packed = np.array([Position.from_notation(position).packed], dtype=np.uint64)
    found = move_kinds(packed, np.array([roll], dtype=np.uint8), np.array([square], dtype=np.int8))
    assert KINDS[found[0]] == kind
