"""A kernel's source run on the CPU in the languages of the GPUs: as C++ with stand-ins, and as OpenCL C.

OpenCL C shares Metal's rule that every pointer names its address space, which C++ can't check.
"""

import ctypes
import os
import re
import shutil
import subprocess
from functools import cache

import numpy as np
import pytest

from mlx_train.device import kernels

_ADDRESS_SPACES = "".join(f"#define {name}\n" for name in ("device", "constant"))

#: What MLX and the chip's compiler bring, for each of the languages.
STAND_INS = {
    "metal": """
        #include <cstdint>
        #define __METAL_VERSION__ 310
        #define thread
        typedef unsigned int uint;
        namespace metal {
            inline uint ctz(uint x) { return __builtin_ctz(x); }
            inline uint clz(uint x) { return __builtin_clz(x); }
        }
    """
    + _ADDRESS_SPACES,
    "cuda": """
        #include <cstdint>
        #define __CUDACC__
        #define __device__ static
        static inline int __ffs(int x) { return __builtin_ffs(x); }
        static inline int __clz(int x) { return __builtin_clz(x); }
    """
    + _ADDRESS_SPACES,
    "opencl": """
        #define __METAL_VERSION__ 310
        #define device __global
        #define thread __private
        #define constant __constant
        #define metal_clz(x) clz(x)
        #define metal_ctz(x) (31 - clz((x) & -(x)))
        typedef uchar uint8_t;
        typedef ushort uint16_t;
        typedef uint uint32_t;
        typedef ulong uint64_t;
    """,
}


def compiled(language, folder, headers, parameters, body):
    """A kernel as a function of its arrays and the number of its threads.

    parameters: as MLX declares them for Metal, `const device float *values, device float *sums`.
    """
    if language == "opencl":
        return _opencl_kernel(opencl_source(headers, parameters, body), parameters)
    compiler = shutil.which(os.environ.get("CXX", "c++"))
    if compiler is None:
        pytest.skip("no C++ compiler")
    program = folder / f"{language}.cpp"
    program.write_text(
        STAND_INS[language]
        + kernels.source(*headers)
        + f'extern "C" void run({parameters}, unsigned int threads) {{'
        + f"for (unsigned int thread_number = 0; thread_number < threads; thread_number++) {{ {body} }} }}"
    )
    library = folder / f"{language}.so"
    subprocess.run([compiler, "-O1", "-Wall", "-Werror", "-shared", "-fPIC", program, "-o", library], check=True)
    function = ctypes.CDLL(str(library)).run

    def run(*arrays, threads):
        function(*(array.ctypes.data_as(ctypes.c_void_p) for array in arrays), threads)

    return run


def opencl_source(headers, parameters, body):
    """A Metal kernel as OpenCL C 1.2."""
    text = (
        STAND_INS["opencl"]
        + kernels.source(*headers)
        + f"__kernel void run({parameters}) {{ uint thread_number = get_global_id(0); {body} }}\n"
    )
    return re.sub(r"\binline\b", "static inline", text).replace("metal::", "metal_")


def _opencl_kernel(source, parameters):
    opencl, context = opencl_context()
    kernel = opencl.Program(context, source).build(options=["-cl-std=CL1.2", "-Werror"]).run
    read_only = [parameter.split()[0] == "const" for parameter in parameters.split(",")]

    def run(*arrays, threads):
        flags = opencl.mem_flags.READ_WRITE | opencl.mem_flags.USE_HOST_PTR
        buffers = [opencl.Buffer(context, flags, hostbuf=np.ascontiguousarray(array)) for array in arrays]
        with opencl.CommandQueue(context) as queue:
            kernel(queue, (threads,), None, *buffers)
            for array, buffer, constant in zip(arrays, buffers, read_only, strict=True):
                if not constant:
                    opencl.enqueue_copy(queue, array, buffer)

    return run


@cache
def opencl_context():
    """(pyopencl, a context of a CPU whose compiler works). Skips the test where there is none."""
    os.environ.setdefault("PYOPENCL_NO_CACHE", "1")  # the caches of both lie in the user's home
    os.environ.setdefault("POCL_KERNEL_CACHE", "0")
    opencl = pytest.importorskip("pyopencl", reason="no pyopencl")
    reason = "no OpenCL for the CPU (Debian's pocl-opencl-icd)"
    try:
        for platform in opencl.get_platforms():
            for device in platform.get_devices(opencl.device_type.CPU):
                context = opencl.Context([device])
                try:
                    opencl.Program(context, "__kernel void run(__global int *a) { a[0] = 1; }").build()
                except opencl.Error as error:  # PoCL's compiler may be older than the processor
                    reason = f"{platform.name} compiles nothing here: {str(error).splitlines()[0]}"
                else:
                    return opencl, context
    except opencl.LogicError as error:  # no platform at all
        reason += f": {error}"
    pytest.skip(reason)
