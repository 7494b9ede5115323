"""The program's own format, JSON lines: a header, a line for each turn, the end (docs/records.md)."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from engine.core.position import Position
from engine.core.rules import RULE_SETS
from engine.games.agents import Agent
from engine.games.turns import Player, Step, Turn, play_turns
from mlx_train.playing.records.game_record import ABANDONED, ENDINGS, STOPPED, Ending, GameRecord
from mlx_train.system.files import write_text

NAME = "mlx-ur"
SUFFIX = ".jsonl"
FORMAT, VERSION = "ur-game", 1
_HEADER_KEYS = ("record", "version", "rules", "players", "seed", "start")


def recognizes(text: str) -> bool:
    """Whether the first line of a text is the header of a record."""
    try:
        header = json.loads(text.lstrip().partition("\n")[0])
    except json.JSONDecodeError:
        return False
    return isinstance(header, dict) and "record" in header


def text(record: GameRecord) -> str:
    """The record as the lines of its file; an unplayed last roll is left out."""
    header = (FORMAT, VERSION, record.start.rules, record.players, record.seed, str(record.start))
    lines: list[dict[str, Any]] = [dict(zip(_HEADER_KEYS, header, strict=True))]
    lines += [turn._asdict() for turn in record.turns]
    if record.is_finished:
        lines.append({"winner": record.winner})
    if record.ending:
        lines[-1]["end"] = record.ending.how
        if record.ending.reason:
            lines[-1]["reason"] = record.ending.reason
    return "".join(json.dumps(line) + "\n" for line in lines)


class _Seeded(NamedTuple):
    """An agent in one game."""

    agent: Agent
    seed: int

    def best_move(self, position: Position, roll: int) -> int | None:
        return self.agent.best_move(position, roll, self.seed)


def play_on(record: GameRecord, players: Sequence[Player], file: Path) -> Iterator[Step]:
    """Play a record on to its end -> each step, after the turn was added to the record and its file was written.

    Where an agent's choice depends on chance, the seed of the game decides, so that it differs from game to game.
    """
    played, seed = len(record.turns), record.seed or 0
    seeded = [_Seeded(player, seed) if isinstance(player, Agent) else player for player in players]
    for step in play_turns(seeded, record.position, seed, played=played, player=record.mover):
        record.add(step.turn.roll, step.turn.move)
        write_text(file, text(record))
        yield step


def parse(text: str) -> GameRecord:
    """The record of a file's text; blank lines mean nothing. ValueError names the first wrong line and the reason."""
    record: GameRecord | None = None
    ended = False
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            if ended:
                raise ValueError("nothing follows the winner")
            entry = _object(line)
            if record is None:
                record = _header(entry)
            elif "winner" in entry:
                _end(entry, record)
                ended = True
            else:
                _add_turn(entry, record)
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
    if record is None:
        raise ValueError("line 1: the file is empty")
    return record


def _object(line: str) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg}") from None
    if not isinstance(entry, dict):
        raise ValueError(f"expected an object, got {line.strip()[:40]}")
    return entry


def _check_keys(entry: dict[str, Any], keys: tuple[str, ...], optional: tuple[str, ...] = ()) -> None:
    if set(entry) - set(optional) != set(keys):
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
    if entry["rules"] not in RULE_SETS:
        raise ValueError(f"rules {json.dumps(entry['rules'])} are not known, only {', '.join(RULE_SETS)}")
    players, seed, start = entry["players"], entry["seed"], entry["start"]
    if not isinstance(players, list) or len(players) != 2 or not all(isinstance(name, str) for name in players):
        raise ValueError(f"players must be two names, got {json.dumps(players)}")
    if not isinstance(start, str):
        raise ValueError(f"start must be a position's notation, got {json.dumps(start)}")
    seed = None if seed is None else _whole("seed", seed, 0)
    return GameRecord((players[0], players[1]), seed, Position.from_notation(start, entry["rules"]))


def _add_turn(entry: dict[str, Any], record: GameRecord) -> None:
    _check_keys(entry, Turn._fields)
    player = _whole("player", entry["player"], 0, 1)
    roll = _whole("roll", entry["roll"], 0, len(record.rules.ways) - 1)
    move = None if entry["move"] is None else _whole("move", entry["move"], 0, record.rules.squares)
    if player != record.mover and not record.position.is_over:
        raise ValueError(f"it is player {record.mover}'s turn, not player {player}'s")
    record.add(roll, move)


def _end(entry: dict[str, Any], record: GameRecord) -> None:
    _check_keys(entry, ("winner",), optional=("end", "reason"))
    winner = None if entry["winner"] is None else _whole("winner", entry["winner"], 0, 1)
    if "end" in entry:
        if entry["end"] not in ENDINGS:
            raise ValueError(f"end {json.dumps(entry['end'])} is not known, only {', '.join(ENDINGS)}")
        if winner is None and entry["end"] not in (ABANDONED, STOPPED):
            raise ValueError(f"a game that ends with {json.dumps(entry['end'])} has a winner")
        record.end(Ending(entry["end"], winner, str(entry.get("reason", ""))))
    elif not record.position.is_over:
        raise ValueError("the game is not over, so nobody has won")
    record.check_winner(winner)
