"""The strategy of the solved game as text for the command `strategy`."""

import json
from pathlib import Path
from typing import Any

from engine.games.agents import open_table
from mlx_train.measuring.strategy import strategy
from mlx_train.playing.analysis import route
from mlx_train.system.text import markdown_table


def show_strategy(table_file: Path | None, games: int, decisions: int, seed: int, as_json: bool) -> None:
    """Print what the solved game teaches. Raises FileNotFoundError, which says how to solve it; ValueError."""
    result = strategy(open_table(table_file), games, decisions, seed)
    print(json.dumps(result, indent=2) if as_json else strategy_text(result))


def strategy_text(result: dict[str, Any]) -> str:
    """The strategy as Markdown tables, each with a line that says how it was measured."""
    decisions, games, dice = f"{result['decisions']:,}", f"{result['games']:,}", result["dice"]
    parts = [
        f"Rules of thumb, in {decisions} decisions of optimal play. Applies: % of the decisions in which the rule "
        "recommends some of the moves.\nFollowed and broken: points given away by the best move that follows the rule, "
        "and by the best other move.",
        _rules_table(result["rules"]),
        f"Squares of the path, before the opponent's turn, in {games} games of optimal play.",
        _squares_table(result["squares"]),
        "The costliest decisions of the first four turns: what even the second-best move gives away.",
        _openings_table(result["openings"]),
        f"The first player wins {100 * result['first_player_wins']:.2f} % of the games. After the first roll:",
        markdown_table(
            ("roll", "of 16", "win %"),
            [(roll, round(16 * chance), f"{100 * value:.2f}") for roll, chance, value in result["first_rolls"]],
        ),
        f"Dice, in {games} games of optimal play: a roll changes the win probability by {dice['turn']:.2f} points on "
        f"average, the\nlargest of a game by {dice['largest']:.1f}; a player's luck over a game has a standard "
        f"deviation of {dice['game']:.1f} points.",
    ]
    return "\n\n".join(parts)


def _rules_table(rules: list[dict[str, Any]]) -> str:
    rows = [
        (
            rule["rule"],
            f"{100 * rule['applies']:.1f}",
            f"{100 * rule['right']:.0f}",
            f"{rule['followed']:.2f}",
            f"{rule['broken']:.2f}",
        )
        for rule in rules
    ]
    return markdown_table(("rule", "applies, %", "right, %", "followed", "broken"), rows)


def _squares_table(squares: dict[str, list[float | None]]) -> str:
    columns = (squares[name] for name in ("occupied", "danger", "worth"))
    rows = [
        (square, *("" if value is None else f"{value:.1f}" for value in values))
        for square, values in enumerate(zip(*columns, strict=True), 1)
    ]
    return markdown_table(("square", "occupied, % of turns", "captured next, %", "worth, points"), rows)


def _openings_table(openings: list[dict[str, Any]]) -> str:
    rows = [
        (
            each["position"],
            each["roll"],
            route(each["best"], each["roll"]),
            route(each["second"], each["roll"]),
            f"{100 * each['margin']:.2f}",
            f"{100 * each['met']:.1f}",
        )
        for each in openings
    ]
    return markdown_table(("position", "roll", "best", "second", "points", "games, %"), rows)
