"""The layers of a quantised network, padded as the forward pass in quantized.h reads them."""

from libc.stdint cimport int8_t, int32_t
import numpy as np
from engine.network.quantized import padded


cdef class QuantizedLayers:
    """A network of `engine.network.quantized.Layer`s.

    silu: the activation of its hidden layers, else ReLU. scales: of its features (`engine.core.features.FeatureSet`).
    """

    def __init__(self, list layers, bint silu, scales):
        self.arrays = []
        self.net.layers = len(layers)
        self.net.silu = silu
        self.net.factors = self._factors(scales / np.float32(layers[0].step))
        for i, layer in enumerate(layers):
            step = np.float32(layers[i + 1].step) if i + 1 < len(layers) else np.float32(1)
            self._place(&self.net.layer[i], layer, layer.scales if silu else layer.scales / step, 1 / step)

    cdef int _place(self, QuantizedLayer* layer, given, factors, float levels) except -1:
        cdef const int8_t[:, ::1] weights = self._kept(given.levels)
        cdef const int32_t[::1] biases = self._kept(given.biases)
        layer.inputs, layer.outputs = given.levels.shape
        layer.width = weights.shape[1]
        layer.weights = &weights[0, 0]
        layer.biases = &biases[0]
        layer.factors = self._factors(factors)
        layer.levels = levels
        return 0

    cdef const float* _factors(self, array) except NULL:
        cdef const float[::1] factors = self._kept(array)
        return &factors[0]

    def _kept(self, array):
        """The array as C reads it, rows padded, alive as long as the network."""
        self.arrays.append(padded(array, QUANTIZED_LANES))
        return self.arrays[len(self.arrays) - 1]

    @property
    def nbytes(self):
        """Bytes of the padded layers."""
        return sum(array.nbytes for array in self.arrays)
