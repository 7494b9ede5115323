// The list of turns: each row has the number, the player, the roll, the move and its verdict. The chosen row is the
// moment that the board shows.
import { make, swatch, unseen } from "./dom.js";
import { markOf, regretText } from "./review.js";

/** The squares of a move as words: "hand to 2, captures, rolls again". */
export function moveWords(rules, { square, to, captures, again }) {
  const extras = [captures && "captures", again && "rolls again"].filter(Boolean);
  return [`${rules.word(square)} to ${rules.word(to)}`, ...extras].join(", ");
}

/** The same around an arrow, which a screen reader reads as "to". */
export function moveNodes(rules, move) {
  const rest = moveWords(rules, move).split(" to ")[1];
  return [rules.word(move.square), " ", make("span", "", { "aria-hidden": "true" }, "→"), unseen("to"), ` ${rest}`];
}

export class Log {
  #root;
  #game = null;
  #shown = []; // the turn and the verdict of each row
  #chosen = "";

  /** `go` gets the number of the turn of a clicked row. */
  constructor(root, go) {
    this.#root = root;
    root.addEventListener("click", ({ target }) => {
      const row = target.closest("[role=option]");
      if (row) go([...root.children].indexOf(row));
    });
  }

  /** Shows a game's turns; `at` is the number of the chosen turn, `judged` whether verdicts are shown. */
  show(game, names, at, judged) {
    const { turns, rules } = game;
    if (this.#game !== game) {
      this.#shown.length = 0;
      this.#chosen = "";
      this.#game = game;
    }
    while (this.#root.children.length > Math.min(turns.length, this.#shown.length)) this.#root.lastChild.remove();
    this.#shown.length = this.#root.children.length;
    turns.forEach((turn, index) => {
      const verdict = judged ? turn.verdict : null;
      const known = this.#shown[index];
      if (known?.turn === turn && known.verdict === verdict) return;
      const row = logRow(rules, turn, verdict, index, names);
      if (known) this.#root.children[index].replaceWith(row);
      else this.#root.append(row);
      this.#shown[index] = { turn, verdict };
    });
    this.#choose(Math.min(at, turns.length), turns.length);
  }

  #choose(at, count) {
    const root = this.#root;
    if (this.#chosen === `${at} ${count}`) return; // to scroll is to lay the page out
    this.#chosen = `${at} ${count}`;
    for (const row of root.querySelectorAll("[aria-selected=true]")) row.setAttribute("aria-selected", "false");
    const row = root.children[at];
    row?.setAttribute("aria-selected", "true");
    if (row) root.setAttribute("aria-activedescendant", row.id);
    else root.removeAttribute("aria-activedescendant");
    if (at === count) root.scrollTop = root.scrollHeight;
    else if (row.offsetTop < root.scrollTop || row.offsetTop + row.offsetHeight > root.scrollTop + root.clientHeight)
      root.scrollTop = row.offsetTop - (root.clientHeight - row.offsetHeight) / 2;
  }
}

function logRow(rules, { player, roll, move }, verdict, index, names) {
  const mark = markOf(verdict?.regret);
  const text = regretText(verdict?.regret ?? null);
  const verdictCell = make("span", mark ? "log-verdict marked" : "log-verdict", {}, text);
  if (mark) verdictCell.append(unseen(`, ${mark.name}`));
  return make(
    "li",
    "",
    { role: "option", id: `turn-${index}`, "aria-selected": "false" },
    make("span", "log-number", {}, String(index + 1)),
    swatch(player, { role: "img", "aria-label": names[player] }),
    make("span", "log-roll", {}, unseen("rolled "), String(roll)),
    make("span", "log-move", {}, ...(move ? moveNodes(rules, move) : ["passes"])),
    verdictCell,
  );
}
