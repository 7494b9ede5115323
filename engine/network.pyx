"""JSON networks: reading them, and their forward pass in C.

A file holds a value network, a policy network or both, of the same hidden sizes (see docs/weights.md). Reading checks
all of it; a file of another feature set is readable data but refuses to play.
"""

import gzip
import json
import zlib
from pathlib import Path

import numpy as np

from libc.math cimport exp, expf, tanh
from libc.stdint cimport uint8_t, uint64_t

from engine.dice cimport ways
from engine.features cimport FEATURES, NO_ROLL, feature_floats, feature_scales
from engine.network cimport *
from engine.position cimport *

from engine.features import FEATURE_SET, check_rows

#: Layout of the flat lists: layer by layer, the matrix input by output row-major, then the biases.
LAYOUT = "input-output-row-major-v1"

#: What the value output says: v = 2 p - 1 for the win probability p of the side to move, before its roll.
VALUE_SCALE = "2p-1"

ACTIVATIONS = ("relu", "silu")

POLICY_OUTPUTS = 7
_MAX_FILE_BYTES = 256 << 20
_MAX_WEIGHT = 1e4       # far above any trained network's, and small enough that sums stay finite

# Older files spell their keys in camel case.
_OLD_KEYS = {
    "valueWeights": "value_weights",
    "policyWeights": "policy_weights",
    "valueNetworkConfig": "network_config",
    "policyNetworkConfig": "network_config",
    "inputSize": "input_size",
    "hiddenSizes": "hidden_sizes",
    "outputSize": "output_size",
    "valueOutputSize": "value_output_size",
    "policyOutputSize": "policy_output_size",
    "featureSet": "feature_set",
    "valueScale": "value_scale",
}


cdef extern from "dense.h":
    enum:
        LANES "UR_LANES"
        MAX_WIDTH "UR_MAX_WIDTH"
    void ur_dense(const float* weights, const float* biases, int inputs, int width,
                  const float* x, float* y) noexcept nogil


cdef extern from *:
    """
    #include <stdlib.h>
    #if defined(__GLIBC__)
    #include <malloc.h>
    static inline void ur_release_memory(void) { malloc_trim(0); }
    #else
    static inline void ur_release_memory(void) {}
    #endif
    """
    void release_memory "ur_release_memory"() noexcept nogil


# --- the forward pass ------------------------------------------------------------------------------------------------


cdef void forward(const Net* net, const Board* board, int roll, float* out) noexcept nogil:
    """Writes the outputs before tanh or softmax; `out` has room for the last layer's padded width."""
    cdef float first[MAX_WIDTH]
    cdef float second[MAX_WIDTH]
    cdef float* x = first
    cdef float* y = second
    cdef const Layer* layer
    cdef int i, k
    feature_floats(board, roll, net.scales, x)
    for i in range(net.layers - 1):
        layer = &net.layer[i]
        ur_dense(layer.weights, layer.biases, layer.inputs, layer.width, x, y)
        if net.activation == RELU:
            for k in range(layer.outputs):
                y[k] = max(y[k], <float> 0)
        else:
            for k in range(layer.outputs):
                y[k] = y[k] / (1 + expf(-y[k]))
        x, y = y, x
    layer = &net.layer[net.layers - 1]
    ur_dense(layer.weights, layer.biases, layer.inputs, layer.width, x, out)


cdef double win_probability(const Net* net, const Board* board) noexcept nogil:
    """The win probability of the side to move before its roll; exact where the game is over."""
    cdef float out[LANES]
    if board.own_off == PIECES:
        return 1
    if board.opp_off == PIECES:
        return 0
    forward(net, board, NO_ROLL, out)
    return 0.5 + 0.5 * tanh(out[0])


cdef double move_probability(const Net* net, Board board, int source, int roll, int depth) noexcept nogil:
    """The win probability of the side to move after a legal move, with `depth` turns to look ahead."""
    cdef Board after = after_move(board, source, roll)
    if after.own_off == PIECES:
        return 1
    if grants_roll(source + roll):
        return chance_value(net, &after, depth)
    after = swap_sides(after)
    return 1 - chance_value(net, &after, depth)


cdef double chance_value(const Net* net, const Board* board, int depth) noexcept nogil:
    """The win probability of the side to move before its roll, looking `depth` turns ahead; 0 asks the network."""
    cdef double total = 0, best
    cdef unsigned int sources
    cdef int roll
    cdef Board other
    if depth == 0:
        return win_probability(net, board)
    for roll in range(MAX_ROLL + 1):
        sources = legal_sources(board, roll)
        if sources == 0:
            other = swap_sides(board[0])
            best = 1 - chance_value(net, &other, depth - 1)
        else:
            best = 0
            while sources:
                best = max(best, move_probability(net, board[0], lowest(sources), roll, depth - 1))
                sources &= sources - 1
        total += ways(roll) * best
    return total / 16


cdef int network_moves(
    const Net* net, const Board* board, int roll, int depth, int* squares, double* values
) noexcept nogil:
    """Values every legal move, ascending squares, with `depth` turns of look-ahead (at least 1); returns how many."""
    cdef unsigned int sources = legal_sources(board, roll)
    cdef int count = 0
    while sources:
        squares[count] = lowest(sources)
        values[count] = move_probability(net, board[0], lowest(sources), roll, depth - 1)
        sources &= sources - 1
        count += 1
    return count


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


# --- reading ---------------------------------------------------------------------------------------------------------


def _modern(document):
    """The document with the older spelling of its keys replaced."""
    return {_OLD_KEYS.get(key, key): value for key, value in document.items()}


def _sizes(config):
    """network_config -> (input, hidden, value outputs, policy outputs), checked."""
    if not isinstance(config, dict):
        raise ValueError("network_config is missing")
    config = _modern(config)
    hidden = config.get("hidden_sizes")
    if not isinstance(hidden, list) or not 1 <= len(hidden) < MAX_LAYERS:
        raise ValueError(f"network_config.hidden_sizes must list 1 to {MAX_LAYERS - 1} sizes")
    inputs = config.get("input_size")
    value_outputs = config.get("value_output_size", 1)
    policy_outputs = config.get("policy_output_size", POLICY_OUTPUTS)
    for size in (inputs, *hidden, value_outputs, policy_outputs):
        if not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= MAX_WIDTH:
            raise ValueError(f"network_config: a size must be an integer from 1 to {MAX_WIDTH}, got {size!r}")
    return inputs, tuple(hidden), value_outputs, policy_outputs


def parameter_count(input_size, hidden_sizes, output_size):
    """Weights and biases of a multilayer perceptron of these layer sizes."""
    sizes = [input_size, *hidden_sizes, output_size]
    return sum(a * b + b for a, b in zip(sizes, sizes[1:]))


def _weights(document, key, expected):
    """A flat list of the document as float32, checked; None if it is not there or empty."""
    values = document.get(key)
    if values is None or values == []:
        return None
    if not isinstance(values, list):
        raise ValueError(f"{key} must be a list of numbers")
    if len(values) != expected:
        raise ValueError(f"{key} has {len(values)} numbers, its network_config needs {expected}")
    try:
        array = np.array(values)
    except ValueError:
        array = None
    if array is None or array.ndim != 1 or array.dtype.kind not in "if":
        raise ValueError(f"{key} must hold numbers only")
    with np.errstate(over="ignore"):
        array = array.astype(np.float32)
    if not np.isfinite(array).all():
        raise ValueError(f"{key} holds a number that is not finite in float32")
    if array.size and np.abs(array).max() > _MAX_WEIGHT:
        raise ValueError(f"{key} holds a number above {_MAX_WEIGHT:g} in size")
    return array


def read_document(path):
    """A weights file as a dictionary of checked parts.

    Reads `.json` and `.json.gz`, the present keys and the older camel-case ones. Returns the document with
    `value_weights` and `policy_weights` as float32 arrays (or None), and `network_config` spelt in full. Raises
    ValueError, in one line that names the file, for anything that is wrong; OSError where it cannot be read.
    """
    path = Path(path)
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rb") as file:
            content = file.read(_MAX_FILE_BYTES + 1)
        if len(content) > _MAX_FILE_BYTES:
            raise ValueError(f"larger than {_MAX_FILE_BYTES >> 20} MiB")
        try:
            document = json.loads(content)
        except RecursionError:
            raise ValueError("nested too deeply") from None
        if not isinstance(document, dict):
            raise ValueError("not a JSON object")
        return _checked(_modern(document))
    except (ValueError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path}: not a usable weights file: {error}") from None


def _checked(document):
    layout = document.get("layout", LAYOUT)
    if layout != LAYOUT:
        raise ValueError(f"layout {layout!r} is unknown, expected {LAYOUT!r}")
    input_size, hidden, value_outputs, policy_outputs = _sizes(document.get("network_config"))
    architecture = document.get("architecture", {})
    if not isinstance(architecture, dict):
        raise ValueError("architecture must be an object")
    activation = architecture.get("activation", "relu")
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation {activation!r} is unknown, expected one of {', '.join(ACTIVATIONS)}")
    document["value_weights"] = _weights(
        document, "value_weights", parameter_count(input_size, hidden, value_outputs))
    document["policy_weights"] = _weights(
        document, "policy_weights", parameter_count(input_size, hidden, policy_outputs))
    if document["value_weights"] is None and document["policy_weights"] is None:
        raise ValueError("neither value_weights nor policy_weights is there")
    metadata = document.get("metadata", {})
    if not isinstance(metadata, dict):
        raise ValueError("metadata must be an object")
    document["metadata"] = metadata
    document["layout"] = layout
    document.setdefault("value_scale", VALUE_SCALE)
    document["architecture"] = {"activation": activation, **architecture}
    document["network_config"] = {
        "input_size": input_size,
        "hidden_sizes": list(hidden),
        "value_output_size": value_outputs,
        "policy_output_size": policy_outputs,
    }
    return document


cdef int _padded(int size):
    return (size + LANES - 1) // LANES * LANES


cdef class Network:
    """The networks of one weights file, ready to play.

    Values are win probabilities of the side to move, before its roll; policies are probabilities of the legal moves
    of a position with its roll.
    """

    @staticmethod
    def load(path):
        """Reads a weights file. ValueError if it is damaged or made for other features; OSError if unreadable."""
        cdef Network network = Network.__new__(Network)
        document = read_document(path)
        try:
            network._take(document)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
        network.path = str(path)
        # The text and its numbers take some ten times the networks' memory while they are read; what is freed of it
        # would stay with the C library (measured: 3.0 MiB instead of 1.9).
        del document
        release_memory()
        return network

    def _take(self, document):
        cdef Py_ssize_t offset = 0
        config = document["network_config"]
        self.feature_set = document.get("feature_set")
        if self.feature_set != FEATURE_SET:
            raise ValueError(f"made for the feature set {self.feature_set!r}, this engine has {FEATURE_SET!r}: "
                             "it converts, but cannot play")
        if document["value_scale"] != VALUE_SCALE:
            raise ValueError(f"value_scale {document['value_scale']!r} is unknown, expected {VALUE_SCALE!r}")
        if config["input_size"] != FEATURES:
            raise ValueError(f"takes {config['input_size']} inputs, the feature set has {FEATURES}")
        if config["value_output_size"] != 1 or config["policy_output_size"] != POLICY_OUTPUTS:
            raise ValueError(f"must have 1 value and {POLICY_OUTPUTS} policy outputs")
        self.metadata = document["metadata"]
        self.hidden_sizes = tuple(config["hidden_sizes"])
        self.activation = document["architecture"]["activation"]
        value, policy = document["value_weights"], document["policy_weights"]
        need = sum(self._storage_size(outputs) for outputs, weights in ((1, value), (POLICY_OUTPUTS, policy))
                   if weights is not None)
        self.storage = np.zeros(need, dtype=np.float32)
        if value is not None:
            offset = self._lay_out(&self.value_net, value, 1, offset)
        if policy is not None:
            self._lay_out(&self.policy_net, policy, POLICY_OUTPUTS, offset)

    def _layer_sizes(self, outputs):
        sizes = [FEATURES, *self.hidden_sizes, outputs]
        return list(zip(sizes, sizes[1:]))

    def _storage_size(self, outputs):
        return sum((inputs + 1) * _padded(size) for inputs, size in self._layer_sizes(outputs))

    cdef Py_ssize_t _lay_out(self, Net* net, const float[::1] flat, int outputs, Py_ssize_t offset) except -1:
        """Copies a flat list into padded layers of the storage; returns the offset behind them."""
        cdef Layer* layer
        cdef Py_ssize_t taken = 0
        cdef int _row, column
        net.layers = 0
        net.activation = SILU if self.activation == "silu" else RELU
        net.scales = &feature_scales()[0]
        for inputs, size in self._layer_sizes(outputs):
            layer = &net.layer[net.layers]
            layer.inputs, layer.outputs, layer.width = inputs, size, _padded(size)
            layer.weights = &self.storage[offset]
            for _row in range(layer.inputs + 1):            # the biases are one more row
                for column in range(layer.outputs):
                    self.storage[offset + column] = flat[taken]
                    taken += 1
                offset += layer.width
            layer.biases = layer.weights + layer.inputs * layer.width
            net.layers += 1
        return offset

    def __init__(self):
        raise TypeError("networks come from Network.load(path)")

    @property
    def has_value(self):
        """Whether the file has a value network."""
        return self.value_net.layers > 0

    @property
    def has_policy(self):
        """Whether the file has a policy network."""
        return self.policy_net.layers > 0

    @property
    def nbytes(self):
        """Bytes of weights held in memory."""
        return 4 * self.storage.shape[0]

    def _need(self, bint there, name):
        if not there:
            raise ValueError(f"{self.path} has no {name} network")

    def value(self, Position position not None):
        """Win probability of the side to move, before its roll."""
        cdef double probability
        self._need(self.has_value, "value")
        with nogil:
            probability = win_probability(&self.value_net, &position.board)
        return probability

    def values(self, packed):
        """(n,) float64 win probabilities of the sides to move of n packed positions (uint64)."""
        cdef const uint64_t[::1] positions = np.ascontiguousarray(packed, dtype=np.uint64)
        cdef double[::1] out
        cdef Py_ssize_t i
        cdef Board board
        self._need(self.has_value, "value")
        check_packed(positions)
        result = np.empty(positions.shape[0])
        out = result
        with nogil:
            for i in range(positions.shape[0]):
                board = unpack(positions[i])
                out[i] = win_probability(&self.value_net, &board)
        return result

    def moves(self, Position position not None, int roll, int depth=1):
        """Every legal move as (square, win probability of the side to move after it), ascending squares.

        depth: turns of look-ahead; 1 values the successors, every further one adds a chance node and a reply.
        """
        cdef int squares[MAX_MOVES]
        cdef double values[MAX_MOVES]
        cdef int count
        self._need(self.has_value, "value")
        check_roll(roll)
        if not 1 <= depth <= MAX_LOOKAHEAD:
            raise ValueError(f"look-ahead must be 1 to {MAX_LOOKAHEAD} turns, got {depth}")
        if is_over(&position.board):
            raise ValueError(f"the game is over in {position}")
        with nogil:
            count = network_moves(&self.value_net, &position.board, roll, depth, squares, values)
        return [(squares[i], values[i]) for i in range(count)]

    def policy(self, Position position not None, int roll):
        """Every legal move as (square, probability), ascending squares; the probabilities sum to 1."""
        cdef int squares[MAX_MOVES]
        cdef double probabilities[MAX_MOVES]
        cdef int count
        self._need(self.has_policy, "policy")
        check_roll(roll)
        if is_over(&position.board):
            raise ValueError(f"the game is over in {position}")
        with nogil:
            count = policy_moves(&self.policy_net, &position.board, roll, squares, probabilities)
        return [(squares[i], probabilities[i]) for i in range(count)]

    def policies(self, packed, rolls):
        """(n, 7) float64 probabilities by policy slot of n packed positions with their rolls; illegal ones are 0."""
        packed, rolls = check_rows(packed, rolls)
        cdef const uint64_t[::1] positions = packed
        cdef const uint8_t[::1] known = rolls
        cdef double[:, ::1] out
        cdef int squares[MAX_MOVES]
        cdef double probabilities[MAX_MOVES]
        cdef Py_ssize_t i
        cdef int k, count
        cdef Board board
        self._need(self.has_policy, "policy")
        result = np.zeros((positions.shape[0], POLICY_OUTPUTS))
        out = result
        with nogil:
            for i in range(positions.shape[0]):
                board = unpack(positions[i])
                count = policy_moves(&self.policy_net, &board, known[i], squares, probabilities)
                for k in range(count):
                    out[i, policy_slot(&board, squares[k])] = probabilities[k]
        return result
