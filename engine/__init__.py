"""The Royal Game of Ur: rules, search, features, networks and the exact solution, compiled with Cython.

Depends on numpy alone; nothing here imports MLX.
"""

from engine.position import Position, perft

__all__ = ["Position", "perft"]
