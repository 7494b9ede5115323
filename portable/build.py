"""Builds the engine without Python: `ur.wasm` for the browser, and a program that checks it on arm64.

    python portable/build.py wasm OUT       ur.pyx and the kernels that it calls
    python portable/build.py check OUT      check.pyx likewise, for arm64 Linux; compiled for arm64 macOS too

Cython's C for a kernel (`cdef ... noexcept nogil`) is plain C, but between modules it calls by pointers that Python
fills in when it imports them. `link_statically` turns these into ordinary C names; then the linker drops everything
that is Python's. The compiler is Zig's, from the wheel `ziglang`: it has the C library of every target.
"""

import json
import re
import runpy
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HERE = ROOT / "portable"

#: The engine's modules whose kernels each program needs.
WASM_MODULES = ("core/features", "classic/evaluation", "classic/search", "network/layers", "network/lookahead")
CHECK_MODULES = (*WASM_MODULES, "solved/order", "solved/sweeps", "solved/solver")

SETTINGS = runpy.run_path(str(ROOT / "setup.py"), run_name="settings")

#: As the engine is compiled for Python, in pieces that the linker can drop.
OPTIONS = (*SETTINGS["COMPILE_ARGS"], "-DNDEBUG", "-ffunction-sections", "-fdata-sections")

#: Every warning is an error. A header's functions are not all used wherever it is included.
WARNINGS = ("-Wall", "-Wextra", "-Werror", "-Wno-unused-function")

#: Bytes: look-ahead over the widest network ran in half of it. It stands first in memory, so that overflowing it traps.
WASM_STACK = 1 << 18

#: Python's headers want to know sizes; the compiler knows them of every target. Nothing of Python's is linked.
PYCONFIG = """
#define SIZEOF_SHORT __SIZEOF_SHORT__
#define SIZEOF_INT __SIZEOF_INT__
#define SIZEOF_LONG __SIZEOF_LONG__
#define SIZEOF_LONG_LONG __SIZEOF_LONG_LONG__
#define SIZEOF_VOID_P __SIZEOF_POINTER__
#define SIZEOF_SIZE_T __SIZEOF_SIZE_T__
#define SIZEOF_WCHAR_T __SIZEOF_WCHAR_T__
#define SIZEOF_FLOAT __SIZEOF_FLOAT__
#define SIZEOF_DOUBLE __SIZEOF_DOUBLE__
#define ALIGNOF_MAX_ALIGN_T __BIGGEST_ALIGNMENT__
#define HAVE_STDINT_H 1
#define HAVE_STDDEF_H 1
#define HAVE_SYS_TYPES_H 1
#define HAVE_UNISTD_H 1
#define HAVE_WCHAR_H 1
#define HAVE_PTHREAD_H 1
"""


def constants() -> dict[str, object]:
    """Names and limits that `ur.js` needs, from where the engine has them."""
    from engine.classic import evaluation
    from engine.core import features
    from engine.core.rules import RULE_SETS
    from engine.network import document, quantized

    return {
        "ruleSets": list(RULE_SETS),
        "featureSets": {name: features.features_of(name).name for name in RULE_SETS},
        "inputs": {name: len(features.features_of(name).names) for name in RULE_SETS},
        "layout": document.LAYOUT,
        "quantizedLayout": quantized.LAYOUT,
        "alphabet": quantized.ALPHABET,
        "bits": [quantized.MIN_BITS, quantized.MAX_BITS],
        "largestInput": quantized.TOP,
        "valueScale": document.VALUE_SCALE,
        "activations": document.ACTIVATIONS,
        "policyOutputs": document.POLICY_OUTPUTS,
        "largestWeight": document.MAX_WEIGHT,
        "oldKeys": document.OLD_KEYS,
        "weights": {name: list(points.values()) for name, points in evaluation.PRESETS.items()},
    }


def write_tables(path: Path) -> None:
    """The engine's tables as a C header."""
    from engine.core.features import MOST_FEATURES, features_of
    from engine.core.rules import RULE_SETS

    rows = [", ".join(f"{float(scale).hex()}f" for scale in features_of(name).scales) for name in RULE_SETS]
    scales = ", ".join(f"{{{row}}}" for row in rows)
    text = json.dumps(json.dumps(constants(), separators=(",", ":")))
    path.write_text(
        f"static const float UR_SCALES[][{MOST_FEATURES}] = {{{scales}}};\n"
        f"static const char UR_CONSTANTS[] = {text};\n",
        encoding="utf-8",
    )


def link_statically(source: str) -> str:
    """Cython's C of one module, offering its functions and variables by their C names and asking so for others'."""
    name = r"\b__pyx_[fv]_\d\w+"
    # Its own: visible to the linker. Inline functions stay as they are: every module has a copy.
    source = re.sub(rf"(?m)^static (?!CYTHON_INLINE)([^=;(){{}}\n]*?{name}(?:\(|\[|;))", r"\1", source)
    # Others': a pointer to a function or a variable becomes a declaration.
    source = re.sub(r"(?m)^static (.*?)\(\*(__pyx_f_\w+)\)(\(.*\); /\*proto\*/)$", r"extern \1\2\3", source)
    source = re.sub(r"(?m)^static (.*?)\(\*__pyx_vp_(\w+)\)(.*) = 0;\n#define .*$", r"extern \1__pyx_v_\2\3;", source)
    source = re.sub(r"(?m)^static (.*?)\*__pyx_vp_(\w+) = 0;\n#define .*$", r"extern \1__pyx_v_\2;", source)
    return source.replace("&__pyx_vp_", "&__pyx_v_")


class Build:
    """The build of one program of this folder with the engine's modules whose kernels it calls."""

    def __init__(self, program: str, modules: Iterable[str]) -> None:
        self.program = HERE / f"{program}.pyx"
        self.modules = [ROOT / "engine" / f"{name}.pyx" for name in modules]
        self.folder = ROOT / "build" / "portable" / program
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(sysconfig.get_path("include"), self.folder / "python")
        (self.folder / "python" / "pyconfig.h").write_text(PYCONFIG, encoding="utf-8")
        write_tables(self.folder / "ur_tables.h")
        self.sources = [self._generate(path) for path in (*self.modules, self.program)]

    def _generate(self, path: Path) -> Path:
        """Cython's C of a source, up to date, without Python's pointers to other modules."""
        from Cython.Build import cythonize

        cythonize(str(path), compiler_directives=SETTINGS["DIRECTIVES"], quiet=True)
        source = self.folder / path.with_suffix(".c").name
        source.write_text(link_statically(path.with_suffix(".c").read_text(encoding="utf-8")), encoding="utf-8")
        return source

    def zig(self, target: str, *arguments: str | Path) -> None:
        """Runs the C compiler; the exit code is 1 where it fails."""
        command = [
            *(sys.executable, "-m", "ziglang", "cc", "-target", target),
            *(*OPTIONS, *WARNINGS, "-I", self.folder, "-isystem", self.folder / "python", "-I", ROOT / "engine"),
            *arguments,
        ]
        if subprocess.run([str(part) for part in command], check=False).returncode:
            sys.exit(f"cannot compile for {target}")

    def link(self, target: str, out: Path, *options: str) -> None:
        """The program for a target; `out` is replaced when it is done."""
        part = self.folder / out.name
        self.zig(target, *options, *self.sources, "-Wl,--gc-sections", "-s", "-o", part)
        out.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(part, out)


def build_wasm(out: Path) -> None:
    """`ur.wasm`: exports what ur.pyx declares `public`, and imports nothing."""
    build = Build("ur", WASM_MODULES)
    names = re.findall(r"(?m)^cdef public .*?\b(ur_\w+)\(", build.program.read_text(encoding="utf-8"))
    exports = [f"-Wl,--export={name}" for name in (*names, "__heap_base")]
    reactor = ("-mexec-model=reactor", "-Wl,--no-entry", f"-Wl,-z,stack-size={WASM_STACK}")
    build.link("wasm32-wasi", out, "-msimd128", *reactor, *exports)
    out.chmod(0o644)


def build_check(out: Path) -> None:
    """The program of the arm64 check; and its objects for macOS, which can be compiled here but not run."""
    build = Build("check", CHECK_MODULES)
    for source in build.sources:
        build.zig("aarch64-macos", "-c", source, "-o", build.folder / f"macos-{source.stem}.o")
    build.link("aarch64-linux-musl", out, "-static")


def main(words: list[str]) -> None:
    """Parse the command line and build."""
    match words:
        case ["wasm", out]:
            build_wasm(Path(out))
        case ["check", out]:
            build_check(Path(out))
        case _:
            print("usage: python portable/build.py wasm|check OUT", file=sys.stderr)
            sys.exit(2)


if __name__ == "__main__":
    main(sys.argv[1:])
