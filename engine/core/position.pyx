"""The packed position, the rules of the game and the path notation.

A position knows its rule set: Irving Finkel's, the default, or another of `engine.core.rules.RULE_SETS`. Everything is
seen from the side to move.
"""

from engine.core.position cimport *
from engine.core.rules import RULE_SETS
from engine.core.rules import rules as rule_set

#: Path squares of Finkel's rules that grant another roll.
ROSETTES = rule_set().rosettes
#: Path squares of Finkel's rules that both sides walk.
SHARED = rule_set().shared
#: Path squares of Finkel's rules on which no piece can be captured although both sides walk them.
SAFE = rule_set().safe


cdef int check_roll(int rules, int roll) except -1:
    """ValueError unless the dice of a rule set can give the roll."""
    if not 0 <= roll <= MAX_ROLL or ways(&RULES[rules], roll) == 0:
        raise ValueError(f"a roll is {0 if ways(&RULES[rules], 0) else 1} to {MAX_ROLL}, not {roll}")
    return 0


cdef int check_packed(int rules, const uint64_t[::1] positions) except -1:
    """Raises ValueError unless every packed position is one that the rule set allows."""
    cdef Py_ssize_t i
    cdef Py_ssize_t bad = -1
    with nogil:
        for i in range(positions.shape[0]):
            if not is_packed(rules, positions[i]):
                bad = i
                break
    if bad >= 0:
        raise ValueError(f"entry {bad} is not a packed position: {positions[bad]:#x}")
    return 0


def _parse_side(text, name, rules):
    """One side of the notation -> (mask, borne off). Raises ValueError with the reason."""
    length, pieces = rules.squares, rules.pieces
    squares, colon, count = text.partition(":")
    if not colon:
        raise ValueError(f"{name}: expected '<{length} squares>:<borne off>', got {text!r}")
    if len(squares) != length or set(squares) - {"x", "."}:
        raise ValueError(f"{name}: expected {length} squares of 'x' and '.', got {squares!r}")
    if count not in [str(off) for off in range(pieces + 1)]:
        raise ValueError(f"{name}: borne off must be 0 to {pieces}, got {count!r}")
    mask = sum(1 << (i + 1) for i, square in enumerate(squares) if square == "x")
    if squares.count("x") + int(count) > pieces:
        raise ValueError(f"{name}: {squares.count('x')} pieces on the path and {count} borne off, "
                         f"more than {pieces}")
    return mask, int(count)


cdef str _side_text(const Rules* rules, unsigned int mask, int off):
    return "".join(["x" if mask >> square & 1 else "." for square in range(1, rules.borne_off)]) + f":{off}"


_draw_svg = _draw_board = None


def register_drawing(svg, board):
    """Sets what draws positions: `Position.svg` calls `svg`, and a terminal's `Position.__rich__` calls `board`.

    engine.drawing registers itself when it is imported, so that positions do not import their drawing.
    """
    global _draw_svg, _draw_board
    _draw_svg, _draw_board = svg, board


cdef class Position:
    """A position of the game, from the view of the side to move. Immutable and hashable.

    Path squares are numbered from 1 along each side's own path; 0 is the hand, and the number after the last square is
    borne off: 15 in Finkel's game, 17 in the others.

    rules: a name of `RULE_SETS`.
    """

    def __init__(self, str rules="finkel"):
        self.board = whole_opening(rules_number(rules))

    @staticmethod
    cdef Position wrap(Board board):
        cdef Position position = Position.__new__(Position)
        position.board = board
        return position

    @staticmethod
    def initial(str rules="finkel"):
        """The opening: both sides with all their pieces in hand."""
        return Position.wrap(whole_opening(rules_number(rules)))

    @staticmethod
    def from_notation(str text not None, str rules="finkel"):
        """The position of a line such as `x.............:0|..............:6`. ValueError says what is wrong."""
        cdef int number = rules_number(rules)
        cdef const Rules* constants = &RULES[number]
        parts = text.strip().split("|")
        if len(parts) != 2:
            raise ValueError(f"expected '<own>|<opponent>', got {text!r}")
        own, own_off = _parse_side(parts[0], "own side", rule_set(rules))
        opp, opp_off = _parse_side(parts[1], "opponent", rule_set(rules))
        both = own & <unsigned int> theirs_of(constants, opp)
        if both:
            raise ValueError(f"both sides stand on shared square {lowest(both)}")
        if own_off == constants.pieces and opp_off == constants.pieces:
            raise ValueError("both sides have borne off all their pieces")
        own, opp = own >> constants.pack_shift, opp >> constants.pack_shift
        return Position.from_packed(own | opp << 16 | own_off << 32 | opp_off << 40, rules)

    @staticmethod
    def from_packed(uint64_t packed, str rules="finkel"):
        """The position of a packed integer (see `packed`). ValueError if the rules do not allow it."""
        cdef int number = rules_number(rules)
        if not is_packed(number, packed):
            raise ValueError(f"not a packed position: {packed:#x}")
        return Position.wrap(unpack(number, packed))

    @property
    def rules(self):
        """The name of its rule set."""
        return RULE_SETS[self.board.rules]

    @property
    def packed(self):
        """The position as an integer: bits 0-15 own squares, 16-31 the opponent's, 32-39 own pieces borne off, 40-47
        the opponent's. Bit s is path square s where a path has 14 squares, path square s + 1 where it has 16. Arrays of
        positions are uint64 arrays of these; the integer does not hold the rule set.
        """
        return pack(&self.board)

    @property
    def own_squares(self):
        """Path squares of the side to move, ascending."""
        return squares_of_mask(self.board.own)

    @property
    def opponent_squares(self):
        """Path squares of the opponent along its own path, ascending."""
        return squares_of_mask(self.board.opp)

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
        check_roll(self.board.rules, roll)
        if is_over(&self.board):
            return []
        return squares_of_mask(legal_sources(&self.board, roll))

    def play(self, int roll, int square):
        """Moves the piece on `square` -> (successor, same_player).

        The successor is seen by whoever moves next, which is the same player after a rosette, and after a capture in
        a game whose captures grant a roll. ValueError if the move is not legal. `swapped` plays a turn without moves.
        """
        check_roll(self.board.rules, roll)
        cdef bint legal = not is_over(&self.board) and 0 <= square < rules_of(&self.board).borne_off
        if not legal or not legal_sources(&self.board, roll) >> square & 1:
            raise ValueError(f"moving from square {square} with a roll of {roll} is not legal in {self}")
        return Position.wrap(successor(self.board, square, roll)), grants_roll(&self.board, square, roll)

    def policy_slot(self, int square):
        """The output of the policy network that stands for the piece on `square` (0 = hand)."""
        cdef bint exists = 0 <= square < rules_of(&self.board).borne_off
        if not exists or not (self.board.own | (self.board.own_hand > 0)) >> square & 1:
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
        cdef const Rules* rules = rules_of(&self.board)
        return (_side_text(rules, self.board.own, self.board.own_off) + "|"
                + _side_text(rules, self.board.opp, self.board.opp_off))

    def __repr__(self):
        rules = f", {self.rules!r}" if self.board.rules != FINKEL else ""
        return f"Position.from_notation({str(self)!r}{rules})"

    def __eq__(self, other):
        return isinstance(other, Position) and (self.rules, self.packed) == (other.rules, other.packed)

    def __hash__(self):
        return hash((self.board.rules, self.packed))

    def __reduce__(self):
        return Position.from_packed, (self.packed, self.rules)


cdef uint64_t _perft(Board board, int depth) noexcept nogil:
    cdef uint64_t leaves = 0
    cdef unsigned int sources
    cdef int roll
    if depth == 0 or is_over(&board):
        return 1
    for roll in range(MAX_ROLL + 1):
        if ways(rules_of(&board), roll) == 0:
            continue
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
