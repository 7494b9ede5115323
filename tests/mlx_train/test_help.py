"""What the command line says before it does anything: help, first steps, suggestions, completion."""

import inspect
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from commandline import commands, parameters, parse
from typer.models import OptionInfo

from engine import Agent
from engine.machine.installation import PROGRAM
from mlx_train import cli
from mlx_train.commands import tuning
from mlx_train.commands.options import RUN_FOLDER, Files, complete_agent
from mlx_train.config import RUN_TEACHER, Config, Group, resolve
from mlx_train.runs.tuning_study import MEASURES

ROOT = Path(__file__).parents[2]
COMMANDS = dict(commands())
PARAMETERS = [parameter for name, function in COMMANDS.items() for parameter in parameters(name, function)]
OPTIONS = [parameter for parameter in PARAMETERS if isinstance(parameter.info, OptionInfo)]

# Words that say what a number counts; the last ones are numbers without a unit.
UNITS = re.compile(
    r"\b(games|parts|processes|turns|rolls?|pieces|moves?|plies|decisions?|positions|steps?|epochs|passes|times|points|units|share|"
    r"threads|seconds|milliseconds|minutes|bytes|bits|GiB|KiB|MiB|kB|port|trials|generations|columns|lines|networks|"
    r"win probability|percent|0 to 1|rate|seed|number)\b",
    re.IGNORECASE,
)


def call(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "mlx_train", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        **options,
    )


def test_the_walk_meets_every_command():
    assert {"run", "models", "models promote", "runs", "runs show", "runs diff", "solve", "doctor"} <= COMMANDS.keys()
    assert len(OPTIONS) > 50


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_argument_says_what_it_is(name):
    assert re.match(r"[A-Z].*\.$", " ".join((COMMANDS[name].__doc__ or "").split())), COMMANDS[name].__doc__
    for parameter in parameters(name, COMMANDS[name]):
        assert parameter.help.endswith("."), f"{parameter.name}: {parameter.help!r}"


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: f"{option.command}-{option.name}")
def test_every_option_has_its_unit_and_default(option):
    if {int, float} & set(option.kinds):
        assert UNITS.search(option.help), f"no unit in {option.help!r}"
    if option.flag or option.default is inspect.Parameter.empty:
        return  # the default is to do without, or there is none
    shown = option.info.show_default and (isinstance(option.info.show_default, str) or option.default is not None)
    assert shown or re.search(r"\bdefault\b", option.help), f"no default in {option.help!r}"


@pytest.mark.parametrize("command", ["run", "generate", "train"])
def test_the_help_shows_the_default_of_every_setting(command):
    shown = " ".join(call(command, "--help", env=os.environ | {"COLUMNS": "300"}).stdout.replace("│", " ").split())
    for parameter in parameters(command, COMMANDS[command]):
        if parameter.name in Config.__dataclass_fields__ and parameter.name not in ("workers", "init"):
            default = getattr(Config(teacher=RUN_TEACHER if command == "run" else "search"), parameter.name)
            text = ",".join(map(str, default)) if isinstance(default, tuple) else str(default)
            assert f"--{parameter.name.replace('_', '-')} " in shown
            assert f"({text}" in shown, parameter.name
    assert "production: 10000" in shown or command != "run"


def test_the_help_of_run_has_a_panel_for_each_group_and_shows_choices_and_teachers():
    shown = " ".join(call("run", "--help", env=os.environ | {"COLUMNS": "300"}).stdout.split())
    places = [shown.index(f"╭─ {title} ─") for title in (*Group, RUN_FOLDER)]
    assert places == sorted(places)
    assert "--teacher [iteration|search|exact|outcome]" in shown
    assert "--hidden-sizes N,N,..." in shown
    assert "played out. Teacher iteration or search. [default: (3; teacher iteration: 16)]" in shown
    assert shown.index("╭─ Teacher exact") < shown.index("--play-share") < shown.index("╭─ Training")
    assert "[default: (0.001; teacher iteration: 0.003; teacher exact: 0.004)]" in shown
    assert not re.search(r"--(reuse|pieces)\b", shown)


def test_the_choices_of_tune_are_what_it_measures():
    assert list(MEASURES) == list(tuning.MEASURES)


def test_the_commands_that_take_agents_explain_them():
    for name, function in COMMANDS.items():
        takes = any(parameter.info.autocompletion is complete_agent for parameter in parameters(name, function))
        assert takes == (function in cli.TAKE_AGENTS), name
    shown = " ".join(call("watch", "--help").stdout.split())
    assert all(spelling in shown for spelling in ("greedy;", "emm:N,", "net:MODEL@N,", "perfect,"))


def test_without_arguments_there_are_five_commands_to_begin_with(tmp_path):
    result = call(cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    lines = [line.strip() for line in result.stdout.splitlines() if line.startswith("  python -m mlx_train ")]
    assert len(lines) == len(cli.FIRST) == 5
    for line, (command, what) in zip(lines, cli.FIRST, strict=True):
        assert line.startswith(f"python -m mlx_train {command} ")
        assert line.endswith(what)
        assert len(line) <= 100
        parse(command.split())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("gready", "greedy"), ("perfct", "perfect"), ("randm", "random"), ("random:3", "random"), ("em:3", "emm:3"),
        ("emm-evolvd:2", "emm-evolved:2"), ("nett:some/file.json", "net:some/file.json"),
        ("ur-3k", "net:ur-3k"), ("weights/standard.json", "net:weights/standard.json"),
        ("net:weights/ur-29.json", "weights/ur-29k.json"), ("net:weights/Standard.json", "weights/standard.json"),
        ("ur-29", "net:ur-29k"), ("standrd", "net:standard"), ("Standard.json", "net:standard"), ("EMM:3", "emm:3"),
        ("NET:weights/standard.json", "net:weights/standard.json"), ("net:standard.json", "net:standard"),
        ("net:standrd@2", "net:standard"),
    ],
)  # fmt: skip
def test_a_mistyped_agent_is_told_the_nearest(typed, meant, monkeypatch):
    monkeypatch.chdir(ROOT)
    with pytest.raises((ValueError, FileNotFoundError), match=re.escape(f"did you mean {meant}?")):
        Agent.parse(typed)


def test_only_what_may_be_a_network_is_suggested(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights").mkdir()
    for name in ("hard.jsonl", "manifest.json", "weights/manifest.json", "weights/hardy.json.gz"):
        (tmp_path / name).write_text("")
    for typed, meant in (("net:weights/hard.json", "weights/hardy.json.gz"),):
        with pytest.raises((ValueError, FileNotFoundError), match=re.escape(f"did you mean {meant}?")):
            Agent.parse(typed)
    for typed in ("manifest", "weights/manifest.json", "net:manifes.json", "net:weights/manifes.json"):
        with pytest.raises((ValueError, FileNotFoundError)) as failure:
            Agent.parse(typed)
        assert "manifest.json?" not in str(failure.value)


def test_what_is_near_nothing_gets_no_suggestion(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for typed in ("zzz", "net:nowhere/x.json", "net:x.json"):
        with pytest.raises((ValueError, FileNotFoundError)) as failure:
            Agent.parse(typed)
        assert "did you mean" not in str(failure.value)


@pytest.mark.parametrize(
    ("settings", "meant"),
    [
        ({"preset": "productoin"}, "production"), ({"preset": "quick", "teacher": "exakt"}, "exact"),
        ({"preset": "quick", "device": "gpuu"}, "gpu"), ({"preset": "quick", "activation": "rellu"}, "relu"),
        ({"preset": "quick", "weights": "evolvd"}, "evolved"), ({"preset": "quick", "networks": "polici"}, "policy"),
    ],
)  # fmt: skip
def test_a_mistyped_setting_is_told_the_nearest(settings, meant):
    with pytest.raises(ValueError, match=rf"did you mean {meant}\?"):
        resolve(**settings)


@pytest.mark.parametrize(
    ("typed", "meant"), [(["evalute"], "evaluate"), (["runs", "sohw"], "show"), (["run", "--gmes", "2"], "--games")]
)
def test_a_mistyped_command_is_told_the_nearest(typed, meant):
    result = call(*typed)
    assert result.returncode == 2
    assert meant in result.stderr


def test_every_command_ends_with_one_summary(tmp_path):
    notation = "..............:0|..............:0"
    result = call("analyze", notation, "--roll", 1, cwd=tmp_path)
    assert re.fullmatch(r"\ndone in \d+(\.\d)? s\n", result.stderr)
    exported = call("export", ROOT / "weights/ur-3k.json", tmp_path / "again.json", cwd=tmp_path)
    assert exported.returncode == 0, exported.stderr
    assert re.fullmatch(rf"\ndone in \d+(\.\d)? s\n  weights +{re.escape(str(tmp_path))}/again.json\n", exported.stderr)
    told = call("analyze", notation, "--json", cwd=tmp_path)
    assert json.loads(told.stdout)["rolls"]  # the summary is no part of the result


@pytest.mark.parametrize("name", COMMANDS)
def test_what_writes_files_says_where_they_are(name):
    """Commands that can be told where to write return their files, which the summary shows."""
    writes = {"output", "record", "rgu", "target", "tensorboard"} & {p.name for p in parameters(name, COMMANDS[name])}
    if writes and name != "replay":  # a record is what it reads
        assert inspect.signature(COMMANDS[name]).return_annotation in (Files, "Files"), writes


@pytest.fixture
def program(tmp_path):
    """A folder with the program as an installation makes it, and the environment to find it."""
    script = tmp_path / "bin" / PROGRAM
    script.parent.mkdir()
    script.write_text(f"#!{sys.executable}\nimport sys\nfrom mlx_train.cli import main\nsys.exit(main())\n")
    script.chmod(0o755)
    environment = os.environ | {"PATH": f"{script.parent}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    return environment


def complete(environment, *words):
    """What bash offers for the last of these words of a command line."""
    script = f"""
        eval "$(_MLX_UR_COMPLETE=source_bash {PROGRAM})"
        complete -p {PROGRAM} | grep -q -- '-F _mlx_ur_completion' || exit 9
        COMP_WORDS=("$@")
        COMP_CWORD=$(($# - 1))
        _mlx_ur_completion {PROGRAM}
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    result = subprocess.run(
        ["bash", "-c", script, "bash", PROGRAM, *words],
        capture_output=True, text=True, env=environment, cwd=ROOT, timeout=120,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return result.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_completion_in_bash(program):
    assert {"run", "runs"} <= set(complete(program, "ru"))
    assert complete(program, "runs", "sh") == ["show"]
    assert complete(program, "solve", "--pie") == ["--pieces"]
    assert complete(program, "run", "--preset", "q") == ["quick"]
    assert complete(program, "run", "--teacher", "e") == ["exact"]
    assert complete(program, "run", "--activation", "s") == ["silu"]
    assert complete(program, "evaluate", "gr") == ["greedy"]
    assert "net:standard" in complete(program, "compare", "random", "net")


@pytest.mark.parametrize(
    ("shell", "ends"), [("zsh", (r'"emm\\:2"', '"emm-evolved')), ("fish", ("emm:2", "emm-evolved:3"))]
)
def test_what_other_shells_are_told(shell, ends, program):
    asked = {
        "_MLX_UR_COMPLETE": f"complete_{shell}",
        "_TYPER_COMPLETE_ARGS": f"{PROGRAM} evaluate em",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    result = subprocess.run([PROGRAM], capture_output=True, text=True, env=program | asked, cwd=ROOT, timeout=120)
    assert all(end in result.stdout for end in ends), result.stdout + result.stderr
    assert "greedy" not in result.stdout


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_completion_is_for_the_program_also_when_asked_for_as_a_module(program):
    """Shells complete the arguments of programs, not those of python -m."""
    command = f"{sys.executable} -m mlx_train --show-completion; true"  # a shell as the parent, to be found out
    shown = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=program, timeout=120)
    assert f"complete -o default -F _mlx_ur_completion {PROGRAM}" in shown.stdout, shown.stderr


def test_the_package_installs_the_program():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["scripts"] == {PROGRAM: "mlx_train.__main__:main"}


def test_version():
    from importlib.metadata import version

    assert call("--version").stdout == f"mlx-ur {version('mlx-ur')}\n"


def test_a_python_without_the_packages_is_told_what_to_do(tmp_path):
    code = "import sys, runpy; sys.modules['typer'] = None; runpy.run_module('mlx_train', run_name='__main__')"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 1
    assert result.stderr == "error: typer is not installed here: pip install 'mlx-ur[train]'\n"
