# The networks of one weights file.

from engine.network.layers cimport Net
from engine.network.quantized_layers cimport QuantizedLayers


cdef class Network:
    cdef Net value_net
    cdef Net policy_net
    cdef float[::1] storage     # the weights and biases of both, or of none where they are quantised
    cdef QuantizedLayers value_layers
    cdef QuantizedLayers policy_layers
    cdef readonly str path
    cdef readonly dict metadata
    cdef readonly tuple hidden_sizes
    cdef readonly str activation
    cdef readonly object feature_set
    cdef readonly str rules         # the name of the rule set that it plays
    cdef int rules_number
    cdef readonly bint quantized    # whether it runs in integers

    cdef QuantizedLayers _quantized(self, Net* net, list layers)
    cdef Py_ssize_t _lay_out(self, Net* net, const float[::1] flat, int outputs, Py_ssize_t offset) except -1
