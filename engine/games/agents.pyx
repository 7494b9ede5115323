"""The players, and their spellings.

    random              any legal move
    greedy              a capture, else a rosette, else the foremost piece
    emm:N               expectiminimax of N turns, default weights
    emm-evolved:N       the same with the evolved weights
    net:NAME            the move to the best successor by the value network of a shipped model
    net:NAME@N          N turns of look-ahead over the value network; @1 is the same as net:NAME
    net:NAME:policy     the most probable move of the policy network
    net:FILE            the networks of a weights file, also with @N and :policy; the text has a folder or ends in .json
                        or .json.gz
    level:N             a person's level, 1 for a beginner: a strong network that often prefers a move nearly as good
                        (the levels stand in the manifest of the shipped models)
    perfect             the best move by the exact solution, from the table in the user's cache folder
    perfect:FILE        the best move by another table
"""

from engine.games.agents cimport *
from libc.math cimport exp
from engine.core.dice cimport CHOICES, new_dice, next_below, next_unit
from engine.network.layers cimport policy_moves
from engine.network.lookahead cimport MAX_LOOKAHEAD, network_moves
from engine.network.network cimport Network
from engine.core.position cimport *
from engine.classic.search cimport Moves, Search, Searcher, best_index, search_moves
from engine.solved.table cimport SolvedTable, Table, best_source
import difflib
import os
from pathlib import Path
from engine.core.rules import RULE_SETS, check_same
from engine.network.shipped import MANIFEST, is_weights_path, levels, shipped_models, weights_files
from engine.machine.installation import command
from engine.solved.tablebase import Tablebase, default_path

#: The spellings, for messages and help.
SPELLINGS = ("random", "greedy", "emm:N", "emm-evolved:N", "net:NAME", "net:NAME@N", "net:NAME:policy", "net:FILE",
             "net:FILE@N", "net:FILE:policy", "level:N", "perfect", "perfect:FILE")

_SEARCH_WEIGHTS = {"emm": "default", "emm-evolved": "evolved"}
_LISTED = 3                     # models that the message about an unknown one names


cdef int choose_random(const void* state, const Board* board, int roll, Dice* dice) noexcept nogil:
    cdef unsigned int sources = legal_sources(board, roll)
    return nth_source(sources, next_below(dice, popcount(sources)))


cdef int choose_greedy(const void* state, const Board* board, int roll, Dice* dice) noexcept nogil:
    cdef unsigned int targets = legal_sources(board, roll) << roll
    cdef unsigned int captures = targets & theirs_of(rules_of(board), board.opp)
    if captures:
        return highest(captures) - roll
    if targets & rules_of(board).rosettes:
        return highest(targets & rules_of(board).rosettes) - roll
    return highest(targets) - roll


cdef int choose_search(const void* state, const Board* board, int roll, Dice* dice) noexcept nogil:
    cdef Moves moves
    cdef unsigned int sources = legal_sources(board, roll)
    if not is_choice(sources):
        return lowest(sources)
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
    if not is_choice(sources):
        return lowest(sources)
    return best_square(squares, values, network_moves(player.net, board, roll, player.depth, squares, values))


cdef int choose_softened(const void* state, const Board* board, int roll, Dice* dice) noexcept nogil:
    """A move drawn with a probability proportional to exp(-regret / temperature), the regret by the network."""
    cdef const NetPlayer* player = <const NetPlayer*> state
    cdef int squares[MAX_MOVES]
    cdef double values[MAX_MOVES]
    cdef double highest_value = 0, total = 0, drawn
    cdef int i, count
    cdef unsigned int sources = legal_sources(board, roll)
    if not is_choice(sources):
        return lowest(sources)
    count = network_moves(player.net, board, roll, player.depth, squares, values)
    for i in range(count):
        highest_value = max(highest_value, values[i])
    for i in range(count):
        values[i] = exp((values[i] - highest_value) / player.temperature)
        total += values[i]
    drawn = total * next_unit(dice)
    for i in range(count - 1):
        drawn -= values[i]
        if drawn < 0:
            return squares[i]
    return squares[count - 1]


cdef int choose_policy(const void* state, const Board* board, int roll, Dice* dice) noexcept nogil:
    cdef const NetPlayer* player = <const NetPlayer*> state
    cdef int squares[MAX_MOVES]
    cdef double probabilities[MAX_MOVES]
    cdef unsigned int sources = legal_sources(board, roll)
    if not is_choice(sources):
        return lowest(sources)
    return best_square(squares, probabilities, policy_moves(player.net, board, roll, squares, probabilities))


cdef int choose_perfect(const void* state, const Board* board, int roll, Dice* dice) noexcept nogil:
    return best_source(<const Table*> state, board, roll)


cdef dict _open_tables = {}     # by path: a table is a gigabyte, and its check takes a while


def open_table(path=None, rules="finkel"):
    """A rule set's table in a file, by default the whole game's in the cache folder; each file is opened once.

    MissingTable where there is none; ValueError for a damaged one, or for one of another rule set.
    """
    key = str(default_path(rules=rules) if path is None else path)
    if key not in _open_tables:
        try:
            _open_tables[key] = Tablebase.open(key, rules=rules)
        except ValueError as error:
            if path is not None:
                raise
            options = [] if rules == "finkel" else ["--rules", rules]
            raise ValueError(f"{error}; make it again with `{command('solve', *options)}`") from None
    check_same(_open_tables[key].rules, rules, key, "the game")
    return _open_tables[key]


def _is_number(text):
    """Whether the text is a whole number of a few digits."""
    return text.isascii() and text.isdecimal() and len(text) <= 4


def _suggestion(word, known, count=1, cutoff=0.6):
    """The end of a message about an unknown word: `; did you mean emm:3?`, or nothing where no known word is near.

    known: what to suggest for each known word, which is compared without its case. count: suggestions at most.
    """
    by_lower = {key.lower(): suggestion for key, suggestion in known.items()}
    near = difflib.get_close_matches(word.lower(), by_lower, n=count, cutoff=cutoff)
    return f"; did you mean {' or '.join(by_lower[key] for key in near)}?" if near else ""


def _stem(path):
    """The name of a weights file without folder and ending."""
    return os.path.basename(path).removesuffix(".gz").removesuffix(".json")


def _shipped_agents():
    """The spellings of the shipped models by name."""
    return {name: f"net:{name}" for name in shipped_models()}


def _agent_suggestion(spelling):
    """The end of the message about an unknown agent."""
    kind, colon, argument = spelling.partition(":")
    if is_weights_path(spelling) and os.path.basename(spelling) != MANIFEST and os.path.isfile(spelling):
        return f"; did you mean net:{spelling}?"
    kinds = {known.partition(":")[0]: known for known in reversed(SPELLINGS)}
    if not colon:
        return _suggestion(_stem(kind), _shipped_agents() | kinds, cutoff=0.5)
    complete = {known: known if known in ("random", "greedy") else f"{known}:{argument}" for known in kinds}
    return _suggestion(kind, complete, cutoff=0.5)


def _weights_path(text):
    """The weights file of a path or of a shipped model's name. FileNotFoundError for an unknown name."""
    if is_weights_path(text):
        return text
    models = shipped_models()
    if text in models:
        return str(models[text])
    hint = _suggestion(text, _shipped_agents(), _LISTED) or f" (known: {', '.join(models)})"
    raise FileNotFoundError(f"no shipped model {text!r}{hint}")


def _load_network(path):
    """The network of a file. If there is no such file, the error names the nearest one of its folder or shipped."""
    try:
        return Network.load(path)
    except FileNotFoundError:
        files = {name: str(file) for name, file in weights_files(Path(path).parent).items()}
        suggestion = _suggestion(_stem(path), _shipped_agents() | files)
        raise FileNotFoundError(f"no weights file {path}{suggestion}") from None


cdef class Agent:
    """A player, which chooses a move for a position and its roll. Made by `Agent.parse` or `Agent.from_network`."""

    def __init__(self):
        raise TypeError("agents come from Agent.parse(spelling) or Agent.from_network(network)")

    @staticmethod
    def parse(str spelling not None, str rules="finkel"):
        """The agent of a spelling, for a rule set.

        ValueError says what is wrong, also where its network or table is of another rule set; OSError if its file
        cannot be read.
        """
        cdef Agent agent = Agent.__new__(Agent)
        kind, _, argument = spelling.partition(":")
        agent.name = spelling
        agent.made_by = f"Agent.parse({spelling!r})" if rules == "finkel" else f"Agent.parse({spelling!r}, {rules!r})"
        agent._take_rules(rules)
        agent.unit = ""
        if spelling == "random":
            agent.chooser.function = choose_random
        elif spelling == "greedy":
            agent.chooser.function = choose_greedy
        elif kind in _SEARCH_WEIGHTS:
            agent._take_search(_SEARCH_WEIGHTS[kind], argument)
        elif kind == "perfect":
            agent._take_table(argument if ":" in spelling else None)
        elif kind == "net":
            agent._parse_network(argument)
        elif kind == "level":
            agent._take_level(argument)
        else:
            raise ValueError(f"unknown agent {spelling!r}{_agent_suggestion(spelling)} (known: {', '.join(SPELLINGS)})")
        return agent

    def _take_rules(self, rules):
        self.rules = rules
        self.rules_number = rules_number(rules)

    @staticmethod
    def from_network(Network network not None, str name not None="network", *, int depth=1, bint policy=False):
        """The agent of a network in memory, called `name` in results.

        depth: turns of look-ahead over the value network. policy: whether the policy network plays.
        ValueError for a depth out of range, or without the network that plays.
        """
        cdef Agent agent = Agent.__new__(Agent)
        agent.name = name
        agent.made_by = f"Agent.from_network({network!r}, {name!r})"
        agent._take_rules(network.rules)
        agent._take_network(network, depth, policy)
        return agent

    def _take_search(self, weights, depth):
        cdef Search search
        if not _is_number(depth):
            raise ValueError(f"agent {self.name!r} needs a search depth, as in emm:3")
        search = Search(int(depth), weights, rules=self.rules)
        self.player = search
        self.chooser = Chooser(choose_search, &search.searcher)
        self.unit = "points"

    def _take_table(self, path):
        cdef SolvedTable table
        if path == "":
            raise ValueError(f"agent {self.name!r} needs a table's file, as in perfect:FILE, or no colon")
        table = open_table(path, self.rules)
        check_same(RULE_SETS[table.table.rules], self.rules, self.name, "the game")
        if table.pieces < RULES[self.rules_number].pieces:
            raise ValueError(f"agent {self.name!r}: the table holds {table.pieces} pieces a side, "
                             f"games need {RULES[self.rules_number].pieces}")
        self.player = table
        self.chooser = Chooser(choose_perfect, &table.table)
        self.unit = "win probability"

    def _parse_network(self, argument):
        file, depth = argument, 1
        policy = argument.endswith(":policy")
        if policy:
            file = argument.removesuffix(":policy")
        elif "@" in argument and _is_number(argument.rpartition("@")[2]):
            file, _, depth = argument.rpartition("@")
        if not file:
            raise ValueError(f"agent {self.name!r} needs a model or a weights file, as in net:standard")
        depth = self._check_depth(int(depth))
        self._take_network(_load_network(_weights_path(file)), depth, policy)

    def _take_level(self, number):
        known = levels(self.rules)
        if not _is_number(number) or not 1 <= int(number) <= len(known):
            names = f"there are no levels of {self.rules} here"
            if known:
                names = f"the levels are level:1 to level:{len(known)}"
            raise ValueError(f"agent {self.name!r}: {names}")
        level = known[int(number) - 1]
        self._take_network(_load_network(_weights_path(level.network)), 1, False)
        self.net_player.temperature = level.temperature / 100
        if level.temperature:
            self.chooser.function = choose_softened

    def _check_depth(self, depth):
        if not 1 <= depth <= MAX_LOOKAHEAD:
            raise ValueError(f"agent {self.name!r}: look-ahead must be 1 to {MAX_LOOKAHEAD} turns")
        return depth

    def _take_network(self, Network network, depth, policy):
        if not (network.has_policy if policy else network.has_value):
            raise ValueError(f"{network.path or self.name} has no {'policy' if policy else 'value'} network")
        check_same(network.rules, self.rules, self.name, "the game")
        self.player = network
        self.net_player.net = &network.policy_net if policy else &network.value_net
        self.net_player.depth = self._check_depth(depth)
        self.chooser.function = choose_policy if policy else choose_network
        self.chooser.state = &self.net_player
        self.unit = "policy" if policy else "win probability"

    @property
    def depth(self):
        """Turns of look-ahead over a value network; 0 for other players."""
        return self.net_player.depth if self.chooser.function == choose_network else 0

    def moves(self, Position position not None, int roll):
        """Every legal move as (square, value), ascending squares; `unit` says what the value is.

        Values are from the view of the side that moves. Agents without a unit give None for a value.
        """
        check_same(self.rules, position.rules, self.name, "the position")
        if self.unit == "points":
            return self.player.moves(position, roll)
        if self.chooser.function == choose_perfect:
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
        check_same(self.rules, position.rules, self.name, "the position")
        if not position.legal_moves(roll):
            return None
        dice = new_dice(seed, position.packed, CHOICES)
        with nogil:
            square = choose(&self.chooser, &position.board, roll, &dice)
        return square

    def __repr__(self):
        return self.made_by
