"""The Royal Game of Ur: rules, search, features, networks and the exact solution, compiled with Cython.

Depends on numpy alone; nothing here imports MLX.
"""

import engine.drawing  # noqa: F401 - registers what draws positions
from engine.classic.search import Search
from engine.core.features import (
    FEATURE_NAMES,
    FEATURE_SCALES,
    FEATURE_SET,
    extract_features,
    extract_features_batch,
    extract_features_bytes,
)
from engine.core.position import Position, perft
from engine.core.rules import RULE_SETS, RuleSet, rules
from engine.games.agents import Agent
from engine.games.batch_env import BatchEnv
from engine.games.chunks import Interrupted
from engine.games.decisions import selfplay
from engine.games.matches import play_match
from engine.games.playouts import playouts
from engine.games.sampling import sample_decisions
from engine.network.network import Network
from engine.solved.tablebase import Tablebase

__all__ = [
    "FEATURE_NAMES",
    "FEATURE_SCALES",
    "FEATURE_SET",
    "RULE_SETS",
    "Agent",
    "BatchEnv",
    "Interrupted",
    "Network",
    "Position",
    "RuleSet",
    "Search",
    "Tablebase",
    "extract_features",
    "extract_features_batch",
    "extract_features_bytes",
    "perft",
    "play_match",
    "playouts",
    "rules",
    "sample_decisions",
    "selfplay",
]
