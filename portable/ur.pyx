"""What `ur.wasm` exports: the engine's kernels by plain names.

The caller owns all memory: every pointer below is an address that it hands over. Nothing is kept between calls.
A Board is made by `ur_board`; the others take it as they find it. Squares are path squares, 0 the hand.
"""

from libc.stdint cimport int8_t, int16_t, int32_t, int64_t

from engine.classic.evaluation cimport Points, weigh
from engine.core.features cimport MAX_FEATURES, feature_floats
from engine.network.layers cimport (
    MAX_LAYERS,
    MAX_WIDTH,
    Activation,
    Net,
    lay_out,
    policy_moves,
    storage_size,
    win_probability,
)
from engine.network.lookahead cimport MAX_LOOKAHEAD, network_moves
from engine.network.quantized_layers cimport QUANTIZED_LANES, Quantized
from engine.core.position cimport *
from engine.classic.search cimport (
    LAST_TABLE_SIZE, MAX_DEPTH, Moves, Searcher, fill_last_table, fill_ternary, search_moves,
)


# Made by build.py from the engine's own tables.
cdef extern from "ur_tables.h":
    const float SCALES "UR_SCALES"[RULE_SET_COUNT][MAX_FEATURES]
    const char CONSTANTS "UR_CONSTANTS"[]


cdef public const char* ur_constants() noexcept nogil:
    """Names and limits of the engine, as JSON in UTF-8 that ends in a zero byte."""
    return CONSTANTS


cdef public void ur_limits(int* out) noexcept nogil:
    """Writes the largest: roll, number of moves, depth of the search, turns of look-ahead, number of layers, width."""
    out[0] = MAX_ROLL
    out[1] = MAX_MOVES
    out[2] = MAX_DEPTH
    out[3] = MAX_LOOKAHEAD
    out[4] = MAX_LAYERS
    out[5] = MAX_WIDTH


# --- rules -----------------------------------------------------------------------------------------------------------


cdef public int ur_board_bytes() noexcept nogil:
    """Bytes of a Board."""
    return sizeof(Board)


cdef public bint ur_board(
    Board* board, int rules, unsigned int own, unsigned int opp, int own_off, int opp_off
) noexcept nogil:
    """Makes a Board of a rule set's number, two masks (bit s is path square s) and the borne-off counts.

    0 if the rules do not allow the position.
    """
    cdef uint64_t packed
    if not 0 <= rules < RULE_SET_COUNT or (own | opp) & ~RULES[rules].path:
        return False
    if not 0 <= own_off <= MAX_PIECES or not 0 <= opp_off <= MAX_PIECES:
        return False
    packed = (own >> RULES[rules].pack_shift | <uint64_t> (opp >> RULES[rules].pack_shift) << 16
              | <uint64_t> own_off << 32 | <uint64_t> opp_off << 40)
    if not is_packed(rules, packed):
        return False
    board[0] = unpack(rules, packed)
    return True


cdef public bint ur_is_over(const Board* board) noexcept nogil:
    """Whether a side has borne off all its pieces."""
    return is_over(board)


cdef public unsigned int ur_legal_moves(const Board* board, int roll) noexcept nogil:
    """The squares that a piece can be moved from, as a mask."""
    return 0 if is_over(board) else legal_sources(board, roll)


cdef public bint ur_play(Board* board, int roll, int square) noexcept nogil:
    """Makes a legal move; the board is then seen by whoever moves next. 1 if that is the same side."""
    cdef bint again = grants_roll(board, square, roll)
    board[0] = successor(board[0], square, roll)
    return again


cdef public void ur_pass(Board* board) noexcept nogil:
    """Passes the turn."""
    board[0] = swap_sides(board[0])


# --- features --------------------------------------------------------------------------------------------------------


cdef public void ur_features(const Board* board, int roll, float* out) noexcept nogil:
    """Writes the features; a roll of -1 is a position before its roll."""
    feature_floats(board, roll, SCALES[board.rules], out)


# --- search ----------------------------------------------------------------------------------------------------------


cdef public int ur_searcher_bytes() noexcept nogil:
    """Bytes of a Searcher."""
    return sizeof(Searcher)


cdef public int ur_search_table_bytes() noexcept nogil:
    """Bytes of a table of last chance nodes."""
    return LAST_TABLE_SIZE * sizeof(int16_t)


cdef public void ur_searcher(Searcher* searcher, int rules, const double* points) noexcept nogil:
    """Makes a Searcher of a rule set without a table. points: an evaluation's seven weights, ordered as `Points`."""
    weigh(<const Points*> points, &RULES[rules], &searcher.weights)
    searcher.last = NULL
    fill_ternary(searcher.ternary)


cdef public bint ur_search_table(Searcher* searcher, int16_t* table) noexcept nogil:
    """Fills a table and uses it from now on; 0 if the weights are too large for its 16 bits."""
    if not fill_last_table(searcher, table):
        return False
    searcher.last = table
    return True


cdef public int ur_search(
    Searcher* searcher, const Board* board, int roll, int depth, int* squares, double* values
) noexcept nogil:
    """Every legal move, ascending squares, and its value in evaluation points; returns how many."""
    cdef Moves moves
    cdef int i
    searcher.depth = depth
    search_moves(searcher, board, roll, &moves)
    for i in range(moves.count):
        squares[i] = moves.square[i]
        values[i] = <double> moves.value[i] / <double> (<int64_t> 2 << (4 * (depth - 1)))
    return moves.count


# --- networks --------------------------------------------------------------------------------------------------------


cdef public int ur_net_bytes() noexcept nogil:
    """Bytes of a Net."""
    return sizeof(Net)


cdef public int ur_net_storage(const int* sizes, int layers) noexcept nogil:
    """Floats that a network's layers take. sizes: inputs and the outputs of each layer, layers + 1 numbers."""
    return storage_size(sizes, layers)


cdef public void ur_net(
    Net* net, int rules, const int* sizes, int layers, int activation, const float* flat, float* storage
) noexcept nogil:
    """Makes a Net of a rule set from a flat list of weights. storage: `ur_net_storage` zeros, which the Net keeps."""
    net.scales = SCALES[rules]
    net.activation = <Activation> activation
    lay_out(net, sizes, layers, flat, storage)


cdef public int ur_quantized_bytes() noexcept nogil:
    """Bytes of a Quantized."""
    return sizeof(Quantized)


cdef public int ur_quantized_lanes() noexcept nogil:
    """The multiple to which the rows of a quantised network's weights, biases and factors are padded with zeros."""
    return QUANTIZED_LANES


cdef public void ur_set_quantized_layer(
    Quantized* quantized, int number, int inputs, int outputs, int width, const int8_t* weights, const int32_t* biases,
    const float* factors, float levels
) noexcept nogil:
    """Sets a layer; layers.h says what the arguments are. The Quantized goes on using the three arrays."""
    quantized.layer[number].inputs = inputs
    quantized.layer[number].outputs = outputs
    quantized.layer[number].width = width
    quantized.layer[number].weights = weights
    quantized.layer[number].biases = biases
    quantized.layer[number].factors = factors
    quantized.layer[number].levels = levels


cdef public void ur_quantized_net(
    Net* net, int rules, Quantized* quantized, int layers, bint silu, float step, float* factors
) noexcept nogil:
    """Makes a Net of a rule set from a Quantized with its layers. step: of the features; factors: for padded inputs."""
    cdef int i
    for i in range(quantized.layer[0].inputs):
        factors[i] = SCALES[rules][i] / step
    quantized.layers = layers
    quantized.silu = silu
    quantized.factors = factors
    net.layers = layers
    net.quantized = quantized


cdef public double ur_value(const Net* net, const Board* board) noexcept nogil:
    """The win probability of the side to move, before its roll."""
    return win_probability(net, board)


cdef public int ur_network_moves(
    const Net* net, const Board* board, int roll, int depth, int* squares, double* values
) noexcept nogil:
    """Every legal move, ascending squares, and its win probability after `depth` turns; returns how many."""
    return network_moves(net, board, roll, depth, squares, values)


cdef public int ur_policy(
    const Net* net, const Board* board, int roll, int* squares, double* probabilities
) noexcept nogil:
    """Every legal move, ascending squares, and the policy's probability of it; returns how many."""
    return policy_moves(net, board, roll, squares, probabilities)
