"""The round robin: ratings against known answers, and what the command writes."""

import csv
import dataclasses
import itertools
import json
import math

import numpy as np
import pytest
import random_networks
from commandline import call

from engine import Agent, Tablebase, play_match
from engine.network.shipped import levels
from mlx_train.measuring.round_robin import bradley_terry, cells, compare, markdown, matrix_table, pairs_csv
from mlx_train.pictures import models
from mlx_train.pictures.comparison import write_comparison


def elo_of(odds):
    return 400 * math.log10(odds)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """The file of the game with two pieces a side."""
    path = tmp_path_factory.mktemp("table") / "two.table"
    Tablebase.solve(2).save(path)
    return path


@pytest.fixture(scope="module")
def result(table):
    agents = [Agent.parse(name) for name in ("random", "emm:1", "greedy")]
    return compare(agents, 200, seed=3, table=Tablebase.open(table))


def test_two_agents_are_rated_by_their_odds():
    elo, margins = bradley_terry(np.array([[0, 30000], [10000, 0]]))
    assert elo[0] - elo[1] == pytest.approx(elo_of(3), abs=0.05)
    assert elo.sum() == pytest.approx(0, abs=1e-6)
    # Each rating is half the difference, whose standard error is that of the log odds.
    error = 400 / math.log(10) * math.sqrt(1 / 30000 + 1 / 10000)
    assert margins == pytest.approx([1.96 * error / 2] * 2, rel=1e-3)


def test_ratings_explain_the_matrix_they_made():
    strength = np.array([8.0, 3.0, 1.0, 0.2])
    share = strength[:, None] / (strength[:, None] + strength)
    wins = np.rint(1_000_000 * share * (1 - np.eye(4))).astype(int)
    elo, _ = bradley_terry(wins)
    assert elo[:-1] - elo[1:] == pytest.approx([elo_of(a) for a in strength[:-1] / strength[1:]], abs=0.01)


def test_an_agent_that_never_won_has_a_finite_rating():
    elo, margins = bradley_terry(np.array([[0, 50], [0, 0]]))
    assert elo[0] - elo[1] == pytest.approx(elo_of(101))
    assert np.isfinite(margins).all()


def test_every_pair_plays_with_paired_dice(result):
    assert result.agents == ("random", "emm:1", "greedy")
    assert (result.wins + result.wins.T == 200 * (1 - np.eye(3))).all()
    alone = play_match(Agent.parse("random"), Agent.parse("greedy"), 200, 3)
    assert result.wins[0, 2] == alone.won.sum()
    assert [standing.games for standing in result.standings] == [400] * 3
    assert sum(standing.won for standing in result.standings) == 600
    assert max(result.standings, key=lambda standing: standing.elo).agent == "greedy"
    assert all(standing.regret.decisions > 0 for standing in result.standings)


def test_tables(result):
    assert [row[i] for i, row in enumerate(cells(result))] == [""] * 3
    rows = list(csv.DictReader(pairs_csv(result).splitlines()))
    assert len(rows) == 6
    first = rows[0]
    assert (first["agent"], first["opponent"], first["games"]) == ("random", "emm:1", "200")
    assert float(first["low95"]) < float(first["win_rate"]) < float(first["high95"])
    text = markdown(result)
    assert text.index("| greedy", text.index("Elo")) < text.index("| random", text.index("Elo"))


def test_the_matrix_is_the_row_against_the_column(result, monkeypatch):
    wins = np.array([[0, 3, 10], [17, 0, 4], [10, 16, 0]])
    made = dataclasses.replace(result, wins=wins)
    rows = [line.split("|")[2:-1] for line in matrix_table(made).splitlines()[2:]]
    assert [[cell.split()[0] if cell.strip() else "" for cell in row] for row in rows] == [
        ["", "15.0", "50.0"], ["85.0", "", "20.0"], ["50.0", "80.0", ""],
    ]  # fmt: skip
    drawn = []
    monkeypatch.setattr(models, "win_matrix", lambda *arguments: drawn.append(arguments))
    models.matrix_picture(made)
    names, rates, *_ = drawn[0]
    for i, j in itertools.permutations(range(3), 2):
        at = [made.agents.index(names[k]) for k in (i, j)]
        assert rates[i, j] == 100 * wins[tuple(at)] / 20


def test_files(result, tmp_path):
    write_comparison(result, tmp_path / "new")
    written = {path.name: path.read_bytes() for path in (tmp_path / "new").iterdir()}
    assert written.keys() == {
        "comparison.md", "comparison.csv", "comparison.json", "comparison.png", "standings.csv",
    }  # fmt: skip
    assert written["comparison.png"].startswith(b"\x89PNG")
    values = json.loads(written["comparison.json"])
    lines = list(csv.DictReader(written["standings.csv"].decode().splitlines()))
    assert [{name: str(value or "") for name, value in row.items()} for row in values["standings"]] == lines
    assert values["wins"] == result.wins.tolist()
    assert values["standings"][0]["regret_points"] > 0


@pytest.mark.parametrize(("names", "message"), [(["random"], "two agents"), (["random", "random"], "twice")])
def test_what_cannot_be_compared(names, message):
    with pytest.raises(ValueError, match=message):
        compare([Agent.parse(name) for name in names], 2)


def test_the_command(table, tmp_path):
    network = random_networks.write(tmp_path / "model.json", random_networks.random_document())
    folder = tmp_path / "there"
    result = call(
        "compare", "random", f"net:{network}", "--games", 20, "--table", table, "--output", folder, "--json"
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == json.loads((folder / "comparison.json").read_text())
    assert json.loads(result.stdout)["standings"][1]["parameters"] == 1259


def test_the_command_without_a_table(tmp_path, monkeypatch):
    monkeypatch.setenv("UR_CACHE", str(tmp_path))
    result = call("compare", "random", "greedy", "--games", 4, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "no regret is measured" in result.stderr
    assert "| greedy" in result.stdout
    assert (tmp_path / "runs/compare/comparison.png").exists()
    wrong = call("compare", "random", cwd=tmp_path)
    assert wrong.returncode == 2
    assert "Traceback" not in wrong.stderr


@pytest.mark.slow
def test_the_elo_of_the_levels():
    """A round robin of the levels gives the Elo of the manifest to 50 points, some four standard errors."""
    known = levels()
    agents = [Agent.parse(f"level:{number}") for number in range(1, len(known) + 1)]
    wins = np.zeros((len(agents), len(agents)), dtype=np.int64)
    for i, j in itertools.combinations(range(len(agents)), 2):
        won = play_match(agents[i], agents[j], 1000, 1).won
        wins[i, j], wins[j, i] = won.sum(), (~won).sum()
    elo, _ = bradley_terry(wins)
    assert elo - elo[-1] == pytest.approx([level.elo - known[-1].elo for level in known], abs=50)
