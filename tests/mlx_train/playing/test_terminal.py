"""Games in the terminal, with scripted input, and in a terminal of their own."""

import contextlib
import io
import json
import os
import re
import select
import shlex
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from commandline import call
from random_networks import GOLDEN_NETWORK
from rich.console import Console

from engine import Agent, Search
from engine.core.dice import rolls
from engine.games.turns import opening
from engine.network.shipped import levels
from mlx_train.cli import main
from mlx_train.playing.records import own
from mlx_train.playing.records.formats import read_record
from mlx_train.playing.records.game_record import GameRecord
from mlx_train.playing.records.own import play_on
from mlx_train.playing.review import review
from mlx_train.playing.sessions import YOU, new_file, play_new, unfinished
from mlx_train.playing.terminal import Game, show

START = str(opening(2))
BLITZ_START = str(opening(2, rules="blitz"))


@pytest.fixture(scope="module")
def file(table_file, tmp_path_factory):
    """A record of two agents' game."""
    file = tmp_path_factory.mktemp("games") / "game.jsonl"
    result = call("watch", "greedy", "emm:1", "--seed", 3, "--start", START, "--table", table_file, "--record", file)
    assert result.returncode == 0, result.stderr
    assert f"record        {file}" in result.stderr
    return file


class Person:
    """Someone who types lines, and then presses Ctrl-D, or Ctrl-C."""

    def __init__(self, monkeypatch, *lines, then=EOFError):
        self.lines = list(lines)
        self.then = then
        self.prompts = []
        monkeypatch.setattr("builtins.input", self.type)

    def type(self, prompt=""):
        if not self.lines:
            raise self.then
        line = self.lines.pop(0)
        return line if isinstance(line, str) else line()


def new_game(path, table=None, side=0, opponent="greedy", seed=7, hints=False):
    names = ("you", opponent) if side == 0 else (opponent, "you")
    return Game(
        console=Console(file=io.StringIO(), width=100, highlight=False),
        record=GameRecord(names, seed, opening(2)),
        opponent=Agent.parse(opponent),
        side=side,
        file=path,
        hints=hints,
        table=table,
    )


def shown(game):
    return game.console.file.getvalue()


def next_roll(game):
    return rolls(game.record.seed, 0, len(game.record.turns) + 1)[-1]


def first_choice(game):
    """The answer of one who always moves the hindmost piece."""
    return lambda: str(game.record.position.legal_moves(next_roll(game))[0])


@pytest.mark.parametrize("side", [0, 1])
def test_a_whole_game(monkeypatch, tmp_path, table, side):
    game = new_game(tmp_path / "game.jsonl", table, side)
    Person(monkeypatch, *[first_choice(game)] * 1000)
    game.run()
    record = read_record(tmp_path / "game.jsonl")
    assert own.text(record) == own.text(game.record)
    assert record.winner is not None
    assert [turn.roll for turn in record.turns] == rolls(7, 0, len(record.turns))
    mine = [step for step in record.steps() if step.turn.player == side and step.turn.move is not None]
    assert all(step.turn.move == step.position.legal_moves(step.turn.roll)[0] for step in mine)
    greedy = Agent.parse("greedy")
    theirs = [step for step in record.steps() if step.turn.player != side]
    assert all(step.turn.move == greedy.best_move(step.position, step.turn.roll) for step in theirs)
    found = review(record, table, "the table").to_dict()["players"][side]
    assert f"You have given away {found['given_away']:.1f} points in {found['decisions']} decisions." in shown(game)
    assert f"wins after {len(record.turns)} turns" in shown(game)


def test_a_level_is_named_and_plays_by_the_games_seed(monkeypatch, tmp_path):
    chosen = []
    for seed in (7, 8):
        game = new_game(tmp_path / f"{seed}.jsonl", opponent="level:1", seed=seed)
        Person(monkeypatch, *[first_choice(game)] * 1000)
        game.run()
        assert f"level:1 is {levels()[0].name}, {-levels()[0].elo} Elo below perfect play." in shown(game)
        agent = Agent.parse("level:1")
        steps = [step for step in game.record.steps() if step.turn.player == 1]
        assert all(step.turn.move == agent.best_move(step.position, step.turn.roll, seed) for step in steps)
        chosen.append([agent.best_move(step.position, step.turn.roll, 8) != step.turn.move for step in steps])
    assert any(chosen[0])
    assert not any(chosen[1])


def test_each_move_has_its_verdict(monkeypatch, tmp_path, table):
    game = new_game(tmp_path / "game.jsonl", table)
    Person(monkeypatch, *[first_choice(game)] * 1000)
    game.run()
    found = review(game.record, table, "the table")
    assert found.mistakes()
    lines = {line.split()[0]: line.rstrip() for line in shown(game).splitlines() if "  roll " in line and ">" in line}
    for step, verdict in found.decisions:
        assert lines[str(step.number)].endswith(verdict.text(step.turn.roll))


def test_without_a_table_there_is_no_verdict_but_there_are_hints(monkeypatch, tmp_path):
    game = new_game(tmp_path / "game.jsonl")
    Person(monkeypatch, "h")
    with pytest.raises(EOFError):
        game.run()
    assert "not solved here" in shown(game)
    roll = next_roll(game)
    assert f"{Search(3).moves(opening(2), roll)[0][1]:.0f}" in shown(game)
    assert "best" in shown(game)


@pytest.mark.parametrize("always", [False, True])
def test_hints_are_the_tables_values(monkeypatch, tmp_path, table, always):
    game = new_game(tmp_path / "game.jsonl", table, hints=always)
    Person(monkeypatch, *([] if always else ["h"]))
    with pytest.raises(EOFError):
        game.run()
    move = table.moves(opening(2), next_roll(game))[0]
    assert shown(game).count(f"{100 * move.value:.1f}  best") == 1


def test_taking_back_changes_neither_the_dice_nor_the_record(monkeypatch, tmp_path, table):
    """One who takes every second move back plays the very game of one who never does."""
    straight = new_game(tmp_path / "straight.jsonl", table)
    Person(monkeypatch, *[first_choice(straight)] * 1000)
    straight.run()
    wavering = new_game(tmp_path / "wavering.jsonl", table)
    last = {"moves": 0}

    def choose():
        moves = len(wavering.record.turns)
        if moves > last["moves"] and moves % 3:
            last["moves"] = moves
            return "u"
        return first_choice(wavering)()

    Person(monkeypatch, *[choose] * 1000)
    wavering.run()
    assert "Back at turn" in shown(wavering)
    assert (tmp_path / "wavering.jsonl").read_bytes() == (tmp_path / "straight.jsonl").read_bytes()
    assert shown(wavering).splitlines()[-2:] == shown(straight).splitlines()[-2:]


def test_a_game_that_was_broken_off_goes_on(monkeypatch, tmp_path, table):
    """In pieces of five moves it is the very game that is played in one go."""
    straight = new_game(tmp_path / "straight.jsonl", table, side=1)
    Person(monkeypatch, *[first_choice(straight)] * 1000)
    straight.run()
    path = tmp_path / "pieces.jsonl"
    game = new_game(path, table, side=1)
    pieces = 0
    while game.record.winner is None:
        pieces += 1
        Person(monkeypatch, *[first_choice(game)] * 5, "q")
        game.run()
        if game.record.winner is None:
            record = unfinished(path)
            assert record.players == ("greedy", "you")
            game = Game(
                console=game.console, record=record, opponent=Agent.parse("greedy"), side=1, file=path, table=table
            )
    assert pieces > 2
    assert path.read_bytes() == (tmp_path / "straight.jsonl").read_bytes()
    assert shown(game).splitlines()[-2:] == shown(straight).splitlines()[-2:]
    with pytest.raises(ValueError, match="over"):
        unfinished(path)


def test_nothing_to_take_back(monkeypatch, tmp_path):
    game = new_game(tmp_path / "game.jsonl")
    Person(monkeypatch, "u", "undo", "q")
    game.run()
    assert shown(game).count("nothing to take back") == 2
    assert not (tmp_path / "game.jsonl").exists()


def test_what_was_all_taken_back_leaves_no_file(monkeypatch, tmp_path):
    game = new_game(tmp_path / "game.jsonl")

    def undo():
        assert game.file.exists()
        return "u"

    Person(monkeypatch, "", undo)
    with pytest.raises(EOFError):
        game.run()
    assert game.record.turns == []
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_move_is_asked_again(monkeypatch, tmp_path):
    game = new_game(tmp_path / "game.jsonl")
    Person(monkeypatch, "14", "-1", "x", "²", "", "?", "quit")
    game.run()
    assert shown(game).count("Type one of 0") == 4  # Enter alone takes the only move
    assert len(game.record.turns) > 0
    assert "from the hand" in shown(game) or "for the hand" in shown(game)


@pytest.mark.parametrize("end", [EOFError, KeyboardInterrupt])
def test_an_unfinished_game_is_kept(monkeypatch, tmp_path, end):
    game = new_game(tmp_path / "game.jsonl")
    Person(monkeypatch, "", then=end)
    with pytest.raises(end):
        game.run()
    record = read_record(tmp_path / "game.jsonl")
    assert record.turns == game.record.turns
    assert record.winner is None


def test_new_files_never_take_the_place_of_others(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    barrier = Barrier(8)

    def create(_):
        barrier.wait()
        return new_file()

    with ThreadPoolExecutor(8) as pool:  # as processes that are started at once
        paths = list(pool.map(create, range(8)))
    assert len(set(paths)) == 8
    with pytest.raises(ValueError, match="exists already"):
        new_file(paths[0])


def test_a_game_that_does_not_begin_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Person(monkeypatch)
    play_new(GameRecord((YOU, "greedy"), 5), None, hints=False, table_file=None)
    with pytest.raises(FileNotFoundError):
        play_new(GameRecord((YOU, "greedy"), 5), tmp_path / "a.jsonl", hints=False, table_file=tmp_path / "no.table")
    assert list(tmp_path.rglob("*.jsonl")) == []


class TestShow:
    @pytest.fixture
    def record(self, tmp_path):
        game = GameRecord(("greedy", "random"), 5, opening(2))
        list(play_on(game, [Agent.parse("greedy"), Agent.parse("random")], tmp_path / "game.jsonl"))
        return game

    def shown(self, record, **options):
        console = Console(file=io.StringIO(), width=100, **options)
        show(console, record, record.steps(), delay=0)
        return console.file.getvalue()

    def test_a_line_a_turn(self, record):
        lines = self.shown(record).splitlines()
        assert lines[0] == "greedy against random"
        assert len(lines) == len(record.turns) + 2
        assert lines[-1].endswith(f"({record.players[record.winner]}) wins after {len(record.turns)} turns")

    def test_a_terminal_sees_the_board(self, record):
        frames = self.shown(record, force_terminal=True, color_system=None)
        assert frames.count("14  ✿") >= 2 * len(record.turns)


class TestCommands:
    def test_a_watched_game_is_a_function_of_its_seed(self, file, table_file, tmp_path):
        again = tmp_path / "again.jsonl"
        result = call(
            "watch", "greedy", "emm:1", "--seed", 3, "--start", START, "--record", again, "--table", table_file
        )
        assert result.returncode == 0, result.stderr
        assert again.read_bytes() == file.read_bytes()

    def test_replay_shows_what_was_watched(self, file, table_file):
        record = read_record(file)
        result = call("replay", file, "--table", table_file)
        assert result.returncode == 0, result.stderr
        assert len(result.stdout.splitlines()) == len(record.turns) + 2

    def test_analyze_draws_and_tells(self, file, table_file, tmp_path):
        picture = tmp_path / "curve.png"
        result = call("analyze", file, "--table", table_file, "--output", picture)
        assert result.returncode == 0, result.stderr
        assert picture.read_bytes().startswith(b"\x89PNG")
        assert "| decisions " in result.stdout
        assert str(picture) in result.stderr

    def test_a_picture_that_cannot_be_written_does_not_cost_the_analysis(self, file, table_file, tmp_path):
        picture = tmp_path / "nowhere/curve.png"
        result = call("analyze", file, "--table", table_file, "--output", picture)
        assert result.returncode == 1
        assert "| decisions " in result.stdout
        assert result.stderr == f"error: {picture}: No such file or directory\n"

    def test_analyze_draws_a_position(self, tmp_path):
        picture = tmp_path / "board.svg"
        result = call("analyze", START, "--roll", 2, "--agent", "emm:2", "--output", picture)
        assert result.returncode == 0, result.stderr
        assert picture.read_text() == opening(2).svg(2, Search(2))

    def test_analyze_as_json_by_a_network(self, file):
        result = call("analyze", file, "--agent", f"net:{GOLDEN_NETWORK}", "--json")
        assert result.returncode == 0, result.stderr
        found = json.loads(result.stdout)
        assert len(found["turns"]) == len(read_record(file).turns)
        assert file.with_suffix(".png").exists()

    def test_play_until_the_input_ends(self, table_file, tmp_path):
        file = tmp_path / "deep" / "game.jsonl"
        result = call(
            "play", "--opponent", "random", "--side", "second", "--seed", 1, "--start", START, "--table", table_file,
            "--record", file, input="\n",
        )  # fmt: skip
        assert result.returncode == 0, result.stderr
        assert "random begins" in result.stdout
        assert str(file) in result.stderr
        record = read_record(file)
        assert record.players == ("random", "you")
        assert record.seed == 1
        assert record.turns
        again = call("play", "--resume", file, "--table", table_file, input="0\n2\n")
        assert again.returncode == 0, again.stderr
        assert read_record(file).turns[: len(record.turns)] == record.turns
        assert len(read_record(file).turns) > len(record.turns)

    def test_the_last_line_works_as_printed(self, table_file, tmp_path, monkeypatch):
        """Typed in the same folder: with the table of the game, or by a network where there is none."""
        monkeypatch.setenv("UR_CACHE", str(tmp_path / "cache"))

        def goes_on(*arguments, **options):
            """Play -> what the command in its last line answers, and that line."""
            played = call(*arguments, "--seed", 3, cwd=tmp_path, **options)
            assert played.returncode == 0, played.stderr
            line = re.search(r": python -m mlx_train (.*)", played.stderr)[1]
            answer = call(*shlex.split(line), cwd=tmp_path, stdin=subprocess.DEVNULL)
            assert answer.returncode == 0, answer.stderr
            return line, answer.stdout

        whole = ("watch", "greedy", "random", "--record")
        game = ("watch", "greedy", "random", "--start", START, "--record")
        line, answer = goes_on(*game, "my game.jsonl", "--table", table_file)
        assert line == f"analyze 'my game.jsonl' --table {table_file}"
        assert "judged by the solved game" in answer
        line, _ = goes_on(*whole, "whole.jsonl", "--table", table_file)
        assert line == "analyze whole.jsonl --agent net:ur-29k"  # the table has too few pieces to judge it
        line, answer = goes_on(*game, "third.jsonl")
        assert line == "analyze third.jsonl --agent net:ur-29k"
        assert "judged by net:ur-29k" in answer
        blitz = ("watch", "greedy", "random", "--rules", "blitz", "--start", BLITZ_START, "--record")
        line, answer = goes_on(*blitz, "blitz.jsonl")
        assert line == "analyze blitz.jsonl --agent net:blitz-29k"
        assert "judged by net:blitz-29k" in answer
        begun = ("play", "--opponent", "greedy", "--start", START, "--record", "mine.jsonl", "--table", table_file)
        line, answer = goes_on(*begun, input="\n")
        assert line == f"play --resume mine.jsonl --table {table_file}"
        assert "You are blue" in answer

    def test_bad_input(self, file, tmp_path, monkeypatch, capsys):
        monkeypatch.chdir(tmp_path)
        bad = tmp_path / "bad.jsonl"
        bad.write_text(file.read_text() + "{}\n")
        pretender = tmp_path / "record.png"
        pretender.write_text(file.read_text())
        number = len(file.read_text().splitlines()) + 1
        golden = f"net:{GOLDEN_NETWORK}"
        for arguments, code, message in [
            (["replay", bad], 1, f"line {number}: nothing follows"),
            (["analyze", bad, "--agent", golden], 1, f"line {number}: nothing follows"),
            (["replay", tmp_path / "none.jsonl"], 1, "none.jsonl"),
            (["analyze", tmp_path / "none.jsonl"], 2, "no file, and no position"),
            (["analyze", file, "--agent", "emm:3"], 2, "win probabilities"),
            (["analyze", file, "--roll", 2], 2, "--roll is for a position"),
            (["analyze", file, "--agent", golden, "--table", "x"], 2, "not both"),
            (["analyze", START, "--table", "x"], 2, "is for a record"),
            (["analyze", file, "--agent", golden, "--output", file], 2, "PNG file, so its name ends in .png"),
            (["analyze", file, "--agent", golden, "--output", "curve.svg"], 2, "PNG file, so its name ends in .png"),
            (["analyze", START, "--output", "board.png"], 2, "SVG file, so its name ends in .svg"),
            (["analyze", START, "--output", "board"], 2, "SVG file, so its name ends in .svg"),
            (["analyze", pretender, "--agent", golden], 2, "take the place of the record"),
            (["play", "--opponent", "gready"], 2, "did you mean greedy"),
            (["play", "--start", "x"], 2, "expected"),
            (["play", "--start", "..............:7|..............:0"], 2, "over"),
            (["play", "--seed", -1], 2, "seed"),
            (["play", "--side", "third"], 2, "third"),
            (["play", "--record", file], 1, "exists already"),
            (["play", "--resume", file], 1, "not a game of yours"),
            (["play", "--resume", file, "--opponent", "greedy"], 2, "as the game began"),
            (["play", "--resume", "none.jsonl"], 1, "none.jsonl"),
            (["watch", "greedy"], 2, "Missing argument"),
            (["watch", "greedy", "greedy", "--delay", -1], 2, "delay"),
            (["watch", "greedy", "greedy", "--table", "no.table"], 1, "no.table"),
        ]:
            before = file.read_bytes()
            monkeypatch.setattr(sys, "argv", ["mlx_train", *map(str, arguments)])
            with pytest.raises(SystemExit) as end:
                main()
            told = " ".join(capsys.readouterr().err.replace("│", " ").split())
            assert end.value.code == code, (arguments, told)
            assert message in told, arguments
            assert file.read_bytes() == before
        assert {path.name for path in tmp_path.iterdir()} == {"bad.jsonl", "record.png"}
        assert pretender.read_text() == file.read_text()


@pytest.mark.skipif(os.name != "posix", reason="no pseudo-terminals")
def test_in_a_terminal_ctrl_c_keeps_the_game(tmp_path, table_file):
    """A real terminal: the board is drawn in colour, a move is typed, and Ctrl-C ends the game."""
    file = tmp_path / "game.jsonl"
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        [
            sys.executable, "-m", "mlx_train", "play", "--opponent", "greedy", "--seed", "7", "--start", START,
            "--table", str(table_file), "--record", str(file),
        ],
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        preexec_fn=controlling_terminal, env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "90", "LINES": "30"},
    )  # fmt: skip
    os.close(theirs)
    text = ""
    try:
        text += read_until(ours, "Move from 0? ")
        os.write(ours, b"0\n")
        text += read_until(ours, "Move from ")
        text += press_until(ours, b"\x03", "kept: ")
        assert process.wait(timeout=60) == 130
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    assert "┌───────┬" in text
    assert "\x1b[1;" in text  # colours
    assert read_record(file).turns[0].move == 0


def controlling_terminal():
    """In the child: take the terminal on stdin, so that its Ctrl-C is a signal."""
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def read_until(descriptor, wanted, seconds=60):
    """What the terminal shows until `wanted` appears."""
    text = b""
    deadline = time.monotonic() + seconds
    while wanted.encode() not in text:
        ready, _, _ = select.select([descriptor], [], [], max(0, deadline - time.monotonic()))
        assert ready, f"{wanted!r} never came: {text.decode()}"
        text += os.read(descriptor, 4096)
    return text.decode()


def press_until(descriptor, key, wanted, times=10):
    """What the terminal shows from a key on until `wanted` appears.

    It is pressed again where that takes long: a signal that comes between a prompt and the reading behind it is noticed
    at the next one only, and a test is quick enough to meet that moment.
    """
    for _ in range(times):
        os.write(descriptor, key)
        with contextlib.suppress(AssertionError):
            return read_until(descriptor, wanted, seconds=6)
    raise AssertionError(f"{wanted!r} never came")
