"""The game for PettingZoo: an AEC environment of two players with action masks.

    from environments import petting_zoo
    env = petting_zoo.env(rules="finkel", render_mode="ansi")

Dice roll, and turns without a legal move pass, by themselves: the agent to move always has a move to choose. An action
is the path square that a piece moves from, 0 for the hand. The winner gets 1, the loser -1.
"""

from typing import Any

import numpy as np

from engine.core.observations import observation_shape
from engine.core.rules import rules as rule_set
from engine.machine.installation import explained_imports
from environments.pictures import RENDER_MODES, check_render_mode, render
from environments.turns import Turns

with explained_imports():
    from gymnasium import spaces
    from gymnasium.utils import seeding
    from pettingzoo import AECEnv
    from pettingzoo.utils import wrappers

#: The agents by seat; the first one begins.
AGENTS = ("player_0", "player_1")


def env(**options: Any) -> AECEnv:
    """`RawEnv` with PettingZoo's wrappers: an illegal action ends the game, which the player loses with -1."""
    wrapped = wrappers.TerminateIllegalWrapper(RawEnv(**options), illegal_reward=-1)
    return wrappers.OrderEnforcingWrapper(wrappers.AssertOutOfBoundsWrapper(wrapped))


class RawEnv(AECEnv):
    """The game without wrappers: an illegal action raises ValueError.

    Args:
        rules: the rule set.
        observation: "features" or "planes", see engine.core.observations. An agent observes a dictionary of
            `observation`, uint8 of that shape from its own view, and `action_mask`, int8 with 1 for each legal action;
            without roll and legal actions while the other one is to move.
        render_mode: "human" prints the board, "ansi" returns it as text, "rgb_array" as (height, width, 3) uint8.

    Raises:
        ValueError: an unknown rule set, observation or render mode.
    """

    metadata = {"render_modes": list(RENDER_MODES), "name": "ur_v0", "is_parallelizable": False, "render_fps": 2}  # noqa: RUF012

    def __init__(self, *, rules: str = "finkel", observation: str = "features", render_mode: str | None = None) -> None:
        super().__init__()
        self.rules = rules
        self.kind = observation
        self.render_mode = check_render_mode(render_mode)
        self.possible_agents = list(AGENTS)
        actions = rule_set(rules).borne_off
        shape = observation_shape(observation, rules)
        self.action_spaces = {agent: spaces.Discrete(actions) for agent in AGENTS}
        self.observation_spaces = {
            agent: spaces.Dict(
                {
                    "observation": spaces.Box(0, 255, shape, dtype=np.uint8),
                    "action_mask": spaces.Box(0, 1, (actions,), dtype=np.int8),
                }
            )
            for agent in AGENTS
        }
        self._dice, _ = seeding.np_random(None)

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        """The space of an agent's observations."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Space[Any]:
        """The space of an agent's actions."""
        return self.action_spaces[agent]

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> None:
        """Begin a game. seed: of its dice and those of the next games; by default the dice go on."""
        if seed is not None:
            self._dice, _ = seeding.np_random(seed)
        self.turns = Turns(self.rules, self._dice)
        self.agents = list(AGENTS)
        self.rewards = dict.fromkeys(AGENTS, 0)
        self._cumulative_rewards = dict.fromkeys(AGENTS, 0)
        self.terminations = dict.fromkeys(AGENTS, False)
        self.truncations = dict.fromkeys(AGENTS, False)
        self.infos: dict[str, dict[str, Any]] = {agent: {} for agent in AGENTS}
        self.agent_selection = AGENTS[self.turns.seat]

    def observe(self, agent: str) -> dict[str, np.ndarray]:
        """What an agent sees, and its legal actions."""
        seat = AGENTS.index(agent)
        return {"observation": self.turns.observation(seat, self.kind), "action_mask": self.turns.mask(seat)}

    def step(self, action: int | None) -> None:
        """Move the piece on a square for the agent to move; None after the end. Raises ValueError if it is illegal."""
        agent = self.agent_selection
        if self.terminations[agent] or self.truncations[agent]:
            self._was_dead_step(action)
            return
        if action is None:
            raise ValueError("the agent to move must choose an action")
        self.turns.play(int(action))
        self._cumulative_rewards[agent] = 0
        if self.turns.is_over:
            self.terminations = dict.fromkeys(AGENTS, True)
            self.rewards = {name: 1 if name == agent else -1 for name in AGENTS}
        self.agent_selection = AGENTS[self.turns.viewer]
        self._accumulate_rewards()
        if self.render_mode == "human":
            self.render()

    def render(self) -> Any:
        """The board in the render mode; None, with a warning, without one."""
        return render(self.render_mode, self.turns)

    def close(self) -> None:
        """Nothing is left open."""
