"""The packed position, the rules of the game and the path notation.

Rules: Irving Finkel's, seven pieces, four binary dice; the same as RoyalUr's "Finkel" rule set. Everything is
seen from the side to move.
"""

from engine.core.position cimport *

cdef list _squares(unsigned int mask):
    return [square for square in range(BORNE_OFF + 1) if mask >> square & 1]


#: Path squares that grant another roll.
ROSETTES = tuple(_squares(ROSETTE_MASK))
#: Path squares that both sides walk.
SHARED = tuple(_squares(LANE_MASK))
#: Path squares on which no piece can be captured although both sides walk them.
SAFE = tuple(_squares(SAFE_MASK))


cdef int check_roll(int roll) except -1:
    if not 0 <= roll <= MAX_ROLL:
        raise ValueError(f"a roll is 0 to {MAX_ROLL}, not {roll}")
    return 0


cdef int check_packed(const uint64_t[::1] positions) except -1:
    """Raises ValueError unless every packed position is one that the rules allow."""
    cdef Py_ssize_t i
    cdef Py_ssize_t bad = -1
    with nogil:
        for i in range(positions.shape[0]):
            if not is_packed(positions[i]):
                bad = i
                break
    if bad >= 0:
        raise ValueError(f"entry {bad} is not a packed position: {positions[bad]:#x}")
    return 0


def _parse_side(text, name):
    """One side of the notation -> (mask, borne off). Raises ValueError with the reason."""
    length = BORNE_OFF - 1
    squares, colon, count = text.partition(":")
    if not colon:
        raise ValueError(f"{name}: expected '<{length} squares>:<borne off>', got {text!r}")
    if len(squares) != length or set(squares) - {"x", "."}:
        raise ValueError(f"{name}: expected {length} squares of 'x' and '.', got {squares!r}")
    if count not in [str(off) for off in range(PIECES + 1)]:
        raise ValueError(f"{name}: borne off must be 0 to {PIECES}, got {count!r}")
    mask = sum(1 << (i + 1) for i, square in enumerate(squares) if square == "x")
    if squares.count("x") + int(count) > PIECES:
        raise ValueError(f"{name}: {squares.count('x')} pieces on the path and {count} borne off, "
                         f"more than {PIECES}")
    return mask, int(count)


def _side_text(mask, off):
    return "".join("x" if mask >> square & 1 else "." for square in range(1, BORNE_OFF)) + f":{off}"


_draw_svg = _draw_board = None


def register_drawing(svg, board):
    """Sets what draws positions: `Position.svg` calls `svg`, and a terminal's `Position.__rich__` calls `board`.

    engine.drawing registers itself when it is imported, so that positions do not import their drawing.
    """
    global _draw_svg, _draw_board
    _draw_svg, _draw_board = svg, board


cdef class Position:
    """A position of the game, from the view of the side to move. Immutable and hashable.

    Path squares are 1 to 14 along each side's own path, 0 is the hand and 15 is borne off.
    """

    def __init__(self):
        self.board = opening(PIECES)

    @staticmethod
    cdef Position wrap(Board board):
        cdef Position position = Position.__new__(Position)
        position.board = board
        return position

    @staticmethod
    def initial():
        """The opening: both sides with all seven pieces in hand."""
        return Position.wrap(opening(PIECES))

    @staticmethod
    def from_notation(str text not None):
        """The position of a line such as `x.............:0|..............:6`. ValueError says what is wrong."""
        parts = text.strip().split("|")
        if len(parts) != 2:
            raise ValueError(f"expected '<own>|<opponent>', got {text!r}")
        own, own_off = _parse_side(parts[0], "own side")
        opp, opp_off = _parse_side(parts[1], "opponent")
        shared = own & opp & <unsigned int> LANE_MASK
        if shared:
            raise ValueError(f"both sides stand on shared square {(shared & -shared).bit_length() - 1}")
        if own_off == PIECES and opp_off == PIECES:
            raise ValueError("both sides have borne off all their pieces")
        return Position.from_packed(own | opp << 16 | own_off << 32 | opp_off << 40)

    @staticmethod
    def from_packed(uint64_t packed):
        """The position of a packed integer (see `packed`). ValueError if the rules do not allow it."""
        if not is_packed(packed):
            raise ValueError(f"not a packed position: {packed:#x}")
        return Position.wrap(unpack(packed))

    @property
    def packed(self):
        """The position as an integer: bits 0-15 own squares (bit s = square s), 16-31 the opponent's, 32-39 own
        pieces borne off, 40-47 the opponent's. Arrays of positions are uint64 arrays of these.
        """
        return pack(&self.board)

    @property
    def own_squares(self):
        """Path squares of the side to move, ascending."""
        return _squares(self.board.own)

    @property
    def opponent_squares(self):
        """Path squares of the opponent along its own path, ascending."""
        return _squares(self.board.opp)

    @property
    def own_off(self):
        """Pieces borne off by the side to move."""
        return self.board.own_off

    @property
    def opponent_off(self):
        """Pieces borne off by the opponent."""
        return self.board.opp_off

    @property
    def own_hand(self):
        """Pieces in hand of the side to move."""
        return self.board.own_hand

    @property
    def opponent_hand(self):
        """Pieces in hand of the opponent."""
        return self.board.opp_hand

    @property
    def is_over(self):
        """Whether a side has borne off all its pieces."""
        return is_over(&self.board)

    @property
    def swapped(self):
        """The same position with the opponent to move: what a turn that passes leads to."""
        return Position.wrap(swap_sides(self.board))

    def legal_moves(self, int roll):
        """Path squares that a piece can be moved from, ascending, 0 for the hand; empty when the turn passes."""
        check_roll(roll)
        if is_over(&self.board):
            return []
        return _squares(legal_sources(&self.board, roll))

    def play(self, int roll, int square):
        """Moves the piece on `square` -> (successor, same_player).

        The successor is seen by whoever moves next, which is the same player after a rosette. ValueError if the
        move is not legal. A turn without legal moves is played by `swapped`.
        """
        check_roll(roll)
        if not 0 <= square < BORNE_OFF or is_over(&self.board) or not legal_sources(&self.board, roll) >> square & 1:
            raise ValueError(f"moving from square {square} with a roll of {roll} is not legal in {self}")
        return Position.wrap(successor(self.board, square, roll)), grants_roll(square + roll)

    def policy_slot(self, int square):
        """The output of the policy network that stands for the piece on `square` (0 = hand)."""
        if not 0 <= square < BORNE_OFF or not (self.board.own | (self.board.own_hand > 0)) >> square & 1:
            raise ValueError(f"no own piece on square {square} in {self}")
        return policy_slot(&self.board, square)

    def svg(self, roll=None, player=None, *, last=None, int seat=0, str theme="auto", int width=560):
        """A picture of the position: a string with an SVG document, which a notebook shows as a picture.

        Args:
            roll: the dice to show, 0 to 4; its legal moves are marked: a ring around the piece, a dashed one where it
                would land.
            player: an Agent, Tablebase, Network or Search that values the moves. Each value stands beside its move,
                from the view of the side to move after the move: win probability in percent, or a search's evaluation
                units. The highest value is white on black.
            last: the last move, (square moved from, roll), to be framed.
            seat: where the side to move sits: 0 is blue along the lower edge, 1 is orange along the upper.
            theme: "light", "dark", or "auto" for the reader's system setting.
            width: of the picture, in pixels.

        Raises:
            ValueError: a roll, seat or theme that does not exist.
        """
        return _draw_svg(self, roll, player, last=last, seat=seat, theme=theme, width=width)

    def _repr_svg_(self):
        return self.svg()

    def __rich__(self):
        return _draw_board(self)

    def __str__(self):
        return (_side_text(self.board.own, self.board.own_off) + "|"
                + _side_text(self.board.opp, self.board.opp_off))

    def __repr__(self):
        return f"Position.from_notation({str(self)!r})"

    def __eq__(self, other):
        return isinstance(other, Position) and self.packed == other.packed

    def __hash__(self):
        return hash(self.packed)

    def __reduce__(self):
        return Position.from_packed, (self.packed,)


cdef uint64_t _perft(Board board, int depth) noexcept nogil:
    cdef uint64_t leaves = 0
    cdef unsigned int sources
    cdef int roll
    if depth == 0 or is_over(&board):
        return 1
    for roll in range(MAX_ROLL + 1):
        sources = legal_sources(&board, roll)
        if sources == 0:
            leaves += _perft(swap_sides(board), depth - 1)
        while sources:
            leaves += _perft(successor(board, lowest(sources), roll), depth - 1)
            sources &= sources - 1
    return leaves


def perft(Position position not None, int depth):
    """Leaves of the game tree after `depth` turns, every roll and every move counted once: a test of the rules."""
    if depth < 0:
        raise ValueError(f"depth must not be negative, got {depth}")
    cdef uint64_t leaves
    with nogil:
        leaves = _perft(position.board, depth)
    return leaves
