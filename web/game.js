// A game's state and its turns. The engine has the rules; this file has none.
import { RULE_SETS, seenByFirst } from "./rules.js";

export class Game {
  /**
   * `seats` are the two players as spellings ("human", "level:3", "net:ur-29k"), `names` their names in the record;
   * `start` is the position before the first roll, which player 0 makes.
   */
  constructor({ rules = "finkel", seats, names, start = { own: 0, opp: 0, ownOff: 0, oppOff: 0 } }) {
    this.rules = RULE_SETS[rules];
    this.seats = seats;
    this.names = names;
    this.start = this.position = { ...start, rules };
    this.turns = []; // {player, position, roll, options, move, verdict}; `move` is null for a turn that passed
    this.dice = []; // the dice of each turn by its number, so that a roll stays the same after an undo
    this.player = 0;
    this.roll = null; // null before the roll
    this.options = null; // the engine's answer once the roll is known: {moves, passed}
    this.winner = null;
    this.ending = null; // how an opened record ended, if nobody won on the board
    this.notes = []; // and in words
    this.opened = false; // whether a person looks at an opened record and has not played on
  }

  /** Whether nothing has happened yet. */
  get fresh() {
    return this.turns.length === 0 && this.roll === null;
  }

  /** Whether no turn can follow: somebody has won, or an opened record ends here. */
  get over() {
    return this.winner !== null || this.notes.length > 0;
  }

  /** Stores a roll and `options`, the engine's moves for it. */
  rolled(roll, options) {
    this.roll = roll;
    this.options = options;
  }

  /** Makes a legal move, or passes if `move` is null. */
  play(move) {
    const { player, position, roll, options } = this;
    this.turns.push({ player, position, roll, options, move, verdict: null });
    this.position = move ? move.next : options.passed;
    this.player = move?.again ? player : 1 - player;
    this.roll = this.options = null;
    if (move?.wins) this.winner = player;
  }

  /** Goes back to the turn of a number, and keeps its roll. */
  backTo(index) {
    const { player, position, roll, options } = this.turns[index];
    this.turns.length = index;
    Object.assign(this, { player, position, roll, options, winner: null, ending: null, notes: [] });
  }

  /** The moment before a turn's move, or the present if `index` is the number of turns: {player, position, roll}. */
  moment(index) {
    return this.turns[index] ?? this;
  }

  /** The position of a moment, seen by player 0. */
  board(index = this.turns.length) {
    const { player, position } = this.moment(index);
    return seenByFirst(position, player);
  }

  /** The game as the writers of records.js and royalur.js take it. */
  get record() {
    const turns = this.turns.map(({ player, position, roll, move }) => ({
      player,
      position,
      roll,
      square: move?.square ?? null,
    }));
    return {
      rules: this.rules.name,
      players: this.names,
      start: this.start,
      turns,
      winner: this.winner,
      ending: this.ending,
    };
  }
}

/** The dice of a rule set, each showing its marked tip (1) or not (0). */
export function throwDice({ dice }) {
  const [bits] = crypto.getRandomValues(new Uint8Array(1));
  return Array.from({ length: dice.count }, (_, die) => (bits >> die) & 1);
}

/** What dice count. */
export function rollOf({ dice }, tips) {
  return tips.reduce((sum, tip) => sum + tip, 0) || dice.none;
}
