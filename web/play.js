// The turn loop: rolls, lets agents choose, and waits for people.
import { rollOf, throwDice } from "./game.js";

const PASS_PAUSE = 2; // the pause after a person's turn that passes, as a multiple of the other pauses

export class Play {
  game = null; // null while the networks of the next game load
  agents = [null, null]; // the players: null for a person, or an agent of worker.js
  paused = true; // two agents wait for Start
  pause = 0; // milliseconds between two steps of an agent
  thought = ""; // the sentence with the last agent's time
  #engine;
  #changed;
  #title;
  #running = 0; // the number of the current activity; a new number cancels the activities before it

  /** `changed` is called after every step, `title` says what the agent of a player is called. */
  constructor(engine, changed, title) {
    this.#engine = engine;
    this.#changed = changed;
    this.#title = title;
  }

  isHuman(player) {
    return this.agents[player] === null;
  }

  get watching() {
    return !this.isHuman(0) && !this.isHuman(1);
  }

  /** Whether a person has to roll, or to choose a move. */
  get waitsForRoll() {
    const { game } = this;
    return Boolean(game && !game.over && game.roll === null && this.isHuman(game.player));
  }

  get waitsForMove() {
    const { game } = this;
    return Boolean(game && !game.over && game.options?.moves.length && this.isHuman(game.player));
  }

  /** Takes a game and its agents. Two agents wait for Start. */
  take(game, agents) {
    this.#running++;
    this.game = game;
    this.agents = agents;
    this.paused = true;
    this.thought = "";
  }

  /** Cancels what runs, and has no game. */
  leave() {
    this.#running++;
    this.game = null;
  }

  /** Plays until a person has to act, the game is over, or another activity cancels this one. */
  async advance() {
    const token = ++this.#running;
    const { game } = this;
    const stale = () => token !== this.#running;
    const wait = (pauses) => new Promise((resolve) => setTimeout(resolve, pauses * this.pause));
    for (;;) {
      this.#changed();
      if (game.over || (this.watching && this.paused) || this.waitsForRoll || this.waitsForMove) return;
      if (game.roll === null) {
        await wait(1);
        if (stale() || !(await this.#roll(stale))) return;
      } else if (game.options.moves.length === 0) {
        await wait(this.isHuman(game.player) ? PASS_PAUSE : 1);
        if (stale()) return;
        game.play(null);
      } else {
        const { square, microseconds } = await this.#engine.choose(this.agents[game.player], game.position, game.roll);
        if (stale()) return;
        this.thought = `${this.#title(game.player)} chose in ${(microseconds / 1000).toFixed(2)} ms.`;
        await wait(1);
        if (stale()) return;
        game.play(game.options.moves.find((move) => move.square === square));
      }
    }
  }

  /** Rolls the dice of the turn; false if another activity has cancelled this one. */
  async #roll(stale) {
    const { game } = this;
    const dice = (game.dice[game.turns.length] ??= throwDice(game.rules));
    const roll = rollOf(game.rules, dice);
    const options = await this.#engine.options(game.position, roll);
    if (stale()) return false;
    game.rolled(roll, options);
    return true;
  }

  /** A person's roll. */
  async roll() {
    if (!this.waitsForRoll) return;
    const token = ++this.#running;
    if (await this.#roll(() => token !== this.#running)) await this.advance();
  }

  /** A person's move, unless the position has changed since the offer. */
  pick(move) {
    const chosen = this.waitsForMove && this.game.options.moves.find(({ next }) => next === move.next);
    if (!chosen) return;
    this.game.play(chosen);
    this.advance();
  }

  /** Starts or pauses two agents. */
  toggle() {
    this.paused = !this.paused;
    this.advance();
  }

  /** The number of the turn that `undo` goes back to: a person's last choice, or any turn of two agents; or -1. */
  get lastChoice() {
    const mine = ({ player, options }) => this.watching || (this.isHuman(player) && options.moves.length > 0);
    return this.game.turns.findLastIndex(mine);
  }

  /** Goes back to the turn of a number; its roll stays, and two agents wait for Start. */
  backTo(index) {
    this.#running++;
    this.paused = true;
    this.game.backTo(index);
    this.advance();
  }
}
