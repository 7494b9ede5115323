"""Batches of expert iteration: a search's decisions first, then the network's own games.

The search begins. Once the network plays better than the search, its own games and their returns take over (Anthony and
others, 2017, arXiv 1705.08439, with the returns of `engine.games.returns` in place of a tree search's). The last round
of own games is the validation of the epoch in which they are played; they are trained on from the next epoch on.
"""

from collections.abc import Callable, Generator, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.core.batch import policy_slots
from engine.core.features import extract_features_bytes
from engine.core.rules import rules as rule_set
from engine.network.network import Network
from mlx_train.config import Config, SelfplayConfig
from mlx_train.data.batches import ALL, Batch, FeatureRows, Share
from mlx_train.data.own_games import Exchange, OwnGames, PlayRules
from mlx_train.data.prefetch import prefetched
from mlx_train.data.search import SearchSource
from mlx_train.data.source import Player, Source

#: The exponent of the own games played so far, as a share of all, by the share of the rounds: most games come early,
#: while each round's network is much better than the one before.
PACE = 0.5

#: Epochs between two times that all games are valued again by the network of the epoch.
AGAIN = 4

#: The win probability that a move of an earlier network may give away, by the valuing one, without cutting the trace.
TOLERANCE = 0.01

#: Lambda of the first and of the last round's returns. With so few games a smaller one, which leans more on the
#: network's own values, leaves all of them askew: a mean error of 0.026 instead of 0.007 with 0.5 in the last round.
TRACE_DECAY = 1.0, 0.9

_PREFETCHED = 16  # batches made ahead of the step
_VALIDATION_BATCH = 8192
_NO_MOVE = 255  # of `policy_slots`


class IterationSource(Source):
    """A search's decisions until the network plays better, then the positions of the network's own games.

    An epoch is an equal part of the steps: so many as `config.epochs` passes over all games would have if the search
    played them all.

    Attributes:
        search: the search's decisions.
        own: the network's own games.
        changed: the epoch at whose beginning the network played better than the search; 0 before.
    """

    def __init__(
        self,
        config: Config,
        search: SearchSource,
        better: Callable[[Network], bool],
        *,
        share: Share = ALL,
        exchange: Exchange = lambda data: [data],
    ):
        """better: whether a network plays better than the search; all processes get the first one's answer.

        share, exchange: as for `OwnGames`.
        """
        self.config, self.search = config, search
        self.share = share
        self.batch_size = search.batch_size
        self.passes = max(1, round(config.games / config.search_games))
        self.steps_per_epoch = self.passes * search.steps_per_epoch
        self.total_steps = config.epochs * self.steps_per_epoch
        rules = PlayRules(
            depth=SelfplayConfig.depth,
            exploration=config.exploration,
            siblings=SelfplayConfig.siblings,
            tolerance=TOLERANCE,
        )
        self.own = OwnGames(
            config.seed, config.workers, rules, first=config.search_games, share=share, exchange=exchange
        )
        self.changed = 0
        self._better = better
        self._exchange = exchange
        self._network: Network | None = None

    def epoch(self, number: int, first: int = 0, player: Player | None = None) -> Generator[Batch, None, None]:
        """The batches of an epoch: the search's, or those of its games and own games as the network values them."""
        if player is None:
            raise ValueError("own games need a network that plays")
        self._network = player()
        if not self.changed and number > 1 and first == 0 and self._plays_better():
            self.changed = number
        if not self.changed:
            yield from self._search_batches(number, first)
            return
        if self.own.rounds > number - self.changed:  # the checkpoint was saved after the round's games
            return
        games, trace_decay = self._round()
        if first == 0:
            self._value(number - self.changed, trace_decay)
        with self.own.round(self._network, games, trace_decay) as finish:
            yield from self._own_batches(number, first)
            finish()

    def _value(self, epochs: int, trace_decay: float) -> None:
        """Have the epoch's network value the games so far, every few epochs; first the search's."""
        assert self._network is not None
        if epochs == 0:
            choices, lengths = scripts(self.search.records, self.config.search_games)
            self.own.window.append(self.own.valued(self._network, 0, choices, lengths, trace_decay))
        elif epochs % AGAIN == 0:
            self.own.value_again(self._network, trace_decay)

    def _plays_better(self) -> bool:
        """The first process's answer."""
        assert self._network is not None
        mine = self._better(self._network) if self.share.rank == 0 else False
        return self._exchange(bytes([mine]))[0] == b"\1"

    def _round(self) -> tuple[int, float]:
        """-> (games of the next round, its lambda)."""
        rounds, games = self.config.epochs - self.changed + 1, self.config.games - self.config.search_games
        passed = self.own.rounds / max(1, rounds - 1)
        first, last = TRACE_DECAY
        wanted = round(games * min(1.0, (self.own.rounds + 1) / rounds) ** PACE)
        return wanted - self.own.games, first + passed * (last - first)

    def _search_batches(self, number: int, first: int) -> Generator[Batch, None, None]:
        """Passes over the search's decisions, from batch `first` of the epoch on."""
        each = self.search.steps_per_epoch
        for turn in range(first // each, self.passes):
            yield from self.search.epoch((number - 1) * self.passes + turn + 1, max(0, first - turn * each))

    def _own_batches(self, number: int, first: int) -> Generator[Batch, None, None]:
        """Random positions of the window, from batch `first` of the epoch on."""
        packed, returns = self.own.all_positions()

        def make(step: int) -> Batch:
            rng = np.random.default_rng((self.config.seed, 5, number, step))
            rows = rng.integers(len(packed), size=self.batch_size)
            return self._batch(packed[rows], returns[rows], packed, rng)

        return prefetched(make, range(first, self.steps_per_epoch), 1, _PREFETCHED)

    def _batch(
        self,
        packed: NDArray[np.uint64],
        returns: NDArray[np.float32],
        all_positions: NDArray[np.uint64],
        rng: np.random.Generator,
    ) -> Batch:
        """The share of a batch: positions with returns; as many decisions, at any of all positions."""
        part = self.share.of(len(packed))
        value = FeatureRows(extract_features_bytes(packed[part], rules=self.config.rules), (returns[part],))
        if self.config.networks == "value":
            return Batch(value)
        positions, rolls = draw_decisions(all_positions, len(packed), rng, self.config.rules)
        return Batch(value, self._policy_rows(positions[part], rolls[part]))

    def _policy_rows(self, packed: NDArray[np.uint64], rolls: NDArray[np.uint8]) -> FeatureRows:
        """Decisions with a softmax over the win probabilities that the epoch's network gives the moves."""
        assert self._network is not None
        values = self._network.move_values(packed, rolls)
        legal = ~np.isnan(values)
        odds = np.exp((values - np.nanmax(values, axis=1, keepdims=True)) / self.config.temperature)
        odds[~legal] = 0
        probabilities = (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)
        return FeatureRows(extract_features_bytes(packed, rolls, self.config.rules), (probabilities, legal))

    def validation(self) -> Iterator[Batch]:
        """The search's held-out decisions; later the own games of this epoch, which were not trained on yet."""
        if not self.own.games:
            yield from self.search.validation()
            return
        packed, returns = self.own.window[-1][:2]
        rng = np.random.default_rng((self.config.seed, 6, self.own.rounds))
        for start in range(0, len(packed), _VALIDATION_BATCH):
            rows = slice(start, start + _VALIDATION_BATCH)
            yield self._batch(packed[rows], returns[rows], packed, rng)

    def metrics(self) -> dict[str, int]:
        """The number of own games, once the network is better."""
        return {"own_games": self.own.games} if self.changed else {}

    def facts(self) -> dict[str, Any]:
        """What the weights' metadata says of the own games."""
        return {"teacher_changed_in_epoch": self.changed, "own_games": self.own.games}

    def state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The state of the own games, and when they took over."""
        arrays, values = self.own.state()
        return arrays, values | {"changed": self.changed}

    def restore(self, arrays: dict[str, Any], values: dict[str, Any]) -> None:
        """Restore the result of `state`."""
        self.own.restore(arrays, values)
        self.changed = values["changed"]


def scripts(records: NDArray[Any], games: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The choices of recorded games, and the number of each game's: `played` of `engine.games.returns.play_games`.

    records: decisions in order of play, of the games 0 to `games` - 1.
    """
    return records["chosen"].copy(), np.bincount(records["game"], minlength=games).astype(np.int64)


def draw_decisions(
    packed: NDArray[np.uint64], count: int, rng: np.random.Generator, rules: str = "finkel"
) -> tuple[NDArray[np.uint64], NDArray[np.uint8]]:
    """Positions with a roll of the dice in which there is a choice -> (packed (count,) uint64, rolls (count,) uint8).

    packed: positions of a rule set to draw from, of games that are not over.
    """
    probabilities = rule_set(rules).probabilities
    parts: list[tuple[NDArray[np.uint64], NDArray[np.uint8]]] = []
    missing = count
    while missing > 0:
        positions = packed[rng.integers(len(packed), size=2 * missing)]
        rolls = rng.choice(len(probabilities), size=len(positions), p=probabilities).astype(np.uint8)
        choice = policy_slots(positions, rolls, rules)[:, 1] != _NO_MOVE
        parts.append((positions[choice][:missing], rolls[choice][:missing]))
        missing -= len(parts[-1][0])
    positions, rolls = (np.concatenate(column) for column in zip(*parts, strict=True))
    return positions, rolls
