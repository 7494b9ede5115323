# A network's forward pass, without Python and without allocation.

from engine.position cimport Board, MAX_MOVES


cdef enum:
    MAX_LAYERS = 12
    MAX_LOOKAHEAD = 4           # turns; each multiplies the time by about 20


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


cdef void forward(const Net* net, const Board* board, int roll, float* out) noexcept nogil
cdef double win_probability(const Net* net, const Board* board) noexcept nogil
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
    cdef readonly str path
    cdef readonly dict metadata
    cdef readonly tuple hidden_sizes
    cdef readonly str activation
    cdef readonly object feature_set

    cdef Py_ssize_t _lay_out(self, Net* net, const float[::1] flat, int outputs, Py_ssize_t offset) except -1
