"""Expectiminimax with the classic evaluation: the opponent called Classic, `emm:N`.

The plain search is the reference. The search with a table looks up the last chance node and all its replies: the
evaluation is additive, so the node's value is the position's evaluation plus a gain, and the gain depends only on the
mover's squares, on whether it has a piece in hand, and on the opponent's pieces in the shared lane. Both searches give
the same moves and the same values, bit for bit.
"""

from engine.classic.evaluation cimport evaluate, load_weights, move_gain
from engine.core.known cimport Boards, Finkels, Known, known
from engine.core.position cimport *
from engine.classic.search cimport *
from array import array
from engine.classic.evaluation import PRESETS
from engine.core.rules import check_same


cdef extern from *:
    """
    #define UR_WORST INT64_MIN
    """
    const int64_t WORST "UR_WORST"      # below every value: one call of `move_value` in a loop, which is inlined


cdef inline unsigned int last_index(
    const Searcher* searcher, unsigned int own, unsigned int opp, bint in_hand
) noexcept nogil:
    """The last chance node's index in the table: the lane in base three, then the private squares, then the hand."""
    cdef unsigned int lane = searcher.ternary[own >> 5 & 0xFF] + 2 * searcher.ternary[opp >> 5 & 0xFF]
    return lane << 7 | (own >> 8 & 96) | (own & 30) | in_hand


cdef inline int64_t last_chance(
    const Searcher* searcher, int32_t static, unsigned int own, unsigned int opp, bint in_hand
) noexcept nogil:
    """The value of the last chance node of the look-ahead, by the table."""
    return 16 * <int64_t> static + searcher.last[last_index(searcher, own, opp, in_hand)]


cdef int64_t chance(
    Known which, const Searcher* searcher, const Board* given, int32_t static, int depth
) noexcept nogil:
    """The value of a position before its roll, with `depth` turns to look ahead and `static` its evaluation."""
    cdef Board board = known(which, given[0])
    cdef int64_t total, best, value
    cdef unsigned int sources
    cdef int roll
    if depth == 0:
        return static
    if Known is Finkels:
        # With one piece left a move can win, and a win is no gain of the evaluation: such a node is searched.
        if depth == 1 and searcher.last != NULL and board.own_off < PIECES - 1:
            return last_chance(searcher, static, board.own, board.opp, board.own_hand != 0)
    total = 0
    if ways(rules_of(&board), 0):
        total = ways(rules_of(&board), 0) * passed(which, searcher, &board, static, depth - 1)
    for roll in range(1, MAX_ROLL + 1):
        sources = legal_sources(&board, roll)
        if sources == 0:
            total += ways(rules_of(&board), roll) * passed(which, searcher, &board, static, depth - 1)
            continue
        best = WORST
        while sources:
            value = move_value(which, searcher, &board, static, lowest(sources), roll, depth - 1)
            best = max(best, value)
            sources &= sources - 1
        total += ways(rules_of(&board), roll) * best
    return total


cdef inline int64_t passed(
    Known which, const Searcher* searcher, const Board* board, int32_t static, int depth
) noexcept nogil:
    """The value of passing, for the side that passes, with `depth` turns still to look ahead."""
    cdef Board other
    if depth == 0:
        return static
    other = swap_sides(board[0])
    return -chance(which, searcher, &other, -static, depth)


cdef inline int64_t move_value(
    Known which, const Searcher* searcher, const Board* given, int32_t static, int source, int roll, int depth
) noexcept nogil:
    """The value of a legal move for the side that makes it, with `depth` turns still to look ahead."""
    cdef Board board = known(which, given[0])
    cdef Board after
    cdef unsigned int own, opp
    if source + roll == rules_of(&board).borne_off and board.own_off == rules_of(&board).pieces - 1:
        return <int64_t> searcher.weights.win << (4 * depth)
    static += move_gain(&searcher.weights, &board, source, roll)
    if depth == 0:
        return static
    if Known is Finkels:
        if depth == 1 and searcher.last != NULL and board.own_off < PIECES - 2 and board.opp_off < PIECES - 1:
            # As below, but without the whole successor: the table needs only four of its fields.
            own = (board.own & ~(1u << source)) | (1u << (source + roll) & PATH_MASK)
            opp = board.opp & ~captured(&board, source + roll)
            if grants_roll(&board, source, roll):
                return last_chance(searcher, static, own, opp, board.own_hand > (source == 0))
            return -last_chance(searcher, -static, opp, own, board.opp_hand != 0 or opp != board.opp)
    after = after_move(board, source, roll)
    if grants_roll(&board, source, roll):
        return chance(which, searcher, &after, static, depth)
    after = swap_sides(after)
    return -chance(which, searcher, &after, -static, depth)


cdef inline void value_moves(
    Known which, const Searcher* searcher, Board board, int roll, Moves* moves
) noexcept nogil:
    """Values every legal move of a decision."""
    cdef int32_t static = evaluate(&searcher.weights, &board)
    cdef unsigned int sources
    cdef int count = 0
    board = known(which, board)
    sources = legal_sources(&board, roll)
    while sources:
        moves.square[count] = lowest(sources)
        moves.value[count] = move_value(which, searcher, &board, static, lowest(sources), roll, searcher.depth - 1)
        sources &= sources - 1
        count += 1
    moves.count = count


cdef void search_moves(const Searcher* searcher, const Board* board, int roll, Moves* moves) noexcept nogil:
    """Values every legal move of a decision; `count` is 0 when the turn passes."""
    if board.rules == FINKEL:
        value_moves(<Finkels> 0, searcher, board[0], roll, moves)
    else:
        value_moves(<Boards> 0, searcher, board[0], roll, moves)


cdef int best_index(const Moves* moves) noexcept nogil:
    """The first of the moves with the highest value: among equals the lowest square. `count` must not be 0."""
    cdef int best = 0
    cdef int i
    for i in range(1, moves.count):
        if moves.value[i] > moves.value[best]:
            best = i
    return best


cdef void fill_ternary(uint16_t* ternary) noexcept nogil:
    """Fills the table of lane masks read as digits of base three."""
    cdef unsigned int mask, digit, power
    for mask in range(256):
        ternary[mask] = 0
        power = 1
        for digit in range(8):
            if mask >> digit & 1:
                ternary[mask] += power
            power *= 3


cdef int32_t last_gain(const Searcher* searcher, Board board) noexcept nogil:
    """Of Finkel's rules: what the best move of each roll adds to the evaluation, summed over the dice; no move wins."""
    cdef int32_t total = 0, best
    cdef unsigned int sources
    cdef int roll
    board.rules = FINKEL
    for roll in range(1, MAX_ROLL + 1):
        sources = legal_sources(&board, roll)
        if sources == 0:
            continue
        best = move_gain(&searcher.weights, &board, lowest(sources), roll)
        sources &= sources - 1
        while sources:
            best = max(best, move_gain(&searcher.weights, &board, lowest(sources), roll))
            sources &= sources - 1
        total += ways(rules_of(&board), roll) * best
    return total


cdef bint fill_last_table(const Searcher* searcher, int16_t* table) noexcept nogil:
    """Fills the table of last chance nodes; False if a gain does not fit its 16 bits."""
    cdef Board board = opening(FINKEL, PIECES)      # of its fields, only those of `last_index` matter
    cdef unsigned int lanes, rest           # both sides' squares 5 to 12; the private squares and the hand
    cdef int32_t total
    for lanes in range(1 << 16):
        if (lanes & 0xFF) & (lanes >> 8):
            continue
        board.opp = (lanes & 0xFF) << 5
        for rest in range(1 << 7):
            board.own = (lanes >> 8) << 5 | (rest >> 1 & 15) << 1 | (rest >> 1 & 48) << 9
            board.own_hand = rest & 1
            total = last_gain(searcher, board)
            if total != <int16_t> total:
                return False
            table[last_index(searcher, board.own, board.opp, board.own_hand)] = <int16_t> total
    return True


_LAST_TABLES = {}       # by preset, filled at its first search


cdef const int16_t[::1] last_table(str preset, const Searcher* searcher):
    """The table of a preset's last chance nodes. OverflowError for weights that are too large for it."""
    cdef int16_t[::1] table
    cdef bint fits
    if preset not in _LAST_TABLES:
        table = array("h", bytes(2 * LAST_TABLE_SIZE))
        with nogil:
            fits = fill_last_table(searcher, &table[0])
        if not fits:
            raise OverflowError(f"the weights {preset!r} are too large for the table of last chance nodes")
        _LAST_TABLES[preset] = table
    return _LAST_TABLES[preset]


cdef class Search:
    """Expectiminimax of `depth` turns over the classic evaluation.

    depth: 1 compares the successors of the known roll by the evaluation alone; every further turn is a chance node
    over all five rolls and the best reply. A pass takes a turn, and so does the second move after a rosette.
    weights: a preset, "default" or "evolved".
    rules: the name of the rule set that it plays.
    tables: False for the plain search, the slow reference: same moves, same values. Only Finkel's rules have one: with
    twelve shared squares it would have 17 million entries.
    """

    def __init__(self, int depth, str weights="default", *, str rules="finkel", bint tables=True):
        if not 1 <= depth <= MAX_DEPTH:
            raise ValueError(f"search depth must be 1 to {MAX_DEPTH} turns, got {depth}")
        self.preset = weights
        self.rules = rules
        self.searcher.weights = load_weights(weights, rules_number(rules))
        self.searcher.depth = depth
        self.searcher.last = NULL
        fill_ternary(self.searcher.ternary)
        if tables and rules_number(rules) == FINKEL:
            self.table = last_table(weights, &self.searcher)
            self.searcher.last = &self.table[0]

    @staticmethod
    def weights(str name not None):
        """A copy of a preset's weights, in evaluation units. ValueError for an unknown name."""
        load_weights(name, FINKEL)
        return dict(PRESETS[name])

    @property
    def depth(self):
        """Turns of look-ahead."""
        return self.searcher.depth

    def raw_values(self, Position position not None, int roll):
        """Every legal move as (square, value): the doubled evaluation times 16**(depth - 1), an exact integer."""
        cdef Moves moves
        check_same(self.rules, position.rules, "the search", "the position")
        check_roll(position.board.rules, roll)
        if is_over(&position.board):
            raise ValueError(f"the game is over in {position}")
        with nogil:
            search_moves(&self.searcher, &position.board, roll, &moves)
        return [(moves.square[i], moves.value[i]) for i in range(moves.count)]

    def moves(self, Position position not None, int roll):
        """Every legal move as (square, value in evaluation units for the side to move), ascending squares."""
        scale = 2.0 * 16.0 ** (self.searcher.depth - 1)
        return [(square, value / scale) for square, value in self.raw_values(position, roll)]

    def best_move(self, Position position not None, int roll):
        """The square of the best move, the lowest among equals; None when the turn passes."""
        values = self.raw_values(position, roll)
        return max(values, key=lambda move: (move[1], -move[0]))[0] if values else None
