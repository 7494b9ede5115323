"""Many games side by side, for agents that learn: reset, legal actions, steps and observations, in arrays."""

from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcpy
from engine.core.dice cimport CHOICES, ROLLS, Dice, new_dice
from engine.core.game cimport Game, new_game, roll_dice, take_turn
from engine.core.observations cimport observation_kind, write_observation
from engine.core.position cimport NO_MOVE, RULES, Board, nth_source, opening, pack, popcount
from engine.core.rules cimport rules_number
from engine.games.agents cimport Agent, Chooser, choose
import math
import operator
from typing import NamedTuple
import numpy as np
from engine.core.observations import observation_shape
from engine.core.rules import RULE_SETS, check_same
from engine.machine.cores import run_parallel, worker_count

_MAX_GAMES = 1 << 24            # side by side
_ALIGNMENT = 64                 # bytes: JAX takes over arrays on such addresses without a copy


# A game and its place in the batch.
ctypedef struct Slot:
    Game game
    Dice choices                # the opponent's
    uint64_t number             # of the game: its dice depend on it and on the seed
    bint begins                 # whether the learner begins, where there is an opponent


# What all games have in common.
ctypedef struct Common:
    int rules
    int pieces
    int actions
    int kind                    # of the observations
    int size                    # of an observation in bytes
    uint64_t seed
    uint64_t games              # side by side
    Chooser opponent            # without a function where the learner plays both sides


# The arrays of `Batch`.
ctypedef struct Columns:
    uint8_t* observations
    uint8_t* masks
    uint8_t* players
    uint8_t* rolls
    uint64_t* positions
    float* rewards
    uint8_t* dones


cdef extern from "core/feature_bytes.h":
    uint64_t spread "ur_spread"(unsigned int bits) noexcept nogil   # eight bits as eight bytes, the lowest bit first


cdef inline bint reaches_decision(const Common* common, Slot* slot) noexcept nogil:
    """Rolls, passes and plays for the opponent until the learner has a move to choose; whether the game goes on."""
    cdef Board board
    cdef int source
    while True:
        roll_dice(&slot.game)
        if slot.game.sources == 0:
            source = NO_MOVE
        elif common.opponent.function == NULL or slot.game.first_moves == slot.begins:
            return True
        else:
            board = slot.game.board
            source = choose(&common.opponent, &board, slot.game.roll, &slot.choices)
        if not take_turn(&slot.game, source):
            return False


cdef void begin(const Common* common, Slot* slot, uint64_t number) noexcept nogil:
    """Begins a game, or the next one of this place whose first decision comes before its end."""
    while True:
        slot.number = number
        slot.begins = (number % common.games + number // common.games) % 2 == 0
        slot.game = new_game(opening(common.rules, common.pieces), new_dice(common.seed, number, ROLLS))
        slot.choices = new_dice(common.seed, number, CHOICES)
        if reaches_decision(common, slot):
            return
        number += common.games


cdef inline void write_row(const Common* common, const Slot* slot, const Columns* columns,
                           Py_ssize_t i) noexcept nogil:
    """Writes what the learner sees of a game, everything but reward and end."""
    cdef uint64_t words[3]
    words[0] = spread(slot.game.sources & 0xFF)
    words[1] = spread(slot.game.sources >> 8 & 0xFF)
    words[2] = slot.game.sources >> 16
    memcpy(columns.masks + i * common.actions, words, common.actions)
    columns.players[i] = not slot.game.first_moves
    columns.rolls[i] = slot.game.roll
    columns.positions[i] = pack(&slot.game.board)
    write_observation(common.kind, &slot.game.board, slot.game.roll, columns.observations + i * common.size)


cdef void step_games(const Common* common, Slot* slots, const int64_t* actions, const Columns* columns,
                     Py_ssize_t first, Py_ssize_t end) noexcept nogil:
    cdef Slot* slot
    cdef Py_ssize_t i
    cdef bint over
    for i in range(first, end):
        slot = &slots[i]
        over = not (take_turn(&slot.game, <int> actions[i]) and reaches_decision(common, slot))
        columns.dones[i] = over
        columns.rewards[i] = 0
        if over:
            # Without an opponent the last move was the learner's, which won by it.
            if common.opponent.function == NULL or slot.game.first_moves == slot.begins:
                columns.rewards[i] = 1
            else:
                columns.rewards[i] = -1
            begin(common, slot, slot.number + common.games)
        write_row(common, slot, columns, i)


class Batch(NamedTuple):
    """What a learner sees of n games at once. Everything is seen by the player to move, who has a move to choose.

    Turns without a legal move pass by themselves. Where a game has ended, the row is the first decision of the next
    game, but for `rewards` and `dones`, which are about the action that ended it.
    """

    observations: np.ndarray    # (n, *shape) uint8, see engine.core.observations
    masks: np.ndarray           # (n, actions) bool: whether a piece can be moved from the square; 0 is the hand
    players: np.ndarray         # (n,) uint8: who is to move, 0 who began the game or 1
    rolls: np.ndarray           # (n,) uint8: the roll, 1 to 4
    positions: np.ndarray       # (n,) uint64: the packed position, see `Position.packed`
    rewards: np.ndarray         # (n,) float32, to who chose the action: 1 for a win, -1 for a loss, 0 before the end
    dones: np.ndarray           # (n,) bool: whether the game has ended


def _aligned(shape, dtype):
    """A new array of zeros on an address that other libraries take over without a copy."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    raw = np.zeros(size + _ALIGNMENT, dtype=np.uint8)
    start = -raw.ctypes.data % _ALIGNMENT
    return raw[start:start + size].view(dtype).reshape(shape)


cdef class BatchEnv:
    """n games side by side, with a learner that plays both sides, or one side against an agent.

    Args:
        n: games side by side, 1 to 2**24.
        rules: the rule set.
        observation: "features", "planes" (see engine.core.observations), or None for none.
        opponent: the agent of the other side, of the same rule set. The learner begins every other game of a place, and
            every other place of the batch begins with such a game. A game that the opponent wins before the learner has
            a move to choose is left out.
        pieces: a side, by default all of the rule set.
        seed: 0 to 2**64 - 1. The games depend on the seed and the actions alone, not on the number of workers.
        workers: threads; None for one on each performance core.

    Raises:
        ValueError: a number out of range, an unknown rule set or observation, an opponent of another rule set.
        TypeError: a number of another type.
    """

    cdef Common common
    cdef Slot* slots
    cdef object memory          # that holds the slots
    cdef object shape
    cdef readonly object opponent
    cdef readonly int workers
    cdef bint begun

    def __init__(self, n, *, str rules="finkel", observation="features", Agent opponent=None, pieces=None, seed=0,
                 workers=1):
        cdef int number = rules_number(rules)
        if not 1 <= n <= _MAX_GAMES:
            raise ValueError(f"a batch has 1 to {_MAX_GAMES} games, not {n}")
        most = RULES[number].pieces
        pieces = most if pieces is None else pieces
        if not 1 <= pieces <= most:
            raise ValueError(f"{rules} has 1 to {most} pieces a side, not {pieces}")
        self.common.rules = number
        self.common.pieces = pieces
        self.common.actions = RULES[number].borne_off
        self.common.kind = observation_kind(observation)
        self.shape = observation_shape(observation, rules)
        self.common.size = math.prod(self.shape)
        self.common.games = n
        self.workers = min(worker_count(workers), n)
        self.opponent = opponent
        if opponent is not None:
            check_same(rules, opponent.rules, "the environment", opponent.name)
            self.common.opponent = opponent.chooser
        self.memory = np.zeros(n * sizeof(Slot), dtype=np.uint8)
        cdef uint8_t[::1] memory = self.memory
        self.slots = <Slot*> &memory[0]
        self._set_seed(seed)

    def _set_seed(self, seed):
        seed = operator.index(seed)
        if not 0 <= seed < 1 << 64:
            raise ValueError(f"a seed is 0 to 2**64 - 1, not {seed}")
        self.common.seed = seed

    @property
    def n(self):
        """Games side by side."""
        return self.common.games

    @property
    def rules(self):
        """The name of the rule set."""
        return RULE_SETS[self.common.rules]

    @property
    def actions(self):
        """How many actions there are: the hand and every path square."""
        return self.common.actions

    @property
    def observation_shape(self):
        """The shape of one observation."""
        return self.shape

    @property
    def seed(self):
        """The seed of the games."""
        return self.common.seed

    def arrays(self):
        """New arrays for `reset` and `step` -> Batch."""
        return Batch(**{name: _aligned(shape, dtype) for name, (shape, dtype) in self._layout().items()})

    def _layout(self):
        """Shape and dtype of each array of a batch, by its name."""
        n = self.n
        return {
            "observations": ((n, *self.shape), np.uint8),
            "masks": ((n, self.actions), np.bool_),
            "players": ((n,), np.uint8),
            "rolls": ((n,), np.uint8),
            "positions": ((n,), np.uint64),
            "rewards": ((n,), np.float32),
            "dones": ((n,), np.bool_),
        }

    cdef int _take(self, batch, Columns* columns) except -1:
        """The addresses of a batch's arrays. ValueError unless they are as `arrays` makes them."""
        for (name, (shape, dtype)), array in zip(self._layout().items(), batch, strict=True):
            if not (isinstance(array, np.ndarray) and array.shape == shape and array.dtype == dtype
                    and array.flags.c_contiguous and array.flags.writeable):
                raise ValueError(f"{name} must be a writable array of {np.dtype(dtype)} in C order with shape {shape}")
        cdef uint64_t addresses[7]
        for i, array in enumerate(batch):
            addresses[i] = array.ctypes.data
        columns.observations = <uint8_t*> addresses[0]
        columns.masks = <uint8_t*> addresses[1]
        columns.players = <uint8_t*> addresses[2]
        columns.rolls = <uint8_t*> addresses[3]
        columns.positions = <uint64_t*> addresses[4]
        columns.rewards = <float*> addresses[5]
        columns.dones = <uint8_t*> addresses[6]
        return 0

    def _in_ranges(self, task):
        """Calls `task(first, end)` for a range of the games on each worker."""
        if self.workers == 1:
            task(0, self.n)
            return
        ends = [self.n * i // self.workers for i in range(self.workers + 1)]
        run_parallel(lambda worker: task(ends[worker], ends[worker + 1]), self.workers)

    def reset(self, seed=None, out=None):
        """Begins n new games -> Batch with no rewards and nothing done: `out`, or new arrays.

        seed: of these games and the ones after them; by default the same as before. ValueError for a seed out of range
        or other arrays than those of `arrays`; TypeError for a seed that is no whole number.
        """
        cdef Columns columns
        cdef BatchEnv env = self
        if seed is not None:
            self._set_seed(seed)
        batch = self.arrays() if out is None else out
        self._take(batch, &columns)

        def begin_range(Py_ssize_t first, Py_ssize_t end):
            cdef Py_ssize_t i
            with nogil:
                for i in range(first, end):
                    begin(&env.common, &env.slots[i], i)
                    columns.rewards[i] = columns.dones[i] = 0
                    write_row(&env.common, &env.slots[i], &columns, i)

        self._in_ranges(begin_range)
        self.begun = True
        return batch

    def step(self, actions, out=None):
        """Makes a move in every game -> Batch: `out`, or new arrays. Games that end begin anew.

        actions: (n,) whole numbers, the squares moved from, 0 for the hand. ValueError, and no game has changed, for an
        action that is not legal, before the first `reset`, and for arrays of another shape or type.
        """
        cdef Columns columns
        cdef BatchEnv env = self
        if not self.begun:
            raise ValueError("the games have not begun: call reset first")
        cdef const int64_t[::1] chosen = self._check_actions(actions)
        batch = self.arrays() if out is None else out
        self._take(batch, &columns)

        def step_range(Py_ssize_t first, Py_ssize_t end):
            with nogil:
                step_games(&env.common, env.slots, &chosen[0], &columns, first, end)

        self._in_ranges(step_range)
        return batch

    def _check_actions(self, actions):
        """The actions as int64. ValueError unless all are legal."""
        array = np.asarray(actions)
        if array.shape != (self.n,) or array.dtype.kind not in "iu":
            raise ValueError(f"actions must be ({self.n},) whole numbers, got {array.dtype} with shape {array.shape}")
        array = np.ascontiguousarray(array, dtype=np.int64)
        cdef const int64_t[::1] chosen = array
        cdef Py_ssize_t i, bad = -1
        with nogil:
            for i in range(chosen.shape[0]):
                if not (0 <= chosen[i] < self.common.actions and self.slots[i].game.sources >> chosen[i] & 1):
                    bad = i
                    break
        if bad >= 0:
            raise ValueError(f"game {bad}: moving from square {chosen[bad]} is not legal")
        return array

    def random_actions(self, out=None):
        """A legal action of each game, every one as likely -> (n,) int64: `out`, or a new array.

        They are drawn from the games' own random numbers. ValueError before the first `reset`, and for an array of
        another shape or type.
        """
        if not self.begun:
            raise ValueError("the games have not begun: call reset first")
        actions = np.empty(self.n, dtype=np.int64) if out is None else out
        cdef int64_t[::1] chosen = actions
        if chosen.shape[0] != self.n:
            raise ValueError(f"actions must have shape ({self.n},), not {actions.shape}")
        cdef const Game* game
        cdef Py_ssize_t i
        with nogil:
            for i in range(chosen.shape[0]):
                game = &self.slots[i].game
                chosen[i] = nth_source(game.sources, ((game.word >> 4) * popcount(game.sources)) >> 28)
        return actions

    def __repr__(self):
        against = "" if self.opponent is None else f", opponent={self.opponent!r}"
        return f"BatchEnv({self.n}, rules={self.rules!r}, seed={self.seed}{against})"
