// Records of games: the formats told apart by their content, read and written (docs/records.md).
//
// A record is { format, rules, players, start, turns, roll, ending, notes }: `start` is the position before the first roll,
// which player 0 makes; a turn is { player, position, roll, square }, with the position before it and `square` null for a
// pass; `roll` is a last roll without its move, or null; `ending` says how the game ended if nobody won on the board,
// `notes` in words. Every turn is checked by the engine's rules. The readers of mlx_train/playing/records read the same
// files with the same words: both are compared with tests/golden/records.
import { readJheled, readRgou } from "./foreign.js";
import { fromNotation, toNotation } from "./notation.js";
import { readRgn, readRoyalUr } from "./royalur.js";
import { RULE_SETS, ruleSet } from "./rules.js";

const FORMAT = "ur-game";

/** How a game can end before a side has borne off all its pieces; "stopped" is an end without a given reason. */
export const ENDINGS = ["resigned", "abandoned", "stopped"];

/** An ending { how, winner, reason } in a sentence; `winner` is a player or null. */
function endingText({ how, winner, reason }, names) {
  if (how === "abandoned") return `The game was abandoned${reason ? `: ${reason}` : ""}.`;
  if (winner === null) return "The record ends the game here, as where a player resigns.";
  if (how === "resigned") return `${names[1 - winner]} resigned.`;
  return `The record says that ${names[winner]} wins; the game is not over.`;
}

const show = (value) => JSON.stringify(value) ?? "nothing";

/** A game that is played through by the engine's rules. */
export class Replay {
  unplayed = null; // a last roll whose move is not known
  ending = null;

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

  /** The player who has won on the board, or null. */
  get winner() {
    return this.over ? this.turns.at(-1).player : null;
  }

  /** Plays a turn of the player to move; `square` is null for a pass. Throws if the rules do not allow it. */
  turn(roll, square) {
    const { ur, position, player, rules } = this;
    if (this.over) throw new Error("the game is over");
    if (!rules.rolls.includes(roll))
      throw new Error(`the dice give a roll of ${rules.rolls.join(", ")}, not ${show(roll)}`);
    if (this.unplayed !== null && this.unplayed !== roll)
      throw new Error(`the roll of ${this.unplayed} is followed by a turn with a roll of ${roll}`);
    const legal = ur.legalMoves(position, roll);
    if (square === null && legal.length)
      throw new Error(`the turn cannot pass: there are legal moves, from ${legal.join(", ")}`);
    if (square !== null && !legal.includes(square))
      throw new Error(
        `moving from ${square} with a roll of ${roll} is not legal; legal: ${legal.join(", ") || "none"}`,
      );
    this.unplayed = null;
    this.turns.push({ player, position, roll, square });
    const { position: next, again } =
      square === null ? { position: ur.pass(position) } : ur.play(position, roll, square);
    this.position = next;
    if (!again) this.player = 1 - player;
  }

  /** A roll whose move, if any is legal, is not known yet. */
  roll(roll) {
    if (this.over || !this.rules.rolls.includes(roll) || !this.ur.legalMoves(this.position, roll).length)
      return this.turn(roll, null);
    if (this.unplayed !== null) throw new Error(`the roll of ${this.unplayed} is followed by another roll`);
    this.unplayed = roll;
  }

  /** Ends the game before it is over by the rules. */
  end(how, winner = null, reason = "") {
    if (this.over) throw new Error("the game is over");
    this.ending = { how, winner, reason };
  }

  /** Refuses another winner than the one on the board. `words` says a player. */
  checkWinner(winner, words = (player) => `player ${player}`) {
    if (this.over && winner !== this.winner)
      throw new Error(`${words(this.winner)} has won, not ${winner === null ? "nobody" : words(winner)}`);
  }

  /** The record of the game so far. */
  record(format, players) {
    const { rules, start, turns, unplayed, ending } = this;
    const notes = ending ? [endingText(ending, players)] : [];
    return { format, rules: rules.name, players, start, turns, roll: unplayed, ending, notes };
  }
}

/** The record in a text of any known format. Throws one line that says where and why it is refused. */
export function readRecord(ur, text) {
  const trimmed = text.replace(/^\uFEFF/, "").trim();
  const first = trimmed.split("\n", 1)[0].trim();
  if (trimmed === "") throw new Error("the file is empty");
  if (/^(#|[XO]\s*:|X is .+ O is |Board:)/i.test(first)) return readJheled(ur, trimmed);
  if (/^(\[[A-Za-z][\w.-]* .*\]$|(1\.|\/)(\s|$))/.test(first)) return readRgn(ur, trimmed);
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
    if (!line.trim()) return;
    try {
      const entry = parsed(line);
      if (!entry) throw new Error("not JSON");
      if (ended) throw new Error("nothing follows the winner");
      if (!replay) ({ replay, players } = ownHeader(ur, entry));
      else if ("winner" in entry) {
        ownEnd(replay, entry);
        ended = true;
      } else {
        const { player, roll, move } = entry;
        if (player !== replay.player && !replay.over)
          throw new Error(`it is player ${replay.player}'s turn, not player ${player}'s`);
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

function ownEnd(replay, { winner, end, reason = "" }) {
  if (![0, 1, null].includes(winner)) throw new Error(`winner must be a whole number, 0 to 1; got ${show(winner)}`);
  if (end !== undefined) {
    if (!ENDINGS.includes(end)) throw new Error(`end ${show(end)} is not known, only ${ENDINGS.join(", ")}`);
    if (winner === null && end === "resigned") throw new Error(`a game that ends with ${show(end)} has a winner`);
    replay.end(end, winner, reason);
  } else if (!replay.over) throw new Error("the game is not over, so nobody has won");
  replay.checkWinner(winner);
}

/** The text of a record in this program's format. */
export function writeOwn({ rules, players, start, turns, winner, ending }) {
  const header = { record: FORMAT, version: 1, rules, players, seed: null, start: toNotation(start, RULE_SETS[rules]) };
  const lines = [header, ...turns.map(({ player, roll, square }) => ({ player, roll, move: square }))];
  if (ending) lines.push({ winner: ending.winner, end: ending.how, ...(ending.reason && { reason: ending.reason }) });
  else if (winner !== null) lines.push({ winner });
  return lines.map((line) => `${JSON.stringify(line)}\n`).join("");
}
