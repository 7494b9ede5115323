// Draws the board and the pieces, and reports the cell that a person picks.
//
// The board of a wide screen has a row for each column of tiles, C above, B in the middle, A below; the second player,
// Orange, begins above. A narrow screen shows the board turned by a quarter. The pieces in hand and the pieces borne off
// lie in the gap of the player's own row.
//
//     C4 C3 C2 C1 hand off C7 C8      Orange, player 1
//     B1 B2 B3 B4 B5   B6  B7 B8
//     A4 A3 A2 A1 hand off A7 A8      Blue, player 0
import { ArrowLayer } from "./arrows.js";
import { drawing, make, still } from "./dom.js";
import { HAND, squaresOf } from "./rules.js";

const ROWS = { C: 0, B: 1, A: 2 };
// The inlays of the tiles by their rows; a rosette takes the place of the inlay.
const INLAYS = {
  A: " steps eyes dots eyes - - eyes steps",
  B: " steps dots eyes steps dots eyes dots steps steps dots eyes dots",
};
const GAP = { hand: 5, off: 6 }; // the rows of the piles in columns A and C

const ON_SQUARE = 0.74; // the size of a piece as a share of its square
// The places of a pile's pieces in the order of their arrival, from the middle of the pile and in sizes of a piece.
const HEAP = {
  across: [-0.5, 0.5, 0, -1, 1, -0.5, 0.5],
  down: [-0.87, -0.87, 0, 0, 0, 0.87, 0.87],
  width: 3,
  height: 2.74,
};
const HOP = 110; // milliseconds from one square to the next

export class Board {
  /** What a screen reader calls the players' squares: "Your", "Orange's". */
  owners = ["Blue's", "Orange's"];
  #root;
  #pick;
  #rules = null;
  #cells = new Map(); // "A4", "hand-0", "off-1" -> its cell
  #boxes = new Map(); // cell -> its middle and size, measured once for each size of the board
  #pieces = []; // {player, square, spot, element}
  #moves = new Map(); // cell -> the offered move that begins or ends there
  #offer = { player: 0, moves: [] };
  #arrows = new ArrowLayer();
  #fixed = []; // the arrows that stay while the pointer moves
  #editing = false;

  /** `pick` gets the offered move that a person picked; in editing, the player and square of a cell. */
  constructor(root, pick) {
    this.#root = root;
    this.#pick = pick;
    root.addEventListener("click", ({ target }) => this.#click(target.closest(".cell")));
    root.addEventListener("keydown", (event) => this.#walk(event));
    for (const kind of ["pointerover", "focusin"]) root.addEventListener(kind, (event) => this.#aimAt(event.target));
    for (const kind of ["pointerleave", "focusout"]) root.addEventListener(kind, () => this.#aimAt(null));
    new ResizeObserver(() => this.#resized()).observe(root);
  }

  /** Lays the tiles of a rule set. */
  setRules(rules) {
    if (rules === this.#rules) return;
    this.#rules = rules;
    this.#cells.clear();
    this.#boxes.clear();
    this.#root.replaceChildren(
      ...rules.tiles.map((tile) => this.#at(make("div", "plate"), tile[0], Number(tile.slice(1)))),
    );
    this.#root.style.setProperty("--rows", rules.rows);
    for (const player of [1, 0])
      for (let square = HAND; square <= rules.off; square++)
        if (!this.#cell(player, square)) this.#addCell(player, square);
    this.#root.append(this.#arrows.element);
    this.#pieces = [0, 1].flatMap((player) =>
      Array.from({ length: rules.pieces }, (_, spot) => {
        const element = drawing(`piece-${player}`, "piece");
        this.#root.append(element);
        return { player, square: HAND, spot, element };
      }),
    );
    this.#offer = { player: 0, moves: [] };
    this.#resized();
  }

  #key(player, square) {
    if (square === HAND) return `hand-${player}`;
    return square === this.#rules.off ? `off-${player}` : this.#rules.tile(player, square);
  }

  #cell(player, square) {
    return this.#cells.get(this.#key(player, square));
  }

  #at(element, column, row) {
    element.style.setProperty("--column", row);
    element.style.setProperty("--row", ROWS[column] + 1);
    return element;
  }

  #addCell(player, square) {
    const rules = this.#rules;
    const key = this.#key(player, square);
    const pile = key.includes("-") ? key.split("-")[0] : null;
    const cell = make("button", `cell ${pile ? `pile ${pile}` : "square"}`, { type: "button" });
    if (pile) {
      this.#at(cell, "AC"[player], GAP[pile]);
      cell.append(
        make("span", "number", { "aria-hidden": "true" }, pile, " ", make("b", "count")),
        make("span", "heap"),
      );
    } else {
      this.#at(cell, key[0], Number(key.slice(1)));
      const inlay = INLAYS[key[0] === "B" ? "B" : "A"].split(" ")[Number(key.slice(1))];
      cell.append(drawing(`tile-${rules.rosettes.has(key) ? "rosette" : inlay}`, "tile"));
      const number = rules.square(0, key) || square; // a shared tile has the number of Blue's path
      cell.append(make("span", "number", { "aria-hidden": "true" }, String(number)));
    }
    cell.dataset.side = pile || !rules.isShared(key) ? player : "both";
    cell.append(make("span", "badge", { "aria-hidden": "true" }));
    this.#cells.set(key, cell);
    this.#root.append(cell);
  }

  // --- pieces ----------------------------------------------------------------------------------------------------------

  /** Shows a position, seen by player 0. With `animate` the pieces walk to their squares. */
  show({ own, opp, ownOff, oppOff }, animate) {
    const { off, pieces: count } = this.#rules;
    [
      [own, ownOff],
      [opp, oppOff],
    ].forEach(([mask, borneOff], player) => {
      const wanted = [...squaresOf(mask), ...Array(borneOff).fill(off)];
      while (wanted.length < count) wanted.unshift(HAND);
      this.#send(player, wanted, animate);
    });
    this.#describe();
  }

  /** Moves as few of a player's pieces as possible, so that they stand on these squares. */
  #send(player, wanted, animate) {
    const pieces = this.#pieces.filter((piece) => piece.player === player).sort((one, other) => one.spot - other.spot); // the last piece to arrive at a pile leaves it first
    const moving = pieces.filter((piece) => {
      const index = wanted.indexOf(piece.square);
      if (index >= 0) wanted.splice(index, 1);
      return index < 0;
    });
    for (const piece of moving) {
      const from = piece.square;
      piece.square = wanted.shift();
      const taken = pieces.filter((other) => other !== piece && other.square === piece.square).map(({ spot }) => spot);
      piece.spot = HEAP.down.findIndex((_, spot) => !taken.includes(spot));
      this.#put(piece, animate ? from : null);
    }
  }

  /** The transform of a piece on a square, or on a spot of a pile. */
  #stop(player, square, spot = 0) {
    const cell = this.#cell(player, square);
    const box = this.#box(cell);
    const drawn = this.#box(this.#cell(0, 1)).width; // a piece is drawn as large as a square
    const pile = cell.classList.contains("pile");
    const size = pile ? Math.min(box.width / HEAP.width, box.height / HEAP.height) : ON_SQUARE * box.width;
    const [x, y] = pile ? [size * HEAP.across[spot], size * HEAP.down[spot]] : [0, 0];
    return `translate(${box.x + x - drawn / 2}px, ${box.y + y - drawn / 2}px) scale(${size / drawn})`;
  }

  /** The middle and the size of the part of a cell that holds pieces, in the board's coordinates. */
  #box(cell) {
    if (!this.#boxes.has(cell)) {
      const board = this.#root.getBoundingClientRect();
      const { x, y, width, height } = (cell.querySelector(".heap") ?? cell).getBoundingClientRect();
      this.#boxes.set(cell, { x: x - board.x + width / 2, y: y - board.y + height / 2, width, height });
    }
    return this.#boxes.get(cell);
  }

  /** Puts a piece on its square. With `from` it walks there from that square. */
  #put({ player, square, spot, element }, from = null) {
    const end = this.#stop(player, square, spot);
    const start = element.style.transform;
    element.style.transform = end;
    if (from === null || still()) return;
    const walked = square > from && square - from <= 4 ? square - from : 1;
    const between = Array.from({ length: walked - 1 }, (_, index) => this.#stop(player, from + index + 1));
    const frames = [start, ...between, end].map((transform) => ({ transform, zIndex: 5, easing: "ease-in-out" }));
    element.animate(frames, { duration: HOP * Math.max(2, walked) });
  }

  #resized() {
    if (!this.#rules) return;
    this.#boxes.clear();
    this.#pieces.forEach((piece) => this.#put(piece));
    this.#drawArrows(null);
  }

  /** Sets the text of every square for a screen reader. */
  #describe() {
    const { off, rosettes } = this.#rules;
    const texts = new Map();
    for (const player of [1, 0])
      for (let square = HAND; square <= off; square++) {
        const count = this.#pieces.filter((piece) => piece.player === player && piece.square === square).length;
        const cell = this.#cell(player, square);
        const owner = this.owners[player];
        if (square === HAND || square === off) {
          cell.querySelector(".count").textContent = count || "";
          texts.set(cell, square === HAND ? `${owner} hand: ${count}` : `${owner} pieces off the board: ${count}`);
          continue;
        }
        const shared = cell.dataset.side === "both";
        const rosette = rosettes.has(this.#key(player, square)) ? ", rosette" : "";
        const text = `${shared ? `Shared square ${square}` : `${owner} square ${square}`}${rosette}`;
        if (count || !texts.has(cell) || (player === 0 && !texts.get(cell).includes("piece")))
          texts.set(cell, count ? `${text}, ${owner.replace(/^Your/, "your")} piece` : text);
      }
    for (const [cell, text] of texts) {
      cell.dataset.what = text;
      cell.setAttribute("aria-label", text);
    }
  }

  // --- marks -----------------------------------------------------------------------------------------------------------

  /**
   * Offers the moves of a player, or none. `moves` are the engine's options with a `text` for a screen reader and a
   * `label`, the value that stands at the target of a move that is pointed at.
   */
  offer(player, moves) {
    this.#offer = { player, moves };
    this.#moves.clear();
    for (const cell of this.#cells.values()) {
      cell.classList.remove("movable", "target");
      cell.tabIndex = this.#editing ? 0 : -1;
      cell.setAttribute("aria-disabled", String(!this.#editing));
      if (cell.dataset.what) cell.setAttribute("aria-label", cell.dataset.what);
    }
    moves.forEach((move, index) => {
      const [from, to] = [this.#cell(player, move.square), this.#cell(player, move.to)];
      this.#moves.set(to, move);
      to.classList.add("target");
      to.setAttribute("aria-label", `${to.dataset.what}: move here from ${this.#rules.word(move.square)}`);
      from.classList.add("movable");
      from.tabIndex = index === 0 ? 0 : -1;
      for (const cell of [from, to]) cell.setAttribute("aria-disabled", "false");
    });
    for (const move of moves) {
      const from = this.#cell(player, move.square); // after the targets: a piece's own move goes before a move onto its square
      this.#moves.set(from, move);
      from.setAttribute("aria-label", `${from.dataset.what}: move ${move.text}`);
    }
    this.#drawArrows(null);
  }

  /** Marks the two squares of the last move, or none if `move` is null. */
  markLast(player, move) {
    for (const cell of this.#cells.values()) cell.classList.remove("last-from", "last-to");
    if (!move) return;
    this.#cell(player, move.square).classList.add("last-from");
    this.#cell(player, move.to).classList.add("last-to");
  }

  /** Draws arrows that stay: {player, square, to, kind, label}, `kind` "best" or "played". */
  point(arrows) {
    this.#fixed = arrows;
    this.#drawArrows(null);
  }

  #drawArrows(aimed) {
    if (!this.#rules) return;
    const { player } = this.#offer;
    const quiet = aimed && !this.#fixed.some(({ square, kind }) => kind === "best" && square === aimed.square);
    const shown = quiet ? [{ ...aimed, player, kind: "aimed" }, ...this.#fixed] : this.#fixed;
    for (const cell of this.#cells.values()) {
      const badge = cell.querySelector(".badge");
      badge.textContent = "";
      badge.className = "badge";
    }
    const drawn = shown.map(({ player: side, square, to, kind, label }) => {
      const badge = this.#cell(side, to).querySelector(".badge");
      badge.textContent = label ?? "";
      const boxes = { from: this.#box(this.#cell(side, square)), to: this.#box(this.#cell(side, to)) };
      badge.classList.add(kind);
      badge.classList.toggle("above", boxes.to.y < boxes.from.y - 1); // where the arrow is not
      return { ...boxes, kind };
    });
    this.#arrows.draw(drawn);
  }

  /** Points at a move that the pointer or the focus is on elsewhere on the page, or at none. */
  aim(move) {
    this.#drawArrows(move);
  }

  #aimAt(element) {
    const focused = this.#root.contains(document.activeElement) ? document.activeElement : null;
    this.#drawArrows(this.#moves.get(element?.closest?.(".cell")) ?? this.#moves.get(focused) ?? null);
  }

  // --- picking ---------------------------------------------------------------------------------------------------------

  /** Lets a person pick any cell, to set up a position. */
  edit(editing) {
    this.#editing = editing;
    this.offer(0, []);
  }

  #click(cell) {
    if (!cell) return;
    if (this.#editing) return this.#pick([...this.#cells].find(([, each]) => each === cell)[0]);
    const move = this.#moves.get(cell);
    if (move) this.#pick(move);
  }

  get #sources() {
    return this.#offer.moves.map(({ square }) => this.#cell(this.#offer.player, square));
  }

  /** Puts the focus on the first movable piece. */
  focus() {
    this.#sources[0]?.focus({ preventScroll: true });
  }

  /** Moves the focus between movable pieces with the arrow keys, Home and End. */
  #walk(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return; // the browser's own keys
    const sources = this.#sources;
    const at = sources.indexOf(document.activeElement);
    const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
    let to;
    if (event.key in steps) to = (at + steps[event.key] + sources.length) % sources.length;
    else if (event.key === "Home") to = 0;
    else if (event.key === "End") to = sources.length - 1;
    if (to === undefined || at < 0) return;
    event.preventDefault();
    event.stopPropagation();
    sources[at].tabIndex = -1;
    sources[to].tabIndex = 0;
    sources[to].focus();
  }
}
