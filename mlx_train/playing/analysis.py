"""The legal moves of a position, as an agent values them."""

from pathlib import Path
from typing import Any

from engine.core.position import Position
from engine.core.rules import rules as rule_set
from engine.drawing import square_name
from engine.games.agents import Agent
from mlx_train.data.solving import find_table
from mlx_train.system.files import write_text
from mlx_train.system.text import markdown_table


def read_question(
    notation: str, agent: str | None, picture: Path | None, rules: str = "finkel"
) -> tuple[Position, Agent]:
    """The position of a notation, and the agent that values its moves: by default perfect play, or else emm:3.

    Raises ValueError for a text that is neither a file nor a position, a wrong spelling, or a picture that is not SVG.
    """
    check_picture(picture, "a position", ".svg")
    try:
        position = Position.from_notation(notation.replace("\\|", "|"), rules)  # as a Markdown table has it
    except ValueError as error:
        raise ValueError(f"{notation!r} is no file, and no position: {error}") from None
    return position, Agent.parse(agent or ("emm:3" if find_table(rules)[0] is None else "perfect"), rules)


def write_board(path: Path, position: Position, agent: Agent, roll: int | None) -> dict[str, Path]:
    """Write the board as SVG, with the values of the roll's moves -> the files. Raises OSError."""
    write_text(path, position.svg(roll, agent))
    return {"picture": path}


def check_picture(path: Path | None, what: str, suffix: str) -> None:
    """Raise ValueError if the name of a picture has another suffix than the picture's format."""
    if path is not None and path.suffix.lower() != suffix:
        raise ValueError(
            f"the picture of {what} is a {suffix[1:].upper()} file, so its name ends in {suffix}, not {path}"
        )


def analyze_position(position: Position, agent: Agent, roll: int | None = None) -> dict[str, Any]:
    """Every legal move with the agent's value, for one roll or for all, as plain JSON values.

    `unit` names the unit of the values, which are the mover's after the move; an agent without a unit has None as its
    values. Raises ValueError for a roll out of range or a finished game.
    """
    if position.is_over:
        raise ValueError(f"the game is over in {position}")
    rolls = rule_set(position.rules).rolls if roll is None else [roll]
    return {
        "rules": position.rules,
        "position": str(position),
        "agent": agent.name,
        "unit": agent.unit,
        "rolls": [_analyze_roll(position, agent, each) for each in rolls],
    }


def _analyze_roll(position: Position, agent: Agent, roll: int) -> dict[str, Any]:
    best = agent.best_move(position, roll)  # raises ValueError for a roll out of range
    moves = []
    for square, value in agent.moves(position, roll):
        after, same_player = position.play(roll, square)
        moves.append(
            {
                "from": square,
                "to": square + roll,
                "value": value,
                "best": square == best,
                "rolls_again": same_player,
                "captures": captures(position, roll, square),
                "successor": str(after),
            }
        )
    return {"roll": roll, "probability": rule_set(position.rules).probabilities[roll], "moves": moves}


def captures(position: Position, roll: int, square: int) -> bool:
    """Whether a legal move captures a piece."""
    after, same_player = position.play(roll, square)
    return position.opponent_hand < (after.opponent_hand if same_player else after.own_hand)


def route(square: int, roll: int, rules: str = "finkel") -> str:
    """The squares of a move: "4 -> 8", "hand -> 2", "13 -> off"."""
    return f"{square_name(square, rules)} -> {square_name(square + roll, rules)}"


def move_text(position: Position, roll: int, square: int | None) -> str:
    """A turn in words: "4 -> 8, rolls again", "hand -> 2", "passes" where `square` is None."""
    if square is None:
        return "passes"
    remarks = [", captures"] if captures(position, roll, square) else []
    remarks += [", rolls again"] if position.play(roll, square)[1] else []
    return f"{route(square, roll, position.rules)}{''.join(remarks)}"


def moves_table(analysis: dict[str, Any]) -> str:
    """The analysis as a Markdown table; the best move is marked."""
    rows: list[tuple[object, ...]] = []
    digits = ".6f" if analysis["unit"] in ("win probability", "policy") else ".1f"  # evaluations are whole numbers
    for entry in analysis["rolls"]:
        if not entry["moves"]:
            rows.append((entry["roll"], "", "no legal move: the turn passes", "", ""))
        for move in entry["moves"]:
            value = "" if move["value"] is None else f"{move['value']:{digits}}"
            remarks = [name for name in ("captures", "rolls_again") if move[name]]
            rows.append(
                (
                    entry["roll"],
                    "*" if move["best"] else "",
                    route(move["from"], entry["roll"], analysis["rules"]),
                    value,
                    ", ".join(remarks).replace("_", " "),
                )
            )
    header = ("roll", "best", "move", analysis["unit"] or "value", "")
    return f"{analysis['position']}  by {analysis['agent']}\n\n{markdown_table(header, rows)}"
