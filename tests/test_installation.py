"""The wheel and the source archive: built, installed into fresh environments, and used in an empty folder."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import urllib.request
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SITE = Path(sysconfig.get_paths()["purelib"])

pytestmark = pytest.mark.slow


def run(*command, **options):
    """Run a command that must succeed -> what it prints."""
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=3000, **options)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """The source archive, made from a copy of what git tracks and of what `make wasm` builds."""
    copy, target = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("source")
    for name in run("git", "ls-files", cwd=ROOT).splitlines():
        if (ROOT / name).exists():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copy / name)
    if (ROOT / "web/ur.wasm").exists():
        shutil.copy(ROOT / "web/ur.wasm", copy / "web")
    code = f"from setuptools.build_meta import build_sdist; build_sdist({str(target)!r})"
    run(sys.executable, "-c", code, cwd=copy)
    (archive,) = target.iterdir()
    return archive


@pytest.fixture(scope="module")
def wheel(source, tmp_path_factory):
    """The wheel that the source archive builds."""
    target = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-build-isolation", "--no-deps", "-w", target, source)
    (file,) = target.iterdir()
    return file


def environment(folder, wheel, packages):
    """A fresh environment with the wheel and packages of this one, without the network -> its folder of programs."""
    venv.create(folder, with_pip=False)
    programs = folder / ("Scripts" if os.name == "nt" else "bin")
    (site,) = folder.glob("lib/python*/site-packages")
    if packages == "all":
        (site / "developer.pth").write_text(f"{SITE}\n")  # its .pth files, and with them this checkout, are not read
    for package in packages if packages != "all" else ():
        for part in SITE.glob(f"{package}*"):
            (site / part.name).symlink_to(part)
    python = programs / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-index", "--no-deps", wheel)
    return programs


@pytest.fixture
def outside(tmp_path, monkeypatch):
    """An empty folder far from the checkout, without a solved game."""
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setenv("UR_CACHE", str(tmp_path / "cache"))
    (tmp_path / "empty").mkdir()
    return tmp_path / "empty"


def test_the_source_archive_has_what_a_build_needs(source):
    with tarfile.open(source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"setup.py", "engine/core/rules.h", "engine/core/position.pyx", "environments/gym.py"} <= names
    assert {"mlx_train/device/blas_shim.c", "web/index.html", "weights/manifest.json"} <= names
    assert not any(name.endswith((".so", ".pyc")) or re.fullmatch(r"engine/.*\.c", name) for name in names)


def test_the_engine_alone(wheel, outside, tmp_path):
    """numpy is the only package; the networks are in the wheel, and what is missing is one line."""
    programs = environment(tmp_path / "environment", wheel, ["numpy"])
    readme = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1]
    lines = [line for line in readme.splitlines() if "Tablebase.open" not in line]
    run(
        programs / "python",
        "-W",
        "error",
        "-c",
        "\n".join([*lines, "import engine; print(engine.__file__)"]),
        cwd=outside,
    )
    table = "from engine import Tablebase; Tablebase.open()"
    failed = subprocess.run([programs / "python", "-c", table], capture_output=True, text=True, cwd=outside)
    assert re.search(r"MissingTable: no table .* make it with `engine\.Tablebase\.solve\(output=", failed.stderr)
    solving = "from engine import Tablebase as T; T.solve(2, output='two.table'); print(T.open('two.table').pieces)"
    assert run(programs / "python", "-c", solving, cwd=outside) == "2\n"
    for command in ([programs / "mlx-ur"], [programs / "python", "-m", "mlx_train", "models"]):
        failed = subprocess.run(command, capture_output=True, text=True, cwd=outside)
        assert failed.returncode == 1
        assert failed.stderr == "error: typer is not installed here: pip install 'mlx-ur[train]'\n"


def test_with_the_extras(wheel, outside, tmp_path):
    """The program, the page and the environments, from the wheel alone."""
    programs = environment(tmp_path / "environment", wheel, "all")
    where = run(programs / "python", "-c", "import engine; print(engine.__file__)", cwd=outside)
    assert Path(where.strip()).is_relative_to(tmp_path)
    program = programs / "mlx-ur"
    assert run(program, "--version", cwd=outside).startswith("mlx-ur ")
    assert "damaged" not in run(program, "models", cwd=outside)
    assert "ur-3k" in run(program, "evaluate", "net:ur-3k", "--against", "greedy", "--games", 20, cwd=outside)
    failed = subprocess.run([program, "evaluate", "perfect"], capture_output=True, text=True, cwd=outside)
    assert failed.returncode in (1, 2)
    assert "`mlx-ur solve`" in failed.stderr
    run(program, "run", "--preset", "quick", "--games", 8, "--epochs", 1, "--evaluation-games", 4, cwd=outside)
    (folder,) = (outside / "runs").iterdir()
    assert (folder / "config.json").exists()
    run(
        programs / "python",
        "-c",
        "import environments.open_spiel, environments.petting_zoo, environments.gym",
        cwd=outside,
    )


@pytest.mark.skipif(not (ROOT / "web/ur.wasm").exists(), reason="web/ur.wasm is not built: make wasm")
def test_the_page(wheel, outside, tmp_path):
    programs = environment(tmp_path / "environment", wheel, "all")
    command = [programs / "mlx-ur", "web", "--port", "0", "--no-open"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=outside) as page:
        try:
            address = page.stdout.readline().strip()
            for path in ("", "ur.wasm", "weights/ur-3k.json", "weights/manifest.json"):
                with urllib.request.urlopen(address + path, timeout=20) as answer:
                    assert answer.status == 200
        finally:
            page.terminate()
