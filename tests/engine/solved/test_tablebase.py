"""The exact solution, against a slow referee, published values, and damaged files."""

import functools
import itertools
import signal
import struct
import threading
import zlib

import numpy as np
import pytest
import referee
from referee import ROLLS, WAYS, State

from engine import Position
from engine.solved.rgu import count_entries, key_of
from engine.solved.tablebase import HEADER, HEADER_BYTES, Tablebase, default_path

PIECES = 7


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """No test touches the user's cache."""
    monkeypatch.setenv("UR_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def bases(tmp_path_factory):
    """Tables of 1 to 4 pieces, to the floor of float64."""
    unused = tmp_path_factory.mktemp("solve") / "none"
    return {n: Tablebase.solve(n, tolerance="floor", workers=1, checkpoint=unused) for n in range(1, 5)}


def opening(pieces):
    return Position.from_notation(f"..............:{PIECES - pieces}|..............:{PIECES - pieces}")


def copy_of(base, tmp_path, change):
    """The table after `change(values)`, by way of a file whose checksums are right."""
    path = tmp_path / "changed.table"
    base.save(path)
    data = bytearray(path.read_bytes())
    values = np.frombuffer(data, dtype="<f8", offset=HEADER_BYTES)
    change(values)
    fields = list(HEADER.unpack(bytes(data[: HEADER.size])))
    fields[-1] = zlib.crc32(values.tobytes())
    header = HEADER.pack(*fields)
    data[: HEADER.size + 4] = header + struct.pack("<I", zlib.crc32(header))
    del values
    path.write_bytes(data)
    return Tablebase.open(path)


# A slow referee: value iteration over a dict, in plain Python


def placements(pieces):
    """Every position that is not over, with at most so many pieces left a side."""
    least = PIECES - pieces
    squares = [c for n in range(pieces + 1) for c in itertools.combinations(range(1, 15), n)]
    for own, opponent in itertools.product(squares, squares):
        if any(5 <= square <= 12 and square in opponent for square in own):
            continue
        for own_off in range(least, PIECES - len(own) + 1):
            for opponent_off in range(least, PIECES - len(opponent) + 1):
                if own_off < PIECES and opponent_off < PIECES:
                    yield State(own, opponent, own_off, opponent_off)


def iterate_values(pieces, tolerance=1e-13):
    states = list(placements(pieces))
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


@pytest.mark.parametrize(
    ("notation", "expected"),
    [
        (".............x:6|.............x:6", 4 / 7),
        ("............x.:6|.............x:6", 116 / 161),
        (".............x:6|............x.:6", 74 / 161),
        ("..............:6|..............:6", 0.530049839525),
        ("..............:5|..............:5", 0.518572907496),
        ("..............:7|..............:6", 1.0),
        ("..............:6|..............:7", 0.0),
    ],
)
def test_known_values(bases, notation, expected):
    for pieces in (2, 3):
        assert bases[pieces].value(Position.from_notation(notation)) == pytest.approx(expected, abs=6e-13)


@pytest.mark.slow
def test_seven_pieces(tmp_path):
    base = Tablebase.solve(7, checkpoint=tmp_path / "none")
    assert base.count == 137_870_097
    assert f"{base.value(Position.initial()):.12f}" == "0.515404732509"
    found = base.verify()
    assert found.passed
    assert found.residual <= 1e-12
    assert (found.placements, found.positions) == (137_913_936, 137_870_097)


@pytest.mark.slow
def test_expected_length_of_seven_pieces(tmp_path):
    statistics = Tablebase.solve(7, checkpoint=tmp_path / "none").statistics()
    # Three million games played by the table: 209.872, standard error 0.019.
    assert statistics["expected_turns"] == pytest.approx(209.869874, abs=1e-5)


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


# Look-ups


def test_values_of_arrays(bases):
    base = bases[3]
    packed = np.concatenate(list(base.positions(chunk=1000)))
    values = base.values(packed)
    assert np.array_equal(values, [base.value(Position.from_packed(int(p))) for p in packed])
    assert np.array_equal(base.values(packed, workers=2), values)
    assert np.array_equal(base.values(packed[:6].reshape(2, 3)), values[:6].reshape(2, 3))
    assert base.values(packed[:0]).shape == (0,)


def test_values_of_positions_that_are_over(bases):
    won, lost = (
        Position.from_notation(n).packed
        for n in ("..............:7|x.............:6", "x.............:6|..............:7")
    )
    assert bases[1].values([won, lost]).tolist() == [1.0, 0.0]


def test_positions_that_the_table_does_not_hold(bases):
    message = "the table has 2 pieces a side"
    with pytest.raises(ValueError, match=message):
        bases[2].value(opening(3))
    with pytest.raises(ValueError, match=message):
        bases[2].moves(opening(3), 1)
    with pytest.raises(ValueError, match=message):
        bases[2].best_move(opening(3), 1)
    with pytest.raises(ValueError, match="entry 1 is not a position of this table"):
        bases[2].values([opening(2).packed, opening(3).packed])
    with pytest.raises(ValueError, match="entry 0 is not a position of this table"):
        bases[2].values([1])
    with pytest.raises(ValueError, match="packed positions are integers"):
        bases[2].values([0.5])


def test_moves_agree_with_values(bases):
    base = bases[3]
    for packed in base.sample(300, seed=4):
        position = Position.from_packed(int(packed))
        for roll in ROLLS:
            moves = base.moves(position, roll)
            assert [move.square for move in moves] == position.legal_moves(roll)
            if not moves:
                assert base.best_move(position, roll) is None
                continue
            for move in moves:
                after, same = position.play(roll, move.square)
                assert move.value == (base.value(after) if same else 1 - base.value(after))
                assert move.regret == max(m.value for m in moves) - move.value
            assert base.best_move(position, roll) == next(m.square for m in moves if m.regret == 0)


def test_roll_out_of_range(bases):
    with pytest.raises(ValueError, match="a roll is 0 to 4"):
        bases[1].moves(opening(1), 5)


def test_positions_are_all_and_each_once(bases):
    for pieces in (1, 2, 3):
        packed = np.concatenate(list(bases[pieces].positions(chunk=777)))
        assert len(packed) == bases[pieces].count == len(np.unique(packed))
    expected = {referee.packed(state) for state in placements(2)}
    assert {int(p) for chunk in bases[2].positions() for p in chunk} == expected


def test_sample_is_uniform(bases):
    packed = np.sort(np.concatenate(list(bases[1].positions())))
    drawn = bases[1].sample(217 * 400, seed=3)
    counts = np.bincount(np.searchsorted(packed, drawn), minlength=217)
    assert np.array_equal(np.unique(drawn), packed)
    # Chi-square with 216 degrees of freedom: 5 standard deviations above the mean.
    assert ((counts - 400) ** 2 / 400).sum() < 216 + 5 * np.sqrt(2 * 216)


def test_samples_follow_the_seed(bases):
    assert np.array_equal(bases[3].sample(50, seed=1), bases[3].sample(100, seed=1)[:50])
    assert not np.array_equal(bases[3].sample(50, seed=1), bases[3].sample(50, seed=2))
    for few, many in zip(bases[3].play_sample(50, seed=1), bases[3].play_sample(100, seed=1), strict=True):
        assert np.array_equal(few, many[:50])


def test_play_sample_is_optimal_play(bases):
    base = bases[3]
    packed, rolls = base.play_sample(400, seed=5)
    assert (packed.dtype, rolls.dtype) == (np.uint64, np.uint8)
    for p, roll in zip(packed, rolls, strict=True):
        assert len(Position.from_packed(int(p)).legal_moves(int(roll))) >= 2
    # The first decision is met after moves without a choice, from the opening.
    first = Position.from_packed(int(packed[0]))
    assert first.own_off == first.opponent_off == 4


@pytest.mark.parametrize("n", [-1, 1.5, True])
def test_sample_sizes(bases, n):
    with pytest.raises(ValueError, match="whole number"):
        bases[1].sample(n)


# Files


def test_a_coarse_table_saved_as_a_finer_one_owns_up_to_it(bases, tmp_path):
    bases[2].save(tmp_path / "coarse", "float32")
    Tablebase.open(tmp_path / "coarse").save(tmp_path / "fine", "float64")
    fine = Tablebase.open(tmp_path / "fine")
    assert fine.dtype == "float64"
    assert fine.tolerance > 1e-8
    assert fine.verify(workers=1).passed


def test_no_position_is_an_error(bases):
    for ask in (bases[1].value, lambda none: bases[1].moves(none, 1), lambda none: bases[1].best_move(none, 1), key_of):
        with pytest.raises(TypeError):
            ask(None)


def test_values_of_nothing(bases):
    assert bases[1].values([]).shape == (0,)


@pytest.mark.parametrize(("dtype", "step"), [("float64", 0), ("float32", 2**-24), ("uint16", 0.5 / 65535)])
def test_save_and_open(bases, tmp_path, dtype, step):
    path = tmp_path / "a folder" / "small.table"
    bases[3].save(path, dtype)
    again = Tablebase.open(path)
    assert (again.pieces, again.dtype, again.count) == (3, dtype, bases[3].count)
    assert (again.tolerance, again.residual) == (0.0, bases[3].residual)
    assert again.nbytes == bases[3].count * np.dtype(dtype).itemsize
    assert path.stat().st_size == HEADER_BYTES + again.nbytes
    packed = bases[3].sample(5000)
    assert np.abs(again.values(packed) - bases[3].values(packed)).max() <= step * 1.0001
    assert again.verify(workers=1).passed
    assert [file.name for file in path.parent.iterdir()] == ["small.table"]


def test_dtype_is_checked(bases, tmp_path):
    with pytest.raises(ValueError, match="dtype must be one of"):
        bases[1].save(tmp_path / "x", "float16")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data[:-1], "truncated or damaged"),
        (lambda data: data + b"\0", "truncated or damaged"),
        (lambda data: data[:50], "not a table"),
        (lambda data: b"", "not a table"),
        (lambda data: b"PK" + data[2:], "not a table"),
        (lambda data: data[:8] + struct.pack("<I", 2) + data[12:], "version 2 of the table format"),
        (lambda data: data[:40] + b"\7" + data[41:], "checksum of the header"),
        (lambda data: data[:5000] + bytes([data[5000] ^ 1]) + data[5001:], "checksum of the values"),
    ],
)
def test_damaged_files_are_refused(bases, tmp_path, change, message):
    path = tmp_path / "small.table"
    bases[2].save(path)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(ValueError, match=message) as caught:
        Tablebase.open(path)
    assert "\n" not in str(caught.value)


def test_other_rules_are_refused(bases, tmp_path):
    path = tmp_path / "small.table"
    bases[1].save(path)
    data = path.read_bytes()
    header = bytearray(data[: HEADER.size])
    header[16:32] = b"masters".ljust(16, b"\0")
    path.write_bytes(header + struct.pack("<I", zlib.crc32(header)) + data[HEADER.size + 4 :])
    with pytest.raises(ValueError, match="other rules: masters"):
        Tablebase.open(path)


def test_unchecked_open_reads_the_header_only(bases, tmp_path):
    path = tmp_path / "small.table"
    bases[2].save(path)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert Tablebase.open(path, check=False).count == bases[2].count


def test_a_full_disk_leaves_nothing(bases, tmp_path, monkeypatch):
    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    path = tmp_path / "small.table"
    path.write_bytes(b"before")
    with pytest.raises(OSError, match="No space left"):
        bases[1].save(path)
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_default_path(tmp_path, monkeypatch):
    assert default_path() == tmp_path / "cache/finkel-7.table"
    monkeypatch.delenv("UR_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    assert default_path(3) == tmp_path / "mlx-ur/finkel-3.table"
    monkeypatch.setattr("sys.platform", "darwin")
    assert default_path(3).parts[-4:] == ("Library", "Caches", "mlx-ur", "finkel-3.table")


# Interrupts


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


# Verification and statistics


def test_verify_counts(bases):
    for pieces in (1, 2, 3):
        found = bases[pieces].verify(workers=2)
        assert found.passed
        assert found.residual < 2e-15
        assert found.positions == bases[pieces].count
        # Both having borne off all is counted, too; the map leaves out what dark has won.
        assert found.placements == 2 * count_entries(pieces) - found.positions + 1


@pytest.mark.parametrize("place", [0, 5000, -1])
def test_verify_fails_on_one_changed_value(bases, tmp_path, place):
    def change(values):
        values[place] += 1e-9

    found = copy_of(bases[2], tmp_path, change).verify(workers=1)
    assert not found.passed
    assert found.residual > 1e-10


def test_verify_fails_on_a_nan_wherever_it_is(bases, tmp_path):
    for place in range(bases[1].count):

        def change(values, place=place):
            values[place] = np.nan

        found = copy_of(bases[1], tmp_path, change).verify(workers=1)
        assert not found.passed
        assert found.residual == np.inf


@pytest.mark.slow
def test_verify_passes_at_the_floor(tmp_path):
    found = Tablebase.solve(5, "floor", checkpoint=tmp_path / "none").verify()
    assert found.passed
    assert found.residual > 2e-15  # more than a position's own sums lose


def test_verify_and_statistics_tell_how_far_they_are(bases):
    told = []
    bases[3].statistics(workers=2, progress=lambda done, total: told.append((done, total)))
    assert len(told) == 2 * 6  # layers
    assert told == sorted(told)
    assert told[-1] == (2 * bases[3].count, 2 * bases[3].count)
    told.clear()
    bases[4].verify(workers=2, progress=lambda done, total: told.append((done, total)))
    assert told == sorted(told)
    assert {total for _, total in told} == {bases[4].count}


def optimal_replies(base):
    """{state: its five successors under the table's best moves}, from the opening on."""
    start = State((), (), PIECES - base.pieces, PIECES - base.pieces)
    replies, stack = {}, [start]
    while stack:
        state = stack.pop()
        if state in replies or referee.is_over(state):
            continue
        position = Position.from_notation(referee.notation(state))
        replies[state] = []
        for roll in ROLLS:
            square = base.best_move(position, roll)
            after, same = (referee.swap(state), False) if square is None else referee.play(state, roll, square)
            replies[state].append((after, same))
        stack.extend(after for after, _ in replies[state])
    return start, replies


@pytest.mark.parametrize("pieces", [1, 2])
def test_statistics(bases, pieces):
    base = bases[pieces]
    start, replies = optimal_replies(base)
    turns = dict.fromkeys(replies, 0.0)
    change = 1.0
    while change > 1e-11:
        change = 0.0
        for state, after in replies.items():
            new = 1 + sum(ways * turns.get(s, 0.0) for ways, (s, _) in zip(WAYS, after, strict=True)) / 16
            change = max(change, abs(new - turns[state]))
            turns[state] = new
    found = base.statistics(workers=2)
    assert found["expected_turns"] == pytest.approx(turns[start], abs=1e-8)
    assert found["never_occur"] == base.count - len(replies)
    assert found["first_player_wins"] == base.value(opening(pieces))
    assert found["first_player_advantage"] == pytest.approx(2 * found["first_player_wins"] - 1)
    assert sum(score["positions"] for score in found["scores"]) == base.count
    assert found == base.statistics(workers=1)


def test_statistics_by_score(bases):
    base = bases[2]
    values, regrets, weights = [], 0.0, 0.0
    for packed in np.concatenate(list(base.positions())):
        position = Position.from_packed(int(packed))
        if (position.own_off, position.opponent_off) != (5, 6):
            continue
        values.append(base.value(position))
        for roll, ways in zip(ROLLS, WAYS, strict=True):
            moves = sorted(move.regret for move in base.moves(position, roll))
            if len(moves) >= 2:
                weights += ways
                regrets += ways * moves[1]
    score = next(s for s in base.statistics(workers=1)["scores"] if (s["own_off"], s["opponent_off"]) == (5, 6))
    assert score["positions"] == len(values)
    assert score["win_probability"] == pytest.approx(np.mean(values))
    assert score["sharpness"] == pytest.approx(regrets / weights)


def test_best_replies(bases):
    replies = bases[3].statistics(workers=1)["best_replies"]
    assert [reply["roll"] for reply in replies] == [0, 1, 2, 3, 4]
    assert [reply["move"] for reply in replies] == [None, 0, 0, 0, 0]
    assert [reply["same_player"] for reply in replies] == [False, False, False, False, True]
    for reply in replies:
        position = Position.from_notation(reply["position"])
        assert reply["replies"] == [bases[3].best_move(position, roll) for roll in ROLLS]


# The published format


def test_rgu_counts():
    counts = [12_990, 263_712, 2_604_884, 14_675_304, 53_200_376, 137_892_016]
    assert [count_entries(pieces) for pieces in range(2, 8)] == counts


def test_rgu_keys(bases):
    assert key_of(Position.initial()) == 0x7E000000
    # Dark on 1 and 14: bits 3 and 4; five in hand.
    assert key_of(Position.from_notation("..............:0|x............x:0")) == 0x7A000000 + 0b011000
    with pytest.raises(ValueError, match="more than 1 pieces"):
        key_of(opening(2), 1)


def lane_rank(own, opponent, pieces):
    """A lane's rank, by listing them all: digits empty, dark, light, the first shared square the most significant."""
    digits = [1 if square in opponent else 2 if square in own else 0 for square in range(5, 13)]
    return lane_ranks(pieces)[tuple(digits)]


@functools.cache
def lane_ranks(pieces):
    lanes = itertools.product(range(3), repeat=8)
    return {lane: n for n, lane in enumerate(x for x in lanes if max(x.count(1), x.count(2)) <= pieces)}


@pytest.mark.parametrize(("pieces", "bits"), [(1, 7), (2, 10), (3, 12), (4, 13), (5, 13), (6, 13), (7, 13)])
def test_rgu_keys_from_the_published_description(pieces, bits):
    assert max(1, (len(lane_ranks(pieces)) - 2).bit_length()) == bits
    rng = np.random.default_rng(pieces)
    private = [4, 3, 2, 1, 14, 13]
    for _ in range(300):
        squares = rng.permutation(14)[: rng.integers(pieces + 1)] + 1, rng.permutation(14)[: rng.integers(pieces)] + 1
        own = set(map(int, squares[0]))
        opponent = {square for square in map(int, squares[1]) if not (5 <= square <= 12 and square in own)}
        hands = int(rng.integers(pieces - len(own) + 1)), int(rng.integers(pieces - len(opponent) + 1))
        if hands[1] + len(opponent) == 0:
            continue  # dark has won: not in the map
        state = State(
            tuple(sorted(own)), tuple(sorted(opponent)), PIECES - len(own) - hands[0], PIECES - len(opponent) - hands[1]
        )
        expected = sum(1 << bit for bit, square in enumerate(private) if square in opponent)
        expected |= lane_rank(own, opponent, pieces) << 6
        expected |= sum(1 << bit for bit, square in enumerate(private) if square in own) << (6 + bits)
        expected |= hands[1] << (12 + bits) | hands[0] << (15 + bits)
        assert key_of(Position.from_notation(referee.notation(state)), pieces) == expected


@pytest.mark.parametrize(("value_type", "width"), [("percent16", 2), ("f32", 4), ("f64", 8)])
@pytest.mark.parametrize("pieces", [1, 2, 3])
def test_rgu_layout_and_round_trip(bases, tmp_path, pieces, value_type, width):
    path = tmp_path / "map.rgu"
    base = bases[pieces]
    base.to_rgu(path, value_type)
    data = path.read_bytes()
    assert data[:4] == b"RGU\0"
    (length,) = struct.unpack(">I", data[4:8])
    entries = count_entries(pieces)
    assert struct.unpack(">II", data[8 + length : 16 + length]) == (1, entries)
    assert len(data) == 16 + length + (4 + width) * entries
    keys = np.frombuffer(data, ">u4", entries, 16 + length)
    values = np.frombuffer(data, f">{'u' if width == 2 else 'f'}{width}", entries, 16 + length + 4 * entries)
    assert (np.diff(keys.astype(np.int64)) > 0).all()
    for packed in base.sample(20, seed=6):
        position = Position.from_packed(int(packed))
        entry = int(np.searchsorted(keys, key_of(position, pieces)))
        assert keys[entry] == key_of(position, pieces)
        percent = 100 * base.value(position)
        expected = int(percent / 100 * 65535 + 0.5) if width == 2 else percent
        assert values[entry] == pytest.approx(expected, rel=1e-6 if width == 4 else 1e-14)

    again = Tablebase.from_rgu(path)
    assert again.pieces == pieces
    assert again.dtype == {2: "uint16", 4: "float32", 8: "float64"}[width]
    assert again.verify(workers=1).passed
    packed = base.sample(5000)
    step = {2: 0.5001 / 65535, 4: 1e-7, 8: 2e-16}[width]
    assert np.abs(again.values(packed) - base.values(packed)).max() <= step
    if width == 2:
        again.to_rgu(tmp_path / "again.rgu", value_type)
        assert (tmp_path / "again.rgu").read_bytes()[-6 * entries :] == data[-6 * entries :]


def test_rgu_with_a_wrong_word_for_its_values(bases, tmp_path):
    """Some published float64 maps name the value type twice; the size of the file is what counts."""
    path = tmp_path / "map.rgu"
    bases[2].to_rgu(path, "f64")
    data = path.read_bytes().replace(b'"value_type": "f64"', b'"value_type": "f32"')
    path.write_bytes(data)
    assert Tablebase.from_rgu(path).dtype == "float64"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data[:-1], "truncated or damaged"),
        (lambda data: data[:100], "truncated or damaged|damaged"),
        (lambda data: b"PNG" + data[3:], "not an .rgu map"),
        (lambda data: data[:3] + b"\1" + data[4:], "version 1 of the .rgu format"),
        (lambda data: data[:4] + struct.pack(">I", 9000) + b"[" * 9000, "the header is not the JSON of a map"),
        (lambda data: data.replace(b'"bell"', b'"oval"'), "other rules: paths"),
        (lambda data: data.replace(b'"start_pieces": 2', b'"start_pieces": 3'), "not the entries of 3 pieces"),
        (lambda data: data.replace(b'"start_pieces": 2', b'"start_pieces": 9'), "9 pieces a side"),
        (lambda data: data.replace(b'{"value', b'["value'), "not the JSON of a map"),
        (lambda data: data[:-70000] + b"\xff" + data[-69999:], "keys are not those"),
    ],
)
def test_damaged_maps_are_refused(bases, tmp_path, change, message):
    path = tmp_path / "map.rgu"
    bases[2].to_rgu(path, "percent16")
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(ValueError, match=message):
        Tablebase.from_rgu(path)


def test_rgu_value_types(bases, tmp_path):
    with pytest.raises(ValueError, match="value_type must be one of"):
        bases[1].to_rgu(tmp_path / "map.rgu", "f16")
    assert list(tmp_path.iterdir()) == []
