"""OpenBLAS under MLX on Linux.

MLX's CPU wheel for Linux multiplies matrices by the reference BLAS, which has a tenth of OpenBLAS's speed or
less. The small library built from `blas_shim.c` stands in front of it. Before the first `import mlx.core`:

    from mlx_train.device import blas

    blas.prefer_openblas()

Nothing here is fatal: without OpenBLAS, without the library, or with UR_BLAS=0 in the environment, MLX keeps
the BLAS that it came with. macOS has Accelerate and needs none of this.
"""

import contextlib
import ctypes
import functools
import importlib
import importlib.util
import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

__all__ = ["BlasStatus", "call_count", "numpy_on_one_thread", "prefer_openblas"]


@dataclass(frozen=True, kw_only=True)
class BlasStatus:
    """Whether MLX multiplies by OpenBLAS.

    Attributes:
        active: True if it does.
        library: the path of the OpenBLAS library; empty if not active.
        reason: why or why not, in one line.
    """

    active: bool
    library: str
    reason: str


@functools.cache
def prefer_openblas() -> BlasStatus:
    """Have MLX use OpenBLAS, once for the process; never raises. Later calls return the first status."""
    if platform.system() != "Linux":
        return _inactive("only needed on Linux")
    if os.environ.get("UR_BLAS") == "0":
        return _inactive("turned off by UR_BLAS=0")
    if "mlx.core" in sys.modules:
        return _inactive("mlx.core was imported before")
    try:
        return _interpose(_shim_path(), _openblas_path())
    except (ImportError, OSError, AttributeError) as error:
        return _inactive(str(error))


def call_count() -> int:
    """How many matrix products have gone to OpenBLAS by way of MLX: 0 if not active."""
    if not prefer_openblas().active:
        return 0
    shim = ctypes.CDLL(str(_shim_path()))
    shim.ur_blas_calls.restype = ctypes.c_ulong
    return shim.ur_blas_calls()


def _inactive(reason: str) -> BlasStatus:
    return BlasStatus(active=False, library="", reason=reason)


def _interpose(shim_path: Path, library: Path) -> BlasStatus:
    shim = ctypes.CDLL(str(shim_path))  # local at first: its functions have nothing to call yet
    shim.ur_blas_open.restype = ctypes.c_char_p
    error = shim.ur_blas_open(os.fsencode(library))
    if error is not None:
        return _inactive(os.fsdecode(error))
    threads = _limit_threads(library)
    ctypes.CDLL(str(shim_path), ctypes.RTLD_GLOBAL)
    return BlasStatus(active=True, library=str(library), reason=f"OpenBLAS, threads for one product: {threads}")


def _limit_threads(library: Path) -> int:
    """One thread for each product, unless OPENBLAS_NUM_THREADS (read by OpenBLAS itself) says otherwise.

    OpenBLAS's threads wait for each other in a busy loop. With nothing else on two cores, a second thread
    takes a training step of both networks (batch 512) from 60,000-70,000 samples/s to 80,000-110,000; with
    one core taken, by whatever prepares the batches or by a neighbour, each product waits for the scheduler
    and the step falls to 2,500, half of what the reference BLAS gives. Two MLX streams, one for each network,
    reach 90,000-100,000 with one thread each and do not suffer so.
    """
    openblas = ctypes.CDLL(str(library))
    if "OPENBLAS_NUM_THREADS" not in os.environ:
        openblas.scipy_openblas_set_num_threads(1)
    return openblas.scipy_openblas_get_num_threads()


def numpy_on_one_thread() -> None:
    """One thread for each of numpy's own products and decompositions, if its wheel brings OpenBLAS; never raises.

    With SOAP, eight trainings at once on sixteen cores made 30 to 70 steps/s each with a thread for each core; seven
    made 90 to 200 with one.
    """
    if "OPENBLAS_NUM_THREADS" in os.environ:
        return
    for library in Path(np.__file__).parent.parent.glob("numpy.libs/libscipy_openblas*"):
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(str(library)).scipy_openblas_set_num_threads64_(1)


def _shim_path() -> Path:
    spec = importlib.util.find_spec("mlx_train.device._blas")
    if spec is None or spec.origin is None:
        raise ImportError("mlx_train/device/_blas is not built: install again with a C compiler")
    return Path(spec.origin)


def _openblas_path() -> Path:
    if importlib.util.find_spec("scipy_openblas32") is None:
        raise ImportError("scipy-openblas32 is not installed")
    scipy_openblas32 = importlib.import_module("scipy_openblas32")
    return Path(scipy_openblas32.get_lib_dir()) / scipy_openblas32.get_library(fullname=True)
