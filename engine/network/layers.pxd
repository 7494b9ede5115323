# A network's forward pass, without Python and without allocation.

from libc.stdint cimport uint64_t

from engine.core.position cimport Board, MAX_MOVES


cdef enum:
    MAX_LAYERS = 12
    MAX_LOOKAHEAD = 4           # turns; each multiplies the time by about ten
    MAX_LEAVES = 35             # successors of a position: seven for each of five rolls
    MEMO_BITS = 10
    MEMO = 1 << MEMO_BITS       # values that a search remembers


cdef enum Activation:
    RELU = 0
    SILU = 1


ctypedef struct Layer:
    int inputs
    int outputs
    int width                   # outputs, padded to a multiple of LANES (see dense.h)
    const float* weights        # inputs x width, row-major; the padding is zero
    const float* biases         # width


# One multilayer perceptron: 150 features, hidden layers, outputs before their tanh or softmax.
ctypedef struct Net:
    int layers                  # 0: this network is not there
    Layer layer[MAX_LAYERS]
    Activation activation       # of the hidden layers
    const float* scales         # of the features
    const void* quantized       # a ur_quantized of quantized.h in place of `layer`, or NULL


# What a search has valued: a packed position, the depth plus one above it; 0 for nothing.
ctypedef struct Memo:
    uint64_t key
    double value


cdef Py_ssize_t storage_size(const int* sizes, int layers) noexcept nogil
cdef void lay_out(Net* net, const int* sizes, int layers, const float* flat, float* storage) noexcept nogil
cdef void forward(const Net* net, const Board* board, int roll, float* out) noexcept nogil
cdef double win_probability(const Net* net, const Board* board) noexcept nogil
cdef void win_probabilities(const Net* net, const Board* boards, int count, double* values) noexcept nogil
cdef double chance_value(const Net* net, const Board* board, int depth) noexcept nogil
cdef int network_moves(
    const Net* net, const Board* board, int roll, int depth, int* squares, double* values
) noexcept nogil
cdef int policy_moves(
    const Net* net, const Board* board, int roll, int* squares, double* probabilities
) noexcept nogil


cdef class Network:
    cdef Net value_net
    cdef Net policy_net
    cdef float[::1] storage     # the weights and biases of both
    cdef list arrays            # those of quantised networks
    cdef readonly str path
    cdef readonly dict metadata
    cdef readonly tuple hidden_sizes
    cdef readonly str activation
    cdef readonly object feature_set
    cdef readonly bint quantized    # whether it runs in integers

    cdef Py_ssize_t _lay_out(self, Net* net, const float[::1] flat, int outputs, Py_ssize_t offset) except -1
    cdef int _lay_out_quantized(self, Net* net, list layers) except -1
