"""Records of games: players, dice, moves. docs/records.md describes the file format."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from engine.core.position import Position
from engine.games.turns import Player, Step, Turn, next_turn, play_turns
from mlx_train.system.files import write_text

FORMAT, VERSION, RULES = "ur-game", 1, "finkel"
_HEADER_KEYS = ("record", "version", "rules", "players", "seed", "start")
_TURN_KEYS = ("player", "roll", "move")


class GameRecord:
    """A game, finished or not. Player 0 moves first; every turn is checked by the rules as it is added.

    Attributes:
        players: the names of player 0 and player 1; the name of an agent is its spelling.
        seed: the seed of the dice (game 0 of `engine.core.dice.rolls`), None for other dice.
        start: the position before the first roll, which player 0 makes.
        turns: the turns so far; `add` and `undo` change them.
        position: the position after these turns, seen by `mover`.
        mover: the player who rolls next.
    """

    def __init__(self, players: tuple[str, str], seed: int | None = None, start: Position | None = None) -> None:
        self.players = players
        self.seed = seed
        self.start = start or Position.initial()
        if self.start.is_over:
            raise ValueError(f"a game cannot start where it is over: {self.start}")
        self.turns: list[Turn] = []
        self._before: list[tuple[Position, int]] = []
        self.position, self.mover = self.start, 0

    def add(self, roll: int, move: int | None) -> None:
        """Play a turn of `mover`. Raises ValueError if the rules do not allow it."""
        if self.position.is_over:
            raise ValueError("the game is over")
        legal = self.position.legal_moves(roll)
        if move is None:
            if legal:
                raise ValueError(f"the turn cannot pass: there are legal moves, from {legal}")
        elif move not in legal:
            raise ValueError(f"moving from {move} with a roll of {roll} is not legal; legal: {legal or 'none'}")
        turn = Turn(self.mover, roll, move)
        self._before.append((self.position, self.mover))
        self.turns.append(turn)
        self.position, self.mover = next_turn(self.position, turn)

    def undo(self) -> Turn:
        """Take the last turn back and return it. Raises IndexError if there is none."""
        turn = self.turns.pop()
        self.position, self.mover = self._before.pop()
        return turn

    @property
    def winner(self) -> int | None:
        """The player who has borne off every piece, None while the game goes on."""
        return 1 - self.mover if self.position.is_over else None  # the last move ended its player's turn

    @property
    def last(self) -> tuple[int, int] | None:
        """The last turn's move as (square, roll), which `Position.svg` frames; None at the start and after a pass."""
        if not self.turns or self.turns[-1].move is None:
            return None
        return self.turns[-1].move, self.turns[-1].roll

    def steps(self) -> Iterator[Step]:
        """Every turn with the position before it."""
        for number, ((position, _), turn) in enumerate(zip(self._before, self.turns, strict=True), 1):
            yield Step(number, position, turn)

    def text(self) -> str:
        """The record as the lines of its file."""
        header = (FORMAT, VERSION, RULES, self.players, self.seed, str(self.start))
        lines: list[dict[str, Any]] = [dict(zip(_HEADER_KEYS, header, strict=True))]
        lines += [turn._asdict() for turn in self.turns]
        if self.winner is not None:
            lines.append({"winner": self.winner})
        return "".join(json.dumps(line) + "\n" for line in lines)

    @staticmethod
    def parse(text: str) -> "GameRecord":
        """The record of a file's text. Raises ValueError, which names the first wrong line and the reason."""
        record: GameRecord | None = None
        ended = False
        for number, line in enumerate(text.splitlines(), 1):
            try:
                if ended:
                    raise ValueError("nothing follows the winner")
                entry = _object(line)
                if record is None:
                    record = _header(entry)
                elif "winner" in entry:
                    _check_winner(entry, record)
                    ended = True
                else:
                    _add_turn(entry, record)
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from None
        if record is None:
            raise ValueError("line 1: the file is empty")
        return record

    @staticmethod
    def read(path: str | Path) -> "GameRecord":
        """The record of a file. Raises ValueError, which names the file and the first wrong line; OSError."""
        try:
            return GameRecord.parse(Path(path).read_text(encoding="utf-8"))
        except ValueError as error:  # a UnicodeDecodeError is one too
            raise ValueError(f"{path}: {error}") from None

    def write(self, path: str | Path) -> None:
        """Write the record's file atomically. Raises OSError."""
        write_text(path, self.text())


def play_on(record: GameRecord, players: Sequence[Player], file: Path) -> Iterator[Step]:
    """Play a record on to its end -> each step, after the turn was added to the record and its file was written."""
    played = len(record.turns)
    for step in play_turns(players, record.position, record.seed or 0, played=played, player=record.mover):
        record.add(step.turn.roll, step.turn.move)
        record.write(file)
        yield step


def _object(line: str) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg}") from None
    if not isinstance(entry, dict):
        raise ValueError(f"expected an object, got {line.strip()[:40]}")
    return entry


def _check_keys(entry: dict[str, Any], keys: tuple[str, ...]) -> None:
    if set(entry) != set(keys):
        raise ValueError(f"expected the keys {', '.join(keys)}; got {', '.join(entry) or 'none'}")


def _whole(name: str, value: object, low: int, high: int | None = None) -> int:
    if type(value) is not int or value < low or (high is not None and value > high):
        expected = f"{low} to {high}" if high is not None else f"{low} or more"
        raise ValueError(f"{name} must be a whole number, {expected}; got {json.dumps(value)}")
    return value


def _header(entry: dict[str, Any]) -> GameRecord:
    if entry.get("record") != FORMAT:
        raise ValueError(f'expected a header with "record": "{FORMAT}"')
    _check_keys(entry, _HEADER_KEYS)
    if type(entry["version"]) is not int or entry["version"] != VERSION:
        raise ValueError(f"version {json.dumps(entry['version'])} is not known, only {VERSION}")
    if entry["rules"] != RULES:
        raise ValueError(f"rules {json.dumps(entry['rules'])} are not known, only {RULES}")
    players, seed, start = entry["players"], entry["seed"], entry["start"]
    if not isinstance(players, list) or len(players) != 2 or not all(isinstance(name, str) for name in players):
        raise ValueError(f"players must be two names, got {json.dumps(players)}")
    if not isinstance(start, str):
        raise ValueError(f"start must be a position's notation, got {json.dumps(start)}")
    seed = None if seed is None else _whole("seed", seed, 0)
    return GameRecord((players[0], players[1]), seed, Position.from_notation(start))


def _add_turn(entry: dict[str, Any], record: GameRecord) -> None:
    _check_keys(entry, _TURN_KEYS)
    player = _whole("player", entry["player"], 0, 1)
    roll = _whole("roll", entry["roll"], 0, 4)
    move = None if entry["move"] is None else _whole("move", entry["move"], 0, 14)
    if player != record.mover and record.winner is None:
        raise ValueError(f"it is player {record.mover}'s turn, not player {player}'s")
    record.add(roll, move)


def _check_winner(entry: dict[str, Any], record: GameRecord) -> None:
    _check_keys(entry, ("winner",))
    winner = _whole("winner", entry["winner"], 0, 1)
    if record.winner is None:
        raise ValueError("the game is not over, so nobody has won")
    if winner != record.winner:
        raise ValueError(f"player {record.winner} has won, not player {winner}")
