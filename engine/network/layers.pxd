# A network in memory and its forward pass, without Python and without allocation.

from engine.core.position cimport Board


cdef extern from "network/layers.h":
    enum:
        LANES "UR_LANES"
        MAX_LAYERS "UR_MAX_LAYERS"
        MAX_WIDTH "UR_MAX_WIDTH"


cdef enum Activation:
    RELU = 0
    SILU = 1


ctypedef struct Layer:
    int inputs
    int outputs
    int width                   # outputs, padded to a multiple of LANES
    const float* weights        # inputs x width, row-major; the padding is zero
    const float* biases         # width


# One multilayer perceptron: the features of a rule set, hidden layers, outputs before their tanh or softmax.
ctypedef struct Net:
    int layers                  # 0: there is no such network
    Layer layer[MAX_LAYERS]
    Activation activation       # of the hidden layers
    const float* scales         # of the features
    const void* quantized       # a Quantized (quantized_layers.pxd) in place of `layer`, or NULL


cdef Py_ssize_t storage_size(const int* sizes, int layers) noexcept nogil
cdef void lay_out(Net* net, const int* sizes, int layers, const float* flat, float* storage) noexcept nogil
cdef void forward(const Net* net, const Board* board, int roll, float* out) noexcept nogil
cdef double win_probability(const Net* net, const Board* board) noexcept nogil
cdef void win_probabilities(const Net* net, const Board* boards, int count, double* values) noexcept nogil
cdef int policy_moves(
    const Net* net, const Board* board, int roll, int* squares, double* probabilities
) noexcept nogil
