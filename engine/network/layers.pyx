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
from libc.stdint cimport int8_t, int32_t, uint8_t, uint64_t
from libc.string cimport memset

from engine.core.dice cimport ways
from engine.core.features cimport FEATURES, NO_ROLL, feature_bytes, feature_floats, feature_scales
from engine.network.network cimport *
from engine.core.position cimport *

from engine.core.features import FEATURE_SCALES, FEATURE_SET, check_rows
from engine.network import quantized

cdef extern from *:
    """
    #define UR_FILTER 0.02
    """
    const double FILTER "UR_FILTER"     # MOVE_FILTER

#: Layout of the flat lists: layer by layer, the matrix input by output row-major, then the biases.
LAYOUT = "input-output-row-major-v1"

#: What the value output says: v = 2 p - 1 for the win probability p of the side to move, before its roll.
VALUE_SCALE = "2p-1"

ACTIVATIONS = ("relu", "silu")

POLICY_OUTPUTS = 7

#: Win probability by which a move may look worse than the best and still be looked at deeper.
MOVE_FILTER = FILTER
_MAX_FILE_BYTES = 256 << 20
MAX_WEIGHT = 1e4        # far above any trained network's, and small enough that sums stay finite

# Older files spell their keys in camel case.
OLD_KEYS = {
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


cdef extern from "network/dense.h":
    enum:
        LANES "UR_LANES"
        MAX_WIDTH "UR_MAX_WIDTH"
        ROWS "UR_ROWS"
        ROW_WIDTH "UR_ROW_WIDTH"
    void ur_dense(const float* weights, const float* biases, int inputs, int width,
                  const float* x, float* y) noexcept nogil
    void ur_dense_rows(const float* weights, const float* biases, int inputs, int width,
                       const float* x, float* y) noexcept nogil


cdef extern from "network/quantized.h":
    enum:
        QUANTIZED_LANES "UR_QUANTIZED_LANES"

    # A layer in integers, and a network of them (see there).
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

    void ur_quantized_forward(const Quantized* net, const uint8_t* features, float* out) noexcept nogil


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


# --- weights in memory -----------------------------------------------------------------------------------------------


cdef inline int padded(int size) noexcept nogil:
    return (size + LANES - 1) // LANES * LANES


cdef Py_ssize_t storage_size(const int* sizes, int layers) noexcept nogil:
    """How many floats the padded layers of these sizes take: `layers` of them, so one size more."""
    cdef Py_ssize_t need = 0
    cdef int i
    for i in range(layers):
        need += (sizes[i] + 1) * padded(sizes[i + 1])
    return need


cdef void lay_out(Net* net, const int* sizes, int layers, const float* flat, float* storage) noexcept nogil:
    """Copies a flat list into padded layers in `storage`, which is zero before, and points the network at them."""
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


# --- the forward pass ------------------------------------------------------------------------------------------------


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
    cdef uint8_t features[FEATURES]
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
    if board.own_off == PIECES:
        return 1
    if board.opp_off == PIECES:
        return 0
    forward(net, board, NO_ROLL, out)
    return 0.5 + 0.5 * tanh(out[0])


cdef void win_probabilities(const Net* net, const Board* boards, int count, double* values) noexcept nogil:
    """The same for some positions of games that go on; ROWS together cost little more than two alone."""
    cdef float out[ROWS]
    cdef Board padded_rows[ROWS]
    cdef int done = 0, row
    if fits_rows(net):
        while count - done > 1:
            for row in range(ROWS):
                padded_rows[row] = boards[min(done + row, count - 1)]
            forward_rows(net, padded_rows, out)
            for row in range(min(<int> ROWS, count - done)):
                values[done + row] = 0.5 + 0.5 * tanh(out[row])
            done += ROWS
    while done < count:
        values[done] = win_probability(net, &boards[done])
        done += 1


# --- looking ahead ---------------------------------------------------------------------------------------------------
#
# A position's value some turns ahead is the mean over the rolls of the best reply's. Leaves of one chance node go
# through the network together, and what was valued once in a search is remembered. As in GNU Backgammon, a move filter
# leaves out of the deeper search what looks clearly worse.


cdef inline uint64_t memo_key(const Board* board, int depth) noexcept nogil:
    return pack(board) | <uint64_t> (depth + 1) << 48


cdef inline Memo* memo_slot(Memo* memo, uint64_t key) noexcept nogil:
    return &memo[(key * <uint64_t> 0x9E3779B97F4A7C15) >> (64 - MEMO_BITS)]


cdef inline int successors_of(const Board* board, int roll, int* squares, Board* next, bint* same) noexcept nogil:
    """Where the legal moves lead, ascending squares, and whether the mover is to roll again; a pass is no move."""
    cdef unsigned int sources = legal_sources(board, roll)
    cdef int count = 0
    while sources:
        squares[count] = lowest(sources)
        next[count] = successor(board[0], squares[count], roll)
        same[count] = grants_roll(squares[count] + roll)
        sources &= sources - 1
        count += 1
    return count


cdef void leaf_values(const Net* net, Memo* memo, const Board* boards, const bint* same, int count,
                      double* values) noexcept nogil:
    """The network's values of successors for the side that moved; MAX_LEAVES of them at most, `memo` may be NULL."""
    cdef Board[MAX_LEAVES] missing
    cdef uint64_t keys[MAX_LEAVES]
    cdef double found[MAX_LEAVES]
    cdef int which[MAX_LEAVES]      # of the missing ones, or -1
    cdef uint64_t key
    cdef Memo* slot
    cdef int i, k
    cdef int n = 0
    for i in range(count):
        which[i] = -1
        if is_over(&boards[i]):
            values[i] = boards[i].own_off == PIECES
            continue
        key = memo_key(&boards[i], 0)
        if memo != NULL:
            slot = memo_slot(memo, key)
            if slot.key == key:
                values[i] = slot.value
                continue
        k = 0
        while k < n and keys[k] != key:
            k += 1
        if k == n:
            keys[n] = key
            missing[n] = boards[i]
            n += 1
        which[i] = k
    win_probabilities(net, missing, n, found)
    if memo != NULL:
        for k in range(n):
            slot = memo_slot(memo, keys[k])
            slot.key = keys[k]
            slot.value = found[k]
    for i in range(count):
        if which[i] >= 0:
            values[i] = found[which[i]]
        if not same[i]:
            values[i] = 1 - values[i]


cdef double after_value(const Net* net, Memo* memo, const Board* board, bint same, int depth) noexcept nogil:
    """The value of a successor for the side that moved, `depth` turns ahead."""
    cdef double value = chance(net, memo, board, depth)
    return value if same else 1 - value


cdef double look_deeper(const Net* net, Memo* memo, const Board* next, const bint* same, int count, int depth,
                        double* values) noexcept nogil:
    """Replaces the network's values by those `depth` turns ahead, until no other move looks better or nearly as good
    as the best of them; returns its value.
    """
    cdef bint[MAX_MOVES] deep
    cdef double best = -1, limit = -1
    cdef int i, pick
    for i in range(count):
        deep[i] = False
        limit = max(limit, values[i] - FILTER)
    while True:
        pick = -1
        for i in range(count):
            if not deep[i] and (pick < 0 or values[i] > values[pick]):
                pick = i
        if pick < 0 or (values[pick] < limit and values[pick] <= best):
            return best
        deep[pick] = True
        values[pick] = after_value(net, memo, &next[pick], same[pick], depth)
        best = max(best, values[pick])


cdef double chance(const Net* net, Memo* memo, const Board* board, int depth) noexcept nogil:
    """The win probability of the side to move before its roll, looking `depth` turns ahead, 1 or more."""
    cdef int[MAX_LEAVES] squares
    cdef Board[MAX_LEAVES] next
    cdef bint[MAX_LEAVES] same
    cdef double[MAX_LEAVES] values
    cdef int[MAX_ROLL + 2] start
    cdef uint64_t key
    cdef Memo* slot
    cdef double best, total = 0
    cdef int roll, i, count
    if is_over(board):
        return board.own_off == PIECES
    key = memo_key(board, depth)
    slot = memo_slot(memo, key)
    if slot.key == key:
        return slot.value
    start[0] = 0
    for roll in range(MAX_ROLL + 1):
        i = start[roll]
        count = successors_of(board, roll, &squares[i], &next[i], &same[i])
        if count == 0:
            next[i] = swap_sides(board[0])
            same[i] = False
            count = 1
        start[roll + 1] = i + count
    if depth == 1 or start[MAX_ROLL + 1] > MAX_ROLL + 1:        # else there is nothing to choose
        leaf_values(net, memo, next, same, start[MAX_ROLL + 1], values)
    for roll in range(MAX_ROLL + 1):
        i = start[roll]
        count = start[roll + 1] - i
        if depth == 1:
            best = values[i]
            for i in range(i + 1, i + count):
                best = max(best, values[i])
        elif count == 1:
            best = after_value(net, memo, &next[i], same[i], depth - 1)
        else:
            best = look_deeper(net, memo, &next[i], &same[i], count, depth - 1, &values[i])
        total += ways(roll) * best
    slot.key = key
    slot.value = total / 16
    return total / 16


cdef double chance_value(const Net* net, const Board* board, int depth) noexcept nogil:
    """The win probability of the side to move before its roll, looking `depth` turns ahead; 0 asks the network."""
    cdef Memo[MEMO] memo
    if depth == 0:
        return win_probability(net, board)
    memset(memo, 0, sizeof(memo))
    return chance(net, memo, board, depth)


cdef int network_moves(
    const Net* net, const Board* board, int roll, int depth, int* squares, double* values
) noexcept nogil:
    """Values every legal move, ascending squares, with `depth` turns of look-ahead (at least 1); returns how many.

    Beyond the first turn only the moves that the move filter lets through are looked at: the others, which keep the
    network's own value, are below the best of them.
    """
    cdef Memo[MEMO] memo
    cdef Board[MAX_MOVES] next
    cdef bint[MAX_MOVES] same
    cdef int count = successors_of(board, roll, squares, next, same)
    if depth == 1:
        leaf_values(net, NULL, next, same, count, values)
    elif count:
        memset(memo, 0, sizeof(memo))
        leaf_values(net, memo, next, same, count, values)
        look_deeper(net, memo, next, same, count, depth - 1, values)
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
    return {OLD_KEYS.get(key, key): value for key, value in document.items()}


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
    if array.size and np.abs(array).max() > MAX_WEIGHT:
        raise ValueError(f"{key} holds a number above {MAX_WEIGHT:g} in size")
    return array


def _take_layers(document, head, sizes):
    """Puts the quantised layers of a network, and the same as a flat list, in the place of what the file says."""
    key = f"{head}_layers"
    layers = quantized.decode(document, head, sizes)
    document[key] = layers
    document[f"{head}_weights"] = None
    if layers is not None:
        flat = quantized.flat(layers)
        if not (np.isfinite(flat).all() and np.abs(flat).max() <= MAX_WEIGHT):
            raise ValueError(f"{key} holds a weight above {MAX_WEIGHT:g} in size")
        document[f"{head}_weights"] = flat


def read_document(path):
    """A weights file as a dictionary of checked parts.

    Reads `.json` and `.json.gz`, the present keys and the older camel-case ones. Returns the document with
    `value_weights` and `policy_weights` as float32 arrays (or None), and `network_config` spelt in full. Of a quantised
    file it also has `value_layers` and `policy_layers`, lists of `engine.network.quantized.Layer` (or None). Raises
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
    if layout not in (LAYOUT, quantized.LAYOUT):
        raise ValueError(f"layout {layout!r} is unknown, expected {LAYOUT!r} or {quantized.LAYOUT!r}")
    input_size, hidden, value_outputs, policy_outputs = _sizes(document.get("network_config"))
    architecture = document.get("architecture", {})
    if not isinstance(architecture, dict):
        raise ValueError("architecture must be an object")
    activation = architecture.get("activation", "relu")
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation {activation!r} is unknown, expected one of {', '.join(ACTIVATIONS)}")
    kind = "weights" if layout == LAYOUT else "layers"
    for head, outputs in (("value", value_outputs), ("policy", policy_outputs)):
        if layout == LAYOUT:
            document[f"{head}_weights"] = _weights(
                document, f"{head}_weights", parameter_count(input_size, hidden, outputs))
        else:
            _take_layers(document, head, (input_size, *hidden, outputs))
    if document["value_weights"] is None and document["policy_weights"] is None:
        raise ValueError(f"neither value_{kind} nor policy_{kind} is there")
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


cdef class Network:
    """The networks of one weights file, ready to play.

    Values are win probabilities of the side to move, before its roll; policies are probabilities of the legal moves
    of a position with its roll.
    """

    @staticmethod
    def load(path):
        """Reads a weights file. ValueError if it is damaged or made for other features; OSError if unreadable."""
        cdef Network network
        document = read_document(path)
        try:
            network = Network.from_document(document)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
        network.path = str(path)
        # The text and its numbers take some ten times the networks' memory while they are read; what is freed of it
        # would stay with the C library (measured: 3.0 MiB instead of 1.9).
        del document
        release_memory()
        return network

    @staticmethod
    def from_document(document):
        """The networks of a document as `read_document` gives it. ValueError if made for other features."""
        cdef Network network = Network.__new__(Network)
        network._take(document)
        network.path = ""
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
        self.quantized = document["layout"] == quantized.LAYOUT
        if self.quantized:
            self.arrays = []
            if document["value_layers"] is not None:
                self._lay_out_quantized(&self.value_net, document["value_layers"])
            if document["policy_layers"] is not None:
                self._lay_out_quantized(&self.policy_net, document["policy_layers"])
            return
        value, policy = document["value_weights"], document["policy_weights"]
        need = sum(self._storage_size(outputs) for outputs, weights in ((1, value), (POLICY_OUTPUTS, policy))
                   if weights is not None)
        # Rows begin where a cache line does: a vector of the widest kind is one line, and would else be read from two.
        room = np.zeros(need + LANES, dtype=np.float32)
        start = -(room.ctypes.data // 4) % LANES
        self.storage = room[start:start + need]
        if value is not None:
            offset = self._lay_out(&self.value_net, value, 1, offset)
        if policy is not None:
            self._lay_out(&self.policy_net, policy, POLICY_OUTPUTS, offset)

    def _sizes(self, outputs):
        return np.array([FEATURES, *self.hidden_sizes, outputs], dtype=np.intc)

    def _storage_size(self, outputs):
        cdef const int[::1] sizes = self._sizes(outputs)
        return storage_size(&sizes[0], sizes.shape[0] - 1)

    cdef Py_ssize_t _lay_out(self, Net* net, const float[::1] flat, int outputs, Py_ssize_t offset) except -1:
        """Lays a flat list out in the storage; returns the offset behind it."""
        cdef const int[::1] sizes = self._sizes(outputs)
        cdef int layers = sizes.shape[0] - 1
        net.activation = SILU if self.activation == "silu" else RELU
        net.scales = &feature_scales()[0]
        lay_out(net, &sizes[0], layers, &flat[0], &self.storage[offset])
        return offset + storage_size(&sizes[0], layers)

    cdef int _lay_out_quantized(self, Net* net, list layers) except -1:
        """Points the network at padded copies of the layers, which `arrays` keeps."""
        cdef uint8_t[::1] structure = self._kept(np.zeros(sizeof(Quantized), dtype=np.uint8))
        cdef Quantized* whole = <Quantized*> &structure[0]
        cdef const int8_t[:, ::1] weights
        cdef const int32_t[::1] biases
        cdef const float[::1] factors
        cdef QuantizedLayer* layer
        net.layers = len(layers)
        net.quantized = whole
        whole.layers = len(layers)
        whole.silu = self.activation == "silu"
        factors = self._kept(FEATURE_SCALES / np.float32(layers[0].step))
        whole.factors = &factors[0]
        for i, given in enumerate(layers):
            layer = &whole.layer[i]
            step = np.float32(layers[i + 1].step) if i + 1 < len(layers) else np.float32(1)
            layer.inputs, layer.outputs = given.levels.shape
            weights = self._kept(given.levels)
            biases = self._kept(given.biases)
            factors = self._kept(given.scales if whole.silu else given.scales / step)
            layer.width = weights.shape[1]
            layer.weights, layer.biases, layer.factors = &weights[0, 0], &biases[0], &factors[0]
            layer.levels = 1 / step
        return 0

    def _kept(self, array):
        """The array as it is read from C, rows padded, alive as long as the network."""
        self.arrays.append(quantized.padded(array, QUANTIZED_LANES))
        return self.arrays[len(self.arrays) - 1]

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
        if self.quantized:
            return sum(array.nbytes for array in self.arrays)
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

    def values(self, packed, int depth=0):
        """(n,) float64 win probabilities of the sides to move of n packed positions (uint64), before their roll.

        depth: turns of look-ahead; 0 is the network's own value.
        """
        cdef const uint64_t[::1] positions = np.ascontiguousarray(packed, dtype=np.uint64)
        cdef double[::1] out
        cdef Py_ssize_t i
        cdef Board board
        self._need(self.has_value, "value")
        check_packed(positions)
        if not 0 <= depth < MAX_LOOKAHEAD:
            raise ValueError(f"look-ahead of a value must be 0 to {MAX_LOOKAHEAD - 1} turns, got {depth}")
        result = np.empty(positions.shape[0])
        out = result
        with nogil:
            for i in range(positions.shape[0]):
                board = unpack(positions[i])
                out[i] = chance_value(&self.value_net, &board, depth)
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
