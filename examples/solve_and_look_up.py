"""The game of three pieces a side solved exactly, in a second or two, and a position looked up. Needs numpy alone.

python examples/solve_and_look_up.py
"""

import tempfile
from pathlib import Path

from engine import Position, Tablebase

#: Three pieces a side: the other four count as borne off.
OPENING = "..............:4|..............:4"
RACE = "........x...x.:5|.......x......:6"

with tempfile.TemporaryDirectory() as folder:
    file = Path(folder, "three.table")
    Tablebase.solve(3, output=file)
    table = Tablebase.open(file)
    print(f"{table.count:,} positions, residual {table.verify().residual:.1e}")
    print(f"the first player wins {100 * table.value(Position.from_notation(OPENING)):.6f} %")
    position = Position.from_notation(RACE)
    for roll in range(1, 5):
        for move in table.moves(position, roll):
            print(
                f"roll {roll}, square {move.square or 'hand'}: wins {100 * move.value:.3f} %, regret {move.regret:.4f}"
            )
