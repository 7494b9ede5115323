"""The command `evaluate`."""

import json
from contextlib import nullcontext
from types import SimpleNamespace

from commandline import call

from engine import Agent
from mlx_train.commands import measuring
from mlx_train.measuring import evaluation


def test_the_command(table, network, tmp_path):
    table.save(tmp_path / "two.table")
    agent = f"net:{network}"
    result = call("evaluate", agent, "--exact", "--table", tmp_path / "two.table", "--json")
    assert result.returncode == 0, result.stderr
    exact = json.loads(result.stdout)["exact"]
    assert exact["value_error"]["positions"] == 100_000
    result = call("evaluate", agent, "--all", "--table", tmp_path / "two.table", "--against", "random", "--games", 10)
    assert result.returncode == 0, result.stderr
    assert "| random" in result.stdout
    assert f"| {agent}" in result.stdout


def test_games_against_perfect_bring_the_estimate_too(tmp_path, monkeypatch, capsys):
    """Perfect play has the whole game only: here its table stands for it by another agent's name."""

    def parse(name, rules):
        return Agent.parse(name, rules) if name == "greedy" else SimpleNamespace(name=name, player="the table")

    monkeypatch.setattr(measuring, "usage", nullcontext)
    monkeypatch.setattr(evaluation, "Agent", SimpleNamespace(parse=parse))
    monkeypatch.setattr(evaluation, "Tablebase", str)
    monkeypatch.setattr(evaluation, "play_pairs", lambda *_, **__: [])
    monkeypatch.setattr(evaluation, "exactness", lambda agent, table, **_: SimpleNamespace(to_dict=lambda: [table]))
    measuring.evaluate("greedy", against=["perfect"], as_json=True)
    assert json.loads(capsys.readouterr().out) == {"matches": [], "exact": ["the table"]}


def test_the_command_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("UR_CACHE", str(tmp_path))
    result = call("evaluate", "greedy", "--exact")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("error: no table of the solved game")
    assert result.stderr.count("\n") == 1
    assert call("evaluate", "greedy").returncode == 2
