// The judge: the network that values the positions of a game, in the worker, while the game goes on.
import { verdictOn } from "./review.js";

export class Judge {
  name = null; // the loaded network
  #opinion = null; // the values of the present {of, before, best, moves}
  #engine;
  #current;
  #changed;
  #failed;
  #busy = false;
  #again = false;

  /**
   * `current` gives the game, `changed` is called when verdicts came in, `failed` with one line when the judge is given up.
   */
  constructor(engine, { current, changed, failed }) {
    this.#engine = engine;
    this.#current = current;
    this.#changed = changed;
    this.#failed = failed;
  }

  /** Takes another network, or none (null): all verdicts of the game are made again. */
  use(name) {
    this.name = name;
    this.#opinion = null;
    for (const turn of this.#current()?.turns ?? []) turn.verdict = null;
    this.follow();
  }

  /** The values of the game's present {before, best, moves}, or null. */
  get opinion() {
    const { position, roll } = this.#current();
    return this.#opinion?.position === position && this.#opinion.roll === roll ? this.#opinion : null;
  }

  /** Judges what is not judged yet: the present first, then the turns. */
  async follow() {
    this.#again = true;
    if (this.#busy) return;
    this.#busy = true;
    while (this.#again) {
      this.#again = false;
      const { name } = this;
      const game = this.#current();
      if (!name || !game) break;
      try {
        await this.#judge(game, name);
      } catch (error) {
        if (name === this.name) {
          this.name = null;
          this.#failed(`${name} gives no verdicts: ${error.message}`);
        }
      }
      this.#changed();
    }
    this.#busy = false;
  }

  async #judge(game, name) {
    const { position, roll } = game;
    if (game.winner === null && !(this.#opinion?.position === position && this.#opinion.roll === roll)) {
      const judged = await this.#engine.judge(name, position, roll);
      if (name !== this.name) return;
      this.#opinion = { position, roll, ...judged };
      this.#changed();
    }
    for (const turn of game.turns.filter(({ verdict }) => !verdict)) {
      if (this.#again) return; // the present has changed
      const judged = await this.#engine.judge(name, turn.position, turn.roll);
      if (name !== this.name) return;
      turn.verdict = verdictOn(judged, turn.move?.square ?? null);
    }
  }
}
