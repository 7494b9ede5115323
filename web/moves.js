// The list of legal moves, with their values where they may be shown.
import { make, percent } from "./dom.js";
import { moveNodes } from "./log.js";

/**
 * Fills the list. A move has `value` and `best` where hints are on, `played` in a review; `pick` and `aim` get a move,
 * `aim` also null. Without `pick` the moves can't be picked.
 */
export function showMoves(root, rules, moves, pick, aim) {
  const sorted = moves.toSorted((one, other) => (other.value ?? 0) - (one.value ?? 0));
  root.replaceChildren(...sorted.map((move) => make("li", "", {}, button(rules, move, pick, aim))));
}

function button(rules, move, pick, aim) {
  const element = make(pick ? "button" : "div", move.best ? "move best" : "move");
  element.append(
    make("span", "move-text", {}, ...moveNodes(rules, move), move.played ? make("b", "played", {}, " played") : ""),
  );
  if (move.value !== undefined) {
    element.append(make("span", "move-value", {}, `${move.best ? "★ " : ""}${percent(move.value)}`));
    const bar = make("span", "move-bar");
    bar.style.setProperty("--share", move.value);
    element.append(bar);
  }
  if (!pick) return element;
  element.type = "button";
  element.addEventListener("click", () => pick(move));
  for (const kind of ["pointerenter", "focus"]) element.addEventListener(kind, () => aim(move));
  for (const kind of ["pointerleave", "blur"]) element.addEventListener(kind, () => aim(null));
  return element;
}
