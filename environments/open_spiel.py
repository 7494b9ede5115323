"""The game for OpenSpiel. Importing this module registers it as `ur`.

    import pyspiel
    import environments.open_spiel
    game = pyspiel.load_game("ur", {"rules": "blitz"})

A game has perfect information and explicit chance nodes: a chance node is the roll of the player whose turn it is, and
its actions are the rolls themselves. The actions of a player are the path squares that a piece can be moved from, 0 for
the hand, and the number after the last square to pass where no piece can move.
"""

from typing import Any

import numpy as np

from engine.core.observations import PLANES, observe
from engine.core.position import Position
from engine.core.rules import MAX_ROLL, RULE_SETS, rules
from engine.drawing import square_name
from engine.machine.installation import explained_imports

with explained_imports():
    import pyspiel

#: The name for `pyspiel.load_game`.
NAME = "ur"

#: More turns than a game has: random games of all pieces have some 250, and one in a million has a few times as many.
MOST_TURNS = 10_000

_GAME_TYPE = pyspiel.GameType(
    short_name=NAME,
    long_name="Royal Game of Ur",
    dynamics=pyspiel.GameType.Dynamics.SEQUENTIAL,
    chance_mode=pyspiel.GameType.ChanceMode.EXPLICIT_STOCHASTIC,
    information=pyspiel.GameType.Information.PERFECT_INFORMATION,
    utility=pyspiel.GameType.Utility.ZERO_SUM,
    reward_model=pyspiel.GameType.RewardModel.TERMINAL,
    max_num_players=2,
    min_num_players=2,
    provides_information_state_string=True,
    provides_information_state_tensor=True,
    provides_observation_string=True,
    provides_observation_tensor=True,
    parameter_specification={"rules": RULE_SETS[0], "pieces": 0},
)


class UrGame(pyspiel.Game):
    """The game of a rule set.

    params: `rules`, one of `engine.RULE_SETS`; `pieces` a side, 0 for as many as the rule set has. Raises ValueError
    for others.
    """

    def __init__(self, params: dict[str, Any] | None = None) -> None:
        params = params or {}
        self.rules = rules(params.get("rules", RULE_SETS[0]))
        self.pieces = params.get("pieces", 0) or self.rules.pieces
        if not 1 <= self.pieces <= self.rules.pieces:
            raise ValueError(f"{self.rules.name} has 1 to {self.rules.pieces} pieces a side, not {self.pieces}")
        info = pyspiel.GameInfo(
            num_distinct_actions=self.rules.borne_off + 1,
            max_chance_outcomes=MAX_ROLL + 1,
            num_players=2,
            min_utility=-1.0,
            max_utility=1.0,
            utility_sum=0.0,
            max_game_length=MOST_TURNS,
        )
        super().__init__(_GAME_TYPE, info, params)

    def new_initial_state(self) -> "UrState":
        """The opening, before player 0 rolls."""
        return UrState(self)

    def max_chance_nodes_in_history(self) -> int:
        """As many as there are turns."""
        return MOST_TURNS

    def make_py_observer(self, iig_obs_type: Any = None, params: dict[str, Any] | None = None) -> "UrObserver":
        """What fills the observation and the information state tensors: the game hides nothing, so both are equal."""
        return UrObserver(self, params)


class UrState(pyspiel.State):
    """A state of the game.

    Attributes:
        position: an `engine.Position` from the view of `seat`.
        roll: what `seat` has rolled, or None at a chance node.
        seat: the player whose turn it is, 0 began.
    """

    def __init__(self, game: UrGame) -> None:
        super().__init__(game)
        off = game.rules.pieces - game.pieces
        side = f"{'.' * game.rules.squares}:{off}"
        self.position = Position.from_notation(f"{side}|{side}", game.rules.name)
        self.roll: int | None = None
        self.seat = 0
        self._winner: int | None = None
        self._passing = game.rules.borne_off

    def current_player(self) -> int:
        """The player who chooses, or the number of chance, or of the end."""
        if self._winner is not None:
            return int(pyspiel.PlayerId.TERMINAL)
        return int(pyspiel.PlayerId.CHANCE) if self.roll is None else self.seat

    def _legal_actions(self, player: int) -> list[int]:
        assert self.roll is not None  # at a chance node OpenSpiel asks for the outcomes instead
        return self.position.legal_moves(self.roll) or [self._passing]

    def chance_outcomes(self) -> list[tuple[int, float]]:
        """Each roll and its probability."""
        probabilities = enumerate(rules(self.position.rules).probabilities)
        return [(roll, probability) for roll, probability in probabilities if probability]

    def _apply_action(self, action: int) -> None:
        if self.roll is None:
            self.roll = action
            return
        again = False
        if action == self._passing:
            self.position = self.position.swapped
        else:
            self.position, again = self.position.play(self.roll, action)
            if self.position.is_over:
                self._winner = self.seat
        self.roll = None
        self.seat = self.seat if again else 1 - self.seat

    def _action_to_string(self, player: int, action: int) -> str:
        if player == pyspiel.PlayerId.CHANCE:
            return f"roll {action}"
        if action == self._passing:
            return "pass"
        return f"{square_name(action)}-{square_name(action + (self.roll or 0))}"

    def is_terminal(self) -> bool:
        """Whether a player has borne off all pieces."""
        return self._winner is not None

    def returns(self) -> list[float]:
        """1 for the winner and -1 for the loser; zeros before the end."""
        return [0.0, 0.0] if self._winner is None else [1.0 if self._winner == seat else -1.0 for seat in (0, 1)]

    def seen_by(self, player: int) -> Position:
        """The position from a player's view."""
        return self.position if player == self.seat else self.position.swapped

    def __str__(self) -> str:
        """The position in path notation, the roll and the player whose turn it is: two equal states have one text."""
        roll = "" if self.roll is None else f" roll {self.roll}"
        return f"{self.position} player {self.seat}{roll}"


class UrObserver:
    """Fills tensors with the planes of `engine.core.observations` from a player's view, and with whose turn it is."""

    def __init__(self, game: UrGame, params: dict[str, Any] | None) -> None:
        if params:
            raise ValueError(f"observation parameters are not supported, got {params}")
        shape = PLANES, game.rules.squares
        planes = PLANES * game.rules.squares
        self.tensor = np.zeros(planes + 3, np.float32)
        #: Views of `tensor`: the planes, and 1 for the turn of this player, of the other, or for the dice.
        self.dict = {"planes": self.tensor[:planes].reshape(shape), "turn": self.tensor[planes:]}

    def set_from(self, state: UrState, player: int) -> None:
        """Fill `tensor` and `dict` from the state, seen by a player."""
        self.dict["planes"][:] = observe(state.seen_by(player), state.roll, "planes")
        self.dict["turn"][:] = 0
        self.dict["turn"][2 if state.roll is None else int(player != state.seat)] = 1

    def string_from(self, state: UrState, player: int) -> str:
        """The state in text: nothing is hidden from a player."""
        return str(state)


pyspiel.register_game(_GAME_TYPE, UrGame)
