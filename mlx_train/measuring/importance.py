"""What each group of features is worth to a value network."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.core.features import extract_features_bytes, features_of
from engine.games.agents import Agent
from engine.network.network import Network
from engine.solved.tablebase import Tablebase
from mlx_train.device.backend import mx
from mlx_train.measuring.moves import all_successors
from mlx_train.measuring.regret import choice_regret
from mlx_train.measuring.value_error import gives_win_probabilities
from mlx_train.networks.mlp import values
from mlx_train.networks.weights import load_networks


def columns(rules: str = "finkel") -> dict[str, slice]:
    """The columns of each group of a rule set's features."""
    groups = features_of(rules).groups
    ends = itertools.accumulate(len(features) for _, features, _ in groups)
    return {name: slice(end - len(features), end) for (name, features, _), end in zip(groups, ends, strict=True)}


#: The groups that are shuffled: all but the groups of the roll, which a value network does not use.
SHUFFLED = tuple(name for name in columns() if not name.startswith("state.roll"))


@dataclass(frozen=True, kw_only=True)
class Importance:
    """What shuffling a group of features costs a value network, in points of regret.

    groups: the names in `SHUFFLED`. regret: the regret without shuffling. cost: (groups, repeats), the regret with the
    group shuffled less `regret`.
    """

    agent: str
    decisions: int
    groups: tuple[str, ...]
    regret: float
    cost: NDArray[np.float64]


def permutation_importance(
    agent: Agent,
    table: Tablebase,
    n: int = 10_000,
    seed: int = 0,
    *,
    repeats: int = 3,
    progress: Callable[[int], None] | None = None,
) -> Importance:
    """Shuffle one group of features at a time among all successors of n decisions of optimal play, and choose again.

    A group that the network does not use costs nothing; a group whose information another group repeats costs less than
    it is worth (Breiman, "Random forests", 2001). progress: called with the number of groups finished.

    Raises ValueError for an agent that is no value network of one ply.
    """
    if not (isinstance(agent.player, Network) and gives_win_probabilities(agent)):
        raise ValueError(f"{agent.name} has no value network whose features could be shuffled")
    packed, rolls = table.play_sample(n, seed)
    moves = all_successors(packed, rolls, table.rules)
    exact = moves.by_decision(moves.for_mover(table.values(moves.after)), n)
    inputs = extract_features_bytes(moves.after, rules=table.rules)
    network = load_networks(agent.player.path)[0].value

    def regret(rows: NDArray[np.uint8]) -> float:
        with mx.stream(mx.cpu):  # GPUs may multiply in fewer bits
            estimate = 0.5 + 0.5 * np.array(values(network, mx.array(rows)), dtype=np.float64)
        return choice_regret(exact, moves.by_decision(moves.for_mover(estimate), n))

    plain = regret(inputs)
    rng = np.random.default_rng((seed, n))
    of_group = columns(table.rules)
    cost: list[list[float]] = []
    for group in SHUFFLED:
        cost.append([])
        for _ in range(repeats):
            shuffled = inputs.copy()
            shuffled[:, of_group[group]] = inputs[rng.permutation(len(inputs)), of_group[group]]
            cost[-1].append(regret(shuffled) - plain)
        if progress is not None:
            progress(len(cost))
    return Importance(agent=agent.name, decisions=n, groups=SHUFFLED, regret=plain, cost=np.array(cost))
