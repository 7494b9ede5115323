// The chart of the first player's win probability, turn by turn, with the mistakes. It is a slider: a click or the arrow
// keys choose the turn that the board shows.
import { draw, percent, setText } from "./dom.js";
import { firstShare, markOf } from "./review.js";

const EDGE = { left: 54, right: 20, top: 8, bottom: 38 };
const STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500];
const TICK_WIDTH = 48; // pixels that a number on the axis of turns needs
const SIGN_WIDTH = 18; // pixels that the sign of a mistake needs

export class Chart {
  #root;
  #words;
  #data = null;
  #size = { width: 0, height: 0 };

  /** `go` gets the number of a turn; `words` is the element with the chart's data as a sentence. */
  constructor(root, words, go) {
    this.#root = root;
    this.#words = words;
    root.addEventListener("pointerdown", (event) => this.#choose(event, go));
    root.addEventListener("pointermove", (event) => event.buttons === 1 && this.#choose(event, go));
    new ResizeObserver(([{ contentRect }]) => {
      this.#size = contentRect; // measured here alone, because to ask for a size is to lay the page out
      this.#draw();
    }).observe(root);
  }

  #choose(event, go) {
    if (!this.#data?.turns.length) return;
    const { left, width } = this.#root.getBoundingClientRect();
    const share = (event.clientX - left - EDGE.left) / (width - EDGE.left - EDGE.right);
    go(Math.round(Math.min(1, Math.max(0, share)) * this.#data.turns.length));
  }

  /** Shows turns up to the present: `now` is player 0's win probability, `at` the number of the turn on the board. */
  show(data) {
    this.#data = data;
    this.#draw();
    this.#describe();
  }

  #shares() {
    const { turns, now } = this.#data;
    return [...turns.map(({ player, verdict }) => (verdict ? firstShare(player, verdict.before) : null)), now];
  }

  #draw() {
    const { width, height } = this.#size;
    if (!this.#data || !width) return;
    const { turns, at, name } = this.#data;
    const count = Math.max(1, turns.length);
    const [right, bottom] = [width - EDGE.right, height - EDGE.bottom];
    const x = (turn) => EDGE.left + ((right - EDGE.left) * turn) / count;
    const y = (share) => bottom - (bottom - EDGE.top) * share;
    const points = this.#shares().flatMap((share, turn) =>
      share === null ? [] : [`${x(turn).toFixed(1)} ${y(share).toFixed(1)}`],
    );
    const line = points.length ? `M${points.join("L")}` : "";
    const firstX = points[0]?.split(" ")[0];
    const lastX = points.at(-1)?.split(" ")[0];
    this.#root.replaceChildren(
      ...[0, 0.5, 1].flatMap((share) => [
        draw("path", { class: share === 0.5 ? "half" : "grid", d: `M${EDGE.left} ${y(share)}H${right}` }),
        draw("text", { class: "tick", x: EDGE.left - 6, y: y(share) + 4, "text-anchor": "end" }, `${100 * share} %`),
      ]),
      ...this.#turnTicks(count, right - EDGE.left).map((turn) =>
        draw("text", { class: "tick", x: x(turn), y: bottom + 16, "text-anchor": "middle" }, turn),
      ),
      draw(
        "text",
        { class: "axis", x: (EDGE.left + right) / 2, y: height - 6, "text-anchor": "middle" },
        `turn; the curve is ${name.replace("Your", "your")} win probability`,
      ),
      draw("path", { class: "area", d: line && `${line}V${bottom}H${firstX}Z` }),
      draw("path", { class: "line", d: line }),
      ...this.#marks(x, y),
      draw("path", { class: "cursor", d: `M${x(at)} ${EDGE.top}V${bottom}` }),
      draw("circle", { class: "cursor-end", cx: x(at), cy: lastX ? y(this.#shares()[at] ?? 0.5) : -9, r: 4 }),
    );
  }

  #turnTicks(count, width) {
    const step = STEPS.find((each) => (count / each) * TICK_WIDTH <= width) ?? count;
    return Array.from({ length: Math.floor(count / step) + 1 }, (_, index) => index * step);
  }

  /** The mistakes: a disc or a ring, as the player's pieces, where the turn began; with their signs where there is room. */
  #marks(x, y) {
    let free = 0; // where the next sign finds room
    return this.#data.turns.flatMap(({ player, verdict }, turn) => {
      const mark = markOf(verdict?.regret);
      if (!mark) return [];
      const [cx, cy] = [x(turn), y(firstShare(player, verdict.before))];
      const dot = draw("circle", { class: `mistake side-${player}`, cx, cy, r: 5 });
      if (cx < free) return [dot];
      free = cx + SIGN_WIDTH;
      const below = cy < EDGE.top + 26;
      return [
        dot,
        draw("text", { class: "sign", x: cx, y: below ? cy + 22 : cy - 10, "text-anchor": "middle" }, mark.sign),
      ];
    });
  }

  /** The chosen turn and the whole curve in words. */
  #describe() {
    const { turns, at, names, name } = this.#data;
    const shares = this.#shares();
    const share = shares[at];
    const mark = markOf(turns[at]?.verdict?.regret);
    const said = [at < turns.length ? `turn ${at + 1} of ${turns.length}` : "the present"];
    if (share !== null) said.push(`${name} win probability ${percent(share)}`);
    if (mark) said.push(`a ${mark.name} move`);
    const root = this.#root;
    root.setAttribute("aria-valuemax", turns.length);
    root.setAttribute("aria-valuenow", at);
    root.setAttribute("aria-valuetext", said.join(", "));
    const known = shares.flatMap((each, turn) => (each === null ? [] : [{ each, turn }]));
    if (!known.length) return setText(this.#words, "");
    const extreme = (pick) => known.reduce((one, other) => (pick(other.each, one.each) ? other : one));
    const [low, high] = [extreme((a, b) => a < b), extreme((a, b) => a > b)];
    const marked = turns.flatMap(({ player, verdict }, turn) => {
      const found = markOf(verdict?.regret);
      return found
        ? [`turn ${turn + 1}, ${names[player]}, ${found.name}, ${(100 * verdict.regret).toFixed(1)} points`]
        : [];
    });
    setText(
      this.#words,
      `${name} win probability: ${percent(known[0].each)} before turn ${known[0].turn + 1}, lowest ${percent(low.each)} at turn ` +
        `${low.turn + 1}, highest ${percent(high.each)} at turn ${high.turn + 1}, last ${percent(known.at(-1).each)}. ` +
        `Marked moves: ${marked.join("; ") || "none"}.`,
    );
  }
}
