"""Records of games: every turn is checked by the rules, and a game can end before it is over."""

import pytest
import referee
from record_games import finished, random_record

from engine import Position
from engine.core.rules import RULE_SETS, rules
from mlx_train.playing.records.game_record import ABANDONED, RESIGNED, STOPPED, Ending, GameRecord, captured_square


def test_a_game_by_the_referee():
    """Each turn's player, position and successor, as the slow referee plays them."""
    record = finished()
    state, player = referee.from_notation(str(record.start)), 0
    for step in record.steps():
        assert referee.notation(state) == str(step.position)
        assert step.turn.player == player
        if step.turn.move is None:
            assert not referee.legal_moves(state, step.turn.roll)
            state, player = referee.swap(state), 1 - player
        else:
            state, again = referee.play(state, step.turn.roll, step.turn.move)
            player = player if again else 1 - player
    assert referee.is_over(state)
    assert referee.notation(state) == str(record.position)
    assert record.winner == record.turns[-1].player


def test_undo_goes_back_to_the_start():
    record = finished()
    states = [(step.position, step.turn.player) for step in record.steps()]
    for turn, (position, mover) in zip(list(reversed(record.turns)), reversed(states), strict=True):
        assert record.undo() == turn
        assert (record.position, record.mover) == (position, mover)
    assert record.position == record.start
    with pytest.raises(IndexError):
        record.undo()


def test_the_last_move():
    record = GameRecord(("a", "b"))
    assert record.last is None
    record.add(2, 0)
    assert record.last == (0, 2)
    record.add(0, None)
    assert record.last is None


def test_what_is_illegal_changes_nothing():
    record = GameRecord(("a", "b"))
    for roll, move in ((2, None), (2, 3), (0, 0), (5, 0)):
        with pytest.raises(ValueError, match=r"legal|roll"):
            record.add(roll, move)
    assert record.turns == []
    with pytest.raises(ValueError, match="over"):
        GameRecord(("a", "b"), None, Position.from_notation("..............:7|..............:0"))


def test_a_roll_that_the_dice_do_not_give():
    record = GameRecord(("a", "b"), None, Position.initial("masters"))
    with pytest.raises(ValueError, match="the dice give a roll of 1, 2, 3, 4, not 0"):
        record.add(0, None)


def test_a_roll_without_its_move():
    record = GameRecord(("a", "b"))
    record.add_roll(0)  # passes
    assert (record.mover, record.unplayed) == (1, None)
    record.add_roll(2)
    assert (record.mover, record.unplayed) == (1, 2)
    with pytest.raises(ValueError, match="followed by a turn with a roll of 3"):
        record.add(3, 0)
    record.add(2, 0)
    assert record.unplayed is None


def test_endings():
    record = random_record("finkel", 1, turns=9)
    assert (record.winner, record.is_finished) == (None, False)
    for ending, text in (
        (Ending(RESIGNED, 1), "Ann resigned."),
        (Ending(ABANDONED, None, "player_left"), "The game was abandoned: player_left."),
        (Ending(ABANDONED), "The game was abandoned."),
        (Ending(STOPPED), "The record ends the game here, as where a player resigns."),
        (Ending(STOPPED, 0), "The record says that Ann wins; the game is not over."),
    ):
        record.end(ending)
        assert (record.winner, record.is_finished) == (ending.winner, True)
        assert ending.text(("Ann", "Ben")) == text
    over = finished()
    assert over.is_finished
    with pytest.raises(ValueError, match="over"):
        over.end(Ending(RESIGNED, 1))


@pytest.mark.parametrize("name", RULE_SETS)
def test_captures_by_the_hands(name):
    """A capture adds a piece to the opponent's hand, and only a capture does."""
    game, captures = rules(name), 0
    for step in random_record(name, 5).steps():
        if step.turn.move is None:
            continue
        square = captured_square(step.position, step.turn.roll, step.turn.move)
        after, again = step.position.play(step.turn.roll, step.turn.move)
        hand = after.opponent_hand if again else after.own_hand
        assert hand == step.position.opponent_hand + (square is not None)
        if square is not None:
            captures += 1
            assert game.paths[1][square - 1] == game.paths[0][step.turn.move + step.turn.roll - 1]
    assert captures
