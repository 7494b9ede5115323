"""The game for Gymnasium: one player against any agent. Importing this module registers `Ur-v0`.

    import gymnasium
    import environments.gym
    env = gymnasium.make("Ur-v0", opponent="emm:2", render_mode="ansi")
    envs = gymnasium.make_vec("Ur-v0", num_envs=1024, opponent="greedy")

Dice roll, turns without a legal move pass, and the opponent moves by themselves: the player always has a choice to
make. An action is the path square that a piece moves from, 0 for the hand; `info["action_mask"]` has 1 for each legal
one.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.core.observations import observation_shape
from engine.core.rules import check_same
from engine.core.rules import rules as rule_set
from engine.games.agents import Agent
from engine.games.batch_env import BatchEnv
from engine.machine.installation import explained_imports
from environments.pictures import RENDER_MODES, check_render_mode, render
from environments.turns import Turns

with explained_imports():
    import gymnasium
    from gymnasium import error, spaces
    from gymnasium.vector import AutoresetMode, VectorEnv
    from gymnasium.vector.utils import batch_space

#: The name for `gymnasium.make`.
NAME = "Ur-v0"

#: Who plays the other side unless another agent is named.
OPPONENT = "greedy"

#: Seeds of one generator, for the opponent's own choices.
_SEEDS = 1 << 63


def _spaces(rules: str, observation: str) -> tuple[spaces.Box, spaces.Discrete]:
    """The spaces of observations and actions."""
    box = spaces.Box(0, 255, observation_shape(observation, rules), dtype=np.uint8)
    return box, spaces.Discrete(rule_set(rules).borne_off)


def _agent(opponent: str | Agent, rules: str) -> Agent:
    agent = Agent.parse(opponent, rules) if isinstance(opponent, str) else opponent
    check_same(rules, agent.rules, "the environment", agent.name)
    return agent


class UrEnv(gymnasium.Env[Any, Any]):
    """One game at a time.

    Args:
        opponent: an `engine.Agent`, or its spelling.
        rules: the rule set.
        observation: "features" or "planes", see engine.core.observations, uint8.
        render_mode: "human" prints the board, "ansi" returns it as text, "rgb_array" as (height, width, 3) uint8.

    The last step of a game gives the reward: 1 for a win, -1 for a loss. An action of the space that is not legal loses
    the game at once, and `info["illegal_action"]` is true. `reset(options={"seat": 0})` begins a game in which the
    player moves first, 1 second; by default the seed decides.

    Raises:
        ValueError: an unknown rule set, observation, render mode, agent or seat.
        gymnasium.error.InvalidAction: an action outside the space.
        gymnasium.error.ResetNeeded: a step before `reset`, or after the end.
        gymnasium.error.ClosedEnvironmentError: a step or reset after `close`.
    """

    metadata = {"render_modes": list(RENDER_MODES), "render_fps": 2}  # noqa: RUF012

    def __init__(
        self,
        opponent: str | Agent = OPPONENT,
        rules: str = "finkel",
        observation: str = "features",
        render_mode: str | None = None,
    ) -> None:
        self.rules = rules
        self.kind = observation
        self.render_mode = check_render_mode(render_mode)
        self.opponent = _agent(opponent, rules)
        self.observation_space, self.action_space = _spaces(rules, observation)
        self.turns: Turns | None = None
        self.seat = 0
        self._over = True
        self._closed = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        """Begin a game -> (observation, info)."""
        if self._closed:
            raise error.ClosedEnvironmentError("reset() was called after close()")
        super().reset(seed=seed)
        seat = (options or {}).get("seat")
        if seat not in (None, 0, 1):
            raise ValueError(f"a seat is 0 or 1, not {seat!r}")
        self.seat = int(self.np_random.integers(2)) if seat is None else seat
        self.turns = Turns(self.rules, self.np_random)
        while self._play_opponent().is_over:  # lost before the first decision: another game
            self.turns = Turns(self.rules, self.np_random)
        self._over = False
        self._render_for_people()
        return self._observation(), self._info()

    def step(self, action: np.int64 | int) -> tuple[NDArray[np.uint8], float, bool, bool, dict[str, Any]]:
        """Make a move -> (observation, reward, terminated, False, info)."""
        if self._closed:
            raise error.ClosedEnvironmentError("step() was called after close()")
        if self.turns is None or self._over:
            raise error.ResetNeeded("the game has not begun or is over: call reset()")
        if not self.action_space.contains(action):
            raise error.InvalidAction(f"{action!r} is not in {self.action_space}")
        if action not in self.turns.legal():
            self._over = True
            return self._observation(), -1.0, True, False, self._info() | {"illegal_action": True}
        self.turns.play(int(action))
        turns = self._play_opponent()
        self._over = turns.is_over
        self._render_for_people()
        reward = 0.0 if not turns.is_over else 1.0 if turns.seat == self.seat else -1.0
        return self._observation(), reward, turns.is_over, False, self._info()

    def _play_opponent(self) -> Turns:
        """Play for the opponent until the player has a move to choose, or the game ends."""
        assert self.turns is not None
        turns = self.turns
        while not turns.is_over and turns.seat != self.seat:
            assert turns.roll is not None
            square = self.opponent.best_move(turns.position, turns.roll, int(self.np_random.integers(_SEEDS)))
            assert square is not None
            turns.play(square)
        return turns

    def _observation(self) -> NDArray[np.uint8]:
        assert self.turns is not None
        return self.turns.observation(self.seat, self.kind)

    def _info(self) -> dict[str, Any]:
        assert self.turns is not None
        return {"action_mask": self.turns.mask(self.seat), "seat": self.seat, "roll": self.turns.roll}

    def _render_for_people(self) -> None:
        if self.render_mode == "human":
            self.render()

    def render(self) -> Any:
        """The board in the render mode; None, with a warning, without one. Raises ResetNeeded before `reset`."""
        if self.turns is None:
            raise error.ResetNeeded("there is no game to draw: call reset()")
        return render(self.render_mode, self.turns)

    def close(self) -> None:
        """End the environment."""
        self._closed = True


class UrVectorEnv(VectorEnv[Any, Any, Any]):
    """Many games at once, on `engine.BatchEnv`.

    Args:
        num_envs: games side by side.
        opponent, rules, observation: as of `UrEnv`.
        workers: threads; None for one on each performance core.

    Games that end begin anew in the same step: the observations are the next games', and there are no final ones,
    because nothing follows them. The player begins every other game. The returned arrays are the caller's. An illegal
    action raises ValueError, and no game changes.
    """

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP, "render_modes": []}  # noqa: RUF012

    def __init__(
        self,
        num_envs: int = 1,
        opponent: str | Agent = OPPONENT,
        rules: str = "finkel",
        observation: str = "features",
        workers: int | None = 1,
    ) -> None:
        super().__init__()
        self.num_envs = num_envs
        self.render_mode = None
        agent = _agent(opponent, rules)
        self.games = BatchEnv(num_envs, rules=rules, observation=observation, opponent=agent, workers=workers)
        self.single_observation_space, self.single_action_space = _spaces(rules, observation)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        """Begin all games -> (observations, infos). seed: of all games, one number."""
        super().reset(seed=seed)
        batch = self.games.reset(seed=int(self.np_random.integers(_SEEDS)))
        return batch.observations, {"action_mask": batch.masks, "seat": batch.players, "roll": batch.rolls}

    def step(
        self, actions: NDArray[np.int64]
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """Make a move in each game -> (observations, rewards, terminations, truncations, infos)."""
        batch = self.games.step(actions)
        infos = {"action_mask": batch.masks, "seat": batch.players, "roll": batch.rolls}
        return batch.observations, batch.rewards, batch.dones, np.zeros_like(batch.dones), infos


gymnasium.register(NAME, entry_point=f"{__name__}:UrEnv", vector_entry_point=f"{__name__}:UrVectorEnv")
