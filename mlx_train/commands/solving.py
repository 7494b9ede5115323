"""solve, strategy: the exact solution, and what it teaches."""

from pathlib import Path
from typing import Annotated

import typer

from mlx_train.commands.options import Files, JsonFlag, RulesFlag, SeedFlag, TableFile, Workers, one_of, usage
from mlx_train.config import RULES

#: The most games or decisions that `strategy` looks at.
MOST = 10_000_000


def solve(
    rules: RulesFlag = RULES[0],
    pieces: Annotated[
        int | None, typer.Option(help="Pieces a side, from 1 to 7 or 5; by default all pieces of the rule set.")
    ] = None,
    tolerance: Annotated[
        str, typer.Option(help="Largest change of a win probability in the last sweep, or 'floor' for float64's own.")
    ] = "1e-12",
    workers: Workers = None,
    device: Annotated[
        str, one_of(("cpu", "gpu", "auto"), "Where to begin; from a GPU's float32 the CPU goes on to exact values.")
    ] = "cpu",
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The table to write; by default in the user's cache folder.")
    ] = None,
    rgu: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also write the published .rgu format to this file; by default not."),
    ] = None,
    verify: Annotated[bool, typer.Option(help="Check every position by the rules alone.")] = False,
    as_json: JsonFlag = False,
) -> Files:
    """Solve the game exactly, write the table, and show what perfect play is like."""
    from mlx_train.tools import solution

    with usage():
        request = solution.check_request(rules, pieces, tolerance, workers, device, output, rgu)
    return solution.solve(request, verify, as_json)


def strategy(
    rules: Annotated[
        str,
        one_of((*RULES, "all"), "The rule set whose solved game teaches, or all for a comparison of the rule sets."),
    ] = RULES[0],
    games: Annotated[int, typer.Option(min=1, max=MOST, help="Games of optimal play that are looked at.")] = 1000,
    decisions: Annotated[
        int, typer.Option(min=1, max=MOST, help="Decisions over which the rules of thumb are means.")
    ] = 60_000,
    table: TableFile = None,
    seed: SeedFlag = 0,
    as_json: JsonFlag = False,
) -> None:
    """Show what the solved game teaches a player: rules of thumb, squares, openings, the part of the dice."""
    from mlx_train.playing import strategy_text

    with usage():
        strategy_text.check_request(rules, table)
    strategy_text.show_strategy(rules, table, games, decisions, seed, as_json)
