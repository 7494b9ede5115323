"""The published rule sets by name: what the constants of rules.h say, for Python."""

from engine.core.rules cimport *
import difflib
from dataclasses import dataclass


cdef list squares_of_mask(unsigned int mask):
    """The path squares of a mask, ascending."""
    return [square for square in range(mask.bit_length()) if mask >> square & 1]


@dataclass(frozen=True, kw_only=True)
class RuleSet:
    """A rule set. Path squares are numbered from 1 along a side's own path; 0 is the hand.

    Attributes:
        name: its spelling.
        pieces: a side.
        borne_off: the path square after the last one.
        shared: path squares that both sides walk.
        theirs: by my path square, the opponent's number of the same board square; None for hand and private squares.
        rosettes: path squares that grant another roll.
        safe: shared path squares on which no piece can be captured.
        ways: how many of the 16 outcomes of the dice give each roll 0 to 4.
        capture_grants_roll: whether a capture grants another roll, as a rosette does.
        paths: the tiles of light's and of dark's path, the tile of path square 1 first: column A to C and row.
    """

    name: str
    pieces: int
    borne_off: int
    shared: tuple[int, ...]
    theirs: tuple[int | None, ...]
    rosettes: tuple[int, ...]
    safe: tuple[int, ...]
    ways: tuple[int, ...]
    capture_grants_roll: bool
    paths: tuple[tuple[str, ...], tuple[str, ...]]

    @property
    def squares(self):
        """How many squares a path has."""
        return self.borne_off - 1

    @property
    def rolls(self):
        """The rolls that the dice can give, ascending."""
        return tuple(roll for roll, ways in enumerate(self.ways) if ways)

    @property
    def probabilities(self):
        """The probability of each roll 0 to 4."""
        return tuple(ways / OUTCOMES for ways in self.ways)

    @property
    def rows(self):
        """How many rows the board has."""
        return max(int(tile[1:]) for tile in self.paths[0])


def _rule_set(int number):
    """The rule set of a number."""
    cdef const Rules* rules = &RULES[number]
    cdef int square
    light = tuple(LABELS[number].path.decode().split())
    both = shared(rules)
    return RuleSet(
        name=LABELS[number].name.decode(),
        pieces=rules.pieces,
        borne_off=rules.borne_off,
        shared=tuple(squares_of_mask(both)),
        theirs=tuple([lowest(theirs_of(rules, 1u << square)) if both >> square & 1 else None
                      for square in range(rules.borne_off)]),
        rosettes=tuple(squares_of_mask(rules.rosettes)),
        safe=tuple(squares_of_mask(rules.safe)),
        ways=tuple([ways(rules, roll) for roll in range(MAX_ROLL + 1)]),
        capture_grants_roll=bool(rules.capture_grants),
        paths=(light, tuple(tile.translate(str.maketrans("AC", "CA")) for tile in light)),
    )


_RULE_SETS = [_rule_set(number) for number in range(RULE_SET_COUNT)]

#: The names of the rule sets, the default first.
RULE_SETS = tuple(rule_set.name for rule_set in _RULE_SETS)

#: Outcomes of the dice, all equally likely.
DICE_OUTCOMES = OUTCOMES

cdef dict _NUMBERS = {name: number for number, name in enumerate(RULE_SETS)}


cdef int rules_number(str name) except -1:
    """The number of a rule set. ValueError for an unknown name."""
    number = _NUMBERS.get(name)
    if number is None:
        near = difflib.get_close_matches(str(name).lower(), RULE_SETS, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(f"unknown rule set {name!r}{hint} (known: {', '.join(RULE_SETS)})")
    return number


def rules(name="finkel"):
    """The rule set of a name -> RuleSet. ValueError for an unknown name."""
    return _RULE_SETS[rules_number(name)]


def check_same(first, second, first_name, second_name):
    """ValueError unless two rule sets, given by name, are the same: '<first> plays blitz, <second> finkel'."""
    if first != second:
        raise ValueError(f"{first_name} plays {first}, {second_name} {second}: both must have the same rule set")
