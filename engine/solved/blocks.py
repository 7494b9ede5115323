"""The blocks of a table as arrays, for kernels that run on a GPU."""

import numpy as np

from engine.core.rules import rules as rule_set
from engine.solved.order import MOST_FAR_SQUARES, far_bits, index_tables, layer_end, layers_of
from engine.solved.table import CHUNK, SolvedTable

#: Pieces on the far squares, those behind the entry squares, by far mask.
PIECES_ON = np.array([squares.bit_count() for squares in range(1 << MOST_FAR_SQUARES)])


def blocks_of(blocks: np.ndarray, leader: int, follower: int) -> np.ndarray:
    """The blocks of `index_tables` that `leader` and `follower` pieces can occupy."""
    return blocks[(PIECES_ON[blocks & 0xFFFF] <= leader) & (PIECES_ON[blocks >> 16] <= follower)]


def _turns(pieces: int) -> list[tuple[int, int, int]]:
    """(leader, follower, whether the follower is to move) of each part of a table, in its order."""
    return [(p, q, turn) for p, q in layers_of(pieces) for turn in range(1 + (p < q))]


def block_table(pieces: int | None = None, rules: str = "finkel") -> tuple[np.ndarray, np.ndarray]:
    """The blocks of a rule set's table, in its order -> (starts, descriptions), two arrays of uint32.

    pieces: a side, by default all. A start is the index of the block's first position. A description has, from its
    lowest bit: the leader's far mask (as many bits as there are far squares), the follower's far mask (as many), the
    leader's pieces left (3), the follower's pieces left (3), and whether the follower is to move (1).
    """
    index = index_tables(rules)
    bits = far_bits(rules)
    starts, blocks = [], []
    for p, q, turn in _turns(pieces or rule_set(rules).pieces):
        both = blocks_of(index["blocks"], p, q)
        leader, follower = both & 0xFFFF, both >> 16
        key = index["leader_key"][leader] + index["follower_key"][follower]
        first = index["start"][p, q] + turn * index["size"][p, q] + index["slab"][p, q][leader]
        starts.append(first + index["prefix"][p - PIECES_ON[leader]] * index["block"][q][key].astype(np.int64))
        blocks.append(leader | follower << bits | (p | q << 3 | turn << 6) << 2 * bits)
    return np.concatenate(starts).astype(np.uint32), np.concatenate(blocks).astype(np.uint32)


def device_bytes(rules: str = "finkel") -> int:
    """The bytes that a GPU holds of a rule set's whole game: a label of each position, two numbers of each block."""
    pieces = rule_set(rules).pieces
    both = index_tables(rules)["blocks"]
    blocks = sum(len(blocks_of(both, p, q)) for p, q, _ in _turns(pieces))
    return 4 * layer_end(pieces, pieces, rules) + 8 * blocks


def labels(table: SolvedTable) -> np.ndarray:
    """2 p - 1 of every position of a table, in its order: float32, p being the win probability of the side to move."""
    index = index_tables(table.rules)
    labels = np.empty(table.count, dtype=np.float32)
    for p, q, turn in _turns(table.pieces):
        begin = int(index["start"][p, q] + turn * index["size"][p, q])
        end = begin + int(index["size"][p, q])
        for first in range(begin, end, CHUNK):
            part = slice(first, min(first + CHUNK, end))
            values = table.array[part].astype(np.float64)
            if table.dtype == "uint16":
                values /= 65535.0
            labels[part] = 2 * (1 - values if turn else values) - 1
    return labels
