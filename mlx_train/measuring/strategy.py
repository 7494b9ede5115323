"""What the solved game teaches a player: rules of thumb and what they are worth, openings, and the part of the dice."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.core.rules import RuleSet
from engine.core.rules import rules as rule_set
from engine.games.turns import play_turns
from engine.solved.tablebase import Tablebase
from mlx_train.measuring.facts import OpeningDecision, first_rolls, opening_decisions, square_facts
from mlx_train.measuring.luck import account
from mlx_train.measuring.moves import all_successors
from mlx_train.measuring.regret import DECISIONS, TIE, optimal_decisions

_OPENINGS = 8  # opening decisions that are shown
_SELDOM = 0.005  # an opening decision is shown if it occurs in at least this many games


class _Moves(NamedTuple):
    """The legal moves of decisions, one entry a move: squares left and reached, captures, the foremost piece."""

    source: NDArray[np.int64]
    target: NDArray[np.int64]
    captures: NDArray[np.bool_]
    foremost: NDArray[np.bool_]


_Choice = Callable[[_Moves], NDArray[np.bool_]]


class _Rule(NamedTuple):
    """A rule of thumb: the moves that it recommends, in decisions that have a move of one kind or none of another."""

    name: str
    recommends: _Choice
    given: _Choice | None = None
    without: _Choice | None = None


def _lands_on(*squares: int) -> _Choice:
    return lambda moves: np.isin(moves.target, squares)


def _moves_from(square: int) -> _Choice:
    return lambda moves: moves.source == square


def _captures(moves: _Moves) -> NDArray[np.bool_]:
    return moves.captures


def _both(one: _Choice, other: _Choice) -> _Choice:
    return lambda moves: one(moves) & other(moves)


def _either(one: _Choice, other: _Choice) -> _Choice:
    return lambda moves: one(moves) | other(moves)


def _not(choice: _Choice) -> _Choice:
    return lambda moves: ~choice(moves)


def rules_of_thumb(game: RuleSet) -> list[_Rule]:
    """The rules of thumb of a rule set, in the order in which they are shown."""
    last = game.squares
    shared = [square for square in game.rosettes if square in game.shared]
    rules = []
    for square in shared:
        rules.append(_Rule(f"land on the shared rosette, {square}", _lands_on(square)))
        rules.append(_Rule(f"stay on {square}", _not(_moves_from(square))))
    rules += [_Rule(f"land on rosette {square}", _lands_on(square)) for square in game.rosettes if square not in shared]
    return [
        *rules,
        *_last_step_rules(last, [square for square in game.rosettes if square != last]),
        _Rule("capture", _captures),
        _Rule("bear a piece off", _lands_on(game.borne_off)),
        _Rule("enter a piece", _moves_from(0)),
        _Rule("move the foremost piece", lambda moves: moves.foremost),
    ]


def _last_step_rules(last: int, rosettes: list[int]) -> list[_Rule]:
    """The step from the last square but one to the last, a rosette, against captures and the other rosettes."""
    step = _both(_moves_from(last - 1), _lands_on(last))
    capture, rosette = _both(_captures, _not(step)), _lands_on(*rosettes)
    name = f"leave {last - 1} for {last}"
    squares = f"{', '.join(map(str, rosettes[:-1]))} or {rosettes[-1]}"
    return [
        _Rule(name, step),
        _Rule(f"{name} rather than capture", step, given=capture),
        _Rule(f"{name} rather than land on {squares}", step, given=rosette),
        _Rule(f"{name} where neither is possible", step, without=_either(capture, rosette)),
    ]


#: The rules of thumb of Finkel's game.
RULES = rules_of_thumb(rule_set())


class ThumbRule(NamedTuple):
    """A rule of thumb, in the decisions in which it recommends some of the legal moves and not all.

    applies: the share of all decisions. right: how often a recommended move is best, as a share of these. followed,
    broken: what the best recommended move, and the best other move, give away on average, in points.
    """

    rule: str
    applies: float
    right: float
    followed: float
    broken: float


class DicePart(NamedTuple):
    """How much the dice move the win probability in games of optimal play, in points of the side that rolls.

    turn: the mean size of the change by a roll. game: the standard deviation of the sum over a game, for one player.
    largest: the mean over games of the largest change by a single roll.
    """

    turn: float
    game: float
    largest: float


def thumb_rules(table: Tablebase, n: int = DECISIONS, seed: int = 0) -> list[ThumbRule]:
    """How good each of `rules_of_thumb` is in the first n decisions of optimal play.

    Rules that never apply are left out. Raises ValueError for a game without decisions.
    """
    game = rule_set(table.rules)
    packed, rolls = optimal_decisions(table, n, seed)
    entries = all_successors(packed, rolls, table.rules)
    values = entries.by_decision(entries.for_mover(table.values(entries.after)), n)
    legal, best = np.isfinite(values), values.max(axis=1)
    own, opponent = _sides(packed[entries.decision])
    first, second = _sides(entries.after)
    own_after, opponent_after = (
        np.where(entries.same_player, one, other) for one, other in ((first, second), (second, first))
    )
    left = own & ~own_after  # empty for a piece that enters
    # The lowest bit of a packed side is square 1 where the path has 16 squares, else the hand.
    source = np.where(left, np.log2(np.maximum(left, 1)).astype(np.int64) + game.squares // 16, 0)
    moves = _Moves(
        source=source,
        target=source + rolls[entries.decision].astype(np.int64),
        captures=(opponent & ~opponent_after) != 0,
        foremost=np.append(entries.decision[1:] != entries.decision[:-1], True),  # the squares ascend
    )

    def by_decision(choice: _Choice) -> NDArray[np.bool_]:
        return entries.by_decision(np.where(choice(moves), 1.0, 0.0), n) == 1

    rated = []
    for rule in rules_of_thumb(game):
        followed = by_decision(rule.recommends)
        applies = followed.any(axis=1) & (legal & ~followed).any(axis=1)
        if rule.given is not None:
            applies &= by_decision(rule.given).any(axis=1)
        if rule.without is not None:
            applies &= ~by_decision(rule.without).any(axis=1)
        if applies.any():
            lost, other = (
                best[applies] - np.where(chosen, values, -np.inf)[applies].max(axis=1)
                for chosen in (followed, ~followed)
            )
            right = float((lost <= TIE).mean())
            rated.append(ThumbRule(rule.name, float(applies.mean()), right, 100 * lost.mean(), 100 * other.mean()))
    return rated


def _sides(packed: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The squares of the side to move and of its opponent, as masks."""
    return tuple((packed >> np.uint64(shift)).astype(np.int64) & 0xFFFF for shift in (0, 16))  # type: ignore[return-value]


def dice_part(table: Tablebase, games: int = 1000, seed: int = 0) -> DicePart:
    """The part of the dice in games of optimal play."""
    sizes, sums, largest = [], [], []
    for game in range(games):
        luck = account(table, play_turns((table, table), table.opening, seed, game))
        sizes.append(np.abs(luck.luck))
        sums.append(luck.luck_of(0))
        largest.append(sizes[-1].max())
    return DicePart(100 * float(np.concatenate(sizes).mean()), 100 * float(np.std(sums)), 100 * float(np.mean(largest)))


def costly_openings(table: Tablebase, turns: int = 4) -> list[OpeningDecision]:
    """The decisions of the first turns in which even the second-best move gives away most, the costliest first."""
    decisions = [each for each in opening_decisions(table, turns) if each.met >= _SELDOM]
    return sorted(decisions, key=lambda each: -each.margin)[:_OPENINGS]


def strategy(table: Tablebase, games: int = 1000, decisions: int = DECISIONS, seed: int = 0) -> dict[str, Any]:
    """Everything that `strategy_text` shows, as plain JSON values. Raises ValueError for a game without decisions."""
    squares = square_facts(table, games, seed)
    return {
        "rule_set": table.rules,
        "games": games,
        "decisions": decisions,
        "seed": seed,
        "first_player_wins": table.value(table.opening),
        "first_rolls": [list(row) for row in first_rolls(table)],
        "rules": [rule._asdict() for rule in thumb_rules(table, decisions, seed)],
        "squares": {
            name: [None if np.isnan(value) else 100 * float(value) for value in getattr(squares, name)]
            for name in ("occupied", "danger", "worth")
        },
        "openings": [each._asdict() | {"position": str(each.position)} for each in costly_openings(table)],
        "dice": dice_part(table, games, seed)._asdict(),
    }
