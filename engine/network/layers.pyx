"""A network's layers in memory, and its forward pass in C."""

from libc.math cimport exp, expf, tanh
from libc.stdint cimport uint8_t
from engine.core.features cimport MAX_FEATURES, NO_ROLL, feature_bytes, feature_floats
from engine.core.position cimport has_won, is_over, legal_sources, lowest, policy_slot
from engine.network.layers cimport *
from engine.network.quantized_layers cimport Quantized


cdef extern from "network/dense.h":
    enum:
        ROWS "UR_ROWS"
        ROW_WIDTH "UR_ROW_WIDTH"
    void ur_dense(const float* weights, const float* biases, int inputs, int width,
                  const float* x, float* y) noexcept nogil
    void ur_dense_rows(const float* weights, const float* biases, int inputs, int width,
                       const float* x, float* y) noexcept nogil


cdef extern from "network/quantized.h":
    void ur_quantized_forward(const Quantized* net, const uint8_t* features, float* out) noexcept nogil


#: Limits of a network: its layers, and the inputs or outputs of one.
MOST_LAYERS = MAX_LAYERS
LARGEST_WIDTH = MAX_WIDTH


cdef inline int padded(int size) noexcept nogil:
    return (size + LANES - 1) // LANES * LANES


cdef Py_ssize_t storage_size(const int* sizes, int layers) noexcept nogil:
    """How many floats the padded layers take. sizes: inputs and the outputs of each layer, layers + 1 numbers."""
    cdef Py_ssize_t need = 0
    cdef int i
    for i in range(layers):
        need += (sizes[i] + 1) * padded(sizes[i + 1])
    return need


cdef void lay_out(Net* net, const int* sizes, int layers, const float* flat, float* storage) noexcept nogil:
    """Copies a flat list into padded layers in `storage`, whose floats are zero, and points the network at them."""
    cdef Layer* layer
    cdef int i, _row, column
    net.layers = layers
    net.quantized = NULL
    for i in range(layers):
        layer = &net.layer[i]
        layer.inputs = sizes[i]
        layer.outputs = sizes[i + 1]
        layer.width = padded(layer.outputs)
        layer.weights = storage
        layer.biases = storage + layer.inputs * layer.width
        for _row in range(layer.inputs + 1):            # the biases are one more row
            for column in range(layer.outputs):
                storage[column] = flat[column]
            flat += layer.outputs
            storage += layer.width


cdef inline void activate(Activation activation, float* x, int count) noexcept nogil:
    """Applies the activation of the hidden layers in place."""
    cdef int k
    if activation == RELU:
        for k in range(count):
            x[k] = max(x[k], <float> 0)
    else:
        for k in range(count):
            x[k] = x[k] / (1 + expf(-x[k]))


cdef void forward(const Net* net, const Board* board, int roll, float* out) noexcept nogil:
    """Writes the outputs before tanh or softmax; `out` has room for the last layer's padded width."""
    cdef float first[MAX_WIDTH]
    cdef float second[MAX_WIDTH]
    cdef float* x = first
    cdef float* y = second
    cdef uint8_t features[MAX_FEATURES]
    cdef const Layer* layer
    cdef int i
    if net.quantized != NULL:
        feature_bytes(board, roll, features)
        ur_quantized_forward(<const Quantized*> net.quantized, features, out)
        return
    feature_floats(board, roll, net.scales, x)
    for i in range(net.layers - 1):
        layer = &net.layer[i]
        ur_dense(layer.weights, layer.biases, layer.inputs, layer.width, x, y)
        activate(net.activation, y, layer.outputs)
        x, y = y, x
    layer = &net.layer[net.layers - 1]
    ur_dense(layer.weights, layer.biases, layer.inputs, layer.width, x, out)


cdef void forward_rows(const Net* net, const Board* boards, float* out) noexcept nogil:
    """The first output of ROWS positions before their roll; no layer is wider than ROW_WIDTH."""
    cdef float first[MAX_WIDTH]
    cdef float second[MAX_WIDTH]
    cdef float* x = first
    cdef float* y = second
    cdef const Layer* layer
    cdef int i, row
    for row in range(ROWS):
        feature_floats(&boards[row], NO_ROLL, net.scales, x + row * ROW_WIDTH)
    for i in range(net.layers):
        layer = &net.layer[i]
        ur_dense_rows(layer.weights, layer.biases, layer.inputs, layer.width, x, y)
        if i < net.layers - 1:
            for row in range(ROWS):
                activate(net.activation, y + row * ROW_WIDTH, layer.outputs)
        x, y = y, x
    for row in range(ROWS):
        out[row] = x[row * ROW_WIDTH]


cdef inline bint fits_rows(const Net* net) noexcept nogil:
    """Whether several positions can go through the network together."""
    cdef int i
    if net.quantized != NULL:
        return False
    for i in range(net.layers):
        if net.layer[i].width > ROW_WIDTH:
            return False
    return True


cdef double win_probability(const Net* net, const Board* board) noexcept nogil:
    """The win probability of the side to move before its roll; exact where the game is over."""
    cdef float out[LANES]
    if is_over(board):
        return has_won(board)
    forward(net, board, NO_ROLL, out)
    return 0.5 + 0.5 * tanh(out[0])


cdef void win_probabilities(const Net* net, const Board* boards, int count, double* values) noexcept nogil:
    """The win probabilities of some positions whose games go on; ROWS together cost little more than two alone."""
    cdef float out[ROWS]
    cdef Board padded_rows[ROWS]
    cdef int first = 0, row
    if fits_rows(net):
        while count - first > 1:
            for row in range(ROWS):
                padded_rows[row] = boards[min(first + row, count - 1)]
            forward_rows(net, padded_rows, out)
            for row in range(min(<int> ROWS, count - first)):
                values[first + row] = 0.5 + 0.5 * tanh(out[row])
            first += ROWS
    while first < count:
        values[first] = win_probability(net, &boards[first])
        first += 1


cdef int policy_moves(
    const Net* net, const Board* board, int roll, int* squares, double* probabilities
) noexcept nogil:
    """The policy's probabilities of the legal moves, ascending squares; returns how many moves there are."""
    cdef float out[LANES]
    cdef unsigned int sources = legal_sources(board, roll)
    cdef double highest_logit = 0, total = 0
    cdef int count = 0, i
    if sources == 0 or is_over(board):
        return 0
    forward(net, board, roll, out)
    while sources:
        squares[count] = lowest(sources)
        probabilities[count] = out[policy_slot(board, squares[count])]
        if count == 0 or probabilities[count] > highest_logit:
            highest_logit = probabilities[count]
        sources &= sources - 1
        count += 1
    for i in range(count):
        probabilities[i] = exp(probabilities[i] - highest_logit)
        total += probabilities[i]
    for i in range(count):
        probabilities[i] /= total
    return count
