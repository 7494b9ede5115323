from typing import Any

from numpy.typing import NDArray

MOST_PIECES: int
FAR_BITS: int

def layers_of(pieces: int) -> list[tuple[int, int]]: ...
def layer_end(leader: int, follower: int) -> int: ...
def index_tables() -> dict[str, NDArray[Any]]: ...
