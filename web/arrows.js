// The arrows of moves over the board: "best" is the loud one; "aimed" and "played" are quieter.
import { draw } from "./dom.js";

const SIZES = { best: 0.15, played: 0.08, aimed: 0.06 }; // the width of an arrow as a share of a square
const BOW = 0.16; // how far the middle of an arrow is beside its straight line, as a share of its length
const MARGIN = 0.3; // where an arrow begins, as a share of a square from the middle

export class ArrowLayer {
  element = draw("svg", { class: "arrows", "aria-hidden": "true" });

  /** Draws arrows between boxes {x, y, width} in the board's coordinates. */
  draw(arrows) {
    const size = Math.max(...arrows.map(({ from, to }) => Math.max(from.width, to.width)), 0);
    const last = [...arrows].sort((one, other) => SIZES[one.kind] - SIZES[other.kind]); // the loud one on top
    this.element.replaceChildren(...last.map(({ from, to, kind }) => arrow(from, to, kind, size)));
  }
}

/** One arrow as a filled outline: a bowed shaft and a head. */
function arrow(from, to, kind, square) {
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const length = Math.hypot(dx, dy);
  const [ux, uy] = [dx / length, dy / length];
  const half = (SIZES[kind] * square) / 2;
  const head = Math.min(2.4 * half + 0.1 * square, length / 2);
  const start = Math.min(MARGIN * square, length / 4);
  const bow = Math.min(BOW * length, 0.5 * square);
  // Along the line and beside it, in the board's coordinates.
  const at = (along, beside) =>
    `${(from.x + ux * along - uy * beside).toFixed(1)} ${(from.y + uy * along + ux * beside).toFixed(1)}`;
  const [end, neck, middle] = [length, length - head, (start + length - head) / 2];
  const path =
    `M${at(start, half)}Q${at(middle, bow + half)} ${at(neck, half)}L${at(neck, head * 0.75)}L${at(end, 0)}` +
    `L${at(neck, -head * 0.75)}L${at(neck, -half)}Q${at(middle, bow - half)} ${at(start, -half)}Z`;
  return draw("path", { class: `arrow ${kind}`, d: path });
}
