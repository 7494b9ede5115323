# Rolls and choices from one counter-based generator: a game's random numbers depend on (seed, game) alone, not on
# which worker plays it or what was played before.

from libc.stdint cimport uint32_t, uint64_t

from engine.core.rules cimport Rules, roll_of


# Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", 2011).
ctypedef struct Dice:
    uint32_t key[2]             # the seed
    uint32_t counter[4]         # block number, stream, and the game number's low and high word
    uint32_t words[4]           # the current block
    int used                    # how many of its words are spent


cdef extern from *:
    """
    static inline void ur_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
        uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
        uint32_t k0 = key[0], k1 = key[1];
        for (int round = 0; round < 10; round++) {
            uint64_t p0 = (uint64_t)0xD2511F53u * c0;
            uint64_t p1 = (uint64_t)0xCD9E8D57u * c2;
            c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
            c1 = (uint32_t)p1;
            c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
            c3 = (uint32_t)p0;
            k0 += 0x9E3779B9u;
            k1 += 0xBB67AE85u;
        }
        out[0] = c0; out[1] = c1; out[2] = c2; out[3] = c3;
    }
    """
    void philox "ur_philox"(const uint32_t* counter, const uint32_t* key, uint32_t* out) noexcept nogil


# Streams keep the rolls of a game apart from its other random choices, so that two games can share their dice.
cdef enum:
    ROLLS = 0
    CHOICES = 1
    PLAYOUTS = 2                # and on: one for each decision of a game


cdef inline Dice new_dice(uint64_t seed, uint64_t game, uint32_t stream) noexcept nogil:
    cdef Dice dice
    dice.key[0] = <uint32_t> seed
    dice.key[1] = <uint32_t> (seed >> 32)
    dice.counter[0] = 0
    dice.counter[1] = stream
    dice.counter[2] = <uint32_t> game
    dice.counter[3] = <uint32_t> (game >> 32)
    dice.words[0] = dice.words[1] = dice.words[2] = dice.words[3] = 0
    dice.used = 4
    return dice


cdef inline uint32_t next_word(Dice* dice) noexcept nogil:
    """32 random bits."""
    cdef uint32_t word
    if dice.used == 4:
        philox(dice.counter, dice.key, dice.words)
        dice.counter[0] += 1
        dice.used = 0
    word = dice.words[dice.used]
    dice.used += 1
    return word


cdef inline int next_roll(Dice* dice, const Rules* rules) noexcept nogil:
    """A roll of a rule set's dice, 0 to 4."""
    return roll_of(rules, next_word(dice))


cdef inline unsigned int next_below(Dice* dice, unsigned int bound) noexcept nogil:
    """A number from 0 to bound - 1; for bounds far below 2**32 the bias is below 2**-29."""
    return <unsigned int> ((<uint64_t> next_word(dice) * bound) >> 32)


cdef inline double next_unit(Dice* dice) noexcept nogil:
    """A number in [0, 1), in steps of 2**-32."""
    return next_word(dice) * (1.0 / 4294967296.0)
