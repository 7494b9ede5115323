"""The networks of a weights file, ready to play."""

from libc.stdint cimport uint8_t, uint64_t
from engine.core.features cimport feature_scales
from engine.core.position cimport *
from engine.network.layers cimport LANES, RELU, SILU, Net, lay_out, policy_moves, storage_size, win_probability
from engine.network.lookahead cimport MAX_LOOKAHEAD, chance_value, network_moves
from engine.network.quantized_layers cimport QuantizedLayers
import numpy as np
from engine.core.features import check_rows, features_of
from engine.core.rules import check_same
from engine.network import quantized
from engine.network.document import POLICY_OUTPUTS, VALUE_SCALE, read_document


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


cdef check_lookahead(int depth):
    """Raises ValueError for turns of look-ahead out of range."""
    if not 1 <= depth <= MAX_LOOKAHEAD:
        raise ValueError(f"look-ahead must be 1 to {MAX_LOOKAHEAD} turns, got {depth}")


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
        # The text and its numbers take some ten times the networks' memory while they are read; the C library would
        # keep the memory that is freed (measured: 3.0 MiB instead of 1.9).
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
        """Lays the networks of a document out; raises ValueError if they are made for other features."""
        config = document["network_config"]
        self.rules = document.get("rules", "finkel")
        self.rules_number = rules_number(self.rules)
        features = features_of(self.rules)
        self.feature_set = document.get("feature_set")
        if self.feature_set != features.name:
            raise ValueError(f"made for the feature set {self.feature_set!r}, this engine has {features.name!r}: "
                             "it converts, but cannot play")
        if document["value_scale"] != VALUE_SCALE:
            raise ValueError(f"value_scale {document['value_scale']!r} is unknown, expected {VALUE_SCALE!r}")
        if config["input_size"] != len(features.names):
            raise ValueError(f"takes {config['input_size']} inputs, the feature set has {len(features.names)}")
        if config["value_output_size"] != 1 or config["policy_output_size"] != POLICY_OUTPUTS:
            raise ValueError(f"must have 1 value and {POLICY_OUTPUTS} policy outputs")
        self.metadata = document["metadata"]
        self.hidden_sizes = tuple(config["hidden_sizes"])
        self.activation = document["architecture"]["activation"]
        self.quantized = document["layout"] == quantized.LAYOUT
        if self.quantized:
            self.value_layers = self._quantized(&self.value_net, document["value_layers"])
            self.policy_layers = self._quantized(&self.policy_net, document["policy_layers"])
        else:
            self._lay_out_all(document["value_weights"], document["policy_weights"])

    cdef QuantizedLayers _quantized(self, Net* net, list layers):
        """The quantised layers, and points the network at them; None without any."""
        cdef QuantizedLayers quantized_layers
        if layers is None:
            return None
        quantized_layers = QuantizedLayers(layers, self.activation == "silu", features_of(self.rules).scales)
        net.layers = len(layers)
        net.quantized = &quantized_layers.net
        return quantized_layers

    def _lay_out_all(self, value, policy):
        """Lays the flat lists of both networks, or None, out in one storage."""
        cdef Py_ssize_t offset = 0
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
        return np.array([feature_scales(self.rules_number).shape[0], *self.hidden_sizes, outputs], dtype=np.intc)

    def _storage_size(self, outputs):
        cdef const int[::1] sizes = self._sizes(outputs)
        return storage_size(&sizes[0], sizes.shape[0] - 1)

    cdef Py_ssize_t _lay_out(self, Net* net, const float[::1] flat, int outputs, Py_ssize_t offset) except -1:
        """Lays a flat list out in the storage; returns the offset behind it."""
        cdef const int[::1] sizes = self._sizes(outputs)
        cdef int layers = sizes.shape[0] - 1
        net.activation = SILU if self.activation == "silu" else RELU
        net.scales = &feature_scales(self.rules_number)[0]
        lay_out(net, &sizes[0], layers, &flat[0], &self.storage[offset])
        return offset + storage_size(&sizes[0], layers)

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
            return sum(layers.nbytes for layers in (self.value_layers, self.policy_layers) if layers is not None)
        return 4 * self.storage.shape[0]

    def _need(self, bint available, name):
        if not available:
            raise ValueError(f"{self.path} has no {name} network")

    def _need_rules(self, Position position):
        check_same(self.rules, position.rules, self.path or "the network", "the position")

    def value(self, Position position not None):
        """Win probability of the side to move, before its roll."""
        cdef double probability
        self._need(self.has_value, "value")
        self._need_rules(position)
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
        check_packed(self.rules_number, positions)
        if not 0 <= depth < MAX_LOOKAHEAD:
            raise ValueError(f"look-ahead of a value must be 0 to {MAX_LOOKAHEAD - 1} turns, got {depth}")
        result = np.empty(positions.shape[0])
        out = result
        with nogil:
            for i in range(positions.shape[0]):
                board = unpack(self.rules_number, positions[i])
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
        self._need_rules(position)
        check_roll(position.board.rules, roll)
        check_lookahead(depth)
        if is_over(&position.board):
            raise ValueError(f"the game is over in {position}")
        with nogil:
            count = network_moves(&self.value_net, &position.board, roll, depth, squares, values)
        return [(squares[i], values[i]) for i in range(count)]

    def move_values(self, packed, rolls, int depth=1):
        """(n, 7) float64 win probabilities after the moves by policy slot of n packed positions with their rolls.

        NaN in slots without a legal move. depth: as for `moves`. ValueError for a game that is over.
        """
        packed, rolls = check_rows(packed, rolls, self.rules)
        cdef const uint64_t[::1] positions = packed
        cdef const uint8_t[::1] known = rolls
        cdef double[:, ::1] out
        cdef int squares[MAX_MOVES]
        cdef double values[MAX_MOVES]
        cdef Py_ssize_t i, bad = -1
        cdef int k, count
        cdef Board board
        self._need(self.has_value, "value")
        check_lookahead(depth)
        result = np.full((positions.shape[0], POLICY_OUTPUTS), np.nan)
        out = result
        with nogil:
            for i in range(positions.shape[0]):
                board = unpack(self.rules_number, positions[i])
                if is_over(&board):
                    bad = i
                    break
                count = network_moves(&self.value_net, &board, known[i], depth, squares, values)
                for k in range(count):
                    out[i, policy_slot(&board, squares[k])] = values[k]
        if bad >= 0:
            raise ValueError(f"entry {bad}: the game is over")
        return result

    def policy(self, Position position not None, int roll):
        """Every legal move as (square, probability), ascending squares; the probabilities sum to 1."""
        cdef int squares[MAX_MOVES]
        cdef double probabilities[MAX_MOVES]
        cdef int count
        self._need(self.has_policy, "policy")
        self._need_rules(position)
        check_roll(position.board.rules, roll)
        if is_over(&position.board):
            raise ValueError(f"the game is over in {position}")
        with nogil:
            count = policy_moves(&self.policy_net, &position.board, roll, squares, probabilities)
        return [(squares[i], probabilities[i]) for i in range(count)]

    def policies(self, packed, rolls):
        """(n, 7) float64 probabilities by policy slot of n packed positions with their rolls; illegal ones are 0."""
        packed, rolls = check_rows(packed, rolls, self.rules)
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
                board = unpack(self.rules_number, positions[i])
                count = policy_moves(&self.policy_net, &board, known[i], squares, probabilities)
                for k in range(count):
                    out[i, policy_slot(&board, squares[k])] = probabilities[k]
        return result
