"""The dice: their distribution, and the random numbers of a game.

Philox is counter-based: the random numbers of game g under seed s are a function of (s, g) alone, so the games do not
depend on the number of workers.
"""

from engine.core.dice cimport *
from engine.core.rules cimport RULES, rules_number
from engine.core.rules import rules as rule_set

#: Probability of each roll 0 to 4 of four binary dice, which Finkel's game has.
ROLL_PROBABILITIES = rule_set().probabilities


def philox4x32(tuple counter, tuple key):
    """One block of Philox4x32-10 -> four 32-bit integers, to be compared with published vectors."""
    cdef uint32_t counter_words[4]
    cdef uint32_t key_words[2]
    cdef uint32_t out[4]
    counter_words[0], counter_words[1], counter_words[2], counter_words[3] = counter
    key_words[0], key_words[1] = key
    philox(counter_words, key_words, out)
    return out[0], out[1], out[2], out[3]


def rolls(uint64_t seed, uint64_t game, int count, str rules="finkel"):
    """The first `count` rolls of a game, as a list."""
    cdef Dice dice = new_dice(seed, game, ROLLS)
    cdef int number = rules_number(rules)
    return [next_roll(&dice, &RULES[number]) for _ in range(count)]
