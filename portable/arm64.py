"""Runs the whole program on an emulated arm64: Debian's Python, MLX's wheel, the engine, tests and commands.

    python portable/arm64.py [FOLDER]       everything goes into FOLDER, by default build/arm64

It needs Debian's apt-get, dpkg and qemu-aarch64 (package `qemu-user`), no root, and 1 GB. The packages are unpacked,
not installed. The interpreter of arm64 is a shell script that starts qemu, so the processes that the program starts
are emulated too. The engine is compiled here by Zig's compiler, for the headers of that interpreter.
"""

import os
import platform
import re
import resource
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

#: Debian's packages, each with what it depends on. MLX's wheel needs the C++ library and the BLAS.
PACKAGES = ("python3-dev", "libstdc++6", "libblas3", "liblapack3")

#: What the tests need beside the program's own requirements.
TEST_TOOLS = ("pytest>=8.4", "hypothesis>=6.100", "royalur>=0.0.6")

#: The oldest C library of the manylinux wheels, and the oldest that the engine is linked for: 2.17 and 2.34.
OLDEST_WHEEL, LINKED = 17, "2.34"

#: The fast tests about numbers and files.
TESTS = (
    "tests/engine/core",
    "tests/engine/classic",
    "tests/engine/network",
    "tests/mlx_train/networks/test_weights.py",
    "tests/mlx_train/training/test_checkpoint.py",
)

TRAINING = "run --preset quick --teacher search --games 40 --depth 1 --playouts 0 --epochs 1 --evaluation-games 20"
SOLVING = "solve --pieces 2"
GAMES = "generate --games 200 --depth 2 --playouts 20 --seed 7"


def run(*command: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
    """Run a command of this machine that must succeed."""
    result = subprocess.run([str(part) for part in command], text=True, check=False, **options)  # type: ignore[call-overload]
    if result.returncode:
        sys.exit(f"failed with {result.returncode}: {shlex.join(map(str, command))}\n{result.stderr or ''}")
    return result


def zig(language: str) -> str:
    """The command of Zig's compiler for arm64; `language` is cc or c++."""
    return f"{shlex.quote(sys.executable)} -m ziglang {language} -target aarch64-linux-gnu.{LINKED}"


def _write_script(path: Path, command: str) -> None:
    """A shell script that runs a command with the script's arguments."""
    path.write_text(f'#!/bin/sh\nexec {command} "$@"\n', encoding="utf-8")
    path.chmod(0o755)


class Machine:
    """An arm64 Debian in a folder: its interpreter, packages and a copy of the sources."""

    def __init__(self, folder: Path, qemu: str) -> None:
        self.folder, self.qemu = folder, qemu
        self.root, self.site, self.tree = folder / "root", folder / "site", folder / "tree"
        self.python = folder / "python"

    def unpack(self) -> None:
        """Debian's packages for arm64, from the sources of this machine's apt, into `root`."""
        if self.root.exists():
            return
        apt, part = self.folder / "apt", self.folder / "root.part"
        shutil.rmtree(part, ignore_errors=True)
        for name in ("state/lists/partial", "cache/archives/partial"):
            (apt / name).mkdir(parents=True, exist_ok=True)
        (apt / "status").touch()
        settings = (
            *(
                "APT::Architecture=arm64",
                "APT::Architectures=arm64",
                f"APT::Sandbox::User={os.environ.get('USER', 'root')}",
            ),
            *(f"Dir::State={apt}/state", f"Dir::State::status={apt}/status", f"Dir::Cache={apt}/cache"),
        )
        options = [word for setting in settings for word in ("-o", setting)]
        run("apt-get", "-qq", *options, "update")
        run("apt-get", "-qq", *options, "install", "-y", "--no-install-recommends", "--download-only", *PACKAGES)
        for package in sorted((apt / "cache/archives").glob("*.deb")):
            run("dpkg", "-x", package, part)
        part.rename(self.root)

    def write_python(self) -> None:
        """The interpreter, and the `g++` that MLX compiles its kernels with.

        `sys.executable` is the script that starts qemu, so whoever starts Python again starts qemu. MLX keeps compiled
        kernels in the folder for temporary files, which must not be this machine's: its kernels are of another chip.
        """
        temporary, programs = self.folder / "tmp", self.folder / "bin"
        temporary.mkdir(exist_ok=True)
        programs.mkdir(exist_ok=True)
        variables = {
            "PYTHONHOME": self.root / "usr",
            "PYTHONPATH": f"{self.tree}:{self.site}",
            "TMPDIR": temporary,
            "PATH": f"{programs}:{os.environ['PATH']}",
        }
        words = [
            self.qemu,
            "-L",
            self.root,
            *(word for name in variables for word in ("-E", f"{name}={variables[name]}")),
        ]
        binary = (self.root / "usr/bin/python3").resolve()
        _write_script(self.python, f'{shlex.join(map(str, [*words, "-0"]))} "$0" {shlex.quote(str(binary))}')
        # Without Python's variables of arm64: this compiler runs here.
        _write_script(programs / "g++", f"env -u PYTHONHOME -u PYTHONPATH {zig('c++')}")

    def ask(self, expression: str) -> str:
        """What an expression is on arm64, as text; it may use os, platform and sysconfig."""
        code = f"import os, platform, sysconfig; print({expression})"
        return run(self.python, "-c", code, stdout=subprocess.PIPE).stdout.strip()

    def install(self) -> None:
        """The program's requirements and the tests' tools, as wheels for arm64, into `site`."""
        if self.site.exists():
            return
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        wanted = [*project["dependencies"], *project["optional-dependencies"]["train"], *TEST_TOOLS]
        newest = int(self.ask("platform.libc_ver()[1]").split(".")[1])
        tags = [f"manylinux_2_{minor}_aarch64" for minor in range(newest, OLDEST_WHEEL - 1, -1)]
        options = ("--only-binary=:all:", "--python-version", self.ask("platform.python_version()"))
        platforms = [f"--platform={tag}" for tag in (*tags, "manylinux2014_aarch64")]
        part = self.folder / "site.part"
        shutil.rmtree(part, ignore_errors=True)
        run(sys.executable, "-m", "pip", "-qq", "install", "--target", part, *platforms, *options, *wanted)
        part.rename(self.site)

    def copy_sources(self) -> None:
        """What git tracks, with the times of the files, so that only what changed is compiled again."""
        names = run("git", "ls-files", "-z", cwd=ROOT, stdout=subprocess.PIPE).stdout.split("\0")
        shutil.rmtree(self.tree / "tests", ignore_errors=True)
        for name in filter(None, names):
            if (ROOT / name).exists():
                (self.tree / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, self.tree / name)

    def compile(self) -> None:
        """The engine for arm64, beside its sources."""
        include = self.root / "usr/include"
        headers = self.ask("os.path.basename(sysconfig.get_path('include'))")
        environment = os.environ | {
            "CC": zig("cc"),
            "LDSHARED": f"{zig('cc')} -shared",
            # Python's headers of arm64 come before this machine's, and its C library's after Zig's own.
            "CFLAGS": f"-I{include / headers} -idirafter {include}",
            "SETUPTOOLS_EXT_SUFFIX": self.ask("sysconfig.get_config_var('EXT_SUFFIX')"),
        }
        run(sys.executable, "setup.py", "-q", "build_ext", "--inplace", cwd=self.tree, env=environment)


@dataclass
class Check:
    """A command on arm64 that must end with 0 and print what a pattern matches.

    typed: what is typed into the command, None for nothing.
    """

    name: str
    command: list[str | Path]
    pattern: str
    typed: str | None = None

    def run(self, folder: Path) -> bool:
        """Run the command, and print a row of a Markdown table: name, what matched, seconds of processor time."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        result = subprocess.run(
            list(map(str, self.command)), cwd=folder, input=self.typed, capture_output=True, text=True, check=False
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        match = re.search(self.pattern, result.stdout + result.stderr)
        passed = result.returncode == 0 and match is not None
        print(f"| {self.name} | {match[0] if match and passed else 'FAILED'} | {seconds:.0f} s |", flush=True)
        if not passed:
            print(result.stdout[-4000:], result.stderr[-4000:], sep="\n", file=sys.stderr)
        return passed


def checks(machine: Machine, work: Path) -> Iterable[Check]:
    """The tests, and the commands as a user types them."""
    program: list[str | Path] = [machine.python, "-m", "mlx_train"]
    cores = "from engine.machine.cores import detect; cores = detect(); print(cores.count, 'cores,', cores.reason)"
    count = len(os.sched_getaffinity(0))
    yield Check("architecture", [machine.python, "-c", "import platform; print(platform.machine())"], "aarch64")
    yield Check("detection of the cores", [machine.python, "-c", cores], rf"{count} cores, .*")
    yield Check("`models`", [*program, "models"], r"standard(?= .*\| ok )")
    yield Check("`play --seed 5`, five lines typed", [*program, "play", "--seed", "5"], "Move from", "?\nhint\n\n\nq\n")
    yield Check(
        f"`{TRAINING}`", [*program, *shlex.split(TRAINING), "--output", work / "run"], r"weights(?= .*weights\.json)"
    )
    yield Check(f"`{GAMES}`", [*program, *shlex.split(GAMES), "--output", work / "games"], r"games(?= .*games\.npz)")
    yield Check(
        f"`{SOLVING}`", [*program, *shlex.split(SOLVING), "--output", work / "two.table"], r"table(?= .*two\.table)"
    )
    pytest: list[str | Path] = [machine.python, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    yield Check("fast tests", [*pytest, *TESTS], r"\d+ passed[^=\n]*")


def same_as_here(work: Path) -> bool:
    """Whether games and a table that arm64 wrote are, byte for byte, what this machine writes."""
    here = work / "here"
    program, options = [sys.executable, "-m", "mlx_train"], {"cwd": ROOT, "capture_output": True}
    run(*program, *shlex.split(GAMES), "--output", here / "games", **options)
    run(*program, *shlex.split(SOLVING), "--output", here / "two.table", **options)
    same = True
    for name in ("games/games.npz", "two.table"):
        equal = (here / name).read_bytes() == (work / name).read_bytes()
        print(f"| {name} against {platform.machine()} | {'the same bytes' if equal else 'DIFFERENT'} | |")
        same &= equal
    return same


def main(words: list[str]) -> None:
    """Make the machine where it is not there, run the checks, and end with 1 if one failed."""
    folder = Path(words[0] if words else ROOT / "build/arm64").resolve()
    qemu = shutil.which("qemu-aarch64") or shutil.which("qemu-aarch64-static")
    if qemu is None or shutil.which("apt-get") is None:
        sys.exit("needs Debian's apt-get and qemu-aarch64: apt-get install qemu-user")
    folder.mkdir(parents=True, exist_ok=True)
    machine, work = Machine(folder, qemu), folder / "work"
    machine.unpack()
    machine.write_python()
    machine.install()
    machine.copy_sources()
    machine.compile()
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    print("| check | outcome | processor time |\n| --- | --- | --- |")
    passed = [check.run(machine.tree) for check in checks(machine, work)]
    sys.exit(0 if all(passed) and same_as_here(work) else 1)


if __name__ == "__main__":
    main(sys.argv[1:])
