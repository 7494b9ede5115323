"""A network's games against itself, beside a slow reckoning of the same returns."""

import numpy as np
import pytest
from random_networks import random_document, write

from engine import Network, Position, Search, selfplay
from engine.core.dice import ROLL_PROBABILITIES, rolls
from engine.games.returns import play_games

FIRST = "..............:0|..............:0"


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    return Network.load(write(tmp_path_factory.mktemp("net") / "net.json", random_document(3)))


def backup(network, position, depth=1):
    """The expected value of the best successors, over all rolls."""
    total = 0
    for roll, share in enumerate(ROLL_PROBABILITIES):
        values = [value for _, value in network.moves(position, roll, depth)]
        if not values:
            other = position.swapped
            values = [1 - (network.value(other) if depth == 1 else backup(network, other, depth - 1))]
        total += share * max(values)
    return total


def trajectory(network, seed, game, **options):
    """-> (the positions of a game in the order of play, their returns as win probabilities, rolls)."""
    packed, returns, turns = play_games(network, 1, seed, game, siblings=0, **options)[:3]
    assert len(packed) == turns
    return [int(p) for p in packed[::-1]], (returns[::-1].astype(np.float64) + 1) / 2, rolls(seed, game, turns)


def replay(network, positions, roll_of):
    """What each turn led to: (V of it for the mover, whether the mover moves again, whether the move was best)."""
    for i, (packed, roll) in enumerate(zip(positions, roll_of, strict=True)):
        position = Position.from_packed(packed)
        moves = network.moves(position, roll)
        after = positions[i + 1] if i + 1 < len(positions) else None
        if not moves:
            assert after == position.swapped.packed
            yield 1 - network.value(position.swapped), False, True
            continue
        best = max(value for _, value in moves)
        played = [
            (value, square + roll in (4, 8, 14))
            for square, value in moves
            if after is None or position.play(roll, square)[0].packed == after
        ]
        assert played
        yield *played[0], played[0][0] == best


@pytest.mark.parametrize(("trace_decay", "exploration"), [(0.0, 0.3), (0.7, 0.0), (1.0, 0.0), (0.9, 0.3)])
def test_returns_are_those_of_the_formula(network, trace_decay, exploration):
    cuts = 0
    for game in range(3):
        positions, returns, roll_of = trajectory(network, 5, game, trace_decay=trace_decay, exploration=exploration)
        assert positions[0] == Position.from_notation(FIRST).packed
        turns = list(replay(network, positions, roll_of))
        following = turns[-1][0] if turns[-1][1] else 1 - turns[-1][0]
        for packed, (value, again, best), found in reversed(list(zip(positions, turns, returns, strict=True))):
            expected = backup(network, Position.from_packed(packed))
            if best:
                expected += trace_decay * ((following if again else 1 - following) - value)
            cuts += not best
            assert found == pytest.approx(expected, abs=1e-6)
            following = expected
    assert (cuts > 0) == (exploration > 0)


def test_the_last_turn_wins(network):
    positions, returns, roll_of = trajectory(network, 5, 0, trace_decay=1.0)
    last = Position.from_packed(positions[-1])
    assert last.own_off == 6
    assert any(last.play(roll_of[-1], square)[0].is_over for square in last.legal_moves(roll_of[-1]))
    assert returns[-1] == pytest.approx(backup(network, last), abs=1e-6)


def test_siblings_are_successors_that_were_not_played_with_their_backup(network):
    packed, returns, turns = play_games(network, 2, 1, trace_decay=1.0, siblings=1.0)[:3]
    plain, _, same = play_games(network, 2, 1, trace_decay=1.0)[:3]
    assert turns == same == len(plain)
    played = {int(p) for p in plain}
    others = [(int(p), g) for p, g in zip(packed, returns, strict=True) if int(p) not in played]
    assert len(others) > 0.4 * turns
    for position, found in others[::20]:
        assert (found + 1) / 2 == pytest.approx(backup(network, Position.from_packed(position)), abs=1e-6)


def test_depth_two_backs_up_two_turns(network):
    positions, returns, _ = trajectory(network, 2, 0, trace_decay=0.0, depth=2)
    for packed, found in list(zip(positions, returns, strict=True))[::40]:
        assert found == pytest.approx(backup(network, Position.from_packed(packed), 2), abs=1e-6)


def test_depth_zero_takes_the_turns_own_roll(network):
    positions, returns, roll_of = trajectory(network, 2, 0, trace_decay=0.0, depth=0)
    for found, (value, _, best) in zip(returns, replay(network, positions, roll_of), strict=True):
        assert best
        assert found == pytest.approx(value, abs=1e-6)


def test_a_game_is_a_function_of_seed_and_number(network):
    options = {"trace_decay": 0.9, "exploration": 0.2, "siblings": 0.5}
    whole = play_games(network, 4, 7, 10, **options)
    parts = [play_games(network, 1, 7, 10 + i, **options) for i in range(4)]
    for column in (0, 1):
        np.testing.assert_array_equal(whole[column], np.concatenate([part[column] for part in parts]))
    assert whole[2] == sum(part[2] for part in parts)
    assert not np.array_equal(play_games(network, 1, 8, 10, **options)[0], parts[0][0])


OPTIONS = {"trace_decay": 0.9, "exploration": 0.2, "siblings": 0.5}


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    return Network.load(write(tmp_path_factory.mktemp("net") / "net.json", random_document(4)))


def test_a_game_is_valued_again_as_it_was(network):
    first = play_games(network, 4, 7, 10, **OPTIONS)
    again = play_games(network, 4, 7, 10, **OPTIONS, played=(first.choices, first.lengths))
    for column, same in zip(first, again, strict=True):
        np.testing.assert_array_equal(column, same)
    assert len(first.choices) == first.lengths.sum()


def test_another_network_values_the_same_positions(network, other):
    first = play_games(network, 4, 7, 10, **OPTIONS)
    again = play_games(other, 4, 7, 10, **OPTIONS, played=(first.choices, first.lengths))
    np.testing.assert_array_equal(again.positions, first.positions)
    np.testing.assert_array_equal(again.choices, first.choices)
    assert not np.array_equal(again.returns, first.returns)


@pytest.mark.parametrize("tolerance", [0.0, 0.01, 1.0])
def test_moves_that_give_away_more_than_the_tolerance_cut_the_trace(network, other, tolerance):
    first = play_games(network, 1, 7, trace_decay=0.9)
    played = (first.choices, first.lengths)
    again = play_games(other, 1, 7, trace_decay=0.9, tolerance=tolerance, played=played)
    positions, roll_of = [int(packed) for packed in first.positions[::-1]], rolls(7, 0, first.turns)
    turns, cuts = list(replay(other, positions, roll_of)), 0
    following = turns[-1][0] if turns[-1][1] else 1 - turns[-1][0]
    for packed, roll, (value, again_moves, _), found in reversed(
        list(zip(positions, roll_of, turns, again.returns[::-1], strict=True))
    ):
        expected = backup(other, Position.from_packed(packed))
        best = max((v for _, v in other.moves(Position.from_packed(packed), roll)), default=value)
        cut = best - value > tolerance
        if not cut:
            expected += 0.9 * ((following if again_moves else 1 - following) - value)
        cuts += cut
        assert (found + 1) / 2 == pytest.approx(expected, abs=1e-6)
        following = expected
    assert (cuts > 0) == (tolerance < 1)


def test_a_network_values_the_games_of_a_search(network):
    records = selfplay(3, Search(2), 11, exploration=0.1, workers=1)
    valued = play_games(network, 3, 11, trace_decay=0.9, played=(records["chosen"], np.bincount(records["game"])))
    assert set(records["position"].tolist()) <= set(valued.positions.tolist())


def test_choices_that_do_not_fit_are_refused(network):
    first = play_games(network, 2, 7, **OPTIONS)
    for played, message in (
        ((first.choices[:-1], [first.lengths[0], first.lengths[1] - 1]), "do not end it"),
        ((np.append(first.choices, 0), [first.lengths[0], first.lengths[1] + 1]), "do not end it"),
        ((np.full_like(first.choices, 7), first.lengths), "do not end it"),
        ((first.choices, first.lengths[:1]), "as many lengths"),
        ((first.choices[1:], first.lengths), "as many lengths"),
    ):
        with pytest.raises(ValueError, match=message):
            play_games(network, 2, 7, **OPTIONS, played=played)


@pytest.mark.parametrize(
    ("games", "options"),
    [
        (0, {}), (1, {"tolerance": 1.5}), (1, {"depth": -1}), (1, {"depth": 5}), (1, {"trace_decay": 1.5}),
        (1, {"exploration": float("nan")}), (1, {"siblings": -0.1}),
    ],
)  # fmt: skip
def test_absurd_games_are_refused(network, games, options):
    with pytest.raises(ValueError, match=r"games|depth|trace_decay|exploration|siblings|tolerance"):
        play_games(network, games, 0, **{"trace_decay": 0.5} | options)


def test_a_policy_alone_cannot_learn(tmp_path):
    policy = Network.load(write(tmp_path / "net.json", random_document(heads=("policy",))))
    with pytest.raises(ValueError, match="value network"):
        play_games(policy, 1, 0, trace_decay=1.0)
