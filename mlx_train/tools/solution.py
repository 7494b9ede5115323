"""The solved game and the person at the terminal: the offer to solve it, and its facts as text."""

import json
import sys
from pathlib import Path
from typing import Any

import typer

from engine.core.rules import rules as rule_set
from engine.machine.memory import gibibytes
from engine.solved.order import layer_end
from engine.solved.tablebase import MissingTable
from mlx_train.data.solving import check_outputs, choose_device, parse_tolerance, solve_game, solve_whole_game
from mlx_train.system.text import markdown_table


def offer(error: FileNotFoundError) -> bool:
    """Ask the person at the terminal whether to solve the game, if it is missing at its usual place, and do it.

    Returns whether it is solved now.
    """
    if not (isinstance(error, MissingTable) and error.default and sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    pieces = rule_set(error.rules).pieces
    gigabytes = 8e-9 * layer_end(pieces, pieces, error.rules)
    question = f"{error.rules} is not solved yet. Solve it now, into {error.path} ({gigabytes:.1f} GB)?"
    try:
        if not typer.confirm(question, default=True, err=True):
            return False
    except typer.Abort as abort:
        if isinstance(abort.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        return False  # the end of the input
    solve_whole_game(rules=error.rules)
    return True


def check_request(
    rules: str,
    pieces: int | None,
    tolerance: str,
    workers: int | None,
    device: str,
    output: Path | None,
    rgu: Path | None,
) -> dict[str, Any]:
    """The arguments of `solve_game`. Raises ValueError for wrong ones, and for files that can't be written."""
    number = parse_tolerance(tolerance)
    check_outputs(pieces, number, output, rgu, rules)
    return {
        "rules": rules, "pieces": pieces, "tolerance": number, "workers": workers, "output": output, "rgu": rgu,
        "device": choose_device(device),
    }  # fmt: skip


def solve(request: dict[str, Any], verify: bool, as_json: bool) -> dict[str, Path]:
    """Solve the game as `check_request` says, print the facts -> the files by what they are."""
    result = solve_game(**request, verify=verify)
    print(json.dumps(result, indent=2) if as_json else facts_text(result))
    return {what: Path(result[what]) for what in ("table", "rgu") if what in result}


def facts_text(result: dict[str, Any]) -> str:
    """The facts of `solve_game`'s result as Markdown."""
    facts = result["statistics"]
    on_gpu = f", {result['gpu_seconds']} s of it on the GPU" if "gpu_seconds" in result else ""
    before = result["resumed_positions"]
    gone_on = f", {before:,} of the positions by a call before" if before else ""
    rows: list[tuple[str, object]] = [
        ("solved in", f"{result['seconds']} s{on_gpu}{gone_on}, residual {result['residual']:.2e}"),
        ("peak memory of solving", gibibytes(result["solving_peak_memory_bytes"])),
        ("peak memory, statistics included", gibibytes(result["peak_memory_bytes"]["process"])),
        ("rule set", f"{facts['rules']}, {facts['pieces']} pieces a side"),
        ("positions that are not over", f"{facts['positions']:,}"),
        ("the first player wins", f"{facts['first_player_wins']:.12f}"),
        ("expected turns", f"{facts['expected_turns']:.6f}"),
        ("positions that never occur in optimal play", f"{facts['never_occur']:,}"),
    ]
    if "verification" in result:
        checked = result["verification"]
        text = f"{checked['placements']:,} placements, residual {checked['residual']:.2e}, {checked['seconds']} s"
        rows.append(("verified", text))
    replies = [
        (reply["roll"], f"{reply['win_probability']:.6f}", *("pass" if r is None else r for r in reply["replies"]))
        for reply in facts["best_replies"]
    ]
    scores = [
        (f"{score['own_off']} : {score['opponent_off']}", f"{score['positions']:,}",
         f"{100 * score['win_probability']:.2f}", f"{100 * score['sharpness']:.2f}")
        for score in facts["scores"]
    ]  # fmt: skip
    return "\n\n".join(
        [
            markdown_table(("the solved game", ""), rows),
            "After the opening's roll: win probability of whoever moves next, and the square its best move leaves "
            "(0 is the hand) for each roll\n\n"
            + markdown_table(("roll", "wins", *(f"reply to {roll}" for roll, *_ in replies)), replies),
            "By score (own : opponent's borne off, those that a smaller game lacks included): mean win %, and mean "
            "regret of the second-best move in points\n\n"
            + markdown_table(("score", "positions", "win %", "sharpness"), scores),
        ]
    )
