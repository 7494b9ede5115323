from os import PathLike
from typing import final

from engine.classic.search import Search
from engine.core.position import Position
from engine.network.network import Network
from engine.solved.tablebase import Tablebase

SPELLINGS: tuple[str, ...]

class MissingTable(FileNotFoundError):
    path: str
    default: bool
    def __init__(self, path: str, default: bool) -> None: ...

def open_table(path: str | PathLike[str] | None = None) -> Tablebase: ...

@final
class Agent:
    @staticmethod
    def parse(spelling: str) -> Agent: ...
    @property
    def name(self) -> str: ...
    @property
    def unit(self) -> str: ...
    @property
    def player(self) -> Search | Network | Tablebase | None: ...
    @property
    def depth(self) -> int: ...
    def moves(self, position: Position, roll: int) -> list[tuple[int, float | None]]: ...
    def best_move(self, position: Position, roll: int, seed: int = 0) -> int | None: ...
