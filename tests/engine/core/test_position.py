"""The rules, against the referee, against a public package, and square by square."""

import pickle
import random
import re

import numpy as np
import pytest
import referee
import royalur
from referee import ROLLS, State

from engine import Position, perft

OPENING = "..............:0|..............:0"


def position_of(state):
    return Position.from_notation(referee.notation(state))


@pytest.fixture(scope="module")
def states():
    """States of random games, without those that repeat, and scattered placements."""
    played = [state for state, _ in referee.game_decisions(seed=1, games=40)]
    return list(dict.fromkeys([*played, *referee.random_placements(seed=2, count=4000)]))


def plays(notation, roll, square):
    successor, same_player = Position.from_notation(notation).play(roll, square)
    return str(successor), same_player


class TestOpening:
    def test_everything_is_in_hand(self):
        position = Position.initial()
        assert str(position) == OPENING
        assert position == Position()
        assert position.own_squares == position.opponent_squares == []
        assert position.own_off == position.opponent_off == 0
        assert position.own_hand == position.opponent_hand == 7
        assert not position.is_over

    def test_moves(self):
        assert [Position.initial().legal_moves(roll) for roll in ROLLS] == [[], [0], [0], [0], [0]]


class TestNotation:
    def test_round_trip(self, states):
        for state in states:
            text = referee.notation(state)
            position = Position.from_notation(text)
            assert str(position) == text
            assert repr(position) == f"Position.from_notation({text!r})"
            assert position.own_squares == list(state.own)
            assert position.opponent_squares == list(state.opponent)
            assert (position.own_off, position.opponent_off) == (state.own_off, state.opponent_off)
            assert (position.own_hand, position.opponent_hand) == (state.own_hand, state.opponent_hand)
            assert position.is_over == referee.is_over(state)
            assert referee.from_notation(text) == state

    def test_surrounding_space_is_ignored(self):
        assert Position.from_notation(f"  {OPENING}\n") == Position.initial()

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("", "expected '<own>|<opponent>'"),
            ("..............:0", "expected '<own>|<opponent>'"),
            (OPENING + "|..............:0", "expected '<own>|<opponent>'"),
            ("..............|..............:0", "own side: expected '<14 squares>:<borne off>'"),
            ("..............:0|..............", "opponent: expected '<14 squares>:<borne off>'"),
            (".............:0|..............:0", "own side: expected 14 squares"),
            ("..............:0|...............:0", "opponent: expected 14 squares"),
            ("o.............:0|..............:0", "own side: expected 14 squares"),
            ("X.............:0|..............:0", "own side: expected 14 squares"),
            ("..............:0|.. ...........:0", "opponent: expected 14 squares"),
            ("..............:8|..............:0", "own side: borne off must be 0 to 7"),
            ("..............:0|..............:-1", "opponent: borne off must be 0 to 7"),
            ("..............:|..............:0", "own side: borne off must be 0 to 7"),
            ("..............:00|..............:0", "own side: borne off must be 0 to 7"),
            ("..............:\N{SUPERSCRIPT TWO}|..............:0", "own side: borne off must be 0 to 7"),
            ("..............:0|..............:0:0", "opponent: borne off must be 0 to 7"),
            ("xxxxxxxx......:0|..............:0", "own side: 8 pieces on the path and 0 borne off, more than 7"),
            ("..............:0|x.............:7", "opponent: 1 pieces on the path and 7 borne off, more than 7"),
            ("....x.........:0|....x.........:0", "both sides stand on shared square 5"),
            (".......x......:0|.......x......:0", "both sides stand on shared square 8"),
            ("...........x..:0|...........x..:0", "both sides stand on shared square 12"),
            ("..............:7|..............:7", "both sides have borne off all"),
        ],
    )
    def test_refusals_say_why(self, text, reason):
        with pytest.raises(ValueError, match=re.escape(reason)):
            Position.from_notation(text)

    def test_private_squares_are_not_shared(self):
        text = "xxxx........xx:1|xxxx........xx:1"
        assert str(Position.from_notation(text)) == text

    @pytest.mark.parametrize("value", [None, 1, OPENING.encode()])
    def test_only_text(self, value):
        Position.from_notation(OPENING)  # the first call takes another way through the compiled code
        with pytest.raises(TypeError):
            Position.from_notation(value)


class TestPacked:
    def test_layout(self):
        position = Position.from_notation("x.............:2|.x............:3")
        assert position.packed == 0b10 | 0b100 << 16 | 2 << 32 | 3 << 40

    def test_round_trip(self, states):
        for state in states:
            packed = referee.packed(state)
            assert position_of(state).packed == packed
            assert Position.from_packed(packed) == position_of(state)
            assert str(Position.from_packed(np.uint64(packed))) == referee.notation(state)

    @pytest.mark.parametrize(
        "packed",
        [
            1,  # the hand is no square
            1 << 15,  # nor is borne off
            1 << 16,
            1 << 31,
            0x00FF << 1,  # eight pieces
            0x00FF << 17,
            8 << 32,
            8 << 40,
            2 | 7 << 32,
            2 << 16 | 7 << 40,
            1 << 5 | 1 << 21,  # both on square 5
            1 << 8 | 1 << 24,
            1 << 12 | 1 << 28,
            7 << 32 | 7 << 40,
            255 << 32,
            1 << 48,
            1 << 63,
        ],
    )
    def test_refusals(self, packed):
        with pytest.raises(ValueError, match="not a packed position"):
            Position.from_packed(packed)

    @pytest.mark.parametrize("packed", [-1, 1 << 64])
    def test_only_64_bits(self, packed):
        with pytest.raises(OverflowError):
            Position.from_packed(packed)

    def test_random_bits_agree_with_the_notation(self):
        rng = random.Random(3)
        accepted = 0
        for _ in range(20_000):
            own, opponent = (sum(1 << int(rng.random() * 16) for _ in range(3)) for _ in range(2))
            packed = own % 2**16 | opponent % 2**16 << 16 | int(rng.random() * 9) << 32 | int(rng.random() * 9) << 40
            squares = [[square for square in range(16) if packed >> shift + square & 1] for shift in (0, 16)]
            off = [packed >> 32 & 255, packed >> 40 & 255]
            allowed = (
                not {0, 15} & {*squares[0], *squares[1]}
                and not {*squares[0]} & {*squares[1]} & {*referee.SHARED}
                and len(squares[0]) + off[0] <= 7
                and len(squares[1]) + off[1] <= 7
                and off != [7, 7]
            )
            accepted += allowed
            if allowed:
                state = State(tuple(squares[0]), tuple(squares[1]), *off)
                assert str(Position.from_packed(packed)) == referee.notation(state)
            else:
                with pytest.raises(ValueError, match="not a packed position"):
                    Position.from_packed(packed)
        assert accepted > 1000


class TestValueObject:
    def test_equality_and_hash(self, states):
        positions = {position_of(state): state for state in states}
        assert len(positions) == len(states)
        assert all(positions[position_of(state)] == state for state in states)

    def test_other_types_are_unequal(self):
        position = Position.initial()
        assert position != OPENING
        assert position != position.packed
        assert position != None  # noqa: E711

    @pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
    def test_pickle(self, protocol):
        position = Position.from_notation("x...x..x.....x:2|.x.........x..:3")
        copy = pickle.loads(pickle.dumps(position, protocol))
        assert copy == position
        assert str(copy) == str(position)

    @pytest.mark.parametrize("name", ["own_off", "own_squares", "packed", "is_over", "anything"])
    def test_immutable(self, name):
        with pytest.raises(AttributeError):
            setattr(Position.initial(), name, 1)

    def test_play_leaves_the_position_alone(self):
        position = Position.initial()
        position.play(2, 0)
        assert position == Position.initial()


class TestMoves:
    def test_against_the_referee(self, states):
        for state in states:
            position = position_of(state)
            for roll in ROLLS:
                squares = referee.legal_moves(state, roll)
                assert position.legal_moves(roll) == squares
                for square in squares:
                    successor, same_player = position.play(roll, square)
                    expected, expected_same = referee.play(state, roll, square)
                    assert str(successor) == referee.notation(expected)
                    assert same_player is expected_same
                    assert successor.own_hand == expected.own_hand
                    assert successor.opponent_hand == expected.opponent_hand

    def test_what_is_not_legal_is_refused(self, states):
        for state in states[::20]:
            position = position_of(state)
            for roll in ROLLS:
                for square in {*range(-1, 17)} - {*referee.legal_moves(state, roll)}:
                    with pytest.raises(ValueError, match="is not legal in"):
                        position.play(roll, square)

    @pytest.mark.parametrize("roll", [-1, 5, 100])
    def test_rolls_out_of_range(self, roll):
        with pytest.raises(ValueError, match="a roll is 0 to 4"):
            Position.initial().legal_moves(roll)
        with pytest.raises(ValueError, match="a roll is 0 to 4"):
            Position.initial().play(roll, 0)

    def test_entering(self):
        assert plays(OPENING, 3, 0) == ("..............:0|..x...........:0", False)

    def test_own_piece_blocks(self):
        position = Position.from_notation("x.x...........:0|..............:0")
        assert position.legal_moves(1) == [1, 3]
        assert position.legal_moves(2) == [0, 3]

    def test_passing_over_pieces_is_free(self):
        assert plays("x.............:0|.....x........:0", 4, 1) == (".....x........:0|....x.........:0", False)
        assert plays("....x.........:0|.....xx.......:0", 4, 5) == (".....xx.......:0|........x.....:0", False)

    @pytest.mark.parametrize("square", [5, 6, 7, 9, 10, 11, 12])
    def test_capture_on_shared_squares(self, square):
        own = State((square - 1,), (square,), 0, 0)
        successor, same_player = position_of(own).play(1, square - 1)
        assert str(successor) == referee.notation(State((), (square,), 0, 0))
        assert successor.own_hand == 7
        assert not same_player

    @pytest.mark.parametrize("square", [1, 2, 3, 4, 13, 14])
    def test_no_capture_on_private_squares(self, square):
        both = State((square - 1,) if square > 1 else (), (square,), 0, 0)
        successor, same_player = position_of(both).play(1, square - 1)
        mover, other = (successor, successor.swapped) if same_player else (successor.swapped, successor)
        assert mover.own_squares == [square]
        assert other.own_squares == [square]

    def test_safe_square(self):
        held = Position.from_notation(".....xx.......:0|.......x......:0")
        assert held.legal_moves(1) == [0, 7][:1]
        assert held.legal_moves(2) == [0, 7]
        with pytest.raises(ValueError, match="is not legal in"):
            held.play(2, 6)

    @pytest.mark.parametrize("square", range(1, 16))
    def test_rosettes_grant_a_roll(self, square):
        state = State((square - 1,) if square > 1 else (), (), 0, 0)
        successor, same_player = position_of(state).play(1, square - 1)
        assert same_player is (square in (4, 8, 14))
        assert (successor if same_player else successor.swapped).own_squares == [square] * (square < 15)

    def test_a_capture_grants_no_roll(self):
        assert plays("........x.....:0|..........x...:0", 2, 9) == ("..............:0|..........x...:0", False)

    @pytest.mark.parametrize("square", [11, 12, 13, 14])
    def test_bearing_off_is_exact(self, square):
        position = position_of(State((square,), (), 6, 0))
        assert [roll for roll in ROLLS if square in position.legal_moves(roll) and square + roll == 15] == [15 - square]
        for roll in range(16 - square, 5):
            assert position.legal_moves(roll) == []
        successor, same_player = position.play(15 - square, square)
        assert str(successor) == "..............:0|..............:7"
        assert successor.is_over
        assert not same_player

    def test_nothing_moves_after_the_end(self):
        over = Position.from_notation("x...x.........:0|..............:7")
        assert over.is_over
        assert over.swapped.is_over
        for roll in ROLLS:
            assert over.legal_moves(roll) == []
            assert over.swapped.legal_moves(roll) == []
        with pytest.raises(ValueError, match="is not legal in"):
            over.play(1, 1)

    def test_pass(self):
        stuck = Position.from_notation(".............x:6|....x.........:0")
        assert stuck.legal_moves(0) == []
        assert stuck.legal_moves(2) == []
        assert str(stuck.swapped) == "....x.........:0|.............x:6"


class TestSwap:
    def test_twice_is_nothing(self, states):
        for state in states:
            position = position_of(state)
            assert str(position.swapped) == referee.notation(referee.swap(state))
            assert position.swapped.swapped == position

    def test_colours_do_not_matter(self):
        """A game played with absolute seats gives both seats the same rules."""
        for swapped in (False, True):
            rng = random.Random(5)
            seats, mover = [Position.initial(), Position.initial().swapped], int(swapped)
            trace = []
            while not seats[mover].is_over and len(trace) < 400:
                roll = referee.random_roll(rng)
                squares = seats[mover].legal_moves(roll)
                trace.append((str(seats[mover]), roll, tuple(squares)))
                if squares:
                    successor, same_player = seats[mover].play(roll, referee.random_choice(rng, squares))
                else:
                    successor, same_player = seats[mover].swapped, False
                mover = mover if same_player else 1 - mover
                seats = [successor.swapped, successor.swapped]
                seats[mover] = successor
            if not swapped:
                first = trace
        assert trace == first


class TestPolicySlot:
    def test_hand_first_then_the_path(self):
        position = Position.from_notation("x..x.........x:1|..............:0")
        assert position.own_hand == 3
        assert [position.policy_slot(square) for square in (0, 1, 4, 14)] == [0, 3, 4, 5]

    def test_of_every_piece(self, states):
        for state in states:
            position = position_of(state)
            slots = [0] * state.own_hand + [None] * len(state.own)
            for slot, square in enumerate(state.own, start=state.own_hand):
                assert position.policy_slot(square) == slot
                slots[slot] = square
            if state.own_hand:
                assert position.policy_slot(0) == 0
            for square in {*range(-1, 17)} - {*state.own} - ({0} if state.own_hand else set()):
                with pytest.raises(ValueError, match="no own piece on square"):
                    position.policy_slot(square)


class TestPerft:
    # Pinned: the referee counts the same to depth 5, and a test of it here would take the time of all others.
    OPENING_COUNTS = (1, 5, 28, 192, 1492, 12469, 112552)

    def test_opening(self):
        assert tuple(perft(Position.initial(), depth) for depth in range(7)) == self.OPENING_COUNTS
        assert tuple(referee.perft(referee.OPENING, depth) for depth in range(5)) == self.OPENING_COUNTS[:5]

    def test_against_the_referee(self, states):
        for state in states[::60]:
            for depth in range(3):
                assert perft(position_of(state), depth) == referee.perft(state, depth)
        for state in states[::1200]:
            assert perft(position_of(state), 3) == referee.perft(state, 3)

    def test_negative_depth(self):
        with pytest.raises(ValueError, match="depth must not be negative"):
            perft(Position.initial(), -1)

    def test_only_positions(self):
        for other in (None, OPENING, 0):
            with pytest.raises(TypeError):
                perft(other, 2)


def royalur_position(game):
    """The public package's state in our notation, from the view of the side to move, or of the loser."""
    state = game.get_current_state()
    mover = game.get_turn() if game.is_playable() else game.get_loser()
    sides = []
    for player in (mover, mover.get_other_player()):
        pieces = [state.board.get(tile) for tile in state.board.shape.tiles]
        squares = sorted(piece.path_index + 1 for piece in pieces if piece and piece.owner == player)
        side = state.get_player(player)
        assert side.piece_count + len(squares) + side.score == 7
        sides.append((tuple(squares), side.score))
    (own, own_off), (opponent, opponent_off) = sides
    return referee.notation(State(own, opponent, own_off, opponent_off))


def compare_with_royalur(games, seed):
    """Random games of the public package, every position and every list of moves compared."""
    rng = random.Random(seed)
    turns = 0
    for _ in range(games):
        game = royalur.Game.create_finkel()
        position = Position.initial()
        while game.is_playable():
            assert royalur_position(game) == str(position)
            roll = referee.random_roll(rng)
            squares = position.legal_moves(roll)
            game.roll_dice(roll)
            turns += 1
            if not game.is_waiting_for_move():
                assert squares == []
                position = position.swapped
                continue
            moves = {
                move.get_source_piece().path_index + 1 if move.has_source() else 0: move
                for move in game.find_available_moves()
            }
            assert sorted(moves) == squares
            square = referee.random_choice(rng, squares)
            mover = game.get_turn()
            game.make_move(moves[square])
            position, same_player = position.play(roll, square)
            if game.is_playable():
                assert same_player == (game.get_turn() == mover)
        assert position.is_over
        assert royalur_position(game) == str(position)
        assert game.get_winner() == mover
    assert turns > 50 * games


def test_against_the_public_package():
    compare_with_royalur(games=10, seed=7)


@pytest.mark.slow
def test_against_the_public_package_at_length():
    compare_with_royalur(games=500, seed=8)


class TestTheReferee:
    """The judge is judged by what others have published or proved."""

    @pytest.mark.parametrize(("pieces", "published"), [(1, 0.530049839525), (2, 0.518572907496)])
    def test_small_games(self, pieces, published):
        values = referee.value_iteration(pieces)
        opening = State((), (), 7 - pieces, 7 - pieces)
        assert abs(values[opening] - published) < 1e-12
        for text, proved in [
            (".............x:6|.............x:6", 4 / 7),
            ("............x.:6|.............x:6", 116 / 161),
            (".............x:6|............x.:6", 74 / 161),
        ]:
            assert abs(values[referee.from_notation(text)] - proved) < 1e-12

    def test_a_smaller_game_is_nested_in_the_larger(self):
        small, large = referee.value_iteration(1), referee.value_iteration(2)
        assert set(small) < set(large)
        assert all(abs(value - large[state]) < 1e-12 for state, value in small.items())
