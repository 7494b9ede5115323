"""The strategy of the solved game, and the comparison of the rule sets, as text for the command `strategy`."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from engine.core.rules import RULE_SETS
from engine.games.agents import open_table
from mlx_train.config import check_choice
from mlx_train.measuring.rule_sets import compare_rule_sets, solved_rule_sets
from mlx_train.measuring.strategy import strategy
from mlx_train.playing.analysis import route
from mlx_train.system.text import markdown_table

#: The choice of `strategy --rules` that compares the rule sets.
ALL = "all"


def check_request(rules: str, table_file: Path | None) -> None:
    """Raises ValueError for an unknown rule set, and for a comparison of one table."""
    check_choice("rule set", rules, (*RULE_SETS, ALL))
    if rules == ALL and table_file is not None:
        raise ValueError(f"--rules {ALL} compares the tables of every rule set: leave --table out")


def show_strategy(rules: str, table_file: Path | None, games: int, decisions: int, seed: int, as_json: bool) -> None:
    """Print what the solved game of a rule set teaches, or a comparison of the rule sets.

    Raises FileNotFoundError, which says how to solve the game; ValueError.
    """
    if rules == ALL:
        facts = [each.to_dict() for each in compare_rule_sets(solved_rule_sets(), games, decisions, seed)]
        comparison = {"games": games, "decisions": decisions, "seed": seed, "rule_sets": facts}
        print(json.dumps(comparison, indent=2) if as_json else comparison_text(comparison))
        return
    result = strategy(open_table(table_file, rules), games, decisions, seed)
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
        _openings_table(result["openings"], result["rule_set"]),
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


def _openings_table(openings: list[dict[str, Any]], rules: str) -> str:
    rows = [
        (
            each["position"],
            each["roll"],
            route(each["best"], each["roll"], rules),
            route(each["second"], each["roll"], rules),
            f"{100 * each['margin']:.2f}",
            f"{100 * each['met']:.1f}",
        )
        for each in openings
    ]
    return markdown_table(("position", "roll", "best", "second", "points", "games, %"), rows)


# The comparison of the rule sets. Each table has a row for each question and a column for each rule set.

_Row = tuple[str, Callable[[dict[str, Any]], object]]


def comparison_text(comparison: dict[str, Any]) -> str:
    """The comparison of the rule sets as Markdown tables, each with a line that says how it was measured."""
    facts = comparison["rule_sets"]
    games, decisions = f"{comparison['games']:,}", f"{comparison['decisions']:,}"
    parts = [
        "The first player's win %, before and after the first roll, by the exact solution.",
        _table(facts, _first_roll_rows(facts)),
        f"Length, in {games} games of optimal play. A turn is one roll.",
        _table(facts, _length_rows(facts)),
        "Luck, in the same games, in points of win probability; skill, in "
        f"{2 * comparison['games']:,} games of perfect play against each player.",
        _table(facts, _luck_rows(facts)),
        f"Blunders, in {decisions} decisions of optimal play, in points.",
        _table(facts, _blunder_rows(facts)),
        "Rules of thumb, in the same decisions: how often the rule is right, in %, and what breaking it gives away, in "
        "points.",
        _table(facts, _thumb_rows(facts)),
        f"Squares of the path, before the opponent's turn, in {games} games of optimal play: pieces captured there in "
        "a game / captured by\nthe next move, % / worth, points.",
        _table(facts, _square_rows(facts)),
    ]
    return "\n\n".join(parts)


def _table(facts: Sequence[dict[str, Any]], rows: Sequence[_Row]) -> str:
    return markdown_table(
        ("", *(each["rule_set"] for each in facts)), [(name, *map(cell, facts)) for name, cell in rows]
    )


def _number(key: str, text: str, part: Any = None) -> Callable[[dict[str, Any]], str]:
    """A cell: a figure in a format, or its entry `part`; empty for an entry that a rule set lacks."""

    def cell(each: dict[str, Any]) -> str:
        value = each[key] if part is None else each[key].get(part)
        return "" if value is None else format(value, text)

    return cell


def _entries(facts: Sequence[dict[str, Any]], key: str) -> list[Any]:
    """The entries that any of the rule sets has under a key, in order."""
    return list(dict.fromkeys(entry for each in facts for entry in each[key]))


def _first_roll_rows(facts: Sequence[dict[str, Any]]) -> list[_Row]:
    rolls = _entries(facts, "first_rolls")
    return [
        ("before the first roll", _number("first_player_wins", ".2f")),
        *((f"after a {roll}", _number("first_rolls", ".2f", roll)) for roll in rolls),
    ]


def _length_rows(facts: Sequence[dict[str, Any]]) -> list[_Row]:
    return [
        ("turns, mean", lambda each: f"{each['turns']:.1f} +- {each['turns_error']:.1f}"),
        *(
            (f"turns, {percentile}th percentile", _number("turns_percentiles", ".0f", percentile))
            for percentile in _entries(facts, "turns_percentiles")
        ),
        ("turns that pass, %", _number("passes", ".1f")),
        ("turns with a choice, %", _number("choices", ".1f")),
        ("captures", _number("captures", ".1f")),
        ("captures on 5, 6 and 7, %", _entry_captures),
    ]


def _entry_captures(each: dict[str, Any]) -> str:
    """The share of the captures on the squares within one roll of those where the opponent enters."""
    captures = each["squares"]["captures"]
    return f"{100 * sum(captures[4:7]) / sum(captures):.1f}"


def _luck_rows(facts: Sequence[dict[str, Any]]) -> list[_Row]:
    agents = _entries(facts, "perfect_wins")
    return [
        ("a roll changes the win probability by", _number("luck", ".2f")),
        ("the largest roll of a game", _number("largest_luck", ".1f")),
        ("it is your turn and not the opponent's", _number("tempo", ".2f")),
        *((f"perfect play wins against `{agent}`, %", _number("perfect_wins", ".1f", agent)) for agent in agents),
    ]


def _blunder_rows(facts: Sequence[dict[str, Any]]) -> list[_Row]:
    costs = _entries(facts, "second_costs")
    return [
        ("the second-best move gives away", _number("second", ".2f")),
        ("a move by chance", _number("chance", ".2f")),
        ("the worst move", _number("worst", ".2f")),
        *(
            (f"the second-best gives away {cost:g} or more, % of decisions", _number("second_costs", ".1f", cost))
            for cost in costs
        ),
    ]


def _thumb_rows(facts: Sequence[dict[str, Any]]) -> list[_Row]:
    """The rules of thumb of any rule set, but for those about the step to the last square."""

    def cell(name: str) -> Callable[[dict[str, Any]], str]:
        def text(each: dict[str, Any]) -> str:
            rule = next((rule for rule in each["thumb_rules"] if rule["rule"] == name), None)
            return "" if rule is None else f"{100 * rule['right']:.0f} / {rule['broken']:.2f}"

        return text

    longest_first = sorted(facts, key=lambda each: -len(each["thumb_rules"]))
    names = dict.fromkeys(rule["rule"] for each in longest_first for rule in each["thumb_rules"])
    return [(name, cell(name)) for name in names if not name.startswith("leave ")]


def _square_rows(facts: Sequence[dict[str, Any]]) -> list[_Row]:
    def cell(square: int) -> Callable[[dict[str, Any]], str]:
        def text(each: dict[str, Any]) -> str:
            squares = each["squares"]
            if square > len(squares["captures"]) or squares["danger"][square - 1] is None:
                return ""
            figures = (squares[name][square - 1] for name in ("captures", "danger", "worth"))
            return " / ".join(f"{figure:.1f}" for figure in figures)

        return text

    squares = max(len(each["squares"]["captures"]) for each in facts)
    return [(str(square), cell(square)) for square in range(1, squares + 1)]
