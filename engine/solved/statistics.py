"""The solved game in figures; docs/tablebase.md defines them."""

from collections.abc import Callable
from typing import Any

from engine.core.rules import rules
from engine.machine.cores import worker_count
from engine.solved.reached import count_reached
from engine.solved.table import SolvedTable
from engine.solved.turns import expected_turns


def statistics(
    table: SolvedTable, workers: int | None = None, progress: Callable[[int, int], object] | None = None
) -> dict[str, Any]:
    """See `Tablebase.statistics`."""
    threads = worker_count(workers)
    wins = table.value(table.opening)
    positions_read = 0

    def on_layer(positions: int) -> None:
        nonlocal positions_read
        positions_read += positions
        if progress is not None:
            progress(positions_read, 2 * table.count)

    reached = count_reached(table, threads, on_layer)
    turns, scores = expected_turns(table, threads, on_layer)
    return {
        "rules": table.rules,
        "pieces": table.pieces,
        "positions": table.count,
        "first_player_wins": wins,
        "first_player_advantage": 2 * wins - 1,
        "expected_turns": turns,
        "never_occur": table.count - reached,
        "best_replies": _best_replies(table),
        "scores": [
            {
                "own_off": own,
                "opponent_off": opp,
                "positions": positions,
                "win_probability": value,
                "sharpness": sharpness,
            }
            for (own, opp), (positions, value, sharpness) in sorted(scores.items())
        ],
    }


def _best_replies(table: SolvedTable) -> list[dict[str, Any]]:
    """After each first roll and the best move: the other side's best move for each of its rolls, None for a pass."""
    replies = []
    rolls = rules(table.rules).rolls
    for roll in rolls:
        square = table.best_move(table.opening, roll)
        position, again = table.opening.swapped, False
        if square is not None:
            position, again = table.opening.play(roll, square)
        replies.append(
            {
                "roll": roll,
                "move": square,
                "position": str(position),
                "same_player": again,
                "win_probability": table.value(position),
                "replies": [table.best_move(position, reply) for reply in rolls],
            }
        )
    return replies
