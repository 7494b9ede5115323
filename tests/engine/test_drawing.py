"""Pictures of positions, read back as XML and as text."""

import io
import re
from xml.etree import ElementTree

import pytest
from random_networks import GOLDEN_NETWORK
from rich.console import Console

from engine import Agent, Position, Search
from engine.core.rules import rules
from engine.drawing import Board, Mark, marks

MIDDLE = Position.from_notation("..xx...x.x..x.:1|x..x..x...x...:2")
SVG = "{http://www.w3.org/2000/svg}"


def texts(drawing):
    return [element.text for element in ElementTree.fromstring(drawing).iter(f"{SVG}text")]


def pieces(drawing, colour):
    return [
        (float(element.get("cx")), float(element.get("cy")))
        for element in ElementTree.fromstring(drawing).iter(f"{SVG}circle")
        if element.get("fill") == colour
    ]


def plain(board, encoding="utf-8", width=100):
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    Console(file=stream, width=width).print(board)
    stream.flush()
    return raw.getvalue().decode(encoding)


def rings(drawing, **attributes):
    """The circles that are not filled and have these attributes."""
    return [
        element
        for element in ElementTree.fromstring(drawing).iter(f"{SVG}circle")
        if {"fill": "none", **attributes}.items() <= element.attrib.items()
    ]


BLUE, ORANGE = "#0072B2", "#D55E00"


class TestSvg:
    def test_a_notebook_shows_every_piece(self):
        drawing = MIDDLE._repr_svg_()
        assert drawing.startswith("<svg ")
        assert len(pieces(drawing, BLUE)) == len(pieces(drawing, ORANGE)) == 7
        assert {"off 1", "off 2"} <= set(texts(drawing))
        assert "blue to move" in ElementTree.fromstring(drawing).find(f"{SVG}title").text

    def test_a_drawing_shows_itself(self):
        drawing = MIDDLE.svg(2)
        assert drawing._repr_svg_() == drawing

    def test_the_squares_are_those_of_the_board(self):
        """The board's twenty squares: shared ones once, private ones for each side."""
        numbers = [int(text) for text in texts(Position().svg()) if text.isdecimal()]
        assert sorted(numbers) == sorted([*range(1, 5), 13, 14] * 2 + [*range(5, 13)])

    def test_seats_mirror_each_other(self):
        """The same position from the other seat: each side's pieces stand where the other's stood, mirrored."""
        below, above = MIDDLE.svg(seat=0), MIDDLE.svg(seat=1)
        height = float(ElementTree.fromstring(below).get("viewBox").split()[3])
        for mine, theirs in ((BLUE, ORANGE), (ORANGE, BLUE)):
            mirrored = sorted((x, height - y) for x, y in pieces(below, mine))
            assert mirrored == sorted(pieces(above, theirs))

    def test_legal_moves_have_their_values(self):
        search = Search(2)
        shown = texts(MIDDLE.svg(2, search))
        assert "roll 2" in shown
        assert {f"{value:.0f}" for _, value in search.moves(MIDDLE, 2)} <= set(shown)
        assert len(texts(MIDDLE.svg(2))) == len(shown) - len(MIDDLE.legal_moves(2))

    def test_every_legal_move_has_its_target(self):
        for roll in range(5):
            dashed = [
                element
                for element in ElementTree.fromstring(MIDDLE.svg(roll)).iter(f"{SVG}circle")
                if element.get("stroke-dasharray")
            ]
            assert len(dashed) == len(MIDDLE.legal_moves(roll))

    def test_a_capture_is_seen_around_its_piece(self):
        """The ring of a target that is taken is wider than others; private squares are not shared."""
        position = Position.from_notation("...x..........:0|.x..x.........:0")
        for roll, square, wider in ((1, 4, True), (2, 4, False), (2, 0, False)):
            only = Mark(square, square + roll, "", False)
            radii = [float(ring.get("r")) for ring in rings(position.svg(roll), **{"stroke-dasharray": "5 4"})]
            assert len(radii) == len(marks(position, roll))
            assert only in marks(position, roll)
            assert (max(radii) > 21) == wider

    def test_the_hands_ring_can_be_seen_on_the_panel(self):
        """Its piece lies on the panel, which is dark in a dark theme, and not on the board's wood."""
        found = {}
        for theme in ("light", "dark", "auto"):
            ring = rings(Position.initial().svg(2, theme=theme), **{"stroke-width": "3"})[-1]
            panel = ElementTree.fromstring(Position.initial().svg(theme=theme)).find(f"{SVG}rect")
            found[theme] = (int(ring.get("stroke")[1:3], 16), int(panel.get("fill")[1:3], 16), ring.get("class"))
        assert found["light"][0] < found["light"][1] - 128
        assert found["dark"][0] > found["dark"][1] + 128
        assert found["auto"] == (*found["light"][:2], "ur-wire")

    def test_the_last_move_is_framed_where_it_was_made(self):
        before = Position.from_notation("...x..........:0|......x.......:0")
        after, again = before.play(3, 4)
        assert not again
        frames = [
            (float(element.get("x")), float(element.get("y")))
            for element in ElementTree.fromstring(after.svg(seat=1, last=(4, 3))).iter(f"{SVG}rect")
            if element.get("fill") == "none"
        ]
        corners = {
            element.text: (float(element.get("x")), float(element.get("y")))
            for element in ElementTree.fromstring(Position().svg()).iter(f"{SVG}text")
        }  # seat 0's squares come first, so of the private ones the upper edge's remain
        source, target = frames
        assert target == (corners["7"][0] - 2, corners["7"][1] - 10)
        assert source[0] == corners["4"][0] - 2
        assert source[1] > target[1]  # blue made it, along the lower edge
        rolled, again = before.play(4, 4)
        assert again
        frames = ElementTree.fromstring(rolled.svg(seat=0, last=(4, 4))).iter(f"{SVG}rect")
        assert any(frame.get("stroke-dasharray") and float(frame.get("y")) == source[1] for frame in frames)

    def test_themes(self):
        light, dark, auto = (MIDDLE.svg(theme=theme) for theme in ("light", "dark", "auto"))
        assert len({light, dark, auto}) == 3
        assert "prefers-color-scheme" in auto
        assert "<style>" not in light + dark

    @pytest.mark.parametrize(
        ("arguments", "message"), [({"theme": "pink"}, "theme"), ({"seat": 2}, "seat"), ({"roll": 5}, "roll")]
    )
    def test_refusals(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            MIDDLE.svg(**arguments)


class TestTerminal:
    def test_the_board_is_a_rectangle_that_fits(self):
        lines = plain(MIDDLE).splitlines()
        assert len(lines) == 12
        assert {len(line) for line in lines[1:-1]} == {65}
        assert lines[0].startswith("  orange hand ○")
        assert lines[-1].startswith("▶ blue   hand ●")

    @pytest.mark.parametrize(("width", "columns"), [(80, 65), (65, 65), (60, 49), (50, 49), (49, 49)])
    @pytest.mark.parametrize("seat", [0, 1])
    def test_a_narrower_terminal_has_narrower_cells(self, width, columns, seat):
        player = Agent.parse(f"net:{GOLDEN_NETWORK}")
        lines = plain(Board(MIDDLE, 2, player, seat=seat), width=width).splitlines()
        assert len([line for line in lines if line[0] in "┌├└│"]) == 10
        assert {len(line) for line in lines if line[0] in "┌├└│"} == {columns}
        assert max(map(len, lines)) <= width
        board = "\n".join(lines)
        assert (board.count("●"), board.count("○")) == (7, 7)
        assert "roll ▲▲△△ 2" in board
        assert all(mark.label in board for mark in marks(MIDDLE, 2, player))

    @pytest.mark.parametrize("width", [48, 30])
    def test_where_no_board_fits_its_width_is_told(self, width):
        assert plain(Board(MIDDLE, 2), width=width) == "the board needs 49 columns\n"

    def test_values_are_never_cut(self, table):
        """One that is longer than its cell is left out."""
        assert "-1051" in {mark.label for mark in marks(MIDDLE, 2, Search(2))}
        wide, narrow = (plain(Board(MIDDLE, 2, Search(2)), width=width) for width in (80, 50))
        assert "●-1051" in wide.replace(" ", "")
        assert "-105" not in narrow
        last = Position.from_notation(".............x:6|..............:6")
        assert "│ ●100.0│" in plain(Board(last, 1, table), width=80)
        assert "│ ●100│" in plain(Board(last, 1, table), width=50)

    def test_every_piece_is_there(self):
        board = plain(MIDDLE)
        assert (board.count("●"), board.count("○")) == (7, 7)
        assert plain(Position()).count("✿") == 5

    def test_seats(self):
        lines = plain(Board(MIDDLE, seat=1)).splitlines()
        assert lines[0].startswith("▶ orange hand ○       ")
        assert lines[0].endswith("1")

    def test_dice_and_values(self):
        board = plain(Board(MIDDLE, 2, Search(2)))
        assert "roll ▲▲△△ 2" in board
        for mark in marks(MIDDLE, 2, Search(2)):
            assert mark.label in board

    @pytest.mark.parametrize("width", [80, 50])
    def test_each_move_shows_where_it_leads(self, width):
        """On an empty square, at a piece that it captures, at the pieces borne off; not on the opponent's squares."""
        position = Position.from_notation("x..xx......x..:1|..x...x..x....:2")
        lines = plain(Board(position, 3), width=width).splitlines()
        assert [line.count("←") for line in lines] == [0, 0, 0, 0, 0, 0, 2, 0, 0, 1, 0, 1, *[0] * (len(lines) - 12)]
        assert "○←4" in lines[6]
        assert "│ ←5" in lines[6]
        assert "│ ←0" in lines[9]
        assert "1 ←12" in lines[11]
        assert "←" not in plain(Board(position), width=width)
        assert "<4" in plain(Board(position, 3), "ascii")

    def test_the_last_move_leaves_a_trace(self):
        after, _ = Position.from_notation("...x..........:0|......x.......:0").play(3, 4)
        assert plain(Board(after, seat=1, last=(4, 3))).count("·") == 1
        assert plain(Board(after, seat=1)).count("·") == 0

    def test_a_terminal_without_unicode(self):
        board = plain(Board(MIDDLE, 2), "ascii")
        assert board.count("x") == 7
        assert board.startswith("  orange hand o ")
        assert "+-------+" in board
        assert "^^-- 2" in board


def test_an_agent_without_values_leaves_moves_unmarked():
    assert [mark.label for mark in marks(MIDDLE, 2, Agent.parse("greedy"))] == [""] * len(MIDDLE.legal_moves(2))
    assert not any(mark.best for mark in marks(MIDDLE, 2, Agent.parse("random")))


def test_the_best_move_is_marked():
    best = [mark.square for mark in marks(MIDDLE, 2, Search(3)) if mark.best]
    assert Search(3).best_move(MIDDLE, 2) in best


class TestRuleSets:
    """Boards with other squares and paths."""

    @pytest.mark.parametrize(("name", "tiles", "columns"), [("blitz", 20, 8), ("masters", 20, 8), ("aseb", 20, 12)])
    def test_every_tile_is_drawn_once(self, name, tiles, columns):
        drawing = Position(name).svg()
        assert len(re.findall(r'<rect [^>]*width="60" height="60"', drawing)) == tiles
        assert drawing.count('fill="#b59a6c"') == 5  # rosettes
        assert f'viewBox="0 0 {60 * columns + 24} ' in drawing

    @pytest.mark.parametrize(("square", "theirs"), [(12, 16), (13, 15), (14, 14), (15, 13), (16, 12)])
    def test_the_sides_walk_the_corners_against_each_other(self, square, theirs):
        """A piece on my square 12 is drawn where the opponent's piece on its square 16 is."""
        mine = Position.from_notation(f"{'.' * (square - 1)}x{'.' * (16 - square)}:6|................:6", "masters")
        other = Position.from_notation(f"{'.' * (theirs - 1)}x{'.' * (16 - theirs)}:6|................:6", "masters")
        on_board = [
            [place for place in pieces(position.svg(seat=seat), colour) if 58 < place[1] < 238]
            for position, seat, colour in ((mine, 0, BLUE), (other, 1, ORANGE))
        ]
        assert len(on_board[0]) == 1
        assert on_board[0] == on_board[1]

    @pytest.mark.parametrize("name", ["finkel", "blitz", "masters", "aseb"])
    def test_the_numbers_are_those_of_the_side_to_move(self, name):
        for seat in (0, 1):
            drawn = texts(Position(name).svg(seat=seat))
            assert set(map(str, range(1, rules(name).borne_off))) <= set(drawn)

    @pytest.mark.parametrize("name", ["finkel", "blitz", "masters", "aseb"])
    def test_a_terminal_of_80_columns(self, name):
        lines = plain(Board(Position(name), 1), width=80).splitlines()
        assert max(map(len, lines)) <= 80
        assert sum(line.count("✿") for line in lines) == 5

    def test_the_long_board(self):
        board = plain(Board(Position.from_notation("x...x...........:0|...x.......x....:0", "aseb")), "ascii", 80)
        assert board == LONG_BOARD

    def test_a_capture_that_grants_a_roll(self):
        after, same = Position.from_notation("....x...........:0|......x.........:0", "blitz").play(2, 5)
        assert same
        frames = re.findall(r'<rect x="(\d+)" y="(\d+)"[^>]*stroke="#CC79A7"', after.svg(last=(5, 2)))
        assert frames == [("15", "121"), ("135", "121")]


LONG_BOARD = """\
  orange hand ooo            off         0
+-----+-----+-----+-----+
| 4 * | 3   | 2   | 1   |
| o   |     |     |     |
+-----+-----+-----+-----+-----+-----+-----+-----+-----+-----+-----+-----+
| 5   | 6   | 7   | 8 * | 9   | 10  | 11  | 12* | 13  | 14  | 15  | 16* |
| x   |     |     |     |     |     |     | o   |     |     |     |     |
+-----+-----+-----+-----+-----+-----+-----+-----+-----+-----+-----+-----+
| 4 * | 3   | 2   | 1   |
|     |     |     | x   |
+-----+-----+-----+-----+
> blue   hand xxx            off         0
"""
