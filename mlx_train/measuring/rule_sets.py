"""The solved games of several rule sets, measured alike: first roll, length, luck, skill, blunders, squares.

A point is one percentage point of win probability.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.core.rules import RULE_SETS
from engine.games.agents import Agent, open_table
from engine.games.regret import play_against_perfect
from engine.games.turns import play_turns
from engine.solved.tablebase import Tablebase
from mlx_train.measuring.facts import SquareFacts, first_rolls, square_facts
from mlx_train.measuring.luck import account
from mlx_train.measuring.marks import MARKS
from mlx_train.measuring.moves import all_successors
from mlx_train.measuring.regret import DECISIONS, optimal_decisions
from mlx_train.measuring.strategy import ThumbRule, thumb_rules
from mlx_train.system.progress import progress

#: Who plays against perfect play, the weakest first: players that every rule set has.
OPPONENTS = ("random", "greedy", "emm:3")

#: What a marked move gives away at least, in points, the smallest first.
COSTS = tuple(sorted(least for least, *_ in MARKS))

#: Percentiles of the lengths of games that are shown.
PERCENTILES = (5, 50, 95)


class PlayFacts(NamedTuple):
    """Games of optimal play.

    turns: (games,), the rolls of each game. passes, choices: the shares of the turns without a legal move, and with two
    or more. luck: the mean size of the change of the win probability by a roll, in points. largest: the mean over games
    of the largest change by a roll, in points. tempo: by how much the side to move is better off than if the opponent
    were to move in the same position, in points, as a mean over the turns.
    """

    turns: NDArray[np.int64]
    passes: float
    choices: float
    luck: float
    largest: float
    tempo: float


class Blunders(NamedTuple):
    """What the moves of decisions of optimal play give away, in points: (decisions,) each.

    second: the second-best move. chance: a legal move by chance, as an expectation. worst: the worst move.
    """

    second: NDArray[np.float64]
    chance: NDArray[np.float64]
    worst: NDArray[np.float64]


class Opponent(NamedTuple):
    """A player against perfect play.

    perfect_wins: the share of the games that perfect play won, in percent. regret: what the player's moves gave away in
    a game, in points, on average.
    """

    agent: str
    perfect_wins: float
    regret: float


@dataclass(frozen=True, kw_only=True)
class RuleSetFacts:
    """What a player would ask about the game of a rule set, by its solution."""

    rules: str
    pieces: int
    first_player_wins: float
    first_rolls: list[tuple[int, float, float]]
    play: PlayFacts
    blunders: Blunders
    opponents: list[Opponent]
    thumb_rules: list[ThumbRule]
    squares: SquareFacts

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values: means, percentiles and shares, in percent and points, in place of the samples."""
        play, blunders, squares = self.play, self.blunders, self.squares
        return {
            "rule_set": self.rules,
            "pieces": self.pieces,
            "first_player_wins": 100 * self.first_player_wins,
            "first_rolls": {roll: 100 * value for roll, _, value in self.first_rolls},
            "turns": float(play.turns.mean()),
            "turns_error": float(play.turns.std() / np.sqrt(len(play.turns))),
            "turns_percentiles": {each: float(np.percentile(play.turns, each)) for each in PERCENTILES},
            "passes": 100 * play.passes,
            "choices": 100 * play.choices,
            "captures": float(squares.captures.sum()),
            "luck": play.luck,
            "largest_luck": play.largest,
            "tempo": play.tempo,
            "perfect_wins": {each.agent: each.perfect_wins for each in self.opponents},
            "regret_per_game": {each.agent: each.regret for each in self.opponents},
            **{name: float(getattr(blunders, name).mean()) for name in Blunders._fields},
            "second_costs": {least: 100 * float((blunders.second >= least).mean()) for least in COSTS},
            "thumb_rules": [rule._asdict() for rule in self.thumb_rules],
            "squares": {
                "captures": squares.captures.tolist(),
                **{name: _percent(getattr(squares, name)) for name in ("occupied", "danger", "worth")},
            },
        }


def _percent(shares: NDArray[np.float64]) -> list[float | None]:
    return [None if np.isnan(share) else 100 * float(share) for share in shares]


def play_facts(table: Tablebase, games: int, seed: int = 0) -> PlayFacts:
    """Play games of optimal play and look at every turn."""
    turns, moves, luck, largest, tempo = [], [], [], [], []
    for game in range(games):
        steps = list(play_turns((table, table), table.opening, seed, game))
        sizes = np.abs(account(table, steps).luck)
        turns.append(len(steps))
        moves += [len(position.legal_moves(turn.roll)) for _, position, turn in steps]
        luck.append(sizes)
        largest.append(sizes.max())
        tempo += [table.value(position) - (1.0 - table.value(position.swapped)) for _, position, _ in steps]
    counts = np.array(moves)
    return PlayFacts(
        turns=np.array(turns),
        passes=float((counts == 0).mean()),
        choices=float((counts > 1).mean()),
        luck=100 * float(np.concatenate(luck).mean()),
        largest=100 * float(np.mean(largest)),
        tempo=100 * float(np.mean(tempo)),
    )


def blunders(table: Tablebase, n: int = DECISIONS, seed: int = 0) -> Blunders:
    """What other moves than the best give away in the first n decisions of optimal play.

    Raises ValueError for a game without decisions.
    """
    moves = all_successors(*optimal_decisions(table, n, seed), table.rules)
    values = moves.by_decision(moves.for_mover(table.values(moves.after)), n)
    ordered = np.sort(values, axis=1)[:, ::-1]  # the best first; minus infinity where there is no move
    legal = np.isfinite(ordered)
    lost = 100 * (ordered[:, :1] - np.where(legal, ordered, ordered[:, :1]))
    return Blunders(second=lost[:, 1], chance=lost.sum(axis=1) / legal.sum(axis=1), worst=lost.max(axis=1))


def opponents(table: Tablebase, games: int, seed: int = 0, *, workers: int | None = None) -> list[Opponent]:
    """Each of `OPPONENTS` against perfect play, from both seats with the dice of each game."""
    played = []
    for name in OPPONENTS:
        match = play_against_perfect(Agent.parse(name, table.rules), table, 2 * games, seed, workers=workers)
        played.append(Opponent(name, 100 * (1 - float(match.won.mean())), 100 * float(match.regret.mean())))
    return played


def rule_set_facts(
    table: Tablebase, games: int = 1000, decisions: int = DECISIONS, seed: int = 0, *, workers: int | None = None
) -> RuleSetFacts:
    """Measure the solved game of a rule set.

    Raises ValueError for a game without decisions.
    """
    return RuleSetFacts(
        rules=table.rules,
        pieces=table.pieces,
        first_player_wins=table.value(table.opening),
        first_rolls=first_rolls(table),
        play=play_facts(table, games, seed),
        blunders=blunders(table, decisions, seed),
        opponents=opponents(table, games, seed, workers=workers),
        thumb_rules=thumb_rules(table, decisions, seed),
        squares=square_facts(table, games, seed),
    )


def compare_rule_sets(
    tables: Sequence[Tablebase],
    games: int = 1000,
    decisions: int = DECISIONS,
    seed: int = 0,
    *,
    workers: int | None = None,
) -> list[RuleSetFacts]:
    """`rule_set_facts` of each table, in their order. Raises ValueError."""
    facts = []
    with progress("rule sets", len(tables), "rule sets") as update:
        for table in tables:
            facts.append(rule_set_facts(table, games, decisions, seed, workers=workers))
            update(len(facts), table.rules)
    return facts


def solved_rule_sets() -> list[Tablebase]:
    """The whole solved game of every rule set. Raises MissingTable for the first that is not solved; ValueError."""
    return [open_table(rules=rules) for rules in RULE_SETS]
