// Sets up a position: by clicks on the board, or as a line of path notation.
import { $ } from "./dom.js";
import { fromNotation, toNotation } from "./notation.js";

const EMPTY = { own: 0, opp: 0, ownOff: 0, oppOff: 0 };
const FIELDS = [
  ["own", "ownOff"],
  ["opp", "oppOff"],
];

export class Editor {
  rules = null; // the rule set of the position; null while nothing is set up
  #board;
  #engine;
  #done;
  #position = EMPTY;

  /** `done` gets the position, or null where the person gave up. */
  constructor(board, engine, done) {
    this.#board = board;
    this.#engine = engine;
    this.#done = done;
    $("notation").addEventListener("input", () => this.#read());
    $("edit-clear").addEventListener("click", () => this.#set(EMPTY));
    $("edit-cancel").addEventListener("click", () => this.#close(null));
    $("editor").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#finish();
    });
  }

  /** Begins with a position, seen by player 0. */
  open(rules, position) {
    this.rules = rules;
    $("editor").hidden = false;
    document.body.classList.add("editing");
    this.#board.setRules(rules);
    this.#board.point([]);
    this.#board.markLast(0, null);
    this.#set(position);
    this.#board.edit(true);
    $("notation").focus({ preventScroll: true });
  }

  #close(position) {
    this.#board.edit(false);
    this.rules = null;
    $("editor").hidden = true;
    document.body.classList.remove("editing");
    this.#done(position);
  }

  #set(position) {
    const { own, opp, ownOff, oppOff } = position;
    this.#position = { own, opp, ownOff, oppOff };
    $("notation").value = toNotation(this.#position, this.rules);
    $("notation").setCustomValidity("");
    this.#board.show(this.#position, false);
  }

  /** A click on a cell: a square holds no piece, Blue's, Orange's; a pile of borne-off pieces grows, then empties. */
  cell(name) {
    const [pile, player] = name.split("-");
    const position = { ...this.#position };
    if (pile === "hand") return;
    if (pile === "off") {
      const [, off] = FIELDS[player];
      position[off] = this.#fits(position, player) ? position[off] + 1 : 0;
    } else this.#turnSquare(position, name);
    this.#set(position);
  }

  #turnSquare(position, tile) {
    const squares = [0, 1].map((player) => this.rules.square(player, tile));
    const has = (player) => (position[FIELDS[player][0]] >> squares[player]) & 1;
    const owner = [0, 1].find((player) => squares[player] && has(player)) ?? -1;
    if (owner >= 0) position[FIELDS[owner][0]] ^= 1 << squares[owner];
    const next = [0, 1].find((player) => player > owner && squares[player] && this.#fits(position, player));
    if (next !== undefined) position[FIELDS[next][0]] |= 1 << squares[next];
  }

  /** Whether a player has a piece in hand. */
  #fits(position, player) {
    const [mask, off] = FIELDS[player];
    let placed = position[off];
    for (let rest = position[mask]; rest; rest &= rest - 1) placed++;
    return placed < this.rules.pieces;
  }

  #read() {
    try {
      this.#position = fromNotation($("notation").value, this.rules);
      $("notation").setCustomValidity("");
    } catch (error) {
      return $("notation").setCustomValidity(error.message);
    }
    this.#engine
      .isOver({ ...this.#position, rules: this.rules.name })
      .then(() => this.rules && this.#board.show(this.#position, false))
      .catch((error) => $("notation").setCustomValidity(error.message));
  }

  async #finish() {
    const field = $("notation");
    try {
      const position = fromNotation(field.value, this.rules);
      if (await this.#engine.isOver({ ...position, rules: this.rules.name }))
        throw new Error("The game is over in this position.");
      this.#close(position);
    } catch (error) {
      field.setCustomValidity(error.message);
      field.reportValidity();
    }
  }
}
