// The state of a game and its record. The engine has the rules; this file has none.
import { toNotation } from "./notation.js";

/** The opening, seen by player 0, who moves first. */
export const OPENING = Object.freeze({ own: 0, opp: 0, ownOff: 0, oppOff: 0 });

export class Game {
  /** `players` are the two names in the record, player 0 first. */
  constructor(players) {
    this.players = players;
    this.turns = []; // {player, position, odds, roll, options, move}; `move` is null for a turn that passed
    this.dice = []; // the dice of each turn by its number, so that a roll stays the same after an undo
    this.position = OPENING;
    this.player = 0;
    this.odds = null; // the judge's win probability of player 0 before the roll; null if it is not known
    this.roll = null; // null before the roll
    this.options = null; // the engine's answer once the roll is known
    this.winner = null;
  }

  /** Stores a roll and `options`, the engine's moves for it. */
  rolled(roll, options) {
    this.roll = roll;
    this.options = options;
  }

  /** Makes a legal move, or passes if `move` is null. */
  play(move) {
    const { player, position, odds, roll, options } = this;
    this.turns.push({ player, position, odds, roll, options, move });
    this.position = move ? move.next : options.passed;
    this.player = move?.again ? player : 1 - player;
    this.odds = this.roll = this.options = null;
    if (move?.wins) this.winner = player;
  }

  /** Goes back to the last turn that `stop` accepts, and keeps the roll of this turn. */
  undo(stop) {
    const index = this.turns.findLastIndex(stop);
    if (index < 0) return;
    const { player, position, odds, roll, options } = this.turns[index];
    this.turns.length = index;
    Object.assign(this, { player, position, odds, roll, options, winner: null });
  }

  /** The position, seen by player 0. */
  get board() {
    const { own, opp, ownOff, oppOff } = this.position;
    return this.player === 0 ? this.position : { own: opp, opp: own, ownOff: oppOff, oppOff: ownOff };
  }

  /** The record as JSON lines (docs/records.md). */
  get record() {
    const lines = [
      { record: "ur-game", version: 1, rules: "finkel", players: this.players, seed: null, start: toNotation(OPENING) },
      ...this.turns.map(({ player, roll, move }) => ({ player, roll, move: move?.square ?? null })),
    ];
    if (this.winner !== null) lines.push({ winner: this.winner });
    return lines.map((line) => `${JSON.stringify(line)}\n`).join("");
  }
}

/** Four dice, each showing its marked tip (1) or not (0). */
export function throwDice() {
  const [bits] = crypto.getRandomValues(new Uint8Array(1));
  return [0, 1, 2, 3].map((die) => (bits >> die) & 1);
}
