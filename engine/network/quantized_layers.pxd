# A quantised network in memory: layers.h says what each field is.

from libc.stdint cimport int8_t, int32_t


cdef extern from "network/layers.h":
    enum:
        QUANTIZED_LANES "UR_QUANTIZED_LANES"

    ctypedef struct QuantizedLayer "ur_quantized_layer":
        int inputs
        int outputs
        int width
        const int8_t* weights
        const int32_t* biases
        const float* factors
        float levels

    ctypedef struct Quantized "ur_quantized":
        int layers
        int silu
        QuantizedLayer* layer
        const float* factors


cdef class QuantizedLayers:
    cdef Quantized net          # points into `arrays`
    cdef list arrays

    cdef int _place(self, QuantizedLayer* layer, given, factors, float levels) except -1
    cdef const float* _factors(self, array) except NULL
