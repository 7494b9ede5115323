"""The Royal Game of Ur: rules, search, features, networks and the exact solution, compiled with Cython.

Depends on numpy alone; nothing here imports MLX.
"""

from engine.agents import Agent
from engine.arena import Interrupted, play_match, playouts, sample_decisions, selfplay
from engine.features import (
    FEATURE_NAMES,
    FEATURE_SCALES,
    FEATURE_SET,
    extract_features,
    extract_features_batch,
    extract_features_bytes,
)
from engine.network import Network
from engine.position import Position, perft
from engine.search import Search
from engine.tablebase import Tablebase

__all__ = [
    "FEATURE_NAMES",
    "FEATURE_SCALES",
    "FEATURE_SET",
    "Agent",
    "Interrupted",
    "Network",
    "Position",
    "Search",
    "Tablebase",
    "extract_features",
    "extract_features_batch",
    "extract_features_bytes",
    "perft",
    "play_match",
    "playouts",
    "sample_decisions",
    "selfplay",
]
