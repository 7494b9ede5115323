"""Training targets of decisions, and the batches that are made of them."""

import numpy as np

from engine.core.batch import policy_slots, successors
from engine.core.features import extract_features_bytes
from engine.network.document import POLICY_OUTPUTS, VALUE_SCALE
from mlx_train.config import Config
from mlx_train.data.batches import ALL, Batch, FeatureRows, Share


class Labels:
    """Training targets of records, by one configuration.

    Teacher "search": the value of a successor is the search's, squashed, blended with the results of playing it out;
    the policy is a softmax over the search's values. Games of the solved game: its own values, and a softmax over them.
    Teacher "outcome": the value of the successor that was played is the game's result, and the policy is the
    move that was played.

    Attributes:
        values: (n, 7) float32 from the view of the side to move, by ascending square; NaN beyond the last legal move.
        policy: (n, 7) float32 probabilities by policy slot.
        legal: (n, 7) bool by policy slot.
        only_played: whether the value network is trained only on the successors that were played.
    """

    def __init__(self, records: np.ndarray, config: Config, unit: str = "points"):
        """unit: the unit of the records' values, "points" of a search or "2p-1" of the solved game."""
        self.records = records
        self.rules = config.rules
        values = records["values"]
        legal = np.arange(values.shape[1]) < records["moves"][:, None]
        played = np.arange(values.shape[1]) == records["chosen"][:, None]
        self.only_played = config.teacher == "outcome"
        if self.only_played:
            self.values = np.where(played, records["outcome"][:, None], np.nan).astype(np.float32)
            probabilities = played.astype(np.float32)
        elif unit == VALUE_SCALE:
            self.values = values
            probabilities = _softmax(values / np.float32(2 * config.temperature), legal)
        else:
            self.values = _blend(records, np.tanh(values / np.float32(config.value_points)), config.outcome_blend)
            probabilities = _softmax(values / np.float32(config.policy_points), legal)
        slots = np.where(legal, policy_slots(records["position"], records["roll"], config.rules), POLICY_OUTPUTS)
        self.policy = _by_slot(slots, probabilities.astype(np.float32))
        self.legal = _by_slot(slots, legal)

    def __len__(self) -> int:
        return len(self.records)

    def batch(self, rows: np.ndarray, rng: np.random.Generator, share: Share = ALL) -> Batch:
        """A share of the batch of some records; `rng` draws which successor of each the value network gets."""
        draws = rng.random(len(rows))[share.of(len(rows))]
        rows = rows[share.of(len(rows))]
        records = self.records[rows]
        nth = records["chosen"] if self.only_played else (draws * records["moves"]).astype(np.uint8)
        after, same_player = successors(records["position"], records["roll"], nth, self.rules)
        values = self.values[rows, nth]
        return Batch(
            FeatureRows(extract_features_bytes(after, rules=self.rules), (np.where(same_player, values, -values),)),
            FeatureRows(
                extract_features_bytes(records["position"], records["roll"], self.rules),
                (self.policy[rows], self.legal[rows]),
            ),
        )


def _blend(records: np.ndarray, values: np.ndarray, share: float) -> np.ndarray:
    """The search's values (n, 7) in [-1, 1], moved by `share` towards the results of playing out."""
    playouts = np.abs(records["results"]).max(initial=0)
    if playouts:
        results = records["results"] / np.float32(playouts)
    else:  # all that is known is how the game ended after the move that was played
        played = np.take_along_axis(values, records["chosen"][:, None].astype(np.int64), axis=1)
        results = values + (records["outcome"][:, None] - played)
    return (values + np.float32(share) * (results - values)).astype(np.float32)


def _softmax(values: np.ndarray, legal: np.ndarray) -> np.ndarray:
    """(n, 7) probabilities of the legal moves."""
    odds = np.where(legal, values, -np.inf)
    odds = np.exp(odds - odds.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


def _by_slot(slots: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(n, 7) by ascending square -> the same by policy slot, zero in slots without a legal move.

    slots: (n, 7) policy slots, `POLICY_OUTPUTS` beyond the last legal move.
    """
    placed = np.zeros((len(values), POLICY_OUTPUTS + 1), dtype=values.dtype)
    np.put_along_axis(placed, slots.astype(np.int64), values, axis=1)
    return np.ascontiguousarray(placed[:, :POLICY_OUTPUTS])
