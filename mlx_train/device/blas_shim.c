/* Forwards the three BLAS functions that MLX calls on the CPU to OpenBLAS.
 *
 * MLX's wheel for Linux leaves cblas_sgemm, cblas_dgemm and cblas_cgemm undefined and takes them from the reference
 * BLAS beside it. The dynamic linker looks in the global scope first, so a library that defines them there before
 * MLX is loaded is the one that is called. OpenBLAS itself can't stand there: scipy-openblas32 prefixes its names.
 *
 * Not a Python module: mlx_train/device/blas.py loads it with ctypes, opens OpenBLAS through it, and only then makes it
 * global. Enumerations are passed as int, which is what C makes of them on every system that this is built on.
 */

#include <dlfcn.h>
#include <stdatomic.h>
#include <stddef.h>

typedef void (*sgemm_function)(int, int, int, int, int, int, float, const float *, int, const float *, int, float,
                               float *, int);
typedef void (*dgemm_function)(int, int, int, int, int, int, double, const double *, int, const double *, int, double,
                               double *, int);
typedef void (*cgemm_function)(int, int, int, int, int, int, const void *, const void *, int, const void *, int,
                               const void *, void *, int);

static sgemm_function sgemm;
static dgemm_function dgemm;
static cgemm_function cgemm;
static atomic_ulong calls; /* of any of the three, which shows that MLX really ends up here */

/* Opens OpenBLAS; NULL, or what went wrong. Nothing may call the functions below before this has succeeded. */
const char *ur_blas_open(const char *path) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        return dlerror();
    }
    sgemm = (sgemm_function)dlsym(library, "scipy_cblas_sgemm");
    dgemm = (dgemm_function)dlsym(library, "scipy_cblas_dgemm");
    cgemm = (cgemm_function)dlsym(library, "scipy_cblas_cgemm");
    if (sgemm == NULL || dgemm == NULL || cgemm == NULL) {
        return "the library lacks scipy_cblas_sgemm, scipy_cblas_dgemm or scipy_cblas_cgemm";
    }
    return NULL;
}

unsigned long ur_blas_calls(void) { return atomic_load(&calls); }

void cblas_sgemm(int order, int transpose_a, int transpose_b, int m, int n, int k, float alpha, const float *a,
                 int lda, const float *b, int ldb, float beta, float *c, int ldc) {
    atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed);
    sgemm(order, transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

void cblas_dgemm(int order, int transpose_a, int transpose_b, int m, int n, int k, double alpha, const double *a,
                 int lda, const double *b, int ldb, double beta, double *c, int ldc) {
    atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed);
    dgemm(order, transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

void cblas_cgemm(int order, int transpose_a, int transpose_b, int m, int n, int k, const void *alpha, const void *a,
                 int lda, const void *b, int ldb, const void *beta, void *c, int ldc) {
    atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed);
    cgemm(order, transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
