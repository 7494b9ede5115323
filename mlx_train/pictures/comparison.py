"""The command `compare`: a round robin, and the folder of its tables and its picture."""

from collections.abc import Sequence
from pathlib import Path

from engine.games.agents import Agent, open_table
from engine.games.chunks import check_games
from mlx_train.data.solving import find_table
from mlx_train.measuring.round_robin import Comparison, compare, markdown, pairs_csv, standings_csv
from mlx_train.pictures.models import matrix_picture
from mlx_train.pictures.style import save_figure
from mlx_train.system.files import make_folder, own_folder, write_json, write_text
from mlx_train.system.progress import say


def check_request(agents: Sequence[str], games: int, rules: str) -> list[Agent]:
    """The agents by their spellings. Raises ValueError for fewer than two, the same one twice, or no games."""
    players = [Agent.parse(name, rules) for name in agents]
    check_games(games)
    if len(players) < 2 or len(set(agents)) < len(agents):
        raise ValueError("a comparison needs two or more agents, each named once")
    return players


def compare_into(
    folder: Path, agents: Sequence[Agent], games: int, *, table_file: Path | None, seed: int, workers: int | None
) -> Comparison:
    """Play a round robin, with the regret where the game is solved, and write it into a folder.

    Raises ValueError, OSError.
    """
    table, reason = find_table(agents[0].rules) if table_file is None else (open_table(table_file, agents[0].rules), "")
    if table is None:
        say(f"no regret is measured: {reason}")
    with own_folder(folder):
        result = compare(agents, games, seed=seed, table=table, workers=workers)
        write_comparison(result, folder)
    return result


def write_comparison(result: Comparison, folder: Path) -> None:
    """Write comparison.md, .csv, .json and .png, and standings.csv, into a folder, made if need be. Raises OSError."""
    make_folder(folder)
    write_text(folder / "comparison.md", markdown(result) + "\n")
    write_text(folder / "comparison.csv", pairs_csv(result))
    write_text(folder / "standings.csv", standings_csv(result))
    write_json(folder / "comparison.json", result.to_dict())
    save_figure(matrix_picture(result), folder / "comparison.png")
