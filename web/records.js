// Records of games: the formats told apart by their content, read and written (docs/records.md).
//
// A record is { format, rules, players, start, turns, roll, notes }: `start` is the position before the first roll, which
// player 0 makes; a turn is { player, position, roll, square }, with the position before it and `square` null for a pass;
// `roll` is a last roll without its move, or null; `notes` are words about an end that is no victory.
// Every turn is checked by the engine's rules.
import { readJheled, readRgou } from "./foreign.js";
import { fromNotation, toNotation } from "./notation.js";
import { readRgn, readRoyalUr } from "./royalur.js";
import { RULE_SETS, ruleSet } from "./rules.js";

const FORMAT = "ur-game";

/** A game that is played through by the engine's rules. */
export class Replay {
  constructor(ur, rules, start = { own: 0, opp: 0, ownOff: 0, oppOff: 0 }) {
    this.ur = ur;
    this.rules = rules;
    this.start = this.position = { ...start, rules: rules.name };
    this.player = 0;
    this.turns = [];
    if (ur.isOver(this.position)) throw new Error(`a game cannot start where it is over: ${toNotation(start, rules)}`);
  }

  /** Whether the last turn has won the game. */
  get over() {
    return this.ur.isOver(this.position);
  }

  legalMoves(roll) {
    return this.ur.legalMoves(this.position, roll);
  }

  /** Plays a turn of the player to move; `square` is null for a pass. Throws if the rules do not allow it. */
  turn(roll, square) {
    const { ur, position, player } = this;
    if (this.over) throw new Error("the game is over");
    const legal = ur.legalMoves(position, roll);
    if (square === null && legal.length) throw new Error(`the turn cannot pass: there are legal moves, from ${legal.join(", ")}`);
    if (square !== null && !legal.includes(square))
      throw new Error(`moving from ${square} with a roll of ${roll} is not legal; legal: ${legal.join(", ") || "none"}`);
    this.turns.push({ player, position, roll, square });
    if (square === null) this.position = ur.pass(position);
    else {
      const next = ur.play(position, roll, square);
      this.position = next.position;
      if (next.again) return;
    }
    this.player = 1 - player;
  }

  /** The record of the game so far. */
  record(format, players, { roll = null, notes = [] } = {}) {
    const { rules, start, turns, over } = this;
    return { format, rules: rules.name, players, start, turns, roll: over ? null : roll, notes };
  }
}

/** The record in a text of any known format. Throws one line that says where and why it is refused. */
export function readRecord(ur, text) {
  const trimmed = text.replace(/^\uFEFF/, "").trim();
  const first = trimmed.split("\n", 1)[0].trim();
  if (trimmed === "") throw new Error("the file is empty");
  if (/^(#|[XO]\s*:)/.test(first)) return readJheled(ur, trimmed);
  if (/^(\[[A-Za-z]+ |1\.(\s|$)|\/ )/.test(first)) return readRgn(ur, trimmed);
  const header = parsed(first);
  if (header && (header.record !== undefined || !parsed(trimmed))) return readOwn(ur, trimmed);
  const document = parsed(trimmed);
  if (document?.notation_version !== undefined) return readRoyalUr(ur, document);
  if (Array.isArray(document?.history)) return readRgou(ur, document);
  throw new Error(
    document
      ? "JSON, but neither a network nor a game's record that is known"
      : "not a record in a known format: this program's, RoyalUr's JSON, RGN, jheled's .ur, or the browser game's JSON",
  );
}

/** The object or list of a JSON text, or null. */
function parsed(text) {
  try {
    const value = JSON.parse(text);
    return typeof value === "object" ? value : null;
  } catch {
    return null;
  }
}

// --- this program's own format: JSON lines --------------------------------------------------------------------------

function readOwn(ur, text) {
  let replay = null;
  let players;
  let ended = false;
  text.split("\n").forEach((line, index) => {
    try {
      const entry = parsed(line);
      if (!entry) throw new Error("not JSON");
      if (ended) throw new Error("nothing follows the winner");
      if (!replay) ({ replay, players } = ownHeader(ur, entry));
      else if ("winner" in entry) {
        checkWinner(replay, entry.winner);
        ended = true;
      } else {
        const { player, roll, move } = entry;
        if (player !== replay.player && !replay.over) throw new Error(`it is player ${replay.player}'s turn, not player ${player}'s`);
        replay.turn(roll, move);
      }
    } catch (error) {
      throw new Error(`line ${index + 1}: ${error.message}`);
    }
  });
  return replay.record("mlx-ur", players);
}

function ownHeader(ur, { record, version, rules: name, players, start }) {
  if (record !== FORMAT) throw new Error(`expected a header with "record": "${FORMAT}"`);
  if (version !== 1) throw new Error(`version ${JSON.stringify(version)} is not known, only 1`);
  const rules = ruleSet(name);
  if (!Array.isArray(players) || players.length !== 2 || players.some((player) => typeof player !== "string"))
    throw new Error(`players must be two names, got ${JSON.stringify(players)}`);
  return { players, replay: new Replay(ur, rules, fromNotation(start, rules)) };
}

function checkWinner(replay, winner) {
  if (!replay.over) throw new Error("the game is not over, so nobody has won");
  const last = replay.turns.at(-1).player;
  if (winner !== last) throw new Error(`player ${last} has won, not player ${winner}`);
}

/** The text of a record in this program's format. */
export function writeOwn({ rules, players, start, turns, winner }) {
  const header = { record: FORMAT, version: 1, rules, players, seed: null, start: toNotation(start, RULE_SETS[rules]) };
  const lines = [header, ...turns.map(({ player, roll, square }) => ({ player, roll, move: square }))];
  if (winner !== null) lines.push({ winner });
  return lines.map((line) => `${JSON.stringify(line)}\n`).join("");
}
