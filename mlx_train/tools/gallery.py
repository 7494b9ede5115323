"""The pictures of docs/figures/, drawn again from the shipped models and the solved game."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.core.features import extract_features_batch
from engine.core.position import Position
from engine.core.rules import RULE_SETS
from engine.games.agents import Agent, open_table
from engine.games.chunks import check_games
from engine.games.turns import PIECES, opening, play_turns
from engine.network.shipped import shipped_folder
from engine.solved.tablebase import Tablebase
from mlx_train.config import check_choice
from mlx_train.measuring import facts
from mlx_train.measuring.calibration import calibration
from mlx_train.measuring.importance import SHUFFLED, permutation_importance
from mlx_train.measuring.luck import Contestant, account, luck_and_skill
from mlx_train.measuring.regret import DECISIONS, regret_shares
from mlx_train.measuring.round_robin import compare
from mlx_train.measuring.rule_sets import RuleSetFacts, compare_rule_sets, solved_rule_sets
from mlx_train.measuring.value_error import POSITIONS
from mlx_train.networks.manifest import ModelEntry, read_manifest
from mlx_train.pictures.features import feature_ranges, importance_chart
from mlx_train.pictures.games import (
    first_rolls_chart,
    game_chart,
    lengths_chart,
    race_chart,
    score_chart,
    skill_chart,
    squares_chart,
)
from mlx_train.pictures.models import (
    BytesPoint,
    calibration_plot,
    matrix_picture,
    rate_distortion,
    regret_by_bytes,
    regret_map,
)
from mlx_train.pictures.rule_sets import rule_set_squares_chart, rule_sets_chart
from mlx_train.pictures.style import save_figure
from mlx_train.runs.compression_results import reference_curve
from mlx_train.runs.run_record import read_record
from mlx_train.runs.run_views import run_losses
from mlx_train.runs.shipped import size_point
from mlx_train.system.files import make_folder, write_text
from mlx_train.system.progress import progress, say

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: The shipped model that the pictures are about.
STANDARD = "standard"

#: Where the pictures of the documents are, from the checkout's root.
FIGURES = Path("docs/figures")

#: The picture of a run's losses.
LOSSES = "loss.png"

#: The position and the roll of the board, and the game of docs/playing.md: who plays it, and the seed of its dice.
BOARD, BOARD_ROLL = "..xx...x.x..x.:1|x..x..x...x...:2", 2
GAME, GAME_SEED = ("emm:3", "emm:2"), 33

#: The position and the roll of the costliest opening mistake of docs/strategy.md.
OPENING, OPENING_ROLL = "..x...........:0|.xx...........:0", 2

#: The position of the board of each other path, by a rule set that has it, and its roll.
OTHER_BOARDS = {
    "masters": ("..x....x...x...x:1|.x....x...x..x..:2", 2),
    "aseb": (".x..x..x....x...:1|..x...x...x.....:1", 2),
}

#: Agents of the round robin, besides the shipped models, and perfect play where the whole game is solved.
CLASSIC = ("random", "greedy", "emm:1", "emm:2", "emm:3", "emm:4")

#: The most decisions that are chosen again with shuffled features, three times for each group.
CHOSEN_AGAIN = 10_000

#: Who plays against perfect play on the picture of luck and skill; a name in the manifest means the shipped model.
SKILLED = (STANDARD, "search", "emm:3", "greedy", "random")


@dataclass(frozen=True, kw_only=True)
class Sources:
    """What the pictures are made from, and how much is measured. table_file: None for the table in its usual place.

    folder: None for the shipped models.
    """

    table_file: Path | None = None
    folder: Path | None = None
    games: int = 1000
    decisions: int = DECISIONS
    positions: int = POSITIONS
    seed: int = 0
    workers: int | None = None
    _agents: dict[str, Agent] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def models(self) -> list[ModelEntry]:
        """The shipped models of Finkel's rules in the folder. Raises OSError, ValueError."""
        return [model for model in read_manifest(self.models_folder) if model.rules == "finkel"]

    @property
    def models_folder(self) -> Path:
        """Where the models are."""
        return self.folder or shipped_folder()

    @property
    def table(self) -> Tablebase:
        """The solved game. Raises FileNotFoundError, which says how to solve it."""
        return open_table(self.table_file)

    @cached_property
    def statistics(self) -> dict[str, Any]:
        """The statistics of every position of the solved game."""
        return self.table.statistics()

    @cached_property
    def rule_sets(self) -> list[RuleSetFacts]:
        """The comparison of the rule sets; where `table_file` is a smaller game, of games of as many pieces."""
        if self.table_file is None or self.table.pieces == PIECES:
            tables = solved_rule_sets()
        else:
            tables = [Tablebase.solve(self.table.pieces, workers=self.workers, rules=rules) for rules in RULE_SETS]
        return compare_rule_sets(tables, self.games, self.decisions, self.seed, workers=self.workers)

    def agent(self, name: str) -> Agent:
        """The agent of a shipped model, or of a spelling. Raises ValueError for a name that is neither."""
        if name not in self._agents:
            model = next((model for model in self.models if model.name == name), None)
            self._agents[name] = model.agent(self.models_folder) if model else Agent.parse(name)
        return self._agents[name]


def _board(notation: str, roll: int) -> "Callable[[Sources], str]":
    return lambda sources: str(Position.from_notation(notation).svg(roll, sources.table))


def _board_of(rules: str) -> Callable[[Sources], str]:
    notation, roll = OTHER_BOARDS[rules]
    return lambda sources: str(Position.from_notation(notation, rules).svg(roll))


def _matrix(sources: Sources) -> "Figure":
    models = [model.name for model in sources.models]
    perfect = ["perfect"] if sources.table.pieces == PIECES else []
    agents = [sources.agent(name) for name in (*CLASSIC, *models, *perfect)]
    return matrix_picture(compare(agents, sources.games, seed=sources.seed, workers=sources.workers))


def _calibration(name: str) -> "Callable[[Sources], Figure]":
    return lambda sources: calibration_plot(
        calibration(sources.agent(name), sources.table, sources.positions, sources.seed)
    )


def _regret(name: str) -> "Callable[[Sources], Figure]":
    return lambda sources: regret_map(
        regret_shares(sources.agent(name), sources.table, sources.decisions, sources.seed, workers=sources.workers)
    )


def _bytes(sources: Sources) -> "Figure":
    files = [
        BytesPoint(name=model.name, bytes=model.quantized["gzip_bytes"], regret=model.quantized["regret"])
        for model in sources.models
        if model.quantized
    ]
    return regret_by_bytes(
        "Value networks in 8 bits a weight", {"networks": files}, reference_curve(sources.table, sources.decisions)
    )


def _features(sources: Sources) -> "Figure":
    return feature_ranges(extract_features_batch(*sources.table.play_sample(sources.decisions, sources.seed)))


def _importance(sources: Sources) -> "Figure":
    with progress("importance", len(SHUFFLED), "groups") as update:
        result = permutation_importance(
            sources.agent(STANDARD), sources.table, min(sources.decisions, CHOSEN_AGAIN), sources.seed, progress=update
        )
    return importance_chart(result)


def _game(sources: Sources) -> "Figure":
    players = [sources.agent(name) for name in GAME]
    steps = play_turns(players, opening(sources.table.pieces), GAME_SEED)
    return game_chart(account(sources.table, steps), GAME)


def _lengths(sources: Sources) -> "Figure":
    turns = facts.game_lengths(sources.table, sources.games, sources.seed)
    return lengths_chart(turns, sources.statistics["expected_turns"])


def _skill(sources: Sources) -> "Figure":
    players: list[Contestant] = [sources.table, *(sources.agent(name) for name in SKILLED)]
    return skill_chart(
        [luck_and_skill(player, sources.table, sources.table, sources.games, sources.seed) for player in players]
    )


#: How each picture is made, by its file's name.
PICTURES: "dict[str, Callable[[Sources], Figure | str]]" = {
    "board.svg": _board(BOARD, BOARD_ROLL),
    "opening.svg": _board(OPENING, OPENING_ROLL),
    **{f"board-{rules}.svg": _board_of(rules) for rules in OTHER_BOARDS},
    "rate-distortion.png": lambda sources: rate_distortion([size_point(model) for model in sources.models]),
    "matrix.png": _matrix,
    f"{STANDARD}-calibration.png": _calibration(STANDARD),
    "search-calibration.png": _calibration("search"),
    "bytes.png": _bytes,
    f"{STANDARD}-regret.png": _regret(STANDARD),
    "search-regret.png": _regret("search"),
    "features.png": _features,
    "importance.png": _importance,
    "game.png": _game,
    "luck-and-skill.png": _skill,
    "first-rolls.png": lambda sources: first_rolls_chart(facts.first_rolls(sources.table)),
    "squares.png": lambda sources: squares_chart(facts.square_facts(sources.table, sources.games, sources.seed)),
    "scores.png": lambda sources: score_chart(sources.statistics),
    "lengths.png": _lengths,
    "races.png": lambda sources: race_chart(facts.race_map(sources.table)),
    "rule-sets.png": lambda sources: rule_sets_chart(sources.rule_sets),
    "rule-set-squares.png": lambda sources: rule_set_squares_chart(sources.rule_sets),
}


def check_names(names: Sequence[str]) -> list[str]:
    """The names, if all are pictures. Raises ValueError, which names the nearest picture."""
    return [check_choice("picture", name, PICTURES) for name in names]


def check_request(
    names: Sequence[str], games: int, run: Path | None, folder: Path | None, table_file: Path | None
) -> list[str]:
    """The names of the pictures to draw. Raises ValueError for what would spoil the documents' pictures."""
    check_games(games)
    chosen = check_names(names)
    if run is not None and folder is None:
        raise ValueError(f"{FIGURES} shows the production run: give --output for the losses of a run")
    if folder is None and table_file is not None and open_table(table_file).pieces < PIECES:
        raise ValueError(f"{FIGURES} shows the game of seven pieces: give --output with a smaller table")
    return chosen


def write_losses(run: Path, folder: Path = FIGURES) -> Path:
    """Draw the losses of a run folder into a folder -> the picture's path. Raises ValueError, OSError."""
    make_folder(folder)
    save_figure(run_losses(read_record(run)), folder / LOSSES)
    return folder / LOSSES


def write_requested(sources: Sources, run: Path | None, folder: Path, names: Sequence[str]) -> dict[str, Path]:
    """Write the losses of a run, and the named pictures: all if neither is named -> the files by what they are."""
    if run is not None:
        losses = write_losses(run, folder)
        if not names:
            return {"loss curve": losses, "folder": folder}
    print(*write_pictures(sources, folder, names), sep="\n")
    return {"folder": folder}


def write_pictures(sources: Sources, folder: Path = FIGURES, names: Sequence[str] = ()) -> list[Path]:
    """Make pictures, all unless named, and write them into a folder -> their paths.

    Raises ValueError for a name that is none of `PICTURES` and for a table of too few pieces, OSError.
    """
    names = check_names(names)
    make_folder(folder)
    written = []
    for name in names or PICTURES:
        say(f"drawing {name}")
        picture = PICTURES[name](sources)
        if isinstance(picture, str):
            write_text(folder / name, picture)
        else:
            save_figure(picture, folder / name)
        written.append(folder / name)
    return written
