"""The page docs/features.md, every feature with its definition: `python -m mlx_train.tools.feature_table` prints it."""

import sys
from fractions import Fraction

from engine.core.features import FEATURE_SET, GROUPS, features_of
from engine.core.rules import RULE_SETS, rules
from mlx_train.pictures.features import without_side

#: The definition of each group of features, by the group's name without its side.
DEFINITIONS = {
    "board.piece": "Whether a piece of the side stands on the path square.",
    "board.reach": "Probability that the side's next roll has a legal move that ends on the square.",
    "board.threat": "Probability that the side's next roll can capture the other side's piece on the square; 0 where "
    "none stands.",
    "board.followup": "Probability that the side can land on rosette 4 or 8 with its next roll and that a second roll "
    "carries that piece from there to a capture on the square.",
    "state.hand": "Whether the side has at least so many pieces in hand.",
    "state.off": "Whether the side has borne off at least so many pieces.",
    "state.mobility": "Probability that the next roll is above 0 and has no legal move (stuck), exactly one (forced), "
    "or one that does not end on a contested square that the other side reaches (safe).",
    "state.tempo": "Expected square, over 15, of the foremost landing of the next roll; bearing off counts as 15, a "
    "roll without a legal move as 0.",
    "state.chance": "Probability that the next roll can capture (capture), capture on a square to which no roll would "
    "carry an opposing piece, legally or not (clean), land on a rosette (rosette), or has a move that fails because "
    "the other side holds square 8 (blocked).",
    "state.stake": "Expected square, over 12, of the furthest capture of the next roll (capture); the largest product, "
    "over 12, of the square of one of the side's pieces and the probability that it is captured (loss).",
    "state.contact": "Number of legal captures over all rolls (attacks); number of the side's pieces on contested "
    "squares that the other side reaches (exposed).",
    "state.front": "Square of the foremost and of the rearmost piece on the path; 0 where there is none.",
    "state.race": "Squares walked, 15 for each piece borne off, beyond the other side's and 4 more (lead); squares by "
    "which the way still to go is shorter than 40 (near).",
    "state.passed": "Number of pieces on squares 5 to 12 with no opposing piece behind them, in hand or on the path.",
    "state.developed": "Square of the number of pieces on the path.",
    "state.roll": "Which roll was thrown; all 0 for a roll of 0.",
    "state.roll.moves": "Number of legal moves with the roll.",
    "state.roll.allows": "Whether a legal move captures, lands on a rosette, bears off, enters a piece, or is safe as "
    "in `state.mobility` (safety).",
}

_HEAD = """\
# Features

The {count} inputs of the networks, feature set `{feature_set}`. `python -m mlx_train.tools.feature_table` prints this
page from `engine.core.features.GROUPS`, which is what the engine computes.

Everything is seen from the side to move. A group with a side in its name exists twice, with one definition: `own` for
the side to move, `opponent` for the other side, as if the turn were the other side's. Path squares count along each
side's own path; the contested squares, where a piece can be captured, are 5, 6, 7 and 9 to 12. "Next roll" is the roll
that the side would make now; probabilities are over the sixteen outcomes of four binary dice. A side reaches a square
if a legal move of its next roll ends there. The `state.roll` groups are 0 before the roll. The value network gets the
position before the roll, the policy network the position with the roll.

A feature is an integer from 0 to 255 times its scale: `extract_features_bytes` gives the integers, `FEATURE_SCALES` the
scales, `extract_features` the float32 products.
"""


_OTHERS = """\
## Other rule sets

The other rule sets have the same groups over the squares of their own paths. In the definitions, the last square of the
path stands for 14, the square after it for 15, the last contested square for 12, any safe square for square 8, and
rosette 12 counts beside 4 and 8 where there is one. Behind a piece stands an opposing piece that still has to walk to
its square. A byte above 255, which only `masters` could have, is 255.
"""


def _others() -> list[str]:
    """The section on the other rule sets: the inputs of each, and the squares where a piece can be captured."""
    rows = ["| rule set | feature set | inputs | contested squares |", "| --- | --- | --- | --- |"]
    for name in RULE_SETS[1:]:
        contested = [str(square) for square in rules(name).shared if square not in rules(name).safe]
        features = features_of(name)
        rows.append(f"| `{name}` | `{features.name}` | {len(features.names)} | {', '.join(contested)} |")
    return [_OTHERS, *rows, ""]


def markdown() -> str:
    """The page: a table of the groups with their definitions, and a table of all features."""
    count = sum(len(names) for _, names, _ in GROUPS)
    groups = ["## Groups", "", "| group | inputs | scale | definition |", "| --- | --- | --- | --- |"]
    features = ["## Inputs", "", "| input | name | scale |", "| --- | --- | --- |"]
    defined: dict[str, list[str]] = {}
    scales: dict[str, str] = {}
    first = 0
    for group, names, scale in GROUPS:
        last = first + len(names) - 1
        text = str(Fraction(scale).limit_denominator(1000))
        defined.setdefault(without_side(group), []).append(f"{first}-{last}" if last > first else f"{first}")
        scales[without_side(group)] = text
        features += [f"| {first + i} | `{group}.{name}` | {text} |" for i, name in enumerate(names)]
        first = last + 1
    groups += [
        f"| `{name}` | {', '.join(places)} | {scales[name]} | {DEFINITIONS[name]} |" for name, places in defined.items()
    ]
    parts = [_HEAD.format(count=count, feature_set=FEATURE_SET), *groups, "", *_others(), *features]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    sys.stdout.write(markdown())
