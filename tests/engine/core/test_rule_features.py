"""The features of every rule set, each recomputed from the moves of a referee that knows boards and tiles."""

import board_referee as referee
import numpy as np
import pytest

from engine import Position, extract_features, extract_features_batch, extract_features_bytes
from engine.core.features import FEATURE_NAMES, FEATURE_SCALES, FEATURE_SET, features_of
from engine.core.rules import RULE_SETS, rules

every_set = pytest.mark.parametrize("name", RULE_SETS)


class View:
    """A state as one player sees it were it that player's turn."""

    def __init__(self, name, state, player):
        self.name, self.game, self.player = name, referee.GAMES[name], player
        self.state = state._replace(mover=player)
        self.path = referee.path(name, player)
        self.theirs = referee.path(name, 1 - player)
        self.own = self._squares(self.path, state.tiles[player])
        self.opponent = self._squares(self.theirs, state.tiles[1 - player])
        self.own_off, self.opponent_off = state.off[player], state.off[1 - player]
        self.own_hand = self.game.pieces - len(self.own) - self.own_off
        self.opponent_hand = self.game.pieces - len(self.opponent) - self.opponent_off
        self.last = len(self.path)

    @staticmethod
    def _squares(path, tiles):
        return [square for square, tile in enumerate(path, start=1) if tile in tiles]

    def contested(self):
        """Path squares on which a piece can be captured."""
        safe = self.game.rosettes.split() if self.game.rosettes_are_safe else []
        return [s for s, tile in enumerate(self.path, start=1) if tile in self.theirs and tile not in safe]

    def prey(self):
        return [s for s in self.contested() if self.path[s - 1] in self.state.tiles[1 - self.player]]

    def landings(self, roll):
        return [s + roll for s in referee.legal_moves(self.name, self.state, roll)]

    def chance(self, event):
        return sum(ways / 16 for roll, ways in self.game.ways.items() if event(roll))

    def expected(self, value):
        return sum(ways / 16 * value(roll) for roll, ways in self.game.ways.items())

    def reach(self, square):
        return self.chance(lambda roll: square in self.landings(roll))

    def is_rosette(self, square):
        return square <= self.last and self.path[square - 1] in self.game.rosettes.split()

    def sources(self):
        return [*self.own, *([0] if self.own_hand else [])]

    def covered_tiles(self):
        """Tiles to which a roll above 0 carries a piece, its own side's pieces not heeded."""
        ends = [source + roll for source in self.sources() for roll in (1, 2, 3, 4)]
        return {self.path[end - 1] for end in ends if end <= self.last}

    def walked(self):
        return sum(self.own) + (self.last + 1) * self.own_off


def side_features(view, other):
    prey = set(view.prey())
    on_tile = {tile: square for square, tile in enumerate(other.path, start=1)}
    theirs = {s: on_tile.get(view.path[s - 1]) for s in range(1, view.last + 1)}
    danger = {s for s in view.contested() if other.reach(theirs[s])}
    moves = {roll: view.landings(roll) for roll in range(5)}
    captures = {roll: sorted(prey & set(moves[roll])) for roll in range(5)}
    covered = other.covered_tiles()
    furthest = view.contested()[-1]
    behind = other.sources()
    last = view.last
    held = [s for s in view._squares(view.path, view.state.tiles[1 - view.player]) if s not in view.contested()]
    features = {
        **{f"board.piece.{s}": s in view.own for s in range(1, last + 1)},
        **{f"board.reach.{s}": view.reach(s) for s in range(1, last + 1)},
        **{f"board.threat.{s}": view.chance(lambda roll, s=s: s in captures[roll]) for s in view.contested()},
        **{f"board.followup.{s}": 0.0 for s in view.contested()},
        **{f"state.hand.{n}": view.own_hand >= n for n in range(1, 6)},
        **{f"state.off.{n}": view.own_off >= n for n in range(1, 6)},
        "state.mobility.stuck": view.chance(lambda roll: roll > 0 and not moves[roll]),
        "state.mobility.forced": view.chance(lambda roll: len(moves[roll]) == 1),
        "state.mobility.safe": view.chance(lambda roll: set(moves[roll]) - danger),
        "state.tempo.advance": min(view.expected(lambda roll: max(moves[roll], default=0)), 255 / 16) / (last + 1),
        "state.chance.capture": view.chance(lambda roll: captures[roll]),
        "state.chance.clean": view.chance(lambda roll: any(view.path[s - 1] not in covered for s in captures[roll])),
        "state.chance.rosette": view.chance(lambda roll: any(view.is_rosette(s) for s in moves[roll])),
        "state.chance.blocked": view.chance(lambda roll: roll > 0 and any(s - roll in view.own for s in held)),
        "state.stake.capture": min(view.expected(lambda roll: max(captures[roll], default=0)), 255 / 16) / furthest,
        "state.stake.loss": max((s * other.reach(theirs[s]) for s in view.own if s in danger), default=0) / furthest,
        "state.contact.attacks": sum(len(captures[roll]) for roll in range(1, 5)) / 8,
        "state.contact.exposed": len(danger & set(view.own)) / 8,
        "state.front.foremost": max(view.own, default=0) / last,
        "state.front.rearmost": min(view.own, default=0) / last,
        "state.race.lead": max(0, view.walked() - other.walked() - 4) / 64,
        "state.race.near": max(0, 40 - (view.game.pieces * (last + 1) - view.walked())) / 64,
        "state.passed.pieces": sum(theirs[s] is not None and theirs[s] < min(behind, default=99) for s in view.own) / 4,
        "state.developed.squared": len(view.own) ** 2 / 49,
    }
    for rosette in (4, 8, 12):
        for roll, ways in view.game.ways.items():
            if roll and view.is_rosette(rosette) and rosette + roll in prey:
                features[f"board.followup.{rosette + roll}"] += view.reach(rosette) * ways / 16
    return features


def roll_features(view, other, roll):
    moves = view.landings(roll) if roll else []
    on_tile = {tile: square for square, tile in enumerate(other.path, start=1)}
    risky = {s for s in view.contested() if other.reach(on_tile[view.path[s - 1]])}
    return {
        **{f"state.roll.{n}": roll == n for n in range(1, 5)},
        "state.roll.moves.count": len(moves) / 8,
        "state.roll.allows.capture": bool(set(moves) & set(view.prey())),
        "state.roll.allows.rosette": any(view.is_rosette(s) for s in moves),
        "state.roll.allows.bearing-off": view.last + 1 in moves,
        "state.roll.allows.entering": roll > 0 and 0 in referee.legal_moves(view.name, view.state, roll),
        "state.roll.allows.safety": bool(set(moves) - risky),
    }


def all_features(name, state, roll):
    """{name: value}; `roll` 0 stands for none, its own features being zero."""
    mover, other = View(name, state, state.mover), View(name, state, 1 - state.mover)
    named = {}
    for side, (view, against) in (("own", (mover, other)), ("opponent", (other, mover))):
        for feature, value in side_features(view, against).items():
            kind, rest = feature.split(".", 1)
            named[f"{kind}.{side}.{rest}"] = value
    return named | roll_features(mover, other, roll)


@every_set
def test_against_the_definitions(name):
    turns = list(dict.fromkeys(referee.game_states(name, seed=12, games=8)))[::9]
    scales = dict(zip(features_of(name).names, features_of(name).scales.tolist(), strict=True))
    for state, roll in turns:
        named = all_features(name, state, roll)
        row = extract_features(Position.from_notation(referee.notation(name, state), name), roll or None)
        assert set(named) == set(features_of(name).names)
        wanted = np.array([named[feature] for feature in features_of(name).names])
        wrong = [
            (feature, found, named[feature])
            for feature, found in zip(features_of(name).names, row.tolist(), strict=True)
            if abs(found - named[feature]) > scales[feature] * 1e-3
        ]
        assert not wrong, (referee.notation(name, state), roll, wrong)
        assert wanted.shape == row.shape


@every_set
def test_the_features_of_a_rule_set(name):
    features = features_of(name)
    path = rules(name).squares
    contested = len(set(rules(name).shared) - set(rules(name).safe))
    assert len(features.names) == len(set(features.names)) == len(features.scales) == 4 * (path + contested) + 66
    assert features.scales.dtype == np.float32
    assert not features.scales.flags.writeable


def test_finkels_features_have_their_old_names():
    assert ("ur-150-v1", features_of("finkel").names) == (FEATURE_SET, FEATURE_NAMES)
    assert FEATURE_SCALES is features_of().scales
    assert len({features_of(name).name for name in RULE_SETS}) == len(RULE_SETS)


@every_set
def test_batches_are_rows_of_positions(name):
    turns = list(referee.game_states(name, seed=5, games=2))
    positions = [Position.from_notation(referee.notation(name, state), name) for state, _ in turns]
    packed, rolls = [position.packed for position in positions], [roll for _, roll in turns]
    expected = np.array([extract_features(*each) for each in zip(positions, rolls, strict=True)])
    np.testing.assert_array_equal(extract_features_batch(packed, rolls, name), expected)
    scaled = extract_features_bytes(packed, rolls, name) * features_of(name).scales
    np.testing.assert_array_equal(scaled, expected)


def test_a_byte_is_255_at_most():
    """A byte above 255 is 255: four pieces before the end of the path, none of which a roll of 0 keeps."""
    four = Position.from_notation("............xxxx:3|................:0", "masters")
    row = dict(zip(features_of("masters").names, extract_features(four).tolist(), strict=True))
    assert row["state.own.tempo.advance"] == pytest.approx(255 / 16 / 17)
