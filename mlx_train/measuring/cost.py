"""What a player costs: processor time a move, parameters, bytes."""

from dataclasses import dataclass
from pathlib import Path

from engine.core.features import features_of
from engine.games.agents import Agent
from engine.games.regret import seconds_to_choose
from engine.games.sampling import sample_decisions
from engine.network.document import POLICY_OUTPUTS, parameter_count
from engine.network.network import Network
from engine.solved.tablebase import Tablebase


def microseconds_per_move(agent: Agent, *, decisions: int = 2000, seed: int = 0) -> float:
    """Processor time of one choice on one core, without Python: the mean over decisions of random games.

    The least of three passes counts, because other work of the machine only adds time.
    """
    packed, rolls = sample_decisions(decisions, seed, rules=agent.rules)
    return min(seconds_to_choose(agent, packed, rolls) for _ in range(3)) / decisions * 1e6


@dataclass(frozen=True, kw_only=True)
class Size:
    """The parameters of the network that chooses, and the bytes of its file or table; None where there are none."""

    parameters: int | None
    bytes: int | None


def size(agent: Agent) -> Size:
    """The size of an agent."""
    player = agent.player
    if isinstance(player, Tablebase):
        return Size(parameters=None, bytes=player.nbytes)
    if not isinstance(player, Network):
        return Size(parameters=None, bytes=None)
    outputs = POLICY_OUTPUTS if agent.unit == "policy" else 1
    parameters = parameter_count(len(features_of(player.rules).names), player.hidden_sizes, outputs)
    return Size(parameters=parameters, bytes=Path(player.path).stat().st_size)
