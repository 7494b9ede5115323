"""Builds the engine. Everything that is not a compiler matter stands in pyproject.toml.

UR_DEBUG=1 turns bounds and initialisation checks on and C division off, for the debug build that CI tests.
UR_SANITIZE=1 compiles the release's code with AddressSanitizer, whose library has to be loaded before Python, and with
UndefinedBehaviorSanitizer.
"""

import os
import shutil
import sys
import zlib
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_py import build_py

DEBUG, SANITIZE = (os.environ.get(name, "") not in ("", "0") for name in ("UR_DEBUG", "UR_SANITIZE"))

DIRECTIVES = {
    "language_level": 3,
    "boundscheck": DEBUG,
    "initializedcheck": DEBUG,
    "cdivision": not DEBUG,
    "wraparound": False,
    "embedsignature": True,
    "warn.undeclared": False,
}

# No -march and no -ffast-math: a wheel must run on any machine of its architecture. No contraction: a sum of products
# must have the same bits whether or not the machine can fuse them.
COMPILE_ARGS = ["-O1", "-g"] if DEBUG or SANITIZE else ["-O3"]
COMPILE_ARGS += ["-ffp-contract=off"]
SANITIZERS = ["-fsanitize=address,undefined", "-fno-omit-frame-pointer"] if SANITIZE else []


def extension(source: Path) -> Extension:
    """One extension module for each .pyx file of the engine."""
    return Extension(
        ".".join(source.with_suffix("").parts),
        [str(source)],
        include_dirs=["engine"],
        depends=["setup.py", *(str(header) for header in sorted(Path("engine").rglob("*.h")))],
        extra_compile_args=COMPILE_ARGS + SANITIZERS,
        # No debug information in a release, where it is two thirds of a wheel.
        extra_link_args=SANITIZERS if DEBUG or SANITIZE else ["-Wl,-S"],
    )


# Plain C, loaded by mlx_train/device/blas.py and not by `import`. Optional: the engine installs even if this fails.
BLAS_SHIM = Extension("mlx_train.device._blas", ["mlx_train/device/blas_shim.c"], libraries=["dl"], optional=True)

# The files of the page that an installed package has in mlx_train/site/web, for `python -m mlx_train web`.
PAGE = ("*.html", "*.css", "*.js", "*.svg", "*.wasm")


class BuildWithSite(build_py):
    """Builds the Python files, and puts the page and the shipped networks into mlx_train/site."""

    def run(self) -> None:
        """Copies the page and the manifest, and compresses each network, beside what setuptools copies."""
        super().run()
        if self.editable_mode:
            return
        site = Path(self.build_lib, "mlx_train", "site")
        for folder in ("web", "weights", "weights/quantized"):
            (site / folder).mkdir(parents=True, exist_ok=True)
        for pattern in PAGE:
            for file in sorted(Path("web").glob(pattern)):
                shutil.copy(file, site / "web")
        for file in sorted(Path("weights").rglob("*.json")):
            if file.name == "manifest.json":
                shutil.copy(file, site / "weights")
            else:
                (site / file.parent / f"{file.name}.gz").write_bytes(compressed(file.read_bytes()))


def compressed(content: bytes) -> bytes:
    """The same bytes as `compressed` of mlx_train/system/files.py, which can't be imported before it is built."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS, 6, zlib.Z_FILTERED)
    return packer.compress(content) + packer.flush()


if __name__ == "__main__":  # portable/build.py reads the directives
    setup(
        cmdclass={"build_py": BuildWithSite},
        ext_modules=cythonize(
            [extension(source) for source in sorted(Path("engine").rglob("*.pyx"))],
            compiler_directives=DIRECTIVES,
            nthreads=os.cpu_count() or 1,
            force=DEBUG,
        )
        + ([BLAS_SHIM] if sys.platform == "linux" else []),
        options={"build_ext": {"parallel": os.cpu_count() or 1}},
    )
