// Draws the board and the pieces, and reports the move that a person picks.
//
// The board of a wide screen, with the numbers of the path squares; a phone shows it turned by a quarter, clockwise. The
// pieces in hand (H, path square 0) and the pieces borne off (O, path square 15) lie in the gaps.
//
//     4  3  2  1  H  O 14 13      Orange, player 1
//     5  6  7  8  9 10 11 12      shared
//     4  3  2  1  H  O 14 13      Blue, player 0

export const SIDES = ["Blue", "Orange"];
const HAND = 0;
const LAST = 14; // the path's last square
export const OFF = 15;
const PIECES = 7;
const LANE = [5, 12]; // the shared squares
// The inlays of the path squares 1 to 14; the name at 0, the hand, is not drawn.
const TILES = "hand eyes dots eyes rosette steps dots eyes rosette dots eyes dots steps steps rosette".split(" ");

const ON_SQUARE = 0.74; // the size of a piece as a share of its square
// The places of a pile's seven pieces in the order of their arrival, from the middle of the pile and in sizes of a
// piece: three rows, or two rows in a wide pile.
const HEAPS = [
  {
    width: 3,
    height: 2.74,
    across: [-0.5, 0.5, 0, -1, 1, -0.5, 0.5],
    down: [-0.87, -0.87, 0, 0, 0, 0.87, 0.87],
  },
  {
    width: 4,
    height: 1.88,
    across: [-0.5, 0.5, 0, -1, 1, -1.5, 1.5],
    down: [-0.44, -0.44, 0.44, 0.44, 0.44, -0.44, -0.44],
  },
];
const HOP = 110; // milliseconds from one square to the next

const SVG = "http://www.w3.org/2000/svg";

/** A new element with a class, attributes and children. */
export function make(tag, className, attributes = {}, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** An SVG that shows one symbol of the page's sheet. */
export function drawing(symbol, className) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", className);
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#${symbol}`);
  svg.append(use);
  return svg;
}

const isShared = (square) => square >= LANE[0] && square <= LANE[1];

/** Column and row of a player's path square on the wide board. */
function place(player, square) {
  if (isShared(square)) return [square - LANE[0], 1];
  const row = player === 0 ? 2 : 0;
  if (square === HAND) return [4, row];
  if (square === OFF) return [5, row];
  return [square < LANE[0] ? 4 - square : 20 - square, row];
}

/** The path squares of a mask. */
function squaresOf(mask) {
  return Array.from({ length: LAST }, (_, index) => index + 1).filter((square) => (mask >> square) & 1);
}

/** The heap that gives the larger pieces in a box, and the size of its pieces. */
function heapIn(box) {
  const sized = HEAPS.map((heap) => ({ ...heap, size: Math.min(box.width / heap.width, box.height / heap.height) }));
  return sized.reduce((best, heap) => (heap.size > best.size ? heap : best));
}

/** The short name of a path square: "hand", "7", "off". */
export function squareName(square) {
  if (square === HAND) return "hand";
  return square === OFF ? "off" : String(square);
}

export class Board {
  #root;
  #cells = new Map(); // "player-square" -> cell; a shared square has both players' keys
  #boxes = new Map(); // cell -> its middle and size, measured once for each size of the board
  #pieces = []; // {player, square, spot, element}
  #moves = new Map(); // the cell of a movable piece or a target -> its move

  /** The board calls `onPick` with the move of a picked piece or target. */
  constructor(root, onPick) {
    this.#root = root;
    const plates = ["plate plate-start", "plate plate-bridge", "plate plate-end"];
    root.append(...plates.map((name) => make("div", name)));
    for (const player of [1, 0])
      for (let square = HAND; square <= OFF; square++)
        if (!isShared(square)) this.#addCell(player, square);
        else if (player === 1) this.#cells.set(`0-${square}`, this.#addCell(player, square));
    for (const player of [0, 1])
      for (let index = 0; index < PIECES; index++) {
        const element = drawing(`piece-${player}`, `piece side-${player}`);
        root.append(element);
        this.#pieces.push({ player, square: HAND, spot: index, element });
      }
    root.addEventListener("click", (event) => {
      const move = this.#moves.get(event.target.closest(".cell"));
      if (move) onPick(move);
    });
    root.addEventListener("keydown", (event) => this.#walk(event));
    for (const kind of ["pointerover", "focusin"]) root.addEventListener(kind, (event) => this.#aim(event.target));
    for (const kind of ["pointerleave", "focusout"]) root.addEventListener(kind, () => this.#aim(null));
    new ResizeObserver(() => {
      this.#boxes.clear();
      this.#pieces.forEach((piece) => this.#put(piece));
    }).observe(root);
  }

  #addCell(player, square) {
    const [column, row] = place(player, square);
    const pile = square === HAND || square === OFF;
    const label = squareName(square);
    const cell = make("button", `cell ${pile ? `pile ${label}` : "square"}`, { type: "button" });
    cell.dataset.side = isShared(square) ? "both" : player;
    cell.style.setProperty("--column", column);
    cell.style.setProperty("--row", row);
    if (!pile) cell.append(drawing(`tile-${TILES[square]}`, "tile"));
    const number = make("span", "number", { "aria-hidden": "true" }, label);
    cell.append(number, make("span", "badge", { "aria-hidden": "true" }));
    if (pile) {
      number.append(" ", make("b", "count"));
      number.after(make("span", "heap"));
    }
    this.#cells.set(`${player}-${square}`, cell);
    this.#root.append(cell);
    return cell;
  }

  #cell(player, square) {
    return this.#cells.get(`${player}-${square}`);
  }

  /** Shows a position, seen by player 0. With `animate` the pieces walk to their squares. */
  show({ own, opp, ownOff, oppOff }, animate) {
    const sides = [
      [own, ownOff],
      [opp, oppOff],
    ];
    sides.forEach(([mask, off], player) => {
      const wanted = [...squaresOf(mask), ...Array(off).fill(OFF)];
      while (wanted.length < PIECES) wanted.unshift(HAND);
      const pieces = this.#pieces
        .filter((piece) => piece.player === player)
        .sort((one, other) => one.spot - other.spot); // the last piece to arrive at a pile leaves it first
      const moving = pieces.filter((piece) => {
        const index = wanted.indexOf(piece.square);
        if (index >= 0) wanted.splice(index, 1);
        return index < 0;
      });
      for (const piece of moving) {
        const from = piece.square;
        piece.square = wanted.shift();
        const taken = pieces
          .filter((other) => other !== piece && other.square === piece.square)
          .map(({ spot }) => spot);
        piece.spot = HEAPS[0].down.findIndex((_, spot) => !taken.includes(spot));
        this.#put(piece, animate ? from : null);
      }
    });
    this.#describe();
  }

  /** The transform of a piece on a square, or on a spot of a pile. */
  #stop(player, square, spot = 0) {
    const pile = square === HAND || square === OFF;
    const box = this.#box(this.#cell(player, square));
    const drawn = this.#box(this.#cell(0, LAST)).width; // a piece is drawn as large as a square
    const { size, across, down } = pile ? heapIn(box) : { size: ON_SQUARE * box.width, across: [0], down: [0] };
    const x = box.x + size * across[spot] - drawn / 2;
    const y = box.y + size * down[spot] - drawn / 2;
    return `translate(${x}px, ${y}px) scale(${size / drawn})`;
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
    if (from === null || matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    const walked = square > from && square - from < PIECES ? square - from : 1;
    const between = Array.from({ length: walked - 1 }, (_, index) => this.#stop(player, from + index + 1));
    const frames = [start, ...between, end].map((transform) => ({ transform, zIndex: 5, easing: "ease-in-out" }));
    element.animate(frames, { duration: HOP * Math.max(2, walked) });
  }

  /** Sets the text of every square for a screen reader. */
  #describe() {
    const texts = new Map();
    for (const player of [1, 0])
      for (let square = HAND; square <= OFF; square++) {
        const count = this.#pieces.filter((piece) => piece.player === player && piece.square === square).length;
        const cell = this.#cell(player, square);
        const side = SIDES[player];
        let text = `${side}'s square ${square}`;
        if (square === HAND || square === OFF) cell.querySelector(".count").textContent = count || "";
        if (square === HAND) text = `${side}'s hand: ${count}`;
        else if (square === OFF) text = `${side}'s pieces off the board: ${count}`;
        else {
          if (isShared(square)) text = `Shared square ${square}`;
          if (TILES[square] === "rosette") text += ", rosette";
          if (count) text += `, ${side}'s piece`;
          else if (texts.has(cell)) text = texts.get(cell);
        }
        texts.set(cell, text);
      }
    for (const [cell, text] of texts) {
      cell.dataset.what = text;
      cell.setAttribute("aria-label", text);
    }
  }

  /**
   * Offers the moves of a player, or none. `moves` are the engine's options. Each has a `text` for a screen reader and,
   * if hints are on, `badge` and `best`.
   */
  offer(player, moves) {
    this.#moves.clear();
    for (const cell of this.#cells.values()) {
      cell.classList.remove("movable", "target", "aimed", "best");
      cell.tabIndex = -1;
      cell.setAttribute("aria-disabled", "true");
      cell.setAttribute("aria-label", cell.dataset.what);
      cell.querySelector(".badge").textContent = "";
    }
    moves.forEach((move, index) => {
      const [from, to] = [this.#cell(player, move.square), this.#cell(player, move.to)];
      this.#moves.set(from, move).set(to, move);
      from.classList.add("movable");
      to.classList.add("target");
      from.tabIndex = index === 0 ? 0 : -1;
      for (const cell of [from, to]) cell.setAttribute("aria-disabled", "false");
      from.setAttribute("aria-label", `${from.dataset.what}: move ${move.text}`);
      to.setAttribute("aria-label", `${to.dataset.what}: move here from ${squareName(move.square)}`);
      from.querySelector(".badge").textContent = move.badge ?? "";
      from.classList.toggle("best", move.best ?? false);
    });
  }

  /** Marks the two squares of the last move, or none if `move` is null. */
  markLast(player, move) {
    for (const cell of this.#cells.values()) cell.classList.remove("last-from", "last-to");
    if (!move) return;
    this.#cell(player, move.square).classList.add("last-from");
    this.#cell(player, move.to).classList.add("last-to");
  }

  get #sources() {
    return [...this.#root.querySelectorAll(".movable")].sort(
      (one, other) => this.#moves.get(one).square - this.#moves.get(other).square,
    );
  }

  /** Puts the focus on the first movable piece. */
  focus() {
    this.#sources[0]?.focus({ preventScroll: true });
  }

  /** Shows the target of the move whose piece or target is under the pointer or has the focus. */
  #aim(element) {
    const focused = this.#root.contains(document.activeElement) ? document.activeElement : null;
    const move = this.#moves.get(element?.closest?.(".cell")) ?? this.#moves.get(focused);
    this.aim(move);
  }

  /** Shows the target of a move, or of none. */
  aim(move) {
    for (const [cell, { next }] of this.#moves) cell.classList.toggle("aimed", next === move?.next);
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
    sources[at].tabIndex = -1;
    sources[to].tabIndex = 0;
    sources[to].focus();
  }
}
