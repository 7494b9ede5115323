"""The measures, on games small enough to work them out by hand or by slow Python."""

import json
from contextlib import nullcontext
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
import random_networks
from commandline import call

from engine import Agent, Network, Position, Tablebase
from engine.core.features import FEATURE_NAMES
from engine.games.matches import play_match
from engine.games.regret import choices, play_against_perfect, regrets, seconds_to_choose
from mlx_train.commands import measuring
from mlx_train.measuring import measures
from mlx_train.measuring.measures import (
    all_successors,
    decision_regrets,
    exactness,
    microseconds_per_move,
    permutation_importance,
    policy_regret,
    size,
    summarize_regret,
    value_error,
    wilson,
    win_rate,
    win_rate_estimate,
)

# The opponent's last piece stands on 14, so that it wins with a roll of 1, that is 1/4 of its turns. What follows is
# the win probability of the side to move, whose pieces stand on the named squares, the others borne off.
AFTER_TURN = Fraction(3, 4)  # the share of its win probability that a side keeps when the turn passes
ON_14 = Fraction(1, 4) / (1 - AFTER_TURN * Fraction(3, 4))
ON_13 = (Fraction(1, 4) * ON_14 + Fraction(6, 16)) / (1 - AFTER_TURN * Fraction(6, 16))
ON_12 = (
    Fraction(1, 4) * AFTER_TURN * ON_13 + Fraction(6, 16) * ON_14 + Fraction(1, 4)
) / (1 - AFTER_TURN * Fraction(2, 16))  # fmt: skip
ON_13_AND_14 = (
    Fraction(1, 4) * AFTER_TURN * ON_13 + Fraction(6, 16) * AFTER_TURN * ON_14
) / (1 - AFTER_TURN * Fraction(6, 16))  # fmt: skip
#: A decision: a roll of 1 bears 14 off and leaves 12, or moves 12 to 13.
DECISION = Position.from_notation("...........x.x:5|.............x:6")
LOSS = float(AFTER_TURN * (ON_12 - ON_13_AND_14))


@pytest.fixture(scope="module")
def table():
    """The game with two pieces a side."""
    return Tablebase.solve(2, "floor")


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    path = tmp_path_factory.mktemp("evaluate") / "model.json"
    return random_networks.write(path, random_networks.random_document(seed=4))


def test_the_decision_by_hand(table):
    assert Fraction(4, 7) == ON_14
    assert Fraction(116, 161) == ON_13
    assert LOSS > 0
    again = [DECISION.packed] * 2
    assert regrets(table, again, [1, 1], [14, 12]) == pytest.approx([0, LOSS], abs=1e-14)
    assert [move.regret for move in table.moves(DECISION, 1)] == pytest.approx([LOSS, 0], abs=1e-14)


def test_a_turn_that_passes_costs_nothing(table):
    assert regrets(table, [DECISION.packed], [2], [-1]).tolist() == [0]
    assert choices(Agent.parse("greedy"), [DECISION.packed], [2]).tolist() == [-1]


@pytest.mark.parametrize(
    ("position", "roll", "square"),
    [
        (DECISION, 1, 13),  # nothing stands there
        (DECISION, 1, -1),  # there is a move
        (DECISION, 5, 12),
        (DECISION, 1, 99),
        (Position.from_notation("..............:0|..............:0"), 1, 0),  # seven pieces
    ],
)
def test_regrets_refuse(table, position, roll, square):
    with pytest.raises(ValueError, match="entry 0"):
        regrets(table, [position.packed], [roll], [square])


def test_choices_refuse():
    with pytest.raises(ValueError, match="entry 1"):
        choices(Agent.parse("random"), [DECISION.packed] * 2, [1, 5])
    over = Position.from_notation("..............:7|.............x:6")
    with pytest.raises(ValueError, match="no decision"):
        choices(Agent.parse("random"), [over.packed], [1])
    with pytest.raises(ValueError, match="one length"):
        choices(Agent.parse("random"), [DECISION.packed], [1, 1])


@pytest.mark.parametrize("spelling", ["greedy", "emm:2", "net:FILE", "net:FILE:policy"])
def test_choices_are_the_agents(table, network, spelling):
    agent = Agent.parse(spelling.replace("FILE", network))
    packed, rolls = table.play_sample(300, 1)
    asked = [agent.best_move(Position.from_packed(int(p)), int(r)) for p, r in zip(packed, rolls, strict=True)]
    assert choices(agent, packed, rolls, workers=2).tolist() == asked


def test_random_choices_depend_on_seed_and_entry_alone(table):
    packed, rolls = table.play_sample(500, 1)
    agent = Agent.parse("random")
    first = choices(agent, packed, rolls, 3, workers=1)
    assert np.array_equal(first, choices(agent, packed, rolls, 3, workers=3))
    assert not np.array_equal(first, choices(agent, packed, rolls, 4))


def test_value_error_of_every_position(table, network):
    loaded = Network.load(network)
    packed = np.concatenate(list(table.positions()))
    error = [abs(loaded.value(p) - table.value(p)) for p in map(Position.from_packed, packed.tolist())]
    found = value_error(loaded, table, every=True, workers=2)
    assert found.positions == table.count == len(error)
    assert found.mean == pytest.approx(np.mean(error), rel=1e-12)
    assert found.rms == pytest.approx(np.sqrt(np.mean(np.square(error))), rel=1e-12)
    assert found.max == max(error)
    assert found.p95 == pytest.approx(np.percentile(error, 95, method="inverted_cdf"), abs=1e-6)


def test_value_error_of_a_sample(table, network):
    agent = Agent.parse(f"net:{network}")
    found = value_error(agent, table, 3000, 7)
    assert found == value_error(agent, table, 3000, 7, workers=1)
    error = np.abs(Network.load(network).values(table.sample(3000, 7)) - table.values(table.sample(3000, 7)))
    assert (found.positions, found.max) == (3000, error.max())
    assert found.mean == pytest.approx(error.mean(), rel=1e-12)
    assert found != value_error(agent, table, 3000, 8)


def test_value_error_of_a_rounded_table(table, tmp_path):
    table.save(tmp_path / "rounded.table", dtype="uint16")
    found = value_error(Tablebase.open(tmp_path / "rounded.table"), table, every=True)
    assert 0.4 / 65535 < found.max <= 0.5001 / 65535
    assert found.mean == pytest.approx(0.25 / 65535, rel=0.05)
    assert value_error(table, table, every=True).max == 0


def test_value_error_of_a_look_ahead_is_its_own(table, network):
    errors = [value_error(Agent.parse(f"net:{network}{depth}"), table, 300, seed=1) for depth in ("", "@2", "@3")]
    packed = table.sample(300, 1)
    for depth, found in enumerate(errors):
        off = np.abs(Network.load(network).values(packed, depth) - table.values(packed))
        assert found.mean == pytest.approx(off.mean())
    assert len({found.mean for found in errors}) == 3


def test_value_error_needs_win_probabilities(table, network):
    for spelling in ("greedy", "emm:1", f"net:{network}:policy"):
        with pytest.raises(ValueError, match="no win probabilities"):
            value_error(Agent.parse(spelling), table)
    with pytest.raises(ValueError, match="at least 1"):
        value_error(table, table, 0)


@pytest.mark.parametrize("spelling", ["greedy", "emm:1"])
def test_policy_regret_by_slow_python(table, spelling):
    agent = Agent.parse(spelling)
    slow = []
    for packed, roll in zip(*table.play_sample(400, 5), strict=True):
        position = Position.from_packed(int(packed))
        moves = {move.square: move.value for move in table.moves(position, int(roll))}
        slow.append(max(moves.values()) - moves[agent.best_move(position, int(roll))])
    found = policy_regret(agent, table, 400, 5)
    assert found.decisions == 400
    assert found.mean == pytest.approx(100 * np.mean(slow), rel=1e-12)
    assert found.p95 == pytest.approx(100 * np.percentile(slow, 95), rel=1e-12)
    assert found.best_share == np.mean(np.array(slow) <= 1e-9)


def test_regret_is_in_points_and_ties_are_best():
    found = summarize_regret(np.array([0, 0.9e-9, 1.1e-9, 0.01]))
    assert found.best_share == 0.5
    assert found.mean == pytest.approx(0.25, rel=1e-6)
    assert found.p95 == pytest.approx(0.85, rel=1e-6)


def test_perfect_choices_regret_nothing(table):
    packed, rolls = table.play_sample(300, 2)
    best = [table.best_move(Position.from_packed(int(p)), int(r)) for p, r in zip(packed, rolls, strict=True)]
    assert not regrets(table, packed, rolls, best).any()


def test_decisions_refuse(table):
    with pytest.raises(ValueError, match="at least 1"):
        decision_regrets(Agent.parse("greedy"), table, 0)
    with pytest.raises(ValueError, match="no decisions"):
        decision_regrets(Agent.parse("greedy"), Tablebase.solve(1))


def test_the_estimate_is_the_played_win_rate(table):
    """One half less the summed regret is the win rate that is met in many games, with far less noise."""
    agent = Agent.parse("greedy")
    many = win_rate_estimate(agent, table, 200_000)
    noise = 100 * (0.25 / many.games) ** 0.5
    width = many.interval[1] - many.interval[0]
    assert abs(many.rate - many.played_rate) < 3 * noise
    assert width < 2 * 1.96 * noise / 2
    assert many.rate == 50 - many.regret_per_game
    few = win_rate_estimate(agent, table, 2000, seed=1)
    assert abs(few.rate - many.rate) < few.interval[1] - few.rate + width


def exact_win_rate(agent, table):
    """The agent's win rate against perfect play over both seats, in percent, by iteration over all positions."""
    packed = np.concatenate(list(table.positions()))
    place = {int(p): i for i, p in enumerate(packed)}
    ways = np.array([1, 4, 6, 4, 1]) / 16
    after = np.empty((2, 5, len(packed)), dtype=np.int64)  # the position then; -1 lost, -2 won, by whoever is to move
    same = np.zeros((2, 5, len(packed)), dtype=bool)
    for roll in range(5):
        moved = choices(agent, packed, np.full(len(packed), roll))
        for i, p in enumerate(packed):
            position = Position.from_packed(int(p))
            for mover, square in enumerate((int(moved[i]), table.best_move(position, roll))):
                following, again = (position.swapped, False)
                if square is not None and square >= 0:
                    following, again = position.play(roll, square)
                over = -2 if following.own_off == 7 else -1
                after[mover, roll, i] = over if following.is_over else place[following.packed]
                same[mover, roll, i] = again
    wins = np.full((2, len(packed) + 2), 0.5)  # the agent's, by who is to move; the last two: won, lost for the mover
    wins[0, -2:], wins[1, -2:] = (1, 0), (0, 1)
    for _ in range(400):
        for mover in (0, 1):
            turn = np.where(same[mover], mover, 1 - mover)
            wins[mover, :-2] = ways @ wins[turn, after[mover]]
    start = place[Position.from_notation("..............:5|..............:5").packed]
    return 50 * (wins[0, start] + wins[1, start])


def test_the_estimate_is_the_exact_win_rate(table):
    agent = Agent.parse("greedy")
    found = win_rate_estimate(agent, table, 40_000, seed=5)
    assert abs(found.rate - exact_win_rate(agent, table)) < 2 * (found.interval[1] - found.rate)


def test_the_interval_is_of_pairs_of_games(table):
    """From the regrets of the games in plain numpy: a pair has the same dice, so its games are not independent."""
    agent = Agent.parse("greedy")
    found = win_rate_estimate(agent, table, 600, seed=4)
    regret = 100 * play_against_perfect(agent, table, 600, 4).regret
    pairs = (regret[0::2] + regret[1::2]) / 2
    assert found.rate == pytest.approx(50 - regret.mean())
    spread = 1.96 * np.std(pairs, ddof=1) / 300**0.5
    assert found.interval == pytest.approx((found.rate - spread, found.rate + spread), abs=1e-3)


def test_where_nothing_can_be_chosen_the_estimate_is_one_half():
    found = win_rate_estimate(Agent.parse("random"), Tablebase.solve(1), 2000)
    assert found.interval == (50, 50)
    assert abs(found.played_rate - 50) < 3


def test_games_against_perfect_play_do_not_depend_on_the_workers(table):
    agent = Agent.parse("random")
    one, two = (play_against_perfect(agent, table, 300, 3, workers=workers) for workers in (1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))
    assert one.games == 300
    assert (one.regret >= 0).all()
    assert one.regret.max() > 0


@pytest.mark.parametrize("games", [0, 2, 5])
def test_the_estimate_needs_pairs(table, games):
    with pytest.raises(ValueError, match="pairs"):
        win_rate_estimate(Agent.parse("greedy"), table, games)


def test_win_rate_and_interval():
    found = win_rate(Agent.parse("greedy"), Agent.parse("random"), 200, seed=2)
    assert found.wins == play_match(Agent.parse("greedy"), Agent.parse("random"), 200, 2).won.sum()
    low, high = wilson(50, 100)  # the textbook's (0.404, 0.596)
    assert (round(low, 3), round(high, 3)) == (0.404, 0.596)


def test_speed_and_size(network, monkeypatch):
    agent = Agent.parse(f"net:{network}")
    assert microseconds_per_move(agent, decisions=200) > 0
    monkeypatch.setattr(measures, "seconds_to_choose", lambda agent, packed, rolls: 3e-6 * len(packed))
    assert microseconds_per_move(agent) == pytest.approx(3)
    with pytest.raises(ValueError, match="at least 1"):
        seconds_to_choose(agent, [], [])
    found = size(agent)
    assert found.parameters == 150 * 8 + 8 + 8 * 5 + 5 + 5 + 1
    assert found.bytes > 4 * found.parameters
    assert size(Agent.parse(f"net:{network}:policy")).parameters == found.parameters + 6 * 6
    assert size(Agent.parse("greedy")).parameters is None


def test_everything_at_once_is_plain_json(table, network):
    found = exactness(Agent.parse(f"net:{network}"), table, positions=500, decisions=200, games=20)
    again = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert again["value_error"]["positions"] == 500
    assert again["regret"]["decisions"] == 200
    assert again["estimate"]["games"] == 20
    assert exactness(Agent.parse("greedy"), table, decisions=200, games=20).value_error is None


def test_the_command(table, network, tmp_path):
    table.save(tmp_path / "two.table")
    agent = f"net:{network}"
    result = call("evaluate", agent, "--exact", "--table", tmp_path / "two.table", "--json")
    assert result.returncode == 0, result.stderr
    exact = json.loads(result.stdout)["exact"]
    assert exact["value_error"]["positions"] == 100_000
    result = call("evaluate", agent, "--all", "--table", tmp_path / "two.table", "--against", "random", "--games", 10)
    assert result.returncode == 0, result.stderr
    assert "| random" in result.stdout
    assert f"| {agent}" in result.stdout


def test_games_against_perfect_bring_the_estimate_too(tmp_path, monkeypatch, capsys):
    """Perfect play has the whole game only: here its table stands for it by another agent's name."""

    def parse(name):
        return Agent.parse(name) if name == "greedy" else SimpleNamespace(name=name, player="the table")

    monkeypatch.setattr(measuring, "usage", nullcontext)
    monkeypatch.setattr("engine.games.agents.Agent", SimpleNamespace(parse=parse))
    monkeypatch.setattr("engine.solved.tablebase.Tablebase", str)
    monkeypatch.setattr(measures, "win_rates", lambda *_, **__: [])
    monkeypatch.setattr(measures, "exactness", lambda agent, table, **_: SimpleNamespace(to_dict=lambda: [table]))
    measuring.evaluate("greedy", against=["perfect"], as_json=True)
    assert json.loads(capsys.readouterr().out) == {"matches": [], "exact": ["the table"]}


def test_the_command_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("UR_CACHE", str(tmp_path))
    result = call("evaluate", "greedy", "--exact")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("error: no table of the solved game")
    assert result.stderr.count("\n") == 1
    assert call("evaluate", "greedy").returncode == 2


def test_all_successors_by_slow_python(table):
    packed, rolls = table.play_sample(200, 4)
    packed, rolls = np.append(packed, packed[:5]), np.append(rolls, np.zeros(5, dtype=np.uint8))  # and some passes
    found = all_successors(packed, rolls)
    slow = []
    for i, (p, roll) in enumerate(zip(packed, rolls, strict=True)):
        position = Position.from_packed(int(p))
        for nth, square in enumerate(position.legal_moves(int(roll))):
            after, same = position.play(int(roll), square)
            slow.append((i, nth, after.packed, same))
    arrays = found.decision, found.nth, found.after, found.same_player
    assert list(zip(*(array.tolist() for array in arrays), strict=True)) == slow
    values = found.by_decision(found.for_mover(table.values(found.after)), len(packed))
    for row, p, roll in zip(values, packed, rolls, strict=True):
        exact = [move.value for move in table.moves(Position.from_packed(int(p)), int(roll))]
        assert row[: len(exact)] == pytest.approx(exact, abs=1e-14)
        assert (row[len(exact) :] == -np.inf).all()


def test_importance(table, network):
    agent = Agent.parse(f"net:{network}")
    found = permutation_importance(agent, table, 300, 2, repeats=2)
    assert found.regret == pytest.approx(policy_regret(agent, table, 300, 2).mean, abs=1e-9)
    assert found.cost.shape == (len(found.groups), 2)
    assert not any(group.startswith("state.roll") for group in found.groups)
    assert found.cost.std() > 0
    with pytest.raises(ValueError, match="no value network"):
        permutation_importance(Agent.parse("greedy"), table)
    with pytest.raises(ValueError, match="no value network"):
        permutation_importance(Agent.parse(f"net:{network}:policy"), table)


def test_importance_is_zero_where_the_network_does_not_look(table, tmp_path):
    """A network that sees nothing but the pieces on the path: shuffling anything else changes no choice."""
    document = random_networks.random_document(seed=4)
    weights = np.array(document["value_weights"], dtype=np.float32)
    hidden = document["network_config"]["hidden_sizes"][0]
    seen = [".piece." in name for name in FEATURE_NAMES]
    inputs = weights[: len(FEATURE_NAMES) * hidden].reshape(len(FEATURE_NAMES), hidden)
    inputs[~np.array(seen)] = 0
    document["value_weights"] = weights.tolist()
    agent = Agent.parse(f"net:{random_networks.write(tmp_path / 'blind.json', document)}")
    found = permutation_importance(agent, table, 300, 2, repeats=1)
    changed = {group for group, cost in zip(found.groups, found.cost[:, 0], strict=True) if cost}
    assert changed == {"board.own.piece", "board.opponent.piece"}
