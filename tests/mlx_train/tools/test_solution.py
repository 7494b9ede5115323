"""What a person at the terminal is asked where the solved game is missing."""

import io
import sys

import pytest
import typer

from engine.solved.tablebase import MissingTable
from mlx_train.cli import main
from mlx_train.data import solving
from mlx_train.tools import solution
from mlx_train.tools.solution import offer


class Terminal(io.StringIO):
    """Stands for standard input or error of a person."""

    def isatty(self):
        return True


@pytest.mark.parametrize(("answer", "default"), [(True, True), (False, True), (True, False)])
def test_the_missing_game_is_offered_to_be_solved(monkeypatch, answer, default):
    solved = []
    monkeypatch.setattr(solving, "solve_game", lambda *arguments, **_: solved.append(arguments))
    monkeypatch.setattr("typer.confirm", lambda *_, **__: answer)
    error = MissingTable("finkel-7.table", default)
    assert not offer(error)  # nobody is there to ask
    monkeypatch.setattr(solution.sys, "stdin", Terminal())
    monkeypatch.setattr(solution.sys, "stderr", Terminal())
    assert offer(error) == (answer and default)
    assert solved == ([(None, 1e-12)] if answer and default else [])


@pytest.mark.parametrize("pressed", [KeyboardInterrupt, EOFError])
def test_the_offer_can_be_left_by_a_key(monkeypatch, pressed):
    def asked(*_, **__):
        raise pressed

    monkeypatch.setattr(sys.modules[typer.confirm.__module__], "visible_prompt_func", asked)
    monkeypatch.setattr(solution.sys, "stdin", Terminal())
    monkeypatch.setattr(solution.sys, "stderr", Terminal())
    if pressed is EOFError:
        assert not offer(MissingTable("finkel-7.table", True))
    else:
        with pytest.raises(KeyboardInterrupt):
            offer(MissingTable("finkel-7.table", True))


def test_the_command_goes_on_once_the_game_is_solved(monkeypatch, capsys):
    calls = []

    def run():
        calls.append(1)
        if len(calls) == 1:
            raise MissingTable("finkel-7.table", True)
        raise ValueError("the second time")

    monkeypatch.setattr("mlx_train.cli.run", run)
    monkeypatch.setattr(solution, "offer", lambda error: True)
    with pytest.raises(SystemExit):
        main()
    assert len(calls) == 2
    assert capsys.readouterr().err == "error: the second time\n"
