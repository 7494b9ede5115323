"""Pictures of a position: SVG for notebooks and pages, characters for terminals.

The players have seats: seat 0 is blue, a disc, and plays along the lower edge; seat 1 is orange, a ring, and plays
along the upper one. Colour and shape both tell the seats apart, so either is enough. rich is imported only for a board
in a terminal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import cos, pi, sin
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from engine.classic.search import Search
from engine.core.position import Position, register_drawing
from engine.core.rules import MAX_ROLL, RuleSet, rules

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions
    from rich.text import Text

#: The players by seat.
SEATS = ("blue", "orange")
#: Their colours in a terminal: Okabe and Ito's blue and vermilion, which can be read on black and on white.
SEAT_STYLES = ("bold #0072B2", "bold #D55E00")
THEMES = ("auto", "light", "dark")

HAND = 0


class Player(Protocol):
    """An object that values moves: an Agent, Tablebase, Network or Search."""

    def moves(self, position: Position, roll: int, /) -> Sequence[tuple[Any, ...]]:
        """The legal moves, each with its square first and its value second."""


class Drawing(str):
    """An SVG document, which a notebook shows as a picture."""

    def _repr_svg_(self) -> str:
        return str(self)


class Mark(NamedTuple):
    """A legal move in a picture: from `square` to `target`, `label` its value as text, `best` if it is the highest."""

    square: int
    target: int
    label: str
    best: bool


def square_name(square: int, rule_set: str = "finkel") -> str:
    """A path square of a rule set in words: the hand and borne off have names, the rest are numbers."""
    return {HAND: "hand", rules(rule_set).borne_off: "off"}.get(square, str(square))


def value_text(value: float, player: Player) -> str:
    """A move's value as text: whole evaluation units of a search, else a probability in percent."""
    is_search = isinstance(player, Search) or getattr(player, "unit", "") == "points"
    return f"{value:.0f}" if is_search else f"{100 * value:.1f}"


def marks(position: Position, roll: int | None, player: Player | None = None) -> list[Mark]:
    """The legal moves of a roll with the player's values; none without a roll."""
    if roll is None:
        return []
    squares = position.legal_moves(roll)
    values = {} if player is None else {move[0]: move[1] for move in player.moves(position, roll)}
    known = [value for value in values.values() if value is not None]
    best = max(known, default=None)
    return [
        Mark(
            square,
            square + roll,
            "" if player is None or values[square] is None else value_text(values[square], player),
            best is not None and values[square] == best,
        )
        for square in squares
    ]


class _Side(NamedTuple):
    """The pieces of one seat."""

    seat: int
    squares: list[int]
    hand: int
    off: int


def _sides(position: Position, seat: int) -> tuple[_Side, _Side]:
    """The side to move, which sits at `seat`, and its opponent."""
    if seat not in (0, 1):
        raise ValueError(f"a seat is 0 or 1, not {seat}")
    return (
        _Side(seat, position.own_squares, position.own_hand, position.own_off),
        _Side(1 - seat, position.opponent_squares, position.opponent_hand, position.opponent_off),
    )


def _last_move(last: tuple[int, int] | None, position: Position, seat: int) -> tuple[int, int, int] | None:
    """The last move (square, roll) -> (seat, from, to): the side to move made it if it granted another roll.

    A capture that grants a roll is seen by what it leaves: no piece of the opponent stands on the square of its number.
    """
    if last is None:
        return None
    game = rules(position.rules)
    square, target = last[0], sum(last)
    captured = game.capture_grants_roll and target in position.own_squares and target not in position.opponent_squares
    return (seat if target in game.rosettes or captured else 1 - seat), square, target


class _Cells:
    """Where the tiles of a rule set's board lie: columns along the board, row 1 in the middle, seat 0 along row 2."""

    def __init__(self, game: RuleSet, seat: int) -> None:
        """seat: of the side to move, whose numbers the tiles of both paths have."""
        self.game = game
        self.columns = game.rows
        self.squares = {
            self.cell(side, square): (side, square) for side in (1 - seat, seat) for square in range(1, game.borne_off)
        }

    def cell(self, seat: int, square: int) -> tuple[int, int]:
        """The column and the row of a path square."""
        tile = self.game.paths[seat][square - 1]
        return int(tile[1:]) - 1, "CBA".index(tile[0])


# --- SVG. One cell is 60 units; the trays of hand and borne off lie above and below the board.

_CELL = 60
_MARGIN = 12
_TRAY = 46
_HEIGHT = 3 * _CELL + 2 * (_TRAY + _MARGIN)

_WOOD, _ROSETTE_WOOD, _LINE, _PETALS = "#f4ecdc", "#e3d2b0", "#7a6a55", "#b59a6c"
_OUTLINE, _LAST = "#222222", "#CC79A7"
_COLOURS = ("#0072B2", "#D55E00")  # Okabe and Ito's blue and vermilion, as in the charts
_PANEL, _INK = ("#ffffff", "#1f232b"), ("#333333", "#e8e8e8")  # light, dark

_STYLE = (
    "<style>@media (prefers-color-scheme: dark) {"
    f".ur-panel {{fill: {_PANEL[1]}}} .ur-ink {{fill: {_INK[1]}}} .ur-wire {{stroke: {_INK[1]}}}"
    "}</style>"
)


class _Theme:
    """SVG attributes that differ between a light and a dark page; for `auto` the reader's system chooses."""

    def __init__(self, name: str) -> None:
        if name not in THEMES:
            raise ValueError(f"a theme is one of {', '.join(THEMES)}, not {name!r}")
        dark = name == "dark"
        auto = name == "auto"
        self.style = _STYLE if auto else ""
        self.panel = f'fill="{_PANEL[dark]}"' + ' class="ur-panel"' * auto
        self.ink = f'fill="{_INK[dark]}"' + ' class="ur-ink"' * auto
        self.wire = f'fill="none" stroke="{_INK[dark]}"' + ' class="ur-wire"' * auto


def svg(
    position: Position,
    roll: int | None = None,
    player: Player | None = None,
    *,
    last: tuple[int, int] | None = None,
    seat: int = 0,
    theme: str = "auto",
    width: int = 560,
) -> Drawing:
    """The position as an SVG document; `Position.svg` explains the arguments."""
    mover, other = _sides(position, seat)
    game, style = rules(position.rules), _Theme(theme)
    cells = _Cells(game, seat)
    moves = marks(position, roll, player)
    across = cells.columns * _CELL + 2 * _MARGIN
    occupied = {cells.cell(other.seat, square) for square in other.squares}
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {across} {_HEIGHT}" width="{width}" role="img" '
        'font-family="Helvetica, Arial, DejaVu Sans, sans-serif" text-anchor="middle">',
        f"<title>{position}{'' if roll is None else f', roll {roll}'}, {SEATS[seat]} to move</title>",
        style.style,
        f'<rect width="{across}" height="{_HEIGHT}" rx="10" {style.panel}/>',
        *(_square(*cell, square, square in game.rosettes) for cell, (_, square) in sorted(cells.squares.items())),
        *_last_marks(_last_move(last, position, seat), cells),
        *(_tray(side, style, side is mover and not position.is_over) for side in (mover, other)),
        *(
            _piece(*_centre(cells.cell(side.seat, square)), _RADIUS, side.seat)
            for side in (mover, other)
            for square in side.squares
        ),
        *(_target(_place(cells, seat, mark.target, mover.off), mark.target, seat, cells, occupied) for mark in moves),
        *(_label(_place(cells, seat, mark.square), mark, mover.hand, style) for mark in moves),
    ]
    if roll is not None:
        parts.append(_dice(roll, seat, style))
    return Drawing("\n".join(part for part in parts if part) + "\n</svg>\n")


def _text(x: float, y: float, size: int, text: str, attributes: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" font-size="{size}" {attributes}>{text}</text>'


def _corner(column: int, row: int) -> tuple[int, int]:
    return _MARGIN + column * _CELL, _MARGIN + _TRAY + row * _CELL


def _centre(cell: tuple[int, int]) -> tuple[float, float]:
    x, y = _corner(*cell)
    return x + _CELL / 2, y + _CELL / 2


def _square(column: int, row: int, square: int, rosette: bool) -> str:
    x, y = _corner(column, row)
    wood = _ROSETTE_WOOD if rosette else _WOOD
    drawn = f'<rect x="{x}" y="{y}" width="{_CELL}" height="{_CELL}" fill="{wood}" stroke="{_LINE}" stroke-width="2"/>'
    if rosette:
        drawn += _rosette(x + _CELL / 2, y + _CELL / 2)
    return drawn + _text(x + 5, y + 13, 10, str(square), f'fill="{_LINE}" text-anchor="start"')


def _rosette(x: float, y: float) -> str:
    """Eight petals around a centre, as on the board in the British Museum."""
    petals = []
    for i in range(8):
        angle = i * pi / 4
        outer = x + 26 * cos(angle), y + 26 * sin(angle)
        sides = [(x + 15 * cos(angle + turn), y + 15 * sin(angle + turn)) for turn in (-0.42, 0.42)]
        petals.append(
            f"M{x:g} {y:g}Q{sides[0][0]:.1f} {sides[0][1]:.1f} {outer[0]:.1f} {outer[1]:.1f}"
            f"Q{sides[1][0]:.1f} {sides[1][1]:.1f} {x:g} {y:g}"
        )
    return f'<path d="{"".join(petals)}" fill="{_PETALS}"/>'


def _piece(x: float, y: float, radius: float, seat: int) -> str:
    drawn = (
        f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" fill="{_COLOURS[seat]}" stroke="{_OUTLINE}" '
        f'stroke-width="{radius / 10:g}"/>'
    )
    if seat:
        drawn += (
            f'<circle cx="{x:g}" cy="{y:g}" r="{radius * 0.42:g}" fill="{_WOOD}" stroke="{_OUTLINE}" '
            f'stroke-width="{radius / 10:g}"/>'
        )
    return drawn


_RADIUS, _SMALL = 18, 10  # of a piece on the board and in a tray
_SLOT = 24  # between two pieces of a tray
_HAND_X, _OFF_X = _MARGIN + 68, _MARGIN + 4 * _CELL + 72  # the first piece of each tray


def _tray_y(seat: int) -> float:
    return _MARGIN + (_TRAY / 2 - 4 if seat else 3 * _CELL + 3 * _TRAY / 2 + 4)


def _tray(side: _Side, style: _Theme, to_move: bool) -> str:
    """Hand at the left, borne off at the right, and a pointer at the side to move."""
    y = _tray_y(side.seat)
    words = f'{style.ink} text-anchor="end"'
    drawn = [_text(_HAND_X - 16, y + 4, 12, "hand", words), _text(_OFF_X - 16, y + 4, 12, f"off {side.off}", words)]
    for first, count in ((_HAND_X, side.hand), (_OFF_X, side.off)):
        drawn += [_piece(first + i * _SLOT, y, _SMALL, side.seat) for i in range(count)]
    if to_move:
        x = _MARGIN + 2
        drawn.append(f'<path d="M{x} {y - 6:g}l9 6l-9 6z" {style.ink}/>')
    return "".join(drawn)


def _place(cells: _Cells, seat: int, square: int, off: int = 0) -> tuple[float, float]:
    """The centre of a mark for a path square, the hand or the next piece borne off."""
    if square == HAND:
        return _HAND_X, _tray_y(seat)
    if square == cells.game.borne_off:
        return _OFF_X + off * _SLOT, _tray_y(seat)
    return _centre(cells.cell(seat, square))


def _last_marks(last: tuple[int, int, int] | None, cells: _Cells) -> Iterator[str]:
    """Frames around the squares of the last move, dashed where it came from."""
    if last is None:
        return
    seat, source, target = last
    for square, dash in ((source, ' stroke-dasharray="6 4"'), (target, "")):
        if square in (HAND, cells.game.borne_off):
            continue
        x, y = _corner(*cells.cell(seat, square))
        yield (
            f'<rect x="{x + 3}" y="{y + 3}" width="{_CELL - 6}" height="{_CELL - 6}" rx="3" fill="none" '
            f'stroke="{_LAST}" stroke-width="4"{dash}/>'
        )


def _target(centre: tuple[float, float], square: int, seat: int, cells: _Cells, occupied: set[tuple[int, int]]) -> str:
    """A dashed ring where a move ends, wider where it goes around the piece that is captured."""
    off = square == cells.game.borne_off
    captures = not off and cells.cell(seat, square) in occupied
    radius = _SMALL if off else _RADIUS + (6 if captures else 3)
    return (
        f'<circle cx="{centre[0]:g}" cy="{centre[1]:g}" r="{radius}" fill="none" stroke="{_COLOURS[seat]}" '
        'stroke-width="3" stroke-dasharray="5 4"/>'
    )


def _label(centre: tuple[float, float], mark: Mark, hand: int, style: _Theme) -> str:
    """A ring around a piece that may move, and its value below it, or beside the hand. The best: white on black."""
    x, y = centre
    # The hand is drawn on the panel, which may be dark; the board is always light.
    radius, line = (_SMALL, style.wire) if mark.square == HAND else (_RADIUS, f'fill="none" stroke="{_OUTLINE}"')
    ring = f'<circle cx="{x:g}" cy="{y:g}" r="{radius + 1}" {line} stroke-width="3"/>'
    if not mark.label:
        return ring
    wide = 9 + 7 * len(mark.label)
    ground, ink = (_OUTLINE, "#ffffff") if mark.best else ("#ffffff", _OUTLINE)
    middle, top = (x + hand * _SLOT + wide / 2 - 8, y - 8.5) if mark.square == HAND else (x, y + 11)
    return (
        f'{ring}<rect x="{middle - wide / 2:g}" y="{top:g}" width="{wide}" height="17" rx="8" fill="{ground}" '
        f'stroke="{ink}"/>' + _text(middle, top + 12.5, 12, mark.label, f'fill="{ink}" font-weight="bold"')
    )


def _dice(roll: int, seat: int, style: _Theme) -> str:
    """Four pyramids in the gap of the mover's edge, as many tips marked as were rolled."""
    left, top = _corner(4, 0 if seat else 2)
    drawn = []
    for i in range(MAX_ROLL):
        x, y = left + 15 + i * 30, top + 16
        drawn.append(f'<path d="M{x} {y}l-12 21h24z" {style.wire} stroke-width="2" stroke-linejoin="round"/>')
        if i < roll:
            drawn.append(f'<path d="M{x} {y}l-5.5 9.6h11z" {style.ink}/>')
    return "".join(drawn) + _text(left + _CELL, top + 54, 12, f"roll {roll}", style.ink)


# --- Characters. A cell is two lines high and seven columns wide, five in a narrow terminal: the first line has its
# number, the second its piece and the value of moving it.

_WIDE, _NARROW = 7, 5
_PIECE_SIGNS = ("●", "○")
_ROSETTE_SIGN = "✿"
# The sign where borders meet, by whether one goes up, down, left and right.
_JOINTS = {
    (0, 1, 0, 1): "┌", (0, 1, 1, 0): "┐", (1, 0, 0, 1): "└", (1, 0, 1, 0): "┘", (0, 1, 1, 1): "┬", (1, 0, 1, 1): "┴",
    (1, 1, 0, 1): "├", (1, 1, 1, 0): "┤", (1, 1, 1, 1): "┼", (0, 0, 1, 1): "─", (0, 0, 0, 0): " ",
}  # fmt: skip
_ASCII = str.maketrans("┌┬┐├┼┤└┴┘─│●○✿▶·▲△←", "+++++++++-|xo*>.^-<")


def _border(cells: _Cells, row: int, cell: int) -> str:
    """The border above a row of the board, or below the last row, with cells `cell` columns wide."""

    def borders(column: int, line: int) -> bool:
        return (column, line) in cells.squares

    signs = []
    for column in range(cells.columns + 1):
        up_left, up_right = borders(column - 1, row - 1), borders(column, row - 1)
        down_left, down_right = borders(column - 1, row), borders(column, row)
        left, right = up_left or down_left, up_right or down_right
        signs.append(_JOINTS[up_left or up_right, down_left or down_right, left, right])
        signs.append(("─" if right else " ") * cell)
    return "".join(signs).rstrip()


def _columns(cells: _Cells, cell: int) -> int:
    """The width of a board with cells `cell` columns wide."""
    return len(_border(cells, 1, cell))


def _fitted(label: str, room: int) -> str:
    """A value in at most `room` columns: without a final ".0" where that fits, empty where nothing does."""
    return next((text for text in (label, label.removesuffix(".0")) if len(text) <= room), "")


class Board:
    """A position as rich draws it: in narrow cells in a narrow terminal, in ASCII where nothing else is encoded."""

    def __init__(
        self,
        position: Position,
        roll: int | None = None,
        player: Player | None = None,
        *,
        last: tuple[int, int] | None = None,
        seat: int = 0,
    ) -> None:
        self.position = position
        self.roll = roll
        self.seat = seat
        self.last = _last_move(last, position, seat)
        self.cells = _Cells(rules(position.rules), seat)
        self.mover, self.other = _sides(position, seat)
        self.marks = {mark.square: mark for mark in marks(position, roll, player)}
        self.targets = {mark.target: mark for mark in self.marks.values()}

    def text(self, cell: int = _WIDE) -> Text:
        """The board as styled text: 12 lines, Finkel's 65 wide; in narrow cells 49, the roll in a line of its own."""
        from rich.text import Text

        text = Text(no_wrap=True)
        upper, lower = (self.mover, self.other) if self.seat else (self.other, self.mover)
        self._tray(text, upper, cell)
        for row in range(3):
            text.append(_border(self.cells, row, cell) + "\n", style="dim")
            self._row(text, row, cell)
        text.append(_border(self.cells, 3, cell) + "\n", style="dim")
        self._tray(text, lower, cell)
        text.rstrip()
        return text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        cell = next((cell for cell in (_WIDE, _NARROW) if _columns(self.cells, cell) <= options.max_width), None)
        if cell is None:
            from rich.text import Text

            yield Text(f"the board needs {_columns(self.cells, _NARROW)} columns")
            return
        text = self.text(cell)
        if options.ascii_only:
            text.plain = text.plain.translate(_ASCII)
        yield text

    def _tray(self, text: Text, side: _Side, cell: int) -> None:
        to_move = side is self.mover and not self.position.is_over
        hand = self.marks.get(HAND) if to_move else None
        text.append("▶ " if to_move else "  ", style="bold")
        text.append(f"{SEATS[side.seat]:<7}", style=SEAT_STYLES[side.seat])
        text.append("hand ", style="reverse" if hand else "dim")
        text.append(f"{_PIECE_SIGNS[side.seat] * side.hand:<7} ", style=SEAT_STYLES[side.seat])
        text.append(f"{hand.label if hand else '':<7}", style="bold" if hand and hand.best else "")
        text.append("off ", style="dim")
        text.append(f"{_PIECE_SIGNS[side.seat] * side.off:<7} ", style=SEAT_STYLES[side.seat])
        text.append(f"{side.off}")
        if to_move:
            self._arrival(text, self.cells.game.borne_off)
        if to_move and self.roll is not None:
            text.append("   roll " if cell == _WIDE else "\n  roll ", style="dim")
            text.append("▲" * self.roll + "△" * (MAX_ROLL - self.roll), style="bold")
            text.append(f" {self.roll}", style="bold")
        text.append("\n")

    def _row(self, text: Text, row: int, cell: int) -> None:
        inside = [column for column in range(self.cells.columns) if (column, row) in self.cells.squares]
        for line in (self._heading, self._content):
            text.append("│", style="dim")
            for column in range(max(inside) + 1):
                if column in inside:
                    line(text, (column, row), cell)
                else:
                    text.append(" " * cell)
                is_border = column in inside or column + 1 in inside
                text.append("│" if is_border else " ", style="dim")
            text.append("\n")

    def _heading(self, text: Text, at: tuple[int, int], cell: int) -> None:
        seat, square = self.cells.squares[at]
        movable = seat == self.seat and square in self.marks
        sign = _ROSETTE_SIGN if square in self.cells.game.rosettes else ""
        text.append(" ")
        text.append(f"{square}", style="reverse bold" if movable else "dim")
        text.append(f"{sign:>{cell - 2 - len(str(square))}} ", style="magenta")

    def _content(self, text: Text, at: tuple[int, int], cell: int) -> None:
        seat, number = self.cells.squares[at]
        for side in (self.mover, self.other):
            square = next((square for square in side.squares if self.cells.cell(side.seat, square) == at), None)
            if square is None:
                continue
            mark = self.marks.get(square) if side is self.mover else None
            label = _fitted(mark.label, cell - 1) if mark else ""
            piece = f"{'' if len(label) == cell - 1 else ' '}{_PIECE_SIGNS[side.seat]}"
            text.append(piece, style=SEAT_STYLES[side.seat])
            if side is self.mover:
                text.append(f"{label:<{cell - len(piece)}}", style="bold" if mark and mark.best else "")
            elif seat == self.seat:
                self._arrival(text, number, cell - len(piece))
            else:
                text.append(" " * (cell - len(piece)))
            return
        if number in self.targets and seat == self.seat:
            text.append(" ")
            self._arrival(text, number, cell - 1)
            return
        left = self.last is not None and self.last[1] != HAND and self.cells.cell(*self.last[:2]) == at
        text.append(f"{' ·' if left else '':<{cell}}", style="dim")

    def _arrival(self, text: Text, square: int, room: int = 0) -> None:
        """Where the move comes from that ends on a square, such as "←4"; "←0" from the hand. Bold for the best."""
        mark = self.targets.get(square)
        sign = f"←{mark.square}" if mark else ""
        text.append(
            f"{sign:<{room}}" if room else f" {sign}" if sign else "", style="bold" if mark and mark.best else ""
        )


register_drawing(svg, Board)
