"""The last phase of a run: its network plays matches, and is measured against the solved game where that is solved."""

from dataclasses import dataclass
from typing import Any

from engine.games.agents import Agent
from engine.network.document import read_document
from engine.solved.tablebase import Tablebase
from mlx_train.config import Config
from mlx_train.data.solving import find_table
from mlx_train.measuring.cost import microseconds_per_move
from mlx_train.measuring.exactness import Exactness, exactness, exactness_table
from mlx_train.measuring.matches import WinRate, play_pairs, win_rate_table
from mlx_train.networks.weights import save_document
from mlx_train.runs.run_folder import Run
from mlx_train.system.files import write_json
from mlx_train.system.kill_points import moment
from mlx_train.system.peak_memory import peak_text
from mlx_train.system.progress import duration, progress, say

#: Opponents of the table at the end of a run.
OPPONENTS = ("random", "greedy", "emm:1", "emm:2", "emm:3", "emm:4")


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """How well a run's network plays: matches, and measures against the solved game (None if it is not solved)."""

    matches: list[WinRate]
    exact: Exactness | None
    microseconds_per_move: float

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values: evaluation.json."""
        return {
            "matches": [match.to_dict() for match in self.matches],
            "exact": self.exact and self.exact.to_dict(),
            "microseconds_per_move": round(self.microseconds_per_move, 2),
        }

    def metadata(self) -> dict[str, Any]:
        """The evaluation's entries in the metadata of the weights: win rates as shares, errors as in `exactness`."""
        figures: dict[str, Any] = {match.opponent: round(match.rate, 4) for match in self.matches}
        if self.exact is not None:
            error, regret = self.exact.value_error, self.exact.regret
            figures["perfect"] = round(self.exact.estimate.rate / 100, 6)
            figures["regret_points"] = round(regret.mean, 6)
            figures["value_error"] = error and round(error.mean, 8)
        return figures | {"games": self.matches[0].games}


def evaluate(config: Config, run: Run, table: Tablebase | None) -> Evaluation:
    """Measure the run's network; writes evaluation.json and the weights' metadata. table: from `solution`."""
    suffix = ":policy" if config.networks == "policy" else ""
    agent = Agent.parse(f"net:{run.weights}{suffix}", config.rules)
    opponents = [Agent.parse(name, config.rules) for name in OPPONENTS]
    with progress("matches", config.evaluation_games * len(opponents), "games") as update:
        pairs = [(agent, opponent) for opponent in opponents]
        results = play_pairs(pairs, config.evaluation_games, seed=config.seed, workers=config.workers, progress=update)
    exact = None
    if table is not None:
        games = max(4, config.evaluation_games // 2 * 2)
        exact = exactness(agent, table, games=games, seed=config.seed, workers=config.workers)
    speed = microseconds_per_move(agent) if exact is None else exact.microseconds_per_move
    evaluation = Evaluation(matches=results, exact=exact, microseconds_per_move=speed)
    _add_metadata(run, {"evaluation": evaluation.metadata()})
    moment("weights measured")
    write_json(run.evaluation, evaluation.to_dict())  # last: this file marks the run as finished
    return evaluation


def solution(rules: str) -> Tablebase | None:
    """A rule set's solved game, to measure against; prints a message and returns None where it can't be had."""
    table, reason = find_table(rules)
    if table is None:
        say(f"not measured against perfect play: {reason}")
    return table


def _add_metadata(run: Run, values: dict[str, Any]) -> None:
    """Put more into the metadata of a run's weights."""
    document = read_document(run.weights)
    save_document(run.weights, document | {"metadata": document["metadata"] | values})


def summary(evaluation: Evaluation, trained: dict[str, Any], seconds: float, resumed: bool = False) -> str:
    """The text printed at the end of a run, as Markdown.

    trained: the summary of `training.train`. seconds: the duration of this call. resumed: whether the run was resumed.
    """
    tables = [win_rate_table(evaluation.matches)]
    if evaluation.exact is not None:
        tables.append(exactness_table([evaluation.exact]))
    return "\n".join(
        [
            "\n\n".join(tables),
            "",
            f"best epochs {', '.join(f'{name} {n}' for name, n in trained['best_epoch'].items())} "
            f"of {trained['epochs']}, validation loss {trained['best_validation_loss']:.4f}, "
            f"{evaluation.microseconds_per_move:.1f} microseconds a move",
            f"{trained['samples_per_second']:,.0f} samples/s, "
            f"waiting for data {100 * trained['waiting']:.1f} % of the time",
            f"{peak_text(trained['peak_memory_bytes'])}, {duration(seconds)} {'this time' if resumed else 'in all'}",
        ]
    )
