"""The keys of the `.rgu` file, as RoyalUr-Java writes it, and its positions in their order.

A key describes a position with light to move: dark's private tiles, the ranks of the shared tiles, light's private
tiles, dark's hand, light's hand, from the low bits up. Tiles are taken row by row, from column A to C. The shared tiles
are ranked in segments of equal length, eight tiles at most: all occupations of a segment by at most N light and N dark
pieces, its first tile the most significant digit, digits ordered empty, dark, light.
"""

from libc.stdint cimport uint32_t, uint64_t
from engine.core.position cimport *
from engine.core.rules cimport rules_number
import math
from functools import cache
import numpy as np
from engine.core.rules import rules as rule_set

cdef enum:
    BUFFER = 6561 * 64      # positions that are listed at a time
    HAND_BITS = 3
    MOST_SEGMENT = 8        # tiles


# Where everything stands in a key, for so many pieces a side. Occupations are those of the shared tiles.
ctypedef struct Keys:
    int rules                   # the number of the rule set
    int pieces
    int occupations             # by at most `pieces` of each side
    int private_bits            # private tiles of a side
    int shared_bits             # of the ranks of all segments
    const uint32_t* rank        # by occupation, ascending
    const uint32_t* light       # by occupation: light's squares, along light's path
    const uint32_t* dark        # dark's, along dark's
    const uint32_t* private     # by code: a side's private squares, along its own path


cdef int list_positions(const Keys* keys, int light_hand, int dark_hand, int private, int first, int end,
                        uint64_t* codes, uint64_t* packed) noexcept nogil:
    """The keys, ascending, with these hands, private tiles of light and occupations, and their positions; how many."""
    cdef int n = 0
    cdef int occupation, code
    cdef int off = RULES[keys.rules].pieces - keys.pieces
    cdef Board board
    cdef int own_left = keys.pieces - light_hand - popcount(keys.private[private])
    cdef int opp_left = keys.pieces - dark_hand
    cdef uint64_t high = <uint64_t> light_hand << HAND_BITS | dark_hand
    high = (high << keys.private_bits | private) << (keys.private_bits + keys.shared_bits)
    board.rules = keys.rules
    board.own_hand = light_hand
    board.opp_hand = dark_hand
    for occupation in range(first, end):
        if popcount(keys.light[occupation]) > own_left or popcount(keys.dark[occupation]) > opp_left:
            continue
        board.own = keys.light[occupation] | keys.private[private]
        board.own_off = off + own_left - popcount(keys.light[occupation])
        for code in range(1 << keys.private_bits):
            board.opp = keys.dark[occupation] | keys.private[code]
            if popcount(board.opp) > opp_left or (dark_hand == 0 and board.opp == 0):
                continue
            board.opp_off = off + opp_left - popcount(board.opp)
            codes[n] = high | <uint64_t> keys.rank[occupation] << keys.private_bits | code
            packed[n] = pack(&board)
            n += 1
    return n


cdef class Walk:
    """The positions of a file in the order of their keys, in chunks."""

    cdef Keys keys
    cdef tuple arrays           # what `keys` points to

    def __init__(self, rules, int pieces):
        light_path, dark_path = rule_set(rules).paths
        shared = _row_by_row(set(light_path) & set(dark_path))
        private = _row_by_row(set(light_path) - set(dark_path))
        ranks, light, dark, bits = _occupations(shared, light_path, dark_path, pieces)
        codes = np.arange(1 << len(private))[:, np.newaxis] >> np.arange(len(private)) & 1
        self.arrays = ranks, light, dark, _squares(codes == 1, private, light_path)
        self.keys.rules = rules_number(rules)
        self.keys.pieces = pieces
        self.keys.occupations = len(ranks)
        self.keys.private_bits = len(private)
        self.keys.shared_bits = bits
        self.keys.rank = first_of(self.arrays[0])
        self.keys.light = first_of(self.arrays[1])
        self.keys.dark = first_of(self.arrays[2])
        self.keys.private = first_of(self.arrays[3])

    def __iter__(self):
        """Yields (the low 32 bits of the keys, packed positions)."""
        cdef const Keys* keys = &self.keys
        cdef uint64_t[::1] codes = np.empty(BUFFER, dtype=np.uint64)
        cdef uint64_t[::1] packed = np.empty(BUFFER, dtype=np.uint64)
        cdef int light_hand, dark_hand, private, n, first, end
        cdef int step = BUFFER >> keys.private_bits
        for light_hand in range(keys.pieces + 1):
            for dark_hand in range(keys.pieces + 1):
                for private in range(1 << keys.private_bits):
                    if light_hand + popcount(keys.private[private]) > keys.pieces:
                        continue
                    for first in range(0, keys.occupations, step):
                        end = min(first + step, keys.occupations)
                        with nogil:
                            n = list_positions(keys, light_hand, dark_hand, private, first, end, &codes[0],
                                               &packed[0])
                        if n:
                            yield np.asarray(codes)[:n].astype(np.uint32), np.asarray(packed)[:n]

    def key(self, Position position not None):
        """See `key_of`."""
        cdef const Keys* keys = &self.keys
        cdef Board board = position.board
        cdef int off = RULES[keys.rules].pieces - keys.pieces
        cdef int rank = 0, light = 0, dark = 0, n, code
        cdef unsigned int shared_squares = shared(&RULES[keys.rules])
        cdef uint64_t hands = board.own_hand << HAND_BITS | board.opp_hand
        if board.own_off < off or board.opp_off < off:
            raise ValueError(f"the position has more than {keys.pieces} pieces a side")
        for n in range(keys.occupations):
            if keys.light[n] == board.own & shared_squares and keys.dark[n] == board.opp & shared_squares:
                rank = keys.rank[n]
        for code in range(1 << keys.private_bits):
            if keys.private[code] == board.own & ~shared_squares:
                light = code
            if keys.private[code] == board.opp & ~shared_squares:
                dark = code
        return ((hands << keys.private_bits | light) << keys.shared_bits | rank) << keys.private_bits | dark


cdef const uint32_t* first_of(const uint32_t[::1] array):
    return &array[0]


def _row_by_row(tiles):
    return sorted(tiles, key=lambda tile: (int(tile[1:]), tile[0]))


def _squares(occupied, tiles, path):
    """Rows of flags, one for each tile -> masks of squares along a path, uint32."""
    return (occupied << np.array([1 + path.index(tile) for tile in tiles])).sum(axis=1).astype(np.uint32)


def _occupations(tiles, light_path, dark_path, int pieces):
    """The occupations of the shared tiles, ascending -> (ranks, light's squares, dark's squares, bits of a rank)."""
    segments = (len(tiles) + MOST_SEGMENT - 1) // MOST_SEGMENT
    length = len(tiles) // segments
    digits = np.indices([3] * length).reshape(length, -1).T
    possible = ((digits == 1).sum(axis=1) <= pieces) & ((digits == 2).sum(axis=1) <= pieces)
    digits = digits[possible]
    bits = 1
    while len(digits) - 1 > 1 << bits:
        bits += 1
    numbers = np.indices([len(digits)] * segments).reshape(segments, -1)
    light = dark = ranks = 0
    for k, number in enumerate(numbers):
        of_segment = tiles[k * length : (k + 1) * length]
        light = light | _squares(digits == 2, of_segment, light_path)[number]
        dark = dark | _squares(digits == 1, of_segment, dark_path)[number]
        ranks = ranks << bits | number
    pieces_on = [sum(mask >> square & 1 for square in range(1, len(light_path) + 1)) for mask in (light, dark)]
    possible = (pieces_on[0] <= pieces) & (pieces_on[1] <= pieces)
    return ranks[possible].astype(np.uint32), light[possible], dark[possible], bits * segments


@cache
def walk(rules, pieces):
    """The `Walk` of a game."""
    return Walk(rules, pieces)


def key_of(position, pieces=None, rules="finkel"):
    """The key of a position in the file of the game with so many pieces a side; light is the side to move."""
    return walk(rules, rule_set(rules).pieces if pieces is None else pieces).key(position)


def entries_by_map(int pieces, rules="finkel"):
    """How many entries each map of a file has: all positions but those where dark has borne off everything."""
    cdef const Keys* keys = &(<Walk> walk(rules, pieces)).keys
    game = rule_set(rules)
    cdef int lane = len(game.shared)
    cdef int private = game.squares - lane
    cdef int hand_at = HAND_BITS + 2 * keys.private_bits + keys.shared_bits
    cdef int hand
    cdef uint64_t number
    counts = {}
    for hand in range(pieces + 1):
        number = <uint64_t> hand << hand_at >> 32
        counts[number] = counts.get(number, 0) + _entries_with_hand(pieces - hand, pieces, lane, private)
    return [counts[number] for number in sorted(counts)]


def _entries_with_hand(int light, int dark, int lane, int private):
    """Entries of a file where light has so many pieces on its path or borne off, and dark so many in all."""
    count = 0
    for own in range(min(light, lane) + 1):
        own_ways = math.comb(lane, own) * sum(math.comb(private, n) for n in range(light - own + 1))
        for opp in range(min(dark, lane - own) + 1):
            placed = math.comb(lane - own, opp)
            for n in range(min(dark - opp, private) + 1):
                hands = dark - opp - n + 1 - (opp + n == 0)
                count += own_ways * placed * math.comb(private, n) * hands
    return count


def count_entries(pieces, rules="finkel"):
    """How many entries all maps of a file have."""
    return sum(entries_by_map(pieces, rules))
