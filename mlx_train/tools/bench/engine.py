"""The engine: random games, the classic search, features, matches."""

import random
from functools import partial
from importlib.util import find_spec

import numpy as np

from engine import Agent, Search, extract_features_batch, playouts, sample_decisions, selfplay
from engine.core.features import FEATURE_NAMES
from engine.games.matches import play_match
from mlx_train.tools.bench.measure import Row, median_seconds, millions, rate


def playout_rows() -> list[Row]:
    """Random games on one core, with the public package `royalur` as the peer."""
    games, few = 200_000, 100
    seconds = median_seconds(lambda: playouts(games, workers=1))
    peer = "royalur: not installed (pip install royalur)"
    if find_spec("royalur") is not None:
        theirs = few / median_seconds(lambda: royalur_playouts(few))
        peer = f"royalur: {theirs:,.0f} games/s ({games / seconds / theirs:,.0f} times)"
    figure = rate(games, seconds, "games")
    return [Row("random playouts, one core", figure, f"engine.playouts({games}, workers=1)", peer)]


def royalur_playouts(games: int) -> None:
    """Play random games with the public package `royalur`."""
    from royalur import Game

    for _ in range(games):
        game = Game.create_finkel()
        while not game.is_finished():
            game.roll_dice()
            if game.is_waiting_for_move():
                game.make_move(random.choice(game.find_available_moves()))


def search_rows() -> list[Row]:
    """Classic self-play that values every root move of every decision, with the search without tables as the peer."""
    rows = []
    for depth, games in ((2, 4000), (3, 4000), (4, 800)):
        seconds = median_seconds(partial(selfplay, games, Search(depth), workers=1))
        few = games // 8
        plain = median_seconds(partial(selfplay, few, Search(depth, tables=False), workers=1))
        rows.append(
            Row(
                f"classic self-play, depth {depth}, one core",
                rate(games, seconds, "games"),
                f"engine.selfplay({games}, Search({depth}), workers=1)",
                f"Search({depth}, tables=False): {rate(few, plain, 'games')}",
            )
        )
    return rows


def feature_rows() -> list[Row]:
    """The extractor's speed on decisions of random games, and the rank of their rows."""
    positions, rolls = sample_decisions(200_000)
    out = np.empty((len(positions), len(FEATURE_NAMES)), dtype=np.float32)
    seconds = median_seconds(lambda: extract_features_batch(positions, rolls, out=out))
    decisions = extract_features_batch(*sample_decisions(1_000_000, seed=1)).astype(np.float64)
    products = decisions.T @ decisions
    scale = np.sqrt(np.diag(products))
    eigenvalues = np.linalg.eigvalsh(products / scale[:, None] / scale)
    rank = int((eigenvalues > 1e-10).sum())
    return [
        Row(
            f"{len(FEATURE_NAMES)} features, one core",
            millions(len(positions), seconds, "positions"),
            "engine.extract_features_batch",
        ),
        Row(
            "rank of a million rows of decisions",
            f"{rank} (smallest eigenvalue of the correlations {eigenvalues[0]:.1e})",
            "sample_decisions(1_000_000, seed=1)",
        ),
    ]


def match_rows() -> list[Row]:
    """Whole games on all cores."""
    one, two = Agent.parse("emm:3"), Agent.parse("emm:2")
    seconds = median_seconds(lambda: play_match(one, two, 4000))
    return [Row("games of emm:3 against emm:2, all cores", rate(4000, seconds, "games"), "engine.play_match")]
