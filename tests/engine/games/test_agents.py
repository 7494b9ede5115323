"""The players: their spelling, and the moves they choose."""

import itertools
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import referee
from random_networks import random_document, write

from engine import Agent, Network, Position, Search, play_match
from engine.core.rules import RULE_SETS
from engine.games.agents import SPELLINGS, open_table
from engine.games.regret import choices
from engine.network.shipped import levels
from engine.solved.tablebase import MissingTable, Tablebase

WON = Position.from_notation("..............:7|x.............:0")
LOST = Position.from_notation("x.............:0|..............:7")


def position_of(state):
    return Position.from_notation(referee.notation(state))


@pytest.fixture(scope="module")
def turns():
    """(position, roll) of decisions of random games, and of scattered pieces."""
    played = [turn for turn in dict.fromkeys(referee.game_decisions(51, 12)) if len(referee.legal_moves(*turn)) > 1]
    strange = [
        (state, 1 + i % 4)
        for i, state in enumerate(referee.random_placements(52, 400))
        if referee.legal_moves(state, 1 + i % 4)
    ]
    return [(position_of(state), roll) for state, roll in played[::2] + strange]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Weights files: both networks, one of them each, and one that finds every move equal."""
    folder = tmp_path_factory.mktemp("weights")
    write(folder / "both.json", random_document(seed=4))
    write(folder / "value.json", random_document(seed=5, heads=("value",)))
    write(folder / "policy.json", random_document(seed=6, heads=("policy",)))
    write(folder / "two@2.json", random_document(seed=7))
    flat = random_document()
    for head in ("value_weights", "policy_weights"):
        flat[head] = [0] * len(flat[head])
    write(folder / "flat.json", flat)
    return folder


class TestSpelling:
    def test_every_spelling_is_known(self, folder):
        assert SPELLINGS == (
            "random",
            "greedy",
            "emm:N",
            "emm-evolved:N",
            "net:NAME",
            "net:NAME@N",
            "net:NAME:policy",
            "net:FILE",
            "net:FILE@N",
            "net:FILE:policy",
            "level:N",
            "perfect",
            "perfect:FILE",
        )

    @pytest.mark.parametrize("name", ["random", "greedy"])
    def test_without_values(self, name):
        agent = Agent.parse(name)
        assert (agent.name, agent.unit, agent.player) == (name, "", None)
        assert agent.moves(Position.from_notation("x.............:0|..............:0"), 2) == [(0, None), (1, None)]

    @pytest.mark.parametrize(("name", "depth", "preset"), [("emm:1", 1, "default"), ("emm-evolved:12", 12, "evolved")])
    def test_search(self, name, depth, preset):
        agent = Agent.parse(name)
        assert (agent.name, agent.unit) == (name, "points")
        assert isinstance(agent.player, Search)
        assert (agent.player.depth, agent.player.preset) == (depth, preset)

    def test_networks(self, folder):
        for suffix, unit in [("", "win probability"), ("@1", "win probability"), ("@4", "win probability")]:
            agent = Agent.parse(f"net:{folder}/both.json{suffix}")
            assert (agent.name, agent.unit) == (f"net:{folder}/both.json{suffix}", unit)
            assert isinstance(agent.player, Network)
            assert agent.player.path == f"{folder}/both.json"
        agent = Agent.parse(f"net:{folder}/both.json:policy")
        assert agent.unit == "policy"
        assert agent.player.path == f"{folder}/both.json"

    def test_a_name_may_hold_the_sign_of_the_depth(self, folder):
        assert Agent.parse(f"net:{folder}/two@2.json").player.path == f"{folder}/two@2.json"
        assert Agent.parse(f"net:{folder}/two@2.json@2").player.path == f"{folder}/two@2.json"

    def test_text(self):
        assert repr(Agent.parse("emm:3")) == "Agent.parse('emm:3')"

    def test_agents_are_not_made_directly(self):
        with pytest.raises(TypeError, match=r"Agent\.parse"):
            Agent()
        with pytest.raises(TypeError):
            Agent.parse(None)


def network_in_memory(seed, heads=("value", "policy")):
    """The network of a random document that no file holds."""
    document = random_document(seed=seed, heads=heads)
    weights = {f"{head}_weights": np.float32(document[f"{head}_weights"]) for head in heads}
    return Network.from_document({"value_weights": None, "policy_weights": None} | document | weights)


class TestFromNetwork:
    """Agents of networks in memory play as those of their files."""

    @pytest.mark.parametrize(
        ("suffix", "options"), [("", {}), ("@2", {"depth": 2}), (":policy", {"policy": True}), ("@1", {"depth": 1})]
    )
    def test_plays_as_its_file_does(self, folder, turns, suffix, options):
        parsed = Agent.parse(f"net:{folder}/both.json{suffix}")
        network = network_in_memory(4)
        agent = Agent.from_network(network, "both", **options)
        assert (agent.name, agent.unit, agent.depth) == ("both", parsed.unit, parsed.depth)
        assert agent.player is network
        for position, roll in turns[::10]:
            assert agent.moves(position, roll) == parsed.moves(position, roll)
            assert agent.best_move(position, roll) == parsed.best_move(position, roll)

    def test_plays_games(self, folder):
        network = network_in_memory(4)
        opponent = Agent.parse("greedy")
        result = play_match(Agent.from_network(network), opponent, 20, 3)
        expected = play_match(Agent.parse(f"net:{folder}/both.json"), opponent, 20, 3)
        assert result.turns.tobytes() == expected.turns.tobytes()

    def test_text(self):
        agent = Agent.from_network(network_in_memory(4), "both")
        assert repr(agent).startswith("Agent.from_network(")
        assert repr(agent).endswith(", 'both')")

    def test_refusals(self):
        network = network_in_memory(5, heads=("value",))
        with pytest.raises(ValueError, match="mine has no policy network"):
            Agent.from_network(network, "mine", policy=True)
        for depth in (0, 5):
            with pytest.raises(ValueError, match="'mine': look-ahead must be 1 to 4 turns"):
                Agent.from_network(network, "mine", depth=depth)
        with pytest.raises(TypeError):
            Agent.from_network(None)


class TestShippedModels:
    """net:NAME names a shipped model from any folder."""

    @pytest.fixture
    def shipped(self, folder, tmp_path, monkeypatch):
        """A folder of shipped models; the current folder is another one."""
        models = tmp_path / "shipped"
        models.mkdir()
        write(models / "model-3k.json", random_document(seed=4))
        (models / "manifest.json").write_text("{}")
        monkeypatch.setattr("engine.network.shipped.shipped_folder", lambda: models)
        here = tmp_path / "here"
        here.mkdir()
        monkeypatch.chdir(here)
        return models

    @pytest.mark.parametrize("suffix", ["", "@2", ":policy"])
    def test_a_name(self, shipped, suffix):
        agent = Agent.parse(f"net:model-3k{suffix}")
        assert agent.name == f"net:model-3k{suffix}"
        assert agent.player.path == str(shipped / "model-3k.json")

    @pytest.mark.parametrize("name", ["Mine.JSON", "mine.Json.Gz"])
    def test_an_ending_in_capitals_is_one(self, name, shipped):
        with pytest.raises(FileNotFoundError, match=f"no weights file {name}"):
            Agent.parse(f"net:{name}")

    def test_a_file_of_the_current_folder_is_written_as_a_path(self, shipped):
        for name in ("model-3k", "model-3k.json"):
            write(Path(name), random_document(seed=6))
        assert Agent.parse("net:model-3k").player.path == str(shipped / "model-3k.json")
        assert Agent.parse("net:model-3k.json").player.path == "model-3k.json"
        Path("broken").mkdir()
        Path("broken/model-3k").write_text("{")
        with pytest.raises(ValueError, match="not a usable weights file"):
            Agent.parse("net:broken/model-3k")

    @pytest.mark.parametrize(
        ("typed", "reason"),
        [
            ("net:model-3", r"no shipped model 'model-3'; did you mean net:model-3k\?"),
            ("net:Model-3k@2", r"no shipped model 'Model-3k'; did you mean net:model-3k\?"),
            ("net:zzz", r"no shipped model 'zzz' \(known: model-3k\)"),
            ("model-3k", r"unknown agent 'model-3k'; did you mean net:model-3k\?"),
            ("net:model-3k.jsn", r"no shipped model 'model-3k.jsn'; did you mean net:model-3k\?"),
            ("net:other/model-3k.json", r"no weights file other/model-3k.json; did you mean net:model-3k\?"),
        ],
    )
    def test_unknown_names(self, shipped, typed, reason):
        with pytest.raises((ValueError, FileNotFoundError), match=reason) as error:
            Agent.parse(typed)
        assert "\n" not in str(error.value)


class TestLevels:
    """level:N softens the choice of a shipped network by its temperature."""

    POSITION = Position.from_notation("x.x.xx........:1|..x...x..x....:0")

    @pytest.mark.parametrize("rules", RULE_SETS)
    def test_the_manifest_defines_them(self, rules):
        known = levels(rules)
        assert [level.name for level in known] == [level.name for level in levels()]
        assert 6 <= len(known) <= 8
        assert len({level.name for level in known}) == len(known)
        assert [level.temperature for level in known] == sorted((level.temperature for level in known), reverse=True)
        assert all(100 <= after.elo - before.elo <= 150 for before, after in itertools.pairwise(known))
        assert levels("no such rules") == ()

    def test_a_move_is_drawn_by_its_regret(self):
        """The shares of 20,000 choices are within five standard deviations of exp(-regret / temperature)."""
        agent = Agent.parse("level:1")
        network = Agent.parse(f"net:{levels()[0].network}")
        moves = network.moves(self.POSITION, 2)
        best = max(value for _, value in moves)
        weights = np.array([math.exp((value - best) / (levels()[0].temperature / 100)) for _, value in moves])
        draws = 20_000
        chosen = choices(agent, [self.POSITION.packed] * draws, [2] * draws, seed=1)
        shares = np.array([(chosen == square).mean() for square, _ in moves])
        expected = weights / weights.sum()
        assert len(moves) == 3
        assert (np.abs(shares - expected) < 5 * np.sqrt(expected * (1 - expected) / draws)).all()

    def test_the_values_are_the_networks(self):
        agent, network = Agent.parse("level:2"), Agent.parse(f"net:{levels()[1].network}")
        assert agent.moves(self.POSITION, 2) == network.moves(self.POSITION, 2)
        assert (agent.unit, agent.depth) == ("win probability", 0)

    def test_the_strongest_plays_the_best_move(self, turns):
        agent, network = Agent.parse(f"level:{len(levels())}"), Agent.parse(f"net:{levels()[-1].network}")
        for position, roll in turns[::10]:
            assert agent.best_move(position, roll) == network.best_move(position, roll)

    def test_a_rule_set_without_levels(self, monkeypatch):
        monkeypatch.setattr("engine.games.agents.levels", lambda rules: ())
        with pytest.raises(ValueError, match="there are no levels of aseb here"):
            Agent.parse("level:1", "aseb")

    @pytest.mark.parametrize("spelling", ["level:", "level:0", "level:8", "level:x", "level"])
    def test_refusals(self, spelling):
        with pytest.raises(ValueError, match=r"level:1 to level:7|unknown agent"):
            Agent.parse(spelling)

    @pytest.mark.parametrize("rules", RULE_SETS)
    def test_the_weaker_loses(self, rules):
        for weaker in (1, 3):
            pair = [Agent.parse(f"level:{number}", rules) for number in (weaker, weaker + 2)]
            assert play_match(*pair, 200, 0).won.mean() < 0.4


class TestRefusals:
    """ValueError with a hint, in one line."""

    @pytest.mark.parametrize(
        ("spelling", "reason"),
        [
            ("", "unknown agent ''"),
            ("greed", r"unknown agent 'greed'; did you mean greedy\?"),
            ("Random", r"did you mean random\?"),
            ("random:3", r"did you mean random\?"),
            ("emm-evolve:3", r"did you mean emm-evolved:3\?"),
            ("alphabeta:3", r"unknown agent .*\(known: random, greedy, emm:N"),
            ("two\nlines", "unknown agent"),
            ("emm", "'emm' needs a search depth, as in emm:3"),
            ("emm:", "needs a search depth"),
            ("emm:three", "needs a search depth"),
            ("emm:-1", "needs a search depth"),
            ("emm:2.5", "needs a search depth"),
            ("emm:0", "search depth must be 1 to 12 turns, got 0"),
            ("emm-evolved:13", "search depth must be 1 to 12 turns, got 13"),
            ("net", "needs a model or a weights file, as in net:"),
            ("net:", "needs a model or a weights file"),
            ("net::policy", "needs a model or a weights file"),
            ("net:@2", "needs a model or a weights file"),
            ("perfect:", "'perfect:' needs a table's file"),
            ("net:weights.json@0", "look-ahead must be 1 to 4 turns"),
            ("net:weights.json@5", "look-ahead must be 1 to 4 turns"),
        ],
    )
    def test_spelling(self, spelling, reason):
        with pytest.raises(ValueError, match=reason) as error:
            Agent.parse(spelling)
        assert "\n" not in str(error.value)

    def test_missing_networks(self, folder):
        with pytest.raises(ValueError, match=r"value\.json has no policy network"):
            Agent.parse(f"net:{folder}/value.json:policy")
        for suffix in ("", "@2"):
            with pytest.raises(ValueError, match=r"policy\.json has no value network"):
                Agent.parse(f"net:{folder}/policy.json{suffix}")

    def test_missing_files(self, folder):
        for suffix in ("", "@2", ":policy"):
            with pytest.raises(FileNotFoundError):
                Agent.parse(f"net:{folder}/nowhere.json{suffix}")

    def test_files_that_cannot_play(self, folder):
        for content in ("{", "[]"):
            (folder / "bad.json").write_text(content)
            with pytest.raises(ValueError, match=r"bad\.json: not a usable weights file"):
                Agent.parse(f"net:{folder}/bad.json")
        write(folder / "other.json", random_document() | {"feature_set": "other"})
        with pytest.raises(ValueError, match="cannot play"):
            Agent.parse(f"net:{folder}/other.json")

    def test_no_table(self, folder, monkeypatch):
        monkeypatch.setenv("UR_CACHE", str(folder))
        with pytest.raises(FileNotFoundError, match="mlx_train solve"):
            Agent.parse("perfect")
        with pytest.raises(MissingTable, match=rf"mlx_train solve --output {folder}/nowhere`") as missing:
            Agent.parse(f"perfect:{folder}/nowhere")
        assert not missing.value.default

    def test_an_altered_table(self, folder):
        path = folder / "altered.table"
        Tablebase.solve(1, workers=1).save(path)
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
        with pytest.raises(ValueError, match="checksum of the values"):
            Agent.parse(f"perfect:{path}")

    def test_a_table_of_fewer_pieces(self, folder):
        Tablebase.solve(1, workers=1).save(folder / "one.table")
        with pytest.raises(ValueError, match="the table holds 1 pieces a side, games need 7"):
            Agent.parse(f"perfect:{folder}/one.table")
        assert open_table(folder / "one.table") is open_table(str(folder / "one.table"))


def valued(folder):
    """Agents whose move follows from the values they give."""
    return [
        Agent.parse(name)
        for name in (
            "emm:1",
            "emm:2",
            "emm-evolved:2",
            f"net:{folder}/both.json",
            f"net:{folder}/value.json@2",
            f"net:{folder}/both.json:policy",
        )
    ]


class TestMoves:
    def test_the_best_value_wins_and_the_lowest_square_among_equals(self, folder, turns):
        ties = 0
        for agent in valued(folder):
            for position, roll in turns:
                moves = agent.moves(position, roll)
                assert [square for square, _ in moves] == position.legal_moves(roll)
                top = max(value for _, value in moves)
                best = [square for square, value in moves if value == top]
                assert agent.best_move(position, roll) == best[0]
                ties += len(best) > 1
        assert ties > 5

    def test_all_moves_equal(self, folder, turns):
        for suffix in ("", ":policy"):
            agent = Agent.parse(f"net:{folder}/flat.json{suffix}")
            for position, roll in turns[::5]:
                values = [value for _, value in agent.moves(position, roll)]
                if max(values) == min(values):
                    assert agent.best_move(position, roll) == position.legal_moves(roll)[0]

    def test_the_values_are_the_players(self, folder, turns):
        for position, roll in turns[::20]:
            assert Agent.parse("emm:2").moves(position, roll) == Search(2).moves(position, roll)
            network = Network.load(folder / "both.json")
            path = f"net:{folder}/both.json"
            assert Agent.parse(path).moves(position, roll) == network.moves(position, roll)
            assert Agent.parse(f"{path}@1").moves(position, roll) == network.moves(position, roll, 1)
            assert Agent.parse(f"{path}@2").moves(position, roll) == network.moves(position, roll, 2)
            assert Agent.parse(f"{path}:policy").moves(position, roll) == network.policy(position, roll)

    def test_searches_agree_with_the_referee(self, turns):
        for position, roll in turns[::10]:
            state = referee.from_notation(str(position))
            for name, preset in (("emm", "default"), ("emm-evolved", "evolved")):
                expected = referee.best_move(state, roll, 2, referee.PRESETS[preset])
                assert Agent.parse(f"{name}:2").best_move(position, roll) == expected

    def test_passes_and_finished_games(self, folder):
        agents = [Agent.parse("random"), Agent.parse("greedy"), *valued(folder)]
        stuck = Position.from_notation(".............x:6|..............:0")
        for agent in agents:
            assert agent.best_move(Position.initial(), 0) is None
            assert agent.best_move(stuck, 2) is None
            assert agent.moves(stuck, 2) == []
            for over in (WON, LOST):
                assert agent.best_move(over, 1) is None

    def test_refusals(self, folder):
        for agent in [Agent.parse("random"), Agent.parse("greedy"), *valued(folder)]:
            for ask in (agent.moves, agent.best_move):
                with pytest.raises(ValueError, match="a roll is 0 to 4"):
                    ask(Position.initial(), 5)
                with pytest.raises(TypeError):
                    ask(None, 1)


class TestGreedy:
    """A capture, else a rosette, else the foremost piece; of several the foremost."""

    @pytest.mark.parametrize(
        ("notation", "roll", "square"),
        [
            ("..............:0|..............:0", 3, 0),
            ("x....x........:0|..............:0", 1, 6),  # the foremost
            (".x..x.........:0|......x.......:0", 2, 5),  # a capture on 7 before the rosette 4
            (".x..x.........:0|.............x:0", 2, 2),  # the rosette before the foremost
            ("x......x......:0|.....x...x....:0", 2, 8),  # of two captures the foremost
            ("...x...x......:0|.....x........:0", 2, 4),  # a capture before the foremost
            (".x.........x..:0|..............:0", 2, 12),  # of two rosettes the foremost
        ],
    )
    def test_by_hand(self, notation, roll, square):
        assert Agent.parse("greedy").best_move(Position.from_notation(notation), roll) == square

    def test_against_the_rule(self, turns):
        greedy = Agent.parse("greedy")
        kinds = Counter()
        for position, roll in turns:
            state = referee.from_notation(str(position))
            kinds[greedy_kind(state, roll)] += 1
            assert greedy.best_move(position, roll) == referee.greedy_move(state, roll)
        assert min(kinds[kind] for kind in ("capture", "rosette", "foremost")) > 20


def greedy_kind(state, roll):
    return next(kind for kind, squares in referee.greedy_groups(state, roll) if squares)


class TestRandom:
    def test_every_legal_move_is_as_likely(self):
        position = Position.from_notation("x.x.x.........:0|.........x....:0")
        agent = Agent.parse("random")
        squares = position.legal_moves(1)
        assert len(squares) == 3
        seen = Counter(agent.best_move(position, 1, seed) for seed in range(3000))
        assert set(seen) == set(squares)
        # Chi-square with 2 degrees of freedom exceeds this once in a thousand samples.
        assert sum((seen[square] - 1000) ** 2 / 1000 for square in squares) < 13.8

    def test_the_seed_decides(self, turns):
        agent = Agent.parse("random")
        for position, roll in turns[::10]:
            choices = [agent.best_move(position, roll, seed) for seed in range(8)]
            assert choices == [agent.best_move(position, roll, seed) for seed in range(8)]
            assert set(choices) <= set(position.legal_moves(roll))
