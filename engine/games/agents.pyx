"""The players, by one spelling everywhere.

    random              any legal move
    greedy              a capture, else a rosette, else the foremost piece
    emm:N               expectiminimax of N turns, default weights
    emm-evolved:N       the same with the evolved weights
    net:FILE            the successor that the value network likes best
    net:FILE@N          N turns of look-ahead over the value network; @1 is the plain one
    net:FILE:policy     the most probable move of the policy network
    perfect             the best move by the exact solution, from the table in the user's cache folder
    perfect:FILE        the same from another table
"""

import difflib
import os

from engine.games.agents cimport *
from engine.core.dice cimport CHOICES, new_dice, next_below
from engine.network.layers cimport policy_moves
from engine.network.lookahead cimport MAX_LOOKAHEAD, network_moves
from engine.network.network cimport Network
from engine.core.position cimport *
from engine.classic.search cimport Moves, Search, Searcher, best_index, search_moves
from engine.solved.table cimport SolvedTable as Tablebase, Table, best_source

from engine.solved.tablebase import default_path

#: The spellings, for messages and help.
SPELLINGS = ("random", "greedy", "emm:N", "emm-evolved:N", "net:FILE", "net:FILE@N", "net:FILE:policy", "perfect",
             "perfect:FILE")

_SEARCH_WEIGHTS = {"emm": "default", "emm-evolved": "evolved"}

_WEIGHTS = "weights"            # the folder of the shipped models, in a checkout,
_MANIFEST = "manifest.json"     # and what lies beside them and is no network


cdef int choose_random(const void* state, const Board* board, int roll, Dice* dice) noexcept nogil:
    cdef unsigned int sources = legal_sources(board, roll)
    cdef unsigned int skipped = next_below(dice, popcount(sources))
    while skipped:
        sources &= sources - 1
        skipped -= 1
    return lowest(sources)


cdef int choose_greedy(const void* state, const Board* board, int roll, Dice* dice) noexcept nogil:
    cdef unsigned int targets = legal_sources(board, roll) << roll
    cdef unsigned int captures = targets & board.opp & LANE_MASK
    if captures:
        return highest(captures) - roll
    if targets & ROSETTE_MASK:
        return highest(targets & ROSETTE_MASK) - roll
    return highest(targets) - roll


cdef int choose_search(const void* state, const Board* board, int roll, Dice* dice) noexcept nogil:
    cdef Moves moves
    search_moves(<const Searcher*> state, board, roll, &moves)
    return moves.square[best_index(&moves)]


cdef inline int best_square(const int* squares, const double* values, int count) noexcept nogil:
    """The square of the highest value, the lowest square among equals."""
    cdef int best = 0, i
    for i in range(1, count):
        if values[i] > values[best]:
            best = i
    return squares[best]


cdef int choose_network(const void* state, const Board* board, int roll, Dice* dice) noexcept nogil:
    cdef const NetPlayer* player = <const NetPlayer*> state
    cdef int squares[MAX_MOVES]
    cdef double values[MAX_MOVES]
    cdef unsigned int sources = legal_sources(board, roll)
    if sources & (sources - 1) == 0:            # nothing to choose
        return lowest(sources)
    return best_square(squares, values, network_moves(player.net, board, roll, player.depth, squares, values))


cdef int choose_policy(const void* state, const Board* board, int roll, Dice* dice) noexcept nogil:
    cdef const NetPlayer* player = <const NetPlayer*> state
    cdef int squares[MAX_MOVES]
    cdef double probabilities[MAX_MOVES]
    cdef unsigned int sources = legal_sources(board, roll)
    if sources & (sources - 1) == 0:
        return lowest(sources)
    return best_square(squares, probabilities, policy_moves(player.net, board, roll, squares, probabilities))


cdef int choose_perfect(const void* state, const Board* board, int roll, Dice* dice) noexcept nogil:
    return best_source(<const Table*> state, board, roll)


class MissingTable(FileNotFoundError):
    """There is no table of the solved game; the message says how to make it.

    Attributes:
        path: where it was looked for.
        default: whether that is the default place.
    """

    def __init__(self, path, default):
        output = "" if default else f" --output {path}"
        super().__init__(f"no table of the solved game at {path}: make it with `python -m mlx_train solve{output}`")
        self.path = path
        self.default = default


cdef dict _opened = {}      # tables by path: a table is a gigabyte, and its check takes a while


def open_table(path=None):
    """The table of a file, by default all seven pieces' in the cache folder; each file is opened once.

    MissingTable where there is none; ValueError for a damaged one.
    """
    key = str(default_path() if path is None else path)
    if key not in _opened:
        try:
            _opened[key] = Tablebase.open(key)
        except FileNotFoundError:
            raise MissingTable(key, key == str(default_path())) from None
        except ValueError as error:
            if path is not None:
                raise
            raise ValueError(f"{error}; make it again with `python -m mlx_train solve`") from None
    return _opened[key]


def _is_number(text):
    """Whether the text is a whole number of a few digits."""
    return text.isascii() and text.isdecimal() and len(text) <= 4


def _stem(path):
    """The name of a weights file as it is compared: in small letters, without folder and ending."""
    return os.path.basename(path).lower().removesuffix(".gz").removesuffix(".json")


def _may_be_weights(path):
    """Whether a file's name is one of weights."""
    return path.endswith((".json", ".json.gz")) and os.path.basename(path) != _MANIFEST


def _weights_files(folder):
    """The paths of a folder's weights files by their stems; none where there is no such folder."""
    if not os.path.isdir(folder or "."):
        return {}
    names = sorted(os.listdir(folder or "."), reverse=True)     # so of NAME.json and NAME.json.gz the first one stays
    return {_stem(name): os.path.join(folder, name) for name in names if _may_be_weights(name)}


def _meant(spelling):
    """The end of a message about a mistyped agent: `; did you mean emm:3?`, or nothing where none is near."""
    kind, colon, argument = spelling.partition(":")
    if _may_be_weights(spelling) and os.path.exists(spelling):
        return f"; did you mean net:{spelling}?"
    forms = {known.partition(":")[0]: known for known in reversed(SPELLINGS)}
    models = {} if colon else {stem: f"net:{path}" for stem, path in _weights_files(_WEIGHTS).items()}
    known = models | forms
    near = difflib.get_close_matches(_stem(kind), known, n=1, cutoff=0.5)
    if not near:
        return ""
    if colon and near[0] not in ("random", "greedy"):
        return f"; did you mean {near[0]}:{argument}?"
    return f"; did you mean {known[near[0]]}?"


def _meant_file(path):
    """The same for a weights file that is not there: the one of its folder, or a shipped one, whose name is nearest."""
    known = _weights_files(_WEIGHTS) | _weights_files(os.path.dirname(path))
    near = difflib.get_close_matches(_stem(path), known, n=1)
    return f"; did you mean {known[near[0]]}?" if near else ""


cdef class Agent:
    """A player: chooses a move for a position and its roll. Made by `Agent.parse(spelling)`."""

    def __init__(self):
        raise TypeError("agents come from Agent.parse(spelling)")

    @staticmethod
    def parse(str spelling not None):
        """The agent of a spelling. ValueError says what is wrong with it; OSError if its file cannot be read."""
        cdef Agent agent = Agent.__new__(Agent)
        kind, _, argument = spelling.partition(":")
        agent.name = spelling
        agent.unit = ""
        if spelling == "random":
            agent.chooser = choose_random
        elif spelling == "greedy":
            agent.chooser = choose_greedy
        elif kind in _SEARCH_WEIGHTS:
            agent._take_search(_SEARCH_WEIGHTS[kind], argument)
        elif kind == "perfect":
            agent._take_table(argument if ":" in spelling else None)
        elif kind == "net":
            agent._take_network(argument)
        else:
            raise ValueError(f"unknown agent {spelling!r}{_meant(spelling)} (known: {', '.join(SPELLINGS)})")
        return agent

    def _take_search(self, weights, depth):
        cdef Search search
        if not _is_number(depth):
            raise ValueError(f"agent {self.name!r} needs a search depth, as in emm:3")
        search = Search(int(depth), weights)
        self.player = search
        self.state = &search.searcher
        self.chooser = choose_search
        self.unit = "points"

    def _take_table(self, path):
        cdef Tablebase table
        if path == "":
            raise ValueError(f"agent {self.name!r} needs a table's file, as in perfect:FILE, or no colon")
        table = open_table(path)
        if table.pieces < PIECES:
            raise ValueError(f"agent {self.name!r}: the table holds {table.pieces} pieces a side, games need {PIECES}")
        self.player = table
        self.state = &table.table
        self.chooser = choose_perfect
        self.unit = "win probability"

    def _take_network(self, argument):
        cdef Network network
        file, depth = argument, 1
        policy = argument.endswith(":policy")
        if policy:
            file = argument[:len(argument) - len(":policy")]
        elif "@" in argument and _is_number(argument.rpartition("@")[2]):
            file, _, depth = argument.rpartition("@")
            depth = int(depth)
            if not 1 <= depth <= MAX_LOOKAHEAD:
                raise ValueError(f"agent {self.name!r}: look-ahead must be 1 to {MAX_LOOKAHEAD} turns")
        if not file:
            raise ValueError(f"agent {self.name!r} needs a weights file, as in net:weights/model.json")
        try:
            network = Network.load(file)
        except FileNotFoundError:
            raise FileNotFoundError(f"no weights file {file}{_meant_file(file)}") from None
        if not (network.has_policy if policy else network.has_value):
            raise ValueError(f"{file} has no {'policy' if policy else 'value'} network")
        self.player = network
        self.net_player.net = &network.policy_net if policy else &network.value_net
        self.net_player.depth = depth
        self.state = &self.net_player
        self.chooser = choose_policy if policy else choose_network
        self.unit = "policy" if policy else "win probability"

    @property
    def depth(self):
        """Turns of look-ahead over a value network; 0 for other players."""
        return self.net_player.depth if self.chooser == choose_network else 0

    def moves(self, Position position not None, int roll):
        """Every legal move as (square, value), ascending squares; `unit` says what the value is.

        The point of view is the mover's, after the move. Agents without a unit give None for a value.
        """
        if self.unit == "points":
            return self.player.moves(position, roll)
        if self.chooser == choose_perfect:
            return [(move.square, move.value) for move in self.player.moves(position, roll)]
        if self.unit == "win probability":
            return self.player.moves(position, roll, self.net_player.depth)
        if self.unit == "policy":
            return self.player.policy(position, roll)
        return [(square, None) for square in position.legal_moves(roll)]

    def best_move(self, Position position not None, int roll, uint64_t seed=0):
        """The square that the agent moves from, or None when the turn passes; `seed` decides where chance does."""
        cdef Dice dice
        cdef int square
        if not position.legal_moves(roll):
            return None
        dice = new_dice(seed, position.packed, CHOICES)
        with nogil:
            square = self.chooser(self.state, &position.board, roll, &dice)
        return square

    def __repr__(self):
        return f"Agent.parse({self.name!r})"
