"""The pictures of docs/figures/, each made again from the shipped models and the solved game."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from engine.core.features import extract_features_batch
from engine.core.position import Position
from engine.games.agents import Agent, open_table
from engine.solved.tablebase import Tablebase
from mlx_train.config import check_choice
from mlx_train.measuring import facts
from mlx_train.measuring.luck import Player, account, luck_and_skill, opening, play_game
from mlx_train.measuring.measures import (
    DECISIONS,
    POSITIONS,
    SHUFFLED,
    calibration,
    permutation_importance,
    regret_shares,
)
from mlx_train.measuring.round_robin import compare, matrix_picture
from mlx_train.networks.manifest import WEIGHTS, ModelEntry
from mlx_train.pictures import figures
from mlx_train.pictures.report import calibration_plot, rate_distortion, regret_map, run_losses, save_figure
from mlx_train.runs.run_record import read_record
from mlx_train.runs.shipped import size_point
from mlx_train.system.files import write_text
from mlx_train.system.progress import progress, say

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Where the pictures of the documents are, from the checkout's root.
FIGURES = Path("docs/figures")

#: The curves of a run, which are made from its folder.
LOSSES = "loss.png"

#: The position and the roll of the board, and the game of docs/playing.md: who plays it, and the seed of its dice.
BOARD, BOARD_ROLL = "..xx...x.x..x.:1|x..x..x...x...:2", 2
GAME, GAME_SEED = ("emm:3", "emm:2"), 33

#: Who plays the round robin besides the shipped models, and perfect play where seven pieces are solved.
CLASSIC = ("random", "greedy", "emm:1", "emm:2", "emm:3", "emm:4")

#: Decisions, at most, that are chosen again with shuffled features: each group three times.
CHOSEN_AGAIN = 10_000

#: Who plays against perfect play to tell luck from skill; a name of the manifest stands for the model.
SKILLED = ("standard", "search", "emm:3", "greedy", "random")


@dataclass(frozen=True, kw_only=True)
class Sources:
    """What the pictures are made from, and how much of it. table_file: of the solved game, None for the usual one."""

    table_file: Path | None = None
    models: Sequence[ModelEntry]
    folder: Path = WEIGHTS
    games: int = 1000
    decisions: int = DECISIONS
    positions: int = POSITIONS
    seed: int = 0
    workers: int | None = None
    _agents: dict[str, Agent] = field(default_factory=dict, init=False, repr=False)

    @property
    def table(self) -> Tablebase:
        """The solved game, opened when a picture asks for it. Raises FileNotFoundError, saying how to make it."""
        return open_table(self.table_file)

    def agent(self, name: str) -> Agent:
        """The player of a shipped model, or of that spelling. Raises ValueError for neither."""
        if name not in self._agents:
            entry = next((entry for entry in self.models if entry.name == name), None)
            self._agents[name] = entry.agent(self.folder) if entry else Agent.parse(name)
        return self._agents[name]


def _board(sources: Sources) -> str:
    return str(Position.from_notation(BOARD).svg(BOARD_ROLL, sources.table))


def _matrix(sources: Sources) -> "Figure":
    models = [entry.name for entry in sources.models]
    perfect = ["perfect"] if sources.table.pieces == 7 else []
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


def _features(sources: Sources) -> "Figure":
    return figures.feature_ranges(extract_features_batch(*sources.table.play_sample(sources.decisions, sources.seed)))


def _importance(sources: Sources) -> "Figure":
    with progress("importance", len(SHUFFLED), "groups") as update:
        found = permutation_importance(
            sources.agent("standard"),
            sources.table,
            min(sources.decisions, CHOSEN_AGAIN),
            sources.seed,
            progress=update,
        )
    return figures.importance_chart(found)


def _game(sources: Sources) -> "Figure":
    players = [sources.agent(name) for name in GAME]
    turns = play_game(players, opening(sources.table.pieces), GAME_SEED)
    return figures.game_chart(account(sources.table, turns), GAME)


def _skill(sources: Sources) -> "Figure":
    players: list[Player] = [sources.table, *(sources.agent(name) for name in SKILLED)]
    return figures.skill_chart(
        [luck_and_skill(player, sources.table, sources.table, sources.games, sources.seed) for player in players]
    )


#: How each picture is made, by its file's name.
PICTURES: "dict[str, Callable[[Sources], Figure | str]]" = {
    "board.svg": _board,
    "rate-distortion.png": lambda sources: rate_distortion([size_point(entry) for entry in sources.models]),
    "matrix.png": _matrix,
    "standard-calibration.png": _calibration("standard"),
    "search-calibration.png": _calibration("search"),
    "standard-regret.png": _regret("standard"),
    "search-regret.png": _regret("search"),
    "features.png": _features,
    "importance.png": _importance,
    "game.png": _game,
    "luck-and-skill.png": _skill,
    "first-rolls.png": lambda sources: figures.first_rolls_chart(facts.first_rolls(sources.table)),
    "squares.png": lambda sources: figures.squares_chart(
        facts.square_facts(sources.table, sources.games, sources.seed)
    ),
    "races.png": lambda sources: figures.race_chart(facts.race_map(sources.table)),
}


def check_names(names: Sequence[str]) -> list[str]:
    """The names of pictures; a ValueError for one that is none of `PICTURES` names the nearest."""
    return [check_choice("picture", name, PICTURES) for name in names]


def write_losses(run: Path, folder: Path = FIGURES) -> Path:
    """Draw the losses of a run folder into a folder -> the picture's path. Raises ValueError, OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    save_figure(run_losses(read_record(run)), folder / LOSSES)
    return folder / LOSSES


def write_pictures(sources: Sources, folder: Path = FIGURES, names: Sequence[str] = ()) -> list[Path]:
    """Make pictures, all unless named, and write them into a folder -> their paths.

    Raises ValueError for a name that is none of `PICTURES` and for a table of too few pieces, OSError.
    """
    names = check_names(names)
    folder.mkdir(parents=True, exist_ok=True)
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
