"""Solving: against value iteration in plain Python, interrupted, with guesses."""

import signal
import threading

import numpy as np
import pytest
import referee
from referee import ROLLS, WAYS

from engine import Position
from engine.solved.tablebase import Tablebase, default_path

PIECES = 7


def iterate_values(pieces, tolerance=1e-13):
    states = list(referee.placements(pieces))
    replies = {
        state: [(ways, referee.replies(state, roll)) for roll, ways in zip(ROLLS, WAYS, strict=True)]
        for state in states
    }
    values = dict.fromkeys(states, 0.5)

    def value(state):
        if state.own_off == PIECES:
            return 1.0
        return 0.0 if state.opponent_off == PIECES else values[state]

    change = 1.0
    while change > tolerance:
        change = 0.0
        for state in states:
            new = (
                sum(
                    ways * max(value(after) if same else 1 - value(after) for after, same in moves)
                    for ways, moves in replies[state]
                )
                / 16
            )
            change = max(change, abs(new - values[state]))
            values[state] = new
    return values


@pytest.mark.parametrize("pieces", [1, 2, pytest.param(3, marks=pytest.mark.slow)])
def test_values_are_those_of_value_iteration(bases, pieces):
    values = iterate_values(pieces)
    packed = np.array([referee.packed(state) for state in values], dtype=np.uint64)
    assert bases[pieces].count == len(values)
    assert np.abs(bases[pieces].values(packed) - list(values.values())).max() < 1e-12


@pytest.mark.slow
def test_seven_pieces(tmp_path):
    base = Tablebase.solve(7, checkpoint=tmp_path / "none")
    assert base.count == 137_870_097
    assert f"{base.value(Position.initial()):.12f}" == "0.515404732509"
    found = base.verify()
    assert found.passed
    assert found.residual <= 1e-12
    assert (found.placements, found.positions) == (137_913_936, 137_870_097)


def test_a_smaller_game_is_nested_in_the_larger(bases):
    for pieces in (1, 2, 3):
        assert np.array_equal(bases[pieces].array, bases[4].array[: bases[pieces].count])


def test_workers_do_not_change_a_bit(bases, tmp_path):
    for workers in (2, 3):
        again = Tablebase.solve(3, tolerance="floor", workers=workers, checkpoint=tmp_path / "none")
        assert again.array.tobytes() == bases[3].array.tobytes()


def test_tolerance_is_reached(tmp_path):
    for tolerance in (1e-3, 1e-6, 1e-12):
        base = Tablebase.solve(3, tolerance=tolerance, workers=1, checkpoint=tmp_path / "none")
        assert base.residual <= tolerance
        assert base.verify(workers=1).residual <= tolerance


@pytest.mark.parametrize("pieces", [0, 8, -1, 2.0, True, "7"])
def test_pieces_out_of_range(pieces):
    with pytest.raises(ValueError, match="pieces must be 1 to 7"):
        Tablebase.solve(pieces)
    with pytest.raises(ValueError, match="pieces must be 1 to 7"):
        default_path(pieces)


@pytest.mark.parametrize("tolerance", [0, -1e-9, float("nan"), float("inf"), 1, 1e300, True, "low"])
def test_tolerance_out_of_range(tolerance):
    with pytest.raises(ValueError, match="tolerance must be between 0 and 1"):
        Tablebase.solve(1, tolerance=tolerance)


def test_a_guess_saves_sweeps_and_changes_nothing_else(bases, tmp_path):
    """From the table as float32, in layers of equal scores too, whose other turn the table does not hold."""
    exact = bases[3].array
    sweeps = {True: [], False: []}
    for guessed in (True, False):
        table = Tablebase.solve(
            3,
            guess=exact.astype(np.float32) if guessed else None,
            checkpoint=tmp_path / "partial",
            progress=lambda state, guessed=guessed: sweeps[guessed].append(state.sweeps),
        )
        assert np.abs(table.array - exact).max() < 1e-12
        assert table.verify().passed
    assert all(one < other for one, other in zip(sweeps[True], sweeps[False], strict=True))


def test_guesses_that_are_none(bases, tmp_path):
    exact = bases[2].array.astype(np.float32)
    with pytest.raises(ValueError, match=r"a guess for 1 pieces has 217 values, not \(12869,\)"):
        Tablebase.solve(1, guess=exact, checkpoint=tmp_path / "partial")
    for wrong in (np.nan, np.inf, -0.5, 1.5):
        guess = exact.copy()
        guess[1234] = wrong
        with pytest.raises(ValueError, match="from 0 to 1"):
            Tablebase.solve(2, guess=guess, checkpoint=tmp_path / "partial")


@pytest.mark.parametrize("damaged", [False, True])
def test_a_guess_beside_a_checkpoint(bases, tmp_path, damaged):
    """Finished layers count more than the guess, which is worth more than what a damaged file leaves behind."""

    def stop(progress):
        if progress.layers_done == 2:
            raise KeyboardInterrupt

    path = tmp_path / "partial"
    with pytest.raises(KeyboardInterrupt):
        Tablebase.solve(2, checkpoint=path, progress=stop)
    if damaged:
        with path.open("r+b") as file:
            file.seek(4096)
            file.write(np.full(100, np.nan).tobytes())
    layers = []
    table = Tablebase.solve(
        2,
        guess=bases[2].array.astype(np.float32),
        checkpoint=path,
        progress=lambda state: layers.append(state.layers_done),
    )
    assert layers == ([1, 2, 3] if damaged else [3])
    assert table.verify().passed
    assert np.abs(table.array - bases[2].array).max() < 1e-12


def test_workers_out_of_range():
    with pytest.raises(ValueError, match="workers"):
        Tablebase.solve(1, workers=0)


def test_an_interrupted_solve_goes_on(bases, tmp_path):
    checkpoint = tmp_path / "solve.partial"
    met = []

    def interrupt(progress):
        met.append(progress)
        if progress.layers_done == 3:
            raise KeyboardInterrupt

    said = []
    with pytest.raises(KeyboardInterrupt):
        Tablebase.solve(3, tolerance="floor", workers=2, progress=interrupt, checkpoint=checkpoint, say=said.append)
    assert said == [f"interrupted: 3 of 6 layers are kept in {checkpoint}; the same command goes on from there"]
    with pytest.raises(ValueError, match="not a table"):
        Tablebase.open(checkpoint)
    base = Tablebase.solve(3, tolerance="floor", workers=2, progress=met.append, checkpoint=checkpoint)
    assert [p.layers_done for p in met] == [1, 2, 3, 4, 5, 6]
    assert met[0].layer == (6, 6)
    assert met[-1].positions_done == met[-1].positions_total == base.count
    assert [p.resumed for p in met] == [0] * 3 + [met[2].positions_done] * 3
    assert base.array.tobytes() == bases[3].array.tobytes()
    assert not checkpoint.exists()


def test_ctrl_c_in_the_middle_of_a_layer(tmp_path):
    checkpoint = tmp_path / "solve.partial"
    timer = threading.Timer(0.5, signal.raise_signal, [signal.SIGINT])
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        Tablebase.solve(5, workers=2, checkpoint=checkpoint)
    assert checkpoint.exists()


@pytest.mark.parametrize("damage", [lambda data: data[:-3], lambda data: data[:-3] + b"xxx"])
def test_a_checkpoint_of_no_use_is_passed_over(bases, tmp_path, damage):
    checkpoint = tmp_path / "solve.partial"

    def interrupt(progress):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Tablebase.solve(2, workers=1, tolerance="floor", progress=interrupt, checkpoint=checkpoint)
    checkpoint.write_bytes(damage(checkpoint.read_bytes()))
    base = Tablebase.solve(2, workers=1, tolerance="floor", checkpoint=checkpoint)
    assert base.array.tobytes() == bases[2].array.tobytes()
